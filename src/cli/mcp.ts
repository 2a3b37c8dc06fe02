/** `trapline mcp`: answers agents over standard input and output. */
import { resolve } from 'node:path';
import { TraceStore } from '../trace/query/store';
import { problemsText } from '../verbs/problems-text';
import type { VerbHost } from '../verbs/thread/verb-client';
import type { Command } from './arguments';
import { ExitCode, type CliHost } from './host';
import { KeptRuns } from './kept-runs';
import { messageOf } from './run';

type McpCommand = Extract<Command, { name: 'mcp' }>;

/** Characters of what guests print that are kept: the last ones. */
const CONSOLE = 4_096;

/** Serves one client; resolves when it has gone. */
export async function serveAgents(command: McpCommand, host: CliHost): Promise<ExitCode> {
  const { allowsRun } = command;
  const folder = resolve(host.cwd, command.folder);
  const environment = { ...host.environment, compiler: command.compiler || host.environment.compiler };
  const kept = new KeptRuns(environment.cacheDir, folder, (file, store) => host.writeTrace(file, store));
  try {
    await host.serveMcp({
      folder,
      allowsRun,
      environment,
      version: host.version,
      host: agentHost(kept, { ...host, environment }),
      log: (line) => host.err(`${line}\n`),
    });
    return ExitCode.Held;
  } catch (error) {
    host.err(`error: ${messageOf(error)}\n`);
    return ExitCode.BadInput;
  }
}

/** What the command line does for verbs. */
export function agentHost(
  kept: KeptRuns,
  { environment, prepareRun, startRun }: Pick<CliHost, 'environment' | 'prepareRun' | 'startRun'>,
): VerbHost {
  return {
    runs: () => kept.list(),
    async run(file, signal) {
      const prepared = await prepareRun({ ...environment, file, signal });
      if (!prepared.ok) throw new Error(`It was not run. ${problemsText(prepared.problems)}`);
      let store: TraceStore | undefined;
      let console = '';
      const handle = startRun(prepared.job, environment, {
        started: (meta) => (store = new TraceStore(meta)),
        delta: (delta) => store?.append(delta),
        serial: (_vm, text) => (console = (console + text).slice(-CONSOLE)),
      });
      const cancel = (): void => handle.cancel();
      signal.addEventListener('abort', cancel);
      try {
        const { meta } = await handle.ended;
        signal.throwIfAborted();
        if (!store) throw new Error('The run has left no trace.');
        store.setMeta(meta);
        return { run: await kept.keep(file, store), console };
      } finally {
        signal.removeEventListener('abort', cancel);
      }
    },
  };
}
