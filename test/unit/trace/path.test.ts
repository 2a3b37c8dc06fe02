/** Paths of operations: their legs add up, begin at the driver's access and end with the handler. */
import { beforeAll, describe, expect, it } from 'vitest';
import { operations } from '../../../src/trace/query/operations';
import { causesWithin, criticalPath, endOfOperation, pathTo } from '../../../src/trace/query/path';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';
import { Recorder } from '../../../src/trace/record/recorder';
import { Kind, isExit } from '../../../src/trace/vocabulary/events';
import { jobOf, runJob, sample } from '../../support/runs';
import { EXIT, FREQUENCY, recordTransmit, tracks } from './sample';

function storeOf(fill: (recorder: Recorder) => void): TraceStore {
  const recorder = new Recorder({ records: () => true, maxEvents: 1e6 });
  fill(recorder);
  recorder.finish(1e6);
  const store = new TraceStore(emptyMeta('paths', FREQUENCY));
  store.append(recorder.takeDelta());
  store.setMeta({ ...store.meta, ...recorder.tables() });
  return store;
}

const rowsOf = (store: TraceStore, kind: number): number[] =>
  Array.from({ length: store.rows }, (_, row) => row).filter((row) => store.kindOf(row) === kind);

describe('the path of one transmit', () => {
  const store = storeOf((recorder) => recordTransmit(recorder, tracks(recorder)));
  const only = (kind: number): number => {
    const rows = rowsOf(store, kind);
    expect(rows).toHaveLength(1);
    return rows[0] ?? -1;
  };
  const exit =
    Array.from({ length: store.rows }, (_, row) => row).find((row) => isExit(store.kindOf(row))) ?? -1;

  it('begins with the exit and ends with the handler, wherever on it one asks', () => {
    const handler = only(Kind.Handler);
    for (const kind of [
      Kind.MmioWrite,
      Kind.DmaRead,
      Kind.PacketTx,
      Kind.IrqRaise,
      Kind.IrqInject,
      Kind.Handler,
    ])
      expect(endOfOperation(store, only(kind)), String(kind)).toBe(handler);
    const path = criticalPath(store, exit);
    expect(path.rows.at(0)).toBe(exit);
    expect(path.rows.at(-1)).toBe(handler);
    expect(path.from).toBe(EXIT.start);
    expect(path.to).toBe(store.startOf(handler) + store.durationOf(handler));
  });

  it('has a leg for every moment, and tells working from waiting', () => {
    const path = criticalPath(store, exit);
    const names = path.legs.map(({ what, row }) => [what, store.kindOf(row)]);
    // The register is written and the DMA begins while the exit goes on; the packet leaves 100 cycles after the DMA has ended.
    expect(names).toEqual([
      ['in', store.kindOf(exit)],
      ['until', Kind.DmaRead],
      ['in', Kind.DmaRead],
      ['until', Kind.PacketTx],
      ['until', Kind.IrqRaise],
      ['until', Kind.IrqInject],
      ['until', Kind.Handler],
      ['in', Kind.Handler],
    ]);
    const toWrite = EXIT.kvm + EXIT.out + 100;
    expect(path.legs.slice(0, 4).map(({ cycles }) => cycles)).toEqual([toWrite, 100, 300, 100]);
  });
});

it('does not go through another handler: what a handler does is an operation of its own', () => {
  const store = storeOf((recorder) => {
    const t = tracks(recorder);
    const handler = recorder.span(1000, 500, t.irq, Kind.Handler, 0x2b, 0);
    recorder.cause = handler;
    const write = recorder.instant(1100, t.nic, Kind.MmioWrite, 0x3818, 1);
    recorder.cause = write;
    recorder.span(2000, 10, t.irq, Kind.Handler, 0x2c, 0);
  });
  const [first = -1, second = -1] = rowsOf(store, Kind.Handler);
  const [write = -1] = rowsOf(store, Kind.MmioWrite);
  expect(causesWithin(store, second)).toEqual([write, second]);
  expect(causesWithin(store, first)).toEqual([first]);
});

describe.each(['b7-e1000-emulated', 'c1-virtio-blk', 'c6-vhost', 'e6-posted-iommu'])(
  'operations of %s',
  (name) => {
    let store: TraceStore;
    beforeAll(async () => {
      ({ store } = runJob(await jobOf(sample(name))));
    });

    it('each has legs without a gap or overlap from its first event to its end', () => {
      const handlers = rowsOf(store, Kind.Handler);
      expect(handlers.length).toBeGreaterThan(0);
      for (const row of handlers) {
        const { legs, from, to } = pathTo(store, row);
        let at = from;
        for (const leg of legs) {
          expect(leg.from).toBe(at);
          at += leg.cycles;
        }
        expect(at).toBe(to);
      }
    });

    it('are counted once each, their stages add up, and the slowest is the slowest', () => {
      const { count, shapes, others } = operations(store, 0, store.endTime + 1);
      const totals = shapes.map(({ total }) => total.count);
      if (others === 0) expect(totals.reduce((x, y) => x + y, 0)).toBe(count);
      expect(totals).toEqual([...totals].sort((x, y) => y - x));
      const led = rowsOf(store, Kind.Handler).filter((row) => causesWithin(store, row).length > 1);
      expect(count).toBeGreaterThanOrEqual(led.length);
      for (const { total, stages, slowest } of shapes) {
        for (const stage of stages) expect(stage.count).toBe(total.count);
        expect(stages.reduce((sum, stage) => sum + stage.total, 0)).toBe(total.total);
        expect(slowest[0]?.cycles).toBe(total.max);
        for (const { row, cycles } of slowest) {
          const { from, to } = pathTo(store, row);
          expect(to - from).toBe(cycles);
        }
      }
    });

    it('of a window are those that end in it', () => {
      const middle = Math.floor(store.endTime / 2);
      const parts = [operations(store, 0, middle), operations(store, middle, store.endTime + 1)];
      const whole = operations(store, 0, store.endTime + 1);
      expect(parts.reduce((sum, part) => sum + part.count, 0)).toBe(whole.count);
    });
  },
);
