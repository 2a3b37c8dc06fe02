/** Parts that the schemas of several verbs share, and what answers are made of. */
import { z } from 'zod';
import { formatPlace, placeOf } from '../trace/query/arguments';
import { eventRow } from '../trace/query/describe';
import type { TraceStore } from '../trace/query/store';
import type { Draft, DraftList } from './answer';
import type { OpenedTrace, VerbContext } from './context';
import { VerbError } from './verb';

/** Most entries that a list is asked for; how many fit is another question. */
const MOST_ENTRIES = 50;
const MOST_TEXT = 1_000;

export const traceField = z
  .string()
  .min(1)
  .max(4_096)
  .default('latest')
  .describe('The trace: "latest" (the newest run), the id of a run, or the path of a *.trapline.arrow file.');

export const rowField = z
  .int()
  .min(0)
  .max(2 ** 31)
  .describe('Number of the event in the trace, as other answers give it in "row".');

export const offsetField = z
  .int()
  .min(0)
  .max(2 ** 31)
  .default(0)
  .describe('How many entries to leave out, to ask on where an answer ended.');

export const limitField = z
  .int()
  .min(1)
  .max(MOST_ENTRIES)
  .default(MOST_ENTRIES)
  .describe('Most entries wanted. An answer holds at most 2 KB, whatever is asked for.');

/** Text that somebody writes, with a bound. */
export const textField = (says: string) => z.string().min(1).max(MOST_TEXT).describe(says);

/** A window of time; its ends in microseconds since the start of the trace. */
export const windowFields = {
  fromUs: z.number().min(0).max(1e15).optional().describe('Only from this time on, in µs since the start.'),
  toUs: z.number().min(0).max(1e15).optional().describe('Only before this time, in µs since the start.'),
};

/** What is told of every trace. */
export const traceOut = {
  trace: z.string().describe('Name of the trace.'),
  hash: z.string().describe('Hash of the trace: the same run has the same one. Empty: it has none.'),
  open: z
    .string()
    .optional()
    .describe('Opens an event in VS Code: put the number of the event in place of {row}.'),
};

export const moreOut = {
  more: z.array(z.string()).optional().describe('What did not fit, and how to ask on.'),
};

/** An event in short. */
export const eventOut = z.object({
  row: z.int(),
  us: z.number().describe('Time in µs since the start of the trace.'),
  forUs: z.number().optional().describe('Duration in µs, of events that take time.'),
  event: z.string(),
  track: z.string(),
  text: z.string().optional(),
  place: z.string().optional(),
});

/** An event as `eventOut` has it. */
export function eventOf(store: TraceStore, row: number): z.input<typeof eventOut> {
  const { start, duration, name, text, track } = eventRow(store, row);
  const place = formatPlace(placeOf(store, store.get(row)));
  return {
    row,
    us: microseconds(store, start),
    ...(duration > 0 && { forUs: microseconds(store, duration) }),
    event: name,
    track: ownerOf(store, store.trackOf(row)) + track,
    ...(text !== '' && { text }),
    ...(place !== '' && { place }),
  };
}

/** `vm1 `, where a trace has more than one VM. */
function ownerOf(store: TraceStore, track: number): string {
  const { vm = -1, group = '' } = store.meta.tracks[track] ?? {};
  return vm >= 0 && store.meta.facts.vms.length > 1 ? `${group} ` : '';
}

/** Cycles as microseconds, to the nanosecond. */
export function microseconds({ frequencyHz }: Pick<TraceStore, 'frequencyHz'>, cycles: number): number {
  return rounded((cycles / frequencyHz) * 1e6);
}

/** To three places, which is enough for a reader. */
export function rounded(value: number): number {
  return Math.round(value * 1e3) / 1e3;
}

/** The window that is asked for, in cycles. */
export function windowOf(
  store: TraceStore,
  { fromUs, toUs }: { fromUs?: number | undefined; toUs?: number | undefined },
): { from: number; to: number } {
  const cycles = (us: number): number => (us / 1e6) * store.frequencyHz;
  const from = fromUs === undefined ? 0 : cycles(fromUs);
  const to = toUs === undefined ? store.endTime + 1 : cycles(toUs);
  if (to <= from) throw new VerbError('The window is empty: "toUs" must be later than "fromUs".');
  return { from, to };
}

/** @throws VerbError when the trace has no such row */
export function requireRow({ name, store }: OpenedTrace, row: number): void {
  if (row < store.rows) return;
  throw new VerbError(`${name} has no event ${row}: its events are 0 to ${store.rows - 1}.`);
}

/** An answer about a trace. */
export function aboutTrace(
  context: VerbContext,
  trace: OpenedTrace,
  body: Readonly<Record<string, unknown>>,
  lists: Readonly<Record<string, DraftList>> = {},
): Draft {
  const { name, store } = trace;
  return {
    body: { trace: name, hash: store.meta.traceHash ?? '', ...body },
    lists,
    open: context.link(trace),
  };
}

/** A page of a list that is known as a whole. */
export function pageOf<T>(
  all: readonly T[],
  { offset, limit }: { offset: number; limit: number },
  shown: (item: T) => unknown = (item) => item,
): DraftList {
  return {
    items: all.slice(offset, offset + limit).map(shown),
    offset: Math.min(offset, all.length),
    total: all.length,
    rest: (next) => `offset ${next}`,
  };
}
