/** The whole way of an exit, recorded: a guest that reads a device register in a tight loop under KVM and QEMU. */
import { join } from 'node:path';
import { prepareRun } from '../../src/run/prepare';
import { startRun } from '../../src/run/start';
import type { RunEnvironment } from '../../src/run/api';
import { TraceStore, emptyMeta } from '../../src/trace/query/store';

/** What a run of exits came to. */
export interface ExitFigures {
  exits: number;
  wallSeconds: number;
  exitsPerSecond: number;
  events: number;
}

/** Runs `mmio-read-loop.c` with that many reads in a worker thread, the trace kept in this one. */
export async function measureExits(
  root: string,
  environment: RunEnvironment,
  reads: number,
): Promise<ExitFigures> {
  const file = join(root, 'media/workspace/scenarios/mmio-read-loop.trapline.json');
  const scenario = {
    title: 'Bench: device register reads',
    vms: [
      {
        guest: { sources: ['../drivers/mmio-read-loop.c'], defines: { READS: reads, TL_NO_ACCESS_LOG: 1 } },
        devices: [{ model: 'e1000', backend: 'qemu' }],
      },
    ],
    stop: { afterMs: 60_000 },
    trace: { maxEvents: 100_000_000 },
  };
  const prepared = await prepareRun({ ...environment, file, text: JSON.stringify(scenario) });
  if (!prepared.ok) throw new Error(prepared.problems.map((problem) => problem.message).join('\n'));
  const store = new TraceStore(emptyMeta('bench', 1));
  const run = startRun(prepared.job, environment, {
    started: (meta) => store.setMeta(meta),
    delta: (delta) => store.append(delta),
    serial: () => undefined,
  });
  const { summary } = await run.ended;
  const exits = Object.values(summary.exits).reduce((sum, count) => sum + count, 0);
  const wallSeconds = summary.wallSeconds ?? NaN;
  if (store.rows !== summary.events)
    throw new Error(`${summary.events} events recorded, ${store.rows} arrived`);
  return {
    exits,
    wallSeconds,
    exitsPerSecond: exits / wallSeconds,
    events: summary.events,
  };
}
