/** The packets of a run as a capture. A trace does not hold them: the same run is made again, and its packets are kept. */
import { open, rename, rm } from 'node:fs/promises';
import type { TraceMeta } from '../trace/model';
import type { PrepareRun, RunEnvironment, StartRun } from './api';
import { PacketFile, withFrames } from './packet-file';

/** What runs are made with. */
export interface ExportTools {
  prepare: PrepareRun;
  start: StartRun;
  environment: RunEnvironment;
  /** What is said to have written the capture: `Trapline 0.2.0`. */
  application: string;
}

/** How an export came out. */
export type ExportResult =
  /** `same`: the run was the one that the trace is of. */
  { ok: true; same: boolean } | { ok: false; reason: string };

/**
 * Runs the scenario of a trace again, as it was then, and writes what passed its links.
 *
 * @param scenarioFile where the scenario is, for the files that it names
 * @param target absolute path; it is there when the capture is whole, and not otherwise
 * @throws what `signal` was aborted with, or an Error that says why a run or its file failed
 */
export async function exportPackets(
  tools: ExportTools,
  { scenarioText, traceHash }: Pick<TraceMeta, 'scenarioText' | 'traceHash'>,
  scenarioFile: string,
  target: string,
  signal: AbortSignal,
): Promise<ExportResult> {
  const prepared = await tools.prepare({
    ...tools.environment,
    file: scenarioFile,
    text: scenarioText,
    signal,
  });
  signal.throwIfAborted();
  if (!prepared.ok) return { ok: false, reason: prepared.problems[0]?.message ?? '' };
  const unfinished = `${target}.${process.pid}.tmp`;
  const handle = await open(unfinished, 'w');
  try {
    const packets = new PacketFile(prepared.job, tools.application, async (bytes) => {
      await handle.writeFile(bytes);
    });
    const run = tools.start(withFrames(prepared.job), tools.environment, {
      started: (meta) => packets.started(meta),
      delta: () => undefined,
      serial: () => undefined,
      frames: (batch) => packets.frames(batch),
    });
    signal.addEventListener('abort', () => run.cancel(), { once: true });
    if (signal.aborted) run.cancel();
    const { meta } = await run.ended;
    await packets.finished();
    await handle.close();
    signal.throwIfAborted();
    await rename(unfinished, target);
    return { ok: true, same: meta.traceHash === traceHash };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(unfinished, { force: true });
    throw error;
  }
}
