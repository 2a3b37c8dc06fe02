/** Whether a run came out as its scenario says. */
import type { TraceMeta } from '../model';
import type { Summary } from './summary';

/** Figures that count how a guest's processor gave up: who expects one expects the crash. */
const CRASHES: ReadonlySet<string> = new Set(['exits.TRIPLE_FAULT', 'exits.SHUTDOWN']);

/** How a run came out, in a word. `missed`: it ended, but not as expected. */
export type Verdict = 'passed' | 'missed' | 'failed' | 'stopped';

/** VMs whose guests ended with a code other than 0 that no expectation speaks of. */
export function uncoveredExits(summary: Summary): Summary['vms'] {
  const covered = new Set(summary.expectations.map(({ figure }) => figure));
  return summary.vms.filter(
    ({ name, exitCode }) => exitCode !== undefined && exitCode !== 0 && !covered.has(`vms.${name}.exitCode`),
  );
}

/** Whether a scenario whose guest crashed says that it should. */
export function crashIsExpected({ expectations }: Summary): boolean {
  return expectations.some(({ figure, actual, held }) => held && actual !== 0 && CRASHES.has(figure));
}

/** The verdict on a run that has ended. A crash that was expected is none against it. */
export function verdictOf({ state }: Pick<TraceMeta, 'state'>, summary: Summary): Verdict {
  if (state === 'cancelled') return 'stopped';
  if (state === 'failed' || (state === 'crashed' && !crashIsExpected(summary))) return 'failed';
  const missed =
    summary.expectations.some(({ held }) => !held) ||
    uncoveredExits(summary).length > 0 ||
    summary.unfinished !== undefined;
  return missed ? 'missed' : 'passed';
}
