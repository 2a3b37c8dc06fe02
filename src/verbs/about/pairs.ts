/** Two runs side by side. */
import { z } from 'zod';
import { compareRuns } from '../../trace/query/compare';
import { comparisonTable } from '../../trace/query/comparison-text';
import { differenceOf } from '../../trace/query/difference';
import { partingOf } from '../../trace/query/parting';
import { baseName } from '../../trace/vocabulary/format';
import type { Pair } from '../../protocol/difference';
import type { OpenedTrace } from '../context';
import {
  eventOf,
  eventOut,
  limitField,
  microseconds,
  moreOut,
  offsetField,
  pageOf,
  traceField,
} from '../fields';
import { defineVerb } from '../verb';

const pairFields = {
  first: traceField.describe('The trace that the other is compared with; as "trace" of other verbs.'),
  second: traceField.describe('The other trace.'),
};

const runOut = z.object({ trace: z.string(), hash: z.string(), title: z.string() });
const runsOut = z.array(runOut).describe('The first and the second run.');

const openOut = z
  .array(z.string())
  .optional()
  .describe('Open an event of the first and of the second run in VS Code: its number in place of {row}.');

/** What is told of both. */
function runsOf(traces: readonly OpenedTrace[]): z.input<typeof runOut>[] {
  return traces.map(({ name, store: { meta } }) => ({
    trace: name,
    hash: meta.traceHash ?? '',
    title: meta.title,
  }));
}

/** Of the first and of the second run. */
const pairOf = <T extends z.ZodType>(value: T) => z.array(value).length(2);
const pair = pairOf(z.number());

export const compareTraces = defineVerb({
  name: 'compare_traces',
  title: 'Compare two runs',
  says: 'Compares two runs, the greatest difference first: by figure (totals and per packet, with ratios), by exit reason, by line of the driver, by stage of I/O operations, or operation by operation (the nth of one with the nth of the other). Pairs are [first, second].',
  input: z.strictObject({
    ...pairFields,
    by: z
      .enum(['figure', 'reason', 'line', 'stage', 'operation'])
      .default('figure')
      .describe('What is compared.'),
    offset: offsetField,
    limit: limitField,
  }),
  output: z.object({
    runs: runsOut,
    open: openOut,
    by: z.string(),
    differences: z.array(
      z.object({
        of: z.string(),
        values: pairOf(z.string()).optional(),
        exits: pair.optional(),
        us: pair.optional(),
        rows: pair.optional().describe('Last events of the two operations.'),
      }),
    ),
    ...moreOut,
  }),
  async perform({ first, second, by, ...page }, context) {
    const traces = [await context.open(first), await context.open(second)] as const;
    const differences = pageOf(DIFFERENCES[by](traces), page);
    return {
      body: { runs: runsOf(traces), by },
      lists: { differences },
      open: traces.map((trace) => context.link(trace)),
    };
  },
});

type Traces = readonly [OpenedTrace, OpenedTrace];
type By = 'figure' | 'reason' | 'line' | 'stage' | 'operation';

const DIFFERENCES: Record<By, (traces: Traces) => object[]> = {
  figure: (traces) =>
    comparisonTable(compareRuns(traces.map(({ name, store }) => ({ name, store })))).body.map(
      ([of = '', x = '', y = '']) => ({ of: of.trim(), values: [x, y] }),
    ),
  reason: (traces) =>
    differenceOf(traces[0].store, traces[1].store).reasons.map(({ reason, exits, cycles }) => ({
      of: reason,
      exits,
      us: inMicroseconds(traces, cycles),
    })),
  line: (traces) =>
    differenceOf(traces[0].store, traces[1].store).lines.map(({ file, line, exits, cycles }) => ({
      of: `${baseName(file)}:${line}`,
      exits,
      us: inMicroseconds(traces, cycles),
    })),
  stage: (traces) =>
    differenceOf(traces[0].store, traces[1].store).operations.flatMap(({ sort, stages }) =>
      stages.map(({ what, name, cycles }) => ({
        of: `${sort}: ${what === 'until' ? `until ${name}` : name}`,
        us: inMicroseconds(traces, cycles),
      })),
    ),
  operation: (traces) =>
    differenceOf(traces[0].store, traces[1].store).operations.flatMap(({ sort, widest }) =>
      widest.map(({ index, rows, cycles }) => ({
        of: `${sort} ${index}`,
        rows,
        us: inMicroseconds(traces, cycles),
      })),
    ),
};

function inMicroseconds([first, second]: Traces, [x, y]: Pair): [number, number] {
  return [microseconds(first.store, x), microseconds(second.store, y)];
}

export const firstDivergence = defineVerb({
  name: 'first_divergence',
  title: 'Where two runs part',
  says: 'The first place where two runs are no longer the same: VM exits are compared by reason and line, accesses to device registers by register and value, whatever time each has. Use it to find what a change of a driver, a cost or a setting did first.',
  input: z.strictObject(pairFields),
  output: z.object({
    runs: runsOut,
    open: openOut,
    parts: z.boolean().describe('False: nothing differs but times.'),
    track: z.string().optional().describe('The vCPU or device whose events part.'),
    same: z.int().optional().describe('How many events of the track were the same before.'),
    what: pairOf(z.string()).optional(),
    firstEvent: eventOut.optional(),
    secondEvent: eventOut.optional(),
    ...moreOut,
  }),
  async perform({ first, second }, context) {
    const traces = [await context.open(first), await context.open(second)] as const;
    const parting = partingOf(traces[0].store, traces[1].store);
    const event = (side: 0 | 1): object | undefined => {
      const row = parting?.rows[side] ?? -1;
      return row < 0 ? undefined : eventOf(traces[side].store, row);
    };
    return {
      body: {
        runs: runsOf(traces),
        parts: parting !== undefined,
        ...(parting && {
          track: parting.track,
          same: parting.same,
          what: parting.what,
          firstEvent: event(0),
          secondEvent: event(1),
        }),
      },
      open: traces.map((trace) => context.link(trace)),
    };
  },
});
