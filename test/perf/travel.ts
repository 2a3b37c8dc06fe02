/** How fast a run under control gets from one moment to another, what its checkpoints hold, and what it costs to be able to. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunEnvironment } from '../../src/run/api';
import { ControlledRun } from '../../src/run/control/controlled-run';
import { prepareRun } from '../../src/run/prepare';
import { RunSession } from '../../src/run/session';
import type { RunJob } from '../../src/protocol/run';
import type { Figures } from './side-by-side';

const INSTRUCTIONS = 1_000_000_000;
const REVERSE = 100_000_000;
const MOMENTS = 100;

/** The sample that computes without an end, for as long as it takes. */
async function spinning(root: string, environment: RunEnvironment): Promise<RunJob> {
  const file = join(root, 'media/workspace/scenarios/spin.trapline.json');
  const text = (await readFile(file, 'utf8')).replace(/"afterMs": \d+/, '"afterMs": 60000');
  const prepared = await prepareRun({ ...environment, file, text });
  if (!prepared.ok) throw new Error(prepared.problems.map(({ message }) => message).join('\n'));
  return prepared.job;
}

/** Wall seconds. */
function timed(what: () => void): number {
  const before = performance.now();
  what();
  return (performance.now() - before) / 1000;
}

function percentile(seconds: readonly number[], part: number): number {
  const sorted = [...seconds].sort((x, y) => x - y);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

/** Park and Miller's generator: the same moments in every bench. */
function momentsOf(count: number): number[] {
  let state = 20261122;
  return Array.from({ length: count }, () => {
    state = (state * 48271) % 0x7fffffff;
    return Math.floor((state / 0x7fffffff) * INSTRUCTIONS);
  });
}

function freeRun(job: RunJob): number {
  const session = new RunSession(job, undefined, true);
  return timed(() => {
    while (session.instructions < INSTRUCTIONS && session.step());
  });
}

export async function measureTravel(
  root: string,
  environment: RunEnvironment,
  turns: number,
  say: (line: string) => void,
): Promise<Figures> {
  const job = await spinning(root, environment);
  const ratios: number[] = [];
  let run: ControlledRun | undefined;
  for (let turn = 0; turn < turns; turn++) {
    const free = freeRun(job);
    const controlled = new ControlledRun(job, { receiverHashes: true });
    const seconds = timed(() => controlled.forward({ kind: 'instructions', instructions: INSTRUCTIONS }));
    ratios.push(seconds / free);
    say(`travel: ${free.toFixed(2)} s free, ${seconds.toFixed(2)} s under control`);
    run = controlled;
  }
  if (!run) throw new Error('no turns');
  const there = run;
  const held = there.held;
  const places = momentsOf(MOMENTS);
  const go = (): number[] =>
    places.map((instructions) => timed(() => there.seek({ kind: 'instructions', instructions })));
  const first = go();
  const again = go();
  say(`travel: ${held.checkpoints} checkpoints at first, ${there.held.checkpoints} at last`);
  there.seek({ kind: 'instructions', instructions: 0 });
  // An instruction that the guest executes once, at its beginning.
  const { rip } = there.registers(0);
  there.seek({ kind: 'instructions', instructions: REVERSE });
  there.setPoints([{ id: 1, kind: 'code', vm: 0, address: rip }]);
  const reverse = timed(() => there.backward());
  return {
    'travel.slowdown': ratios.sort((x, y) => x - y)[turns >> 1] ?? NaN,
    'travel.first.p50': percentile(first, 0.5),
    'travel.first.p95': percentile(first, 0.95),
    'travel.first.longest': Math.max(...first),
    'travel.again.p50': percentile(again, 0.5),
    'travel.again.p95': percentile(again, 0.95),
    'travel.heldMiB': there.held.bytes / 2 ** 20,
    'travel.reverse': reverse,
  };
}
