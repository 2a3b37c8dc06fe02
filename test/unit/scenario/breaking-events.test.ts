/** The event that broke an expectation: of random rows as a look at each of them one by one finds it, and of a real run. */
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { parse } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import { BreakingEvents, breakingText, judge } from '../../../src/scenario/breaking-events';
import { evaluateExpectations } from '../../../src/scenario/expectations';
import type { Expectation } from '../../../src/scenario/schema';
import { emptyChunk } from '../../../src/trace/block';
import type { TraceChunk, TraceMeta } from '../../../src/trace/model';
import { emptyMeta } from '../../../src/trace/query/store';
import { summarise, type BreakingEvent } from '../../../src/trace/query/summary';
import { exitKind, Kind } from '../../../src/trace/vocabulary/events';
import { VmxExit } from '../../../src/trace/vocabulary/vmx-exit-reasons';
import { jobOf, runJob, sample } from '../../support/runs';

const SCENARIO = sample('b7-e1000-emulated');

/** Two VMs with a lane each. */
const TRACKS: TraceMeta['tracks'] = [0, 1].map((vm) => ({
  id: vm,
  type: 'vcpu',
  name: 'vCPU 0',
  group: `vm${vm}`,
  vm,
}));

interface Row {
  readonly track: number;
  readonly kind: number;
}

const HLT = exitKind(VmxExit.HLT);
const KINDS = [Kind.PacketRx, Kind.IrqPost, Kind.AvicPost, HLT, Kind.Handler];

/** What a figure is the number of. */
const FIGURES: Record<string, (row: Row) => boolean> = {
  'packets.rx': ({ kind }) => kind === Kind.PacketRx,
  'interrupts.posted': ({ kind }) => kind === Kind.IrqPost || kind === Kind.AvicPost,
  'exits.HLT': ({ kind }) => kind === HLT,
  'vms.vm1.exits.HLT': ({ kind, track }) => kind === HLT && track === 1,
};

/** A trace of these rows, the nth of which begins at cycle 10 n, cut into chunks of a few rows. */
function traceOf(rows: readonly Row[], cut: number): { meta: TraceMeta; chunks: TraceChunk[] } {
  const counts = new Map<string, [number, number, number]>();
  for (const { track, kind } of rows) {
    const key = `${track} ${kind}`;
    const before = counts.get(key)?.[2] ?? 0;
    counts.set(key, [track, kind, before + 1]);
  }
  const chunks: TraceChunk[] = [];
  for (let from = 0; from < rows.length; from += cut) {
    const part = rows.slice(from, from + cut);
    const chunk = emptyChunk(from, part.length);
    chunk.start.set(part.map((_, i) => 10 * (from + i)));
    chunk.track.set(part.map(({ track }) => track));
    chunk.kind.set(part.map(({ kind }) => kind));
    chunks.push(chunk);
  }
  const vms = ['vm0', 'vm1'].map((name) => ({ name, guestInstructions: 0, exitCode: 3 }));
  const facts = { cycles: 10 * rows.length, vms };
  return { meta: { ...emptyMeta('t', 1e9), tracks: TRACKS, facts, counts: [...counts.values()] }, chunks };
}

function eventOf(
  rows: readonly Row[],
  expect: Record<string, Expectation>,
  cut = 7,
): BreakingEvent | undefined {
  const { meta, chunks } = traceOf(rows, cut);
  const events = new BreakingEvents(expect, () => meta);
  for (const chunk of chunks) events.take(chunk);
  return events.explain(evaluateExpectations(expect, summarise(meta, rows.length)))[0]?.event;
}

describe('the event that breaks an expectation', () => {
  const rows = fc.array(fc.record({ track: fc.constantFrom(0, 1), kind: fc.constantFrom(...KINDS) }), {
    maxLength: 60,
  });

  it('is the first beyond the bound, or the last of too few', () => {
    fc.assert(
      fc.property(
        rows,
        fc.constantFrom(...Object.keys(FIGURES)),
        fc.nat(12),
        fc.integer({ min: 1, max: 20 }),
        (all, figure, wanted, cut) => {
          const matching = all.flatMap((row, index) => (FIGURES[figure](row) ? [index] : []));
          const event = eventOf(all, { [figure]: wanted }, cut);
          const ofVm = all.flatMap(({ track }, index) =>
            figure.startsWith('vms.') && track !== 1 ? [] : [index],
          );
          // Where a VM has no event at all, it is the end of the run.
          const end = ofVm.at(-1) ?? all.length - 1;
          if (matching.length === wanted || all.length === 0) expect(event).toBeUndefined();
          else if (matching.length > wanted)
            expect(event).toMatchObject({
              what: 'excess',
              row: matching[wanted],
              cycles: 10 * matching[wanted],
            });
          else if (matching.length > 0) expect(event).toMatchObject({ what: 'last', row: matching.at(-1) });
          else expect(event).toMatchObject({ what: 'none', row: end });
        },
      ),
    );
  });

  const some: Row[] = [Kind.PacketRx, HLT, HLT, HLT, Kind.Handler].map((kind) => ({ track: 0, kind }));

  it('keeps to the tighter of two bounds', () => {
    expect(eventOf(some, { 'exits.HLT': { atLeast: 0, atMost: 1 } })).toMatchObject({
      what: 'excess',
      row: 2,
    });
    expect(eventOf(some, { 'exits.HLT': { atLeast: 5, atMost: 9 } })).toMatchObject({ what: 'last', row: 3 });
  });

  it('is the first behind the time by which the run was to end', () => {
    expect(eventOf(some, { cycles: { atMost: 25 } })).toMatchObject({ what: 'late', row: 3 });
    expect(eventOf(some, { simulatedSeconds: { atMost: 15e-9 } })).toMatchObject({ what: 'late', row: 2 });
  });

  it('is the last of a VM whose exit code is another one; a hash is of no event', () => {
    expect(eventOf(some, { 'vms.vm0.exitCode': 0 })).toMatchObject({ what: 'end', row: 4 });
    expect(eventOf(some, { traceHash: '0123456789abcdef' })).toBeUndefined();
  });

  it('is the last one where some were counted and not recorded', () => {
    const { meta, chunks } = traceOf(some, 5);
    const expected = { 'exits.HLT': 1 };
    const events = new BreakingEvents(expected, () => meta);
    for (const chunk of chunks) events.take(chunk);
    const counts = meta.counts.map(([track, kind, n]): [number, number, number] => [track, kind, 2 * n]);
    const results = evaluateExpectations(expected, summarise({ ...meta, counts }, some.length));
    expect(events.explain(results)[0].event).toMatchObject({ what: 'last', row: 3 });
  });
});

describe('a run that has not kept what was expected', () => {
  it('leads to the frame that was one too many, and to its line', async () => {
    const text = JSON.stringify({
      ...(parse(readFileSync(SCENARIO, 'utf8')) as object),
      expect: { 'packets.tx': { atMost: 2 }, 'exits.TRIPLE_FAULT': { atLeast: 1 } },
    });
    const { store, end } = runJob(await jobOf(SCENARIO, text));
    const [sent, crashed] = judge(store, end.summary);
    const frames = Array.from({ length: store.rows }, (_, row) => row).filter(
      (row) => store.kindOf(row) === Kind.PacketTx,
    );
    expect(sent.event).toMatchObject({ what: 'excess', row: frames[2], cycles: store.startOf(frames[2]) });
    expect(sent.event && breakingText(sent.event, store.meta)).toContain('was one too many');
    expect(crashed.event).toMatchObject({ what: 'none', row: store.rows - 1 });
  });
});
