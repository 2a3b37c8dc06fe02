/** `trapline gdbserver` for tests, on a free port of this computer. */
import { serveGdb, type GdbSessionEnd } from '../../src/debug/gdb/server';
import type { RunJob } from '../../src/protocol/run';
import { environment } from './runs';

/** A server that GDB may connect to. */
export interface TestServer {
  readonly port: number;
  /** What it has logged so far. */
  readonly log: readonly string[];
  /** Rejects when it fails. */
  readonly ended: Promise<GdbSessionEnd>;
  /** Ends it, unless GDB has. */
  stop(): Promise<void>;
}

/** @param vm whose vCPUs are threads */
export async function startServer(job: RunJob, vm = 0): Promise<TestServer> {
  const abort = new AbortController();
  const log: string[] = [];
  let ended: Promise<GdbSessionEnd> | undefined;
  const port = await new Promise<number>((listening, failed) => {
    ended = serveGdb({
      job,
      distDir: environment.distDir,
      vm,
      port: 0,
      listening,
      serial: () => undefined,
      log: (line) => log.push(line),
      signal: abort.signal,
    });
    ended.catch(failed);
  });
  if (!ended) throw new Error('the server has not begun');
  const end = ended;
  return {
    port,
    log,
    ended: end,
    stop: async () => {
      abort.abort();
      await end;
    },
  };
}
