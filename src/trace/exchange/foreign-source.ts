/** Where a trace of another tool comes from, and which of its lines are no events: part of the trace's tables. */
import { formatCount } from '../vocabulary/format';

/** What the times of a text trace count. */
export type ForeignClock = 'microseconds' | 'nanoseconds' | 'cycles';

/** Lines that were not understood, for one reason. */
export interface UnknownLines {
  reason: string;
  count: number;
  /** Number of the first of them, from 1. */
  line: number;
  /** The beginning of it. */
  example: string;
}

/** Of a trace that was imported. */
export interface ForeignSource {
  /** Name of the file, without folder. */
  file: string;
  /** Whose lines they are. */
  form: 'ftrace' | 'perf' | 'bare';
  clock: ForeignClock;
  /** How the frequency is known: it is the clock's own, was given, was estimated from waits of known length, or is a mere assumption. */
  frequency: 'clock' | 'given' | 'estimated' | 'assumed';
  /** Time of the first event as the file has it: cycle 0 of the trace. */
  epoch: string;
  /** All lines: events, headers, notes of lost events, and those that were not understood. */
  lines: number;
  /** Lines that became events, or a part of one. */
  events: number;
  /** Headers, comments and empty lines. */
  headers: number;
  /** Notes of the tracer that it has lost events. */
  lostNotes: number;
  /** Not understood, the most frequent reason first. */
  unknown: UnknownLines[];
  /** Numbers of more than 53 bits, of which the low 32 are shown. */
  clipped: number;
}

const forms: Record<ForeignSource['form'], string> = {
  ftrace: 'trace-cmd or ftrace text',
  perf: 'perf script text',
  bare: 'text of tracepoints',
};

/** Reasons that are told in one sentence. */
const MOST_REASONS = 3;

/** Lines that were not understood. */
export function unknownCount(source: ForeignSource): number {
  return source.unknown.reduce((sum, { count: n }) => sum + n, 0);
}

function frequencySentence({ frequency }: ForeignSource, hz: number): string {
  const ghz = Number((hz / 1e9).toPrecision(4));
  if (frequency === 'estimated')
    return ` Its clock counts cycles, at about ${ghz} GHz as its waits of known length say.`;
  if (frequency === 'assumed')
    return ' Its clock counts cycles, and nothing says how fast: times are shown as at 1 GHz.';
  return '';
}

/** Whether there is more to say than that all went well. */
export function needsSaying(source: ForeignSource): boolean {
  const known = source.frequency === 'clock' || source.frequency === 'given';
  return unknownCount(source) > 0 || !known || source.clipped > 0;
}

/** What a reader is to know about an imported trace, in a few sentences. */
export function foreignSentence(source: ForeignSource, frequencyHz: number): string {
  const unknown = unknownCount(source);
  const reasons = source.unknown
    .slice(0, MOST_REASONS)
    .map(({ reason, count: n, line }) => `${reason} (${formatCount(n)}, first in line ${formatCount(line)})`);
  const more = source.unknown.length - reasons.length;
  if (more > 0) reasons.push(`${formatCount(more)} more reasons`);
  const told =
    unknown === 0
      ? 'every line was understood'
      : `${formatCount(unknown)} were not understood: ${reasons.join('; ')}`;
  const clipped =
    source.clipped > 0
      ? ` ${formatCount(source.clipped)} values of more than 53 bits are shown by their low 32.`
      : '';
  return `Imported from ${source.file}, ${forms[source.form]}. Of ${formatCount(source.lines)} lines ${formatCount(source.events)} tell of events; ${told}.${frequencySentence(source, frequencyHz)}${clipped}`;
}
