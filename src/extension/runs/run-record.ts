/** What is kept of a finished run beside its trace, and how that reads. Knows no editor. */
import type { RunEnd } from '../../protocol/run';
import type { RunState } from '../../trace/model';
import { verdictOf, type Verdict } from '../../trace/query/verdict';

/** Figures of a run's end. */
export interface RunFigures {
  state: RunState;
  verdict: Verdict;
  /** Simulated time. */
  cycles: number;
  frequencyHz: number;
  /** Seconds on the wall; absent where the run's thread was ended. */
  wallSeconds?: number;
  /** VM exits. */
  exits: number;
  expectations: number;
  /** Of these, how many did not hold. */
  missed: number;
}

/** What is kept beside a trace. */
export interface ArchivedRun {
  id: string;
  /** File name of the trace. */
  fileName: string;
  /** URI of the scenario that was run. */
  scenario: string;
  title: string;
  /** When the run ended, ISO 8601. */
  ended: string;
  /** Absent for runs that an older version has kept. */
  figures?: RunFigures;
}

/** Figures of a run that came to its end. */
export function figuresOf({ meta, summary }: RunEnd): RunFigures {
  return {
    state: meta.state,
    verdict: verdictOf(meta, summary),
    cycles: summary.cycles,
    frequencyHz: meta.frequencyHz,
    ...(summary.wallSeconds !== undefined && { wallSeconds: summary.wallSeconds }),
    exits: Object.values(summary.exits).reduce((sum, count) => sum + count, 0),
    expectations: summary.expectations.length,
    missed: summary.expectations.filter(({ held }) => !held).length,
  };
}

const STRINGS = ['id', 'fileName', 'scenario', 'title', 'ended'] as const;
const NUMBERS = ['cycles', 'frequencyHz', 'exits', 'expectations', 'missed'] as const;
const STATES: Record<RunState, true> = {
  running: true,
  finished: true,
  cancelled: true,
  crashed: true,
  failed: true,
  truncated: true,
};
const VERDICTS: Record<Verdict, true> = { passed: true, missed: true, failed: true, stopped: true };

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isKey(table: object, value: unknown): boolean {
  return typeof value === 'string' && Object.hasOwn(table, value);
}

function isFigures(value: unknown): value is RunFigures {
  return (
    isRecord(value) &&
    isKey(STATES, value.state) &&
    isKey(VERDICTS, value.verdict) &&
    NUMBERS.every((name) => Number.isFinite(value[name])) &&
    (value.wallSeconds === undefined || Number.isFinite(value.wallSeconds))
  );
}

/** Takes what stands in a file; undefined where that is no record. Figures that cannot be understood are left out. */
export function archivedRun(value: unknown): ArchivedRun | undefined {
  if (!isRecord(value)) return undefined;
  const { id, fileName, scenario, title, ended, figures } = value;
  if (!STRINGS.every((name) => typeof value[name] === 'string')) return undefined;
  // A file's name must not lead out of its folder.
  if (/[\\/]/.test(String(fileName)) || Number.isNaN(Date.parse(String(ended)))) return undefined;
  return {
    id: String(id),
    fileName: String(fileName),
    scenario: String(scenario),
    title: String(title),
    ended: String(ended),
    ...(isFigures(figures) && { figures }),
  };
}
