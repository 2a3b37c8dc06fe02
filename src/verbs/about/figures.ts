/** What a trace amounts to: its figures, where exits come from and go to, and where the time of its I/O goes. */
import { z } from 'zod';
import { judge } from '../../scenario/breaking-events';
import { operations } from '../../trace/query/operations';
import { quoted } from '../../trace/query/query';
import { perLine, statistics } from '../../trace/query/statistics';
import type { TraceStore } from '../../trace/query/store';
import { summarise } from '../../trace/query/summary';
import { gapSentence } from '../../trace/vocabulary/gaps';
import { baseName } from '../../trace/vocabulary/format';
import {
  aboutTrace,
  limitField,
  microseconds,
  moreOut,
  offsetField,
  pageOf,
  rounded,
  traceField,
  traceOut,
  windowFields,
  windowOf,
} from '../fields';
import { defineVerb } from '../verb';
import { exitsByDevice } from './device-exits';
import { unmetOf, unmetOut } from './unmet';

export const summarizeTrace = defineVerb({
  name: 'summarize_trace',
  title: 'Summary of a trace',
  says: "The figures of a whole trace: how the run ended, VM exits in all and those most frequent, interrupts, IOMMU, packets, VMs with their exit codes, expectations that did not hold, and whether events are missing. Ask this first about a trace you don't know.",
  input: z.strictObject({ trace: traceField }),
  output: z.object({
    ...traceOut,
    title: z.string(),
    state: z.string(),
    message: z.string().optional(),
    events: z.int(),
    us: z.number().describe('Simulated time in µs.'),
    exits: z.int(),
    userExits: z.int().describe('Exits that went on to user space.'),
    interrupts: z.object({ raised: z.int(), injected: z.int(), posted: z.int(), handled: z.int() }),
    iommu: z.unknown().optional(),
    packets: z.object({ tx: z.int(), rx: z.int(), dropped: z.int() }),
    reasons: z.array(z.object({ reason: z.string(), count: z.int() })),
    vms: z.array(z.object({ name: z.string(), exits: z.int(), exitCode: z.int().optional() })),
    unmet: z.array(unmetOut),
    missing: z.array(z.string()).describe('Where events are missing from the trace.'),
    ...moreOut,
  }),
  async perform({ trace: name }, context) {
    const trace = await context.open(name);
    const { store } = trace;
    const { meta, rows } = store;
    const summary = summarise(meta, rows);
    const { interrupts, iommu, packets, vms, userExits } = summary;
    const whole = { offset: 0, limit: 100 };
    const reasons = Object.entries(summary.exits)
      .map(([reason, count]) => ({ reason, count }))
      .sort((x, y) => y.count - x.count);
    const unmet = unmetOf(judge(store, summary));
    const other = (verb: string) => (): string => verb;
    return aboutTrace(
      context,
      trace,
      {
        title: meta.title,
        state: meta.state,
        message: meta.message,
        events: rows,
        us: microseconds(store, summary.cycles),
        exits: sumOf(summary.exits),
        userExits,
        interrupts,
        ...(iommu.translations > 0 && { iommu }),
        packets,
      },
      {
        reasons: { ...pageOf(reasons, whole), rest: other('count_exits') },
        vms: {
          ...pageOf(vms, whole, (vm) => ({ name: vm.name, exits: sumOf(vm.exits), exitCode: vm.exitCode })),
          rest: other('count_exits, or find_events with vm:'),
        },
        unmet: { ...pageOf(unmet, whole), rest: other('find_events') },
        missing: {
          ...pageOf(meta.gaps, whole, (gap) => gapSentence(gap, meta.frequencyHz)),
          rest: other('find_events'),
        },
      },
    );
  },
});

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

const exitFigures = z.object({
  exits: z.int(),
  totalUs: z.number(),
  meanUs: z.number(),
  p50Us: z.number().optional(),
  p99Us: z.number().optional(),
  reason: z.string().optional(),
  place: z.string().optional(),
  device: z.string().optional(),
  query: z
    .string()
    .optional()
    .describe('For find_events: finds these exits; by device, the accesses to its registers.'),
});

type ExitFigures = z.input<typeof exitFigures>;

export const countExits = defineVerb({
  name: 'count_exits',
  title: 'VM exits by reason, line or device',
  says: 'Counts VM exits with their time, the dearest first: by reason (as perf kvm stat does), by line of the guest driver, or by the device whose register was accessed. Each row has the query that finds its exits.',
  input: z.strictObject({
    trace: traceField,
    by: z.enum(['reason', 'line', 'device']).describe('What exits are grouped by.'),
    ...windowFields,
    offset: offsetField,
    limit: limitField,
  }),
  output: z.object({
    ...traceOut,
    by: z.string(),
    exits: z.int().describe('Of all groups together.'),
    groups: z.array(exitFigures),
    ...moreOut,
  }),
  async perform({ trace: name, by, fromUs, toUs, ...page }, context) {
    const trace = await context.open(name);
    const { store } = trace;
    const { from, to } = windowOf(store, { fromUs, toUs });
    const groups = GROUPINGS[by](store, from, to);
    const exits = groups.reduce((sum, group) => sum + group.exits, 0);
    return aboutTrace(context, trace, { by, exits }, { groups: pageOf(groups, page) });
  },
});

type Grouping = (store: TraceStore, from: number, to: number) => ExitFigures[];

const GROUPINGS: Record<'reason' | 'line' | 'device', Grouping> = {
  reason: (store, from, to) =>
    statistics(store, from, to).exits.map(({ reason, query, count, total, p50, p99 }) => ({
      reason,
      ...costOf(store, count, total),
      p50Us: microseconds(store, p50),
      p99Us: microseconds(store, p99),
      query,
    })),
  line: (store, from, to) =>
    perLine(store, from, to).map(({ file, line, exits, cycles, query }) => ({
      place: `${baseName(file)}:${line}`,
      ...costOf(store, exits, cycles),
      query,
    })),
  device: (store, from, to) =>
    exitsByDevice(store, from, to).map(({ device, exits, cycles, track }) => ({
      device,
      ...costOf(store, exits, cycles),
      ...(track !== undefined && { query: `group:register track:${quoted(track)}` }),
    })),
};

function costOf(
  store: TraceStore,
  exits: number,
  cycles: number,
): Pick<ExitFigures, 'exits' | 'totalUs' | 'meanUs'> {
  const totalUs = microseconds(store, cycles);
  return { exits, totalUs, meanUs: exits === 0 ? 0 : rounded(totalUs / exits) };
}

export const ioOperations = defineVerb({
  name: 'io_operations',
  title: 'Where the time of I/O goes',
  says: 'All I/O operations by the way that they took, from the driver\'s access to the end of the handler that learns of it: how many, percentiles of their time, the stages of the way with theirs, and the slowest ones. Give "way" for the stages of one; critical_path tells of a single operation.',
  input: z.strictObject({
    trace: traceField,
    way: z.int().min(0).max(19).default(0).describe('Whose stages are told, by its place in "ways".'),
    ...windowFields,
  }),
  output: z.object({
    ...traceOut,
    operations: z.int(),
    ways: z.array(
      z.object({
        way: z.int(),
        from: z.string(),
        to: z.string(),
        count: z.int(),
        p50Us: z.number(),
        p99Us: z.number(),
        maxUs: z.number(),
      }),
    ),
    stages: z.array(
      z.object({
        stage: z.string().describe('An event that goes on, or that is waited for ("until").'),
        p50Us: z.number(),
        p99Us: z.number(),
        share: z.number().describe('Part of the time of all operations of this way, 0 to 1.'),
      }),
    ),
    slowest: z.array(z.object({ row: z.int().describe('Last event.'), us: z.number() })),
    ...moreOut,
  }),
  async perform({ trace: name, way, fromUs, toUs }, context) {
    const trace = await context.open(name);
    const { store } = trace;
    const { from, to } = windowOf(store, { fromUs, toUs });
    const { count, shapes } = operations(store, from, to);
    const us = (cycles: number): number => microseconds(store, cycles);
    const chosen = shapes[way];
    const whole = { offset: 0, limit: 50 };
    const narrower = (): string => 'a narrower window (fromUs, toUs)';
    return aboutTrace(
      context,
      trace,
      { operations: count },
      {
        ways: {
          ...pageOf(
            shapes.map((shape, index) => ({ shape, index })),
            whole,
            ({ shape, index }) => ({
              way: index,
              from: shape.begin,
              to: shape.end,
              count: shape.total.count,
              p50Us: us(shape.total.p50),
              p99Us: us(shape.total.p99),
              maxUs: us(shape.total.max),
            }),
          ),
          rest: narrower,
        },
        stages: {
          ...pageOf(chosen?.stages ?? [], whole, ({ what, name: stage, p50, p99, total }) => ({
            stage: what === 'until' ? `until ${stage}` : stage,
            p50Us: us(p50),
            p99Us: us(p99),
            share: chosen && chosen.total.total > 0 ? rounded(total / chosen.total.total) : 0,
          })),
          rest: () => 'critical_path of one of the slowest',
        },
        slowest: {
          ...pageOf(chosen?.slowest ?? [], whole, ({ row, cycles }) => ({ row, us: us(cycles) })),
          rest: narrower,
        },
      },
    );
  },
});
