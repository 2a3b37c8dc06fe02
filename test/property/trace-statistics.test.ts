/** Figures of a stretch of a trace, each beside the events that its query finds there. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { BLOCK_ROWS } from '../../src/trace/block';
import { TraceImporter } from '../../src/trace/exchange/import/importer';
import { operationEnds, operations } from '../../src/trace/query/operations';
import { pathTo } from '../../src/trace/query/path';
import { searchFor } from '../../src/trace/query/search';
import { statistics } from '../../src/trace/query/statistics';
import { TraceStore } from '../../src/trace/query/store';
import { distributionOf } from '../../src/trace/query/sample';
import { Kind } from '../../src/trace/vocabulary/events';
import { syntheticBlocks, syntheticMeta } from '../perf/explorer/synthetic';
import { jobOf, runJob, sample } from '../support/runs';

/** Rows that begin in [from, to) and match. */
function found(store: TraceStore, query: string, from: number, to: number): number[] {
  const search = searchFor(store, query);
  search.advance();
  const { rows } = search;
  const [first, last] = [rows.before(from), rows.before(to)];
  return Array.from({ length: last - first }, (_, i) => rows.at(first + i));
}

const cyclesOf = (store: TraceStore, rows: readonly number[]): number =>
  rows.reduce((sum, row) => sum + store.durationOf(row), 0);

/** Every figure that counts events is the number of those that its query finds. */
function checkFigures(store: TraceStore, from: number, to: number): void {
  const figures = statistics(store, from, to);
  const rowsOf = (query: string): number[] => found(store, query, from, to);
  for (const { query, count, total, min, max } of figures.exits) {
    const rows = rowsOf(query);
    expect([rows.length, cyclesOf(store, rows)], query).toEqual([count, total]);
    const durations = rows.map((row) => store.durationOf(row));
    expect([Math.min(...durations), Math.max(...durations)], query).toEqual([min, max]);
  }
  expect(figures.exits.reduce((sum, { count }) => sum + count, 0)).toBe(rowsOf('group:exit').length);
  for (const { query, count } of figures.interrupts) expect(rowsOf(query).length, query).toBe(count);
  for (const { vector, steps } of figures.vectors) {
    for (const { query, count } of steps) expect(rowsOf(query).length, query).toBe(count);
    expect(steps.reduce((sum, { count }) => sum + count, 0)).toBe(
      rowsOf(`group:interrupt vector:${vector}`).length,
    );
  }
  for (const { query, count } of figures.deliveries) expect(rowsOf(query).length, query).toBe(count);
  if (rowsOf('kind:irq.deliver').length > 0)
    expect(figures.deliveries.reduce((sum, { count }) => sum + count, 0)).toBe(
      rowsOf('kind:irq.deliver').length,
    );
  for (const { query, hits, walks, references, cycles } of figures.translations) {
    const rows = rowsOf(query);
    const walked = rows.filter((row) => store.kindOf(row) === Kind.IommuWalk);
    expect([rows.length, walked.length], query).toEqual([hits + walks, walks]);
    expect(walked.reduce((sum, row) => sum + store.aOf(row), 0)).toBe(references);
    expect(cyclesOf(store, walked)).toBe(cycles);
  }
  expect(figures.translations.reduce((sum, { walks }) => sum + walks, 0)).toBe(figures.walks?.count ?? 0);
  for (const { query, count } of figures.faults) expect(rowsOf(query).length, query).toBe(count);
  // The query by name finds the reading of fault records, too.
  const refused = rowsOf('kind:iommu.fault').filter((row) => store.kindOf(row) === Kind.IommuFault);
  expect(figures.faults.reduce((sum, { count }) => sum + count, 0)).toBe(refused.length);
  for (const { query, reads, writes } of figures.registers)
    expect(rowsOf(query).length, query).toBeGreaterThanOrEqual(reads + writes);
  const { packets, io } = figures;
  expect(packets.tx).toBe(rowsOf('kind:packet.tx').length);
  expect(packets.rx).toBe(rowsOf('kind:packet.rx').length);
  expect(io.submitted).toBe(rowsOf('kind:io.submit').length);
  expect(io.completed).toBe(rowsOf('kind:io.complete').length);
}

/** Each operation on its own, by the path to its end. */
function checkOperations(store: TraceStore, from: number, to: number): void {
  const { shapes, count, others, complete } = operations(store, from, to);
  expect(complete).toBe(true);
  const ends = operationEnds(store, from, to);
  expect(count).toBe(ends.length);
  const byWay = new Map<string, number[]>();
  for (const row of ends) {
    const path = pathTo(store, row);
    const way = [path.rows[0] ?? 0, ...path.legs.map(({ row: of }) => of)].map((of) => store.kindOf(of));
    const key = `${way.join(' ')} ${path.legs.map(({ what }) => what).join(' ')}`;
    byWay.set(key, [...(byWay.get(key) ?? []), path.to - path.from]);
  }
  expect(shapes.length + others).toBe(byWay.size);
  const expected = [...byWay.values()].map((cycles) => distributionOf(Float64Array.from(cycles).sort()));
  for (const { total } of shapes) expect(expected).toContainEqual(total);
}

const share = fc.double({ min: 0, max: 1, noNaN: true });

function checkWindows(store: TraceStore, numRuns: number): void {
  const end = store.endTime + 1;
  checkFigures(store, 0, end);
  checkOperations(store, 0, end);
  fc.assert(
    fc.property(share, share, (x, y) => {
      const [from, to] = [Math.floor(Math.min(x, y) * end), Math.floor(Math.max(x, y) * end)];
      checkFigures(store, from, to);
      checkOperations(store, from, to);
    }),
    { numRuns, endOnFailure: true },
  );
}

describe.each([
  'b7-e1000-emulated',
  'c1-virtio-blk',
  'd4-iotlb',
  'd6-faults',
  'e3-eli',
  'e6-posted-iommu',
  'e7-avic',
])('figures of %s', (name) => {
  let store: TraceStore;
  beforeAll(async () => {
    ({ store } = runJob(await jobOf(sample(name))));
  });
  it('are those of the events that their queries find', () => checkWindows(store, 4));
});

it('figures of an imported trace are those of the events that their queries find', () => {
  const line = (time: string, event: string): string => ` CPU 0/KVM-1201  [003] 70.${time}: ${event}`;
  const lines = Array.from({ length: 40 }, (_, i) => {
    const at = (micros: number): string => String(100 * i + micros).padStart(6, '0');
    return [
      line(at(1), 'kvm_exit: reason EXTERNAL_INTERRUPT rip 0xffffffff81000000 info 0 0'),
      line(at(3), 'kvm_inj_virq: IRQ 0xec'),
      line(at(5), 'kvm_entry: vcpu 0'),
      line(at(20 + (i % 7)), 'kvm_exit: reason EPT_MISCONFIG rip 0xffffffff81000010 info 0 0'),
      line(at(40), 'kvm_entry: vcpu 0'),
    ];
  }).flat();
  const importer = new TraceImporter({ file: 'report.txt' });
  importer.push(new TextEncoder().encode(`${lines.join('\n')}\n`));
  const store = importer.finish();
  checkWindows(store, 4);
  const { exits, deliveries, modes } = statistics(store, 0, store.endTime + 1);
  expect(exits.map(({ reason, count }) => [reason, count])).toEqual([
    ['EPT_MISCONFIG', 40],
    ['EXTERNAL_INTERRUPT', 40],
  ]);
  expect(deliveries).toEqual([{ way: 'injected', count: 40, query: 'kind:irq.inject' }]);
  expect(modes.find(({ mode }) => mode === 'guest-kernel')?.cycles).toBeGreaterThan(0);
});

it('figures of a large trace are those of the events that their queries find', () => {
  const rows = 150_000;
  const store = new TraceStore(syntheticMeta(rows));
  for (const block of syntheticBlocks(rows)) store.appendChunk(block);
  checkWindows(store, 2);
});

it('operations that are measured piece by piece come to the same, and say how far they are', () => {
  const rows = 100_000;
  const store = new TraceStore(syntheticMeta(rows));
  for (const block of syntheticBlocks(rows)) store.appendChunk(block);
  const shares: number[] = [];
  let answer = operations(store, 0, store.endTime, () => false);
  for (; !answer.complete; answer = operations(store, 0, store.endTime, () => false)) {
    expect(answer.shapes).toEqual([]);
    shares.push(answer.share);
  }
  expect(shares.length).toBeGreaterThan(5);
  expect(shares).toEqual([...shares].sort((x, y) => x - y));
  const again = new TraceStore(syntheticMeta(rows));
  for (const block of syntheticBlocks(rows)) again.appendChunk(block);
  expect(answer).toEqual(operations(again, 0, again.endTime));
});

it('a measurement comes to its end while the trace grows, and the next one has what is new', () => {
  const [first, second] = syntheticBlocks(2 * BLOCK_ROWS);
  const store = new TraceStore(syntheticMeta(2 * BLOCK_ROWS));
  store.appendChunk(first);
  const ask = () => operations(store, 0, Infinity, () => false);
  let answer = ask();
  while (answer.count === 0) answer = ask();
  const { count } = answer;
  expect(answer.complete).toBe(false);
  store.appendChunk(second);
  while (!answer.complete) answer = ask();
  expect(answer.count).toBe(count);
  const now = operations(store, 0, Infinity);
  expect(now.count).toBe(operationEnds(store, 0, Infinity).length);
  expect(now.count).toBeGreaterThan(count);
});
