import { describe, expect, it } from 'vitest';
import { Kind } from '../../../src/trace/vocabulary/events';
import { Recorder } from '../../../src/trace/record/recorder';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';
import { queryViewport } from '../../../src/trace/query/viewport';
import type { Lane } from '../../../src/protocol/viewport';

const LANE: Lane = {
  id: 'x',
  label: 'x',
  track: 'x',
  part: 'x',
  group: 'host',
  trackIds: [0],
  groups: ['dma'],
  kind: 'spans',
  empty: false,
};

/** A recorder and a store that follows it. */
function pair(): { recorder: Recorder; store: TraceStore; hand: () => void } {
  const recorder = new Recorder();
  recorder.addTrack({ type: 'dma', name: 'd', group: 'host', vm: -1 });
  const store = new TraceStore(emptyMeta('t', 1e9));
  return { recorder, store, hand: () => store.append(recorder.takeDelta()) };
}

describe('TraceStore', () => {
  it('orders events that were recorded far out of order, also after it was asked in between', () => {
    const { recorder, store, hand } = pair();
    // A permutation of 0 … 4999 that jumps all over: multiplication by a number without a common factor.
    const starts = Array.from({ length: 5000 }, (_, i) => (i * 1873) % 5000);
    starts.forEach((start, i) => {
      recorder.span(start, 3, 0, Kind.DmaRead, i, 0);
      if (i % 1700 === 1699) {
        hand();
        store.stream(0, 'dma');
      }
    });
    hand();
    const stream = store.stream(0, 'dma');
    const ordered = [...(stream?.slice(0, stream.length) ?? [])].map((row) => store.startOf(row));
    expect(ordered).toEqual(Array.from({ length: 5000 }, (_, i) => i));
    const [bins] = queryViewport(store, { from: 0, to: 5000, width: 50, lanes: [LANE] }).lanes;
    expect(bins?.type === 'bins' && [...bins.count]).toEqual(Array.from({ length: 50 }, () => 100));
  });

  it('shows an open span up to the end of the trace, and its true end once it is closed', () => {
    const { recorder, store, hand } = pair();
    const long = recorder.open(10, 0, Kind.DmaRead, 0, 0);
    for (let i = 0; i < 20_000; i++) recorder.instant(20 + i, 0, Kind.DmaWrite, 0, 0);
    hand();
    expect(store.get(0)).toMatchObject({ open: true, duration: 20_019 - 10 });
    const cover = (): number[] => {
      const [bins] = queryViewport(store, { from: 0, to: 40_000, width: 4, lanes: [LANE] }).lanes;
      if (bins?.type !== 'bins') throw new Error('expected bins');
      return [...bins.cover].map((value) => Math.round(value * 1e4) / 1e4);
    };
    expect(cover()).toEqual([0.999, 1, 0.0019, 0]);
    recorder.close(long, 25_000);
    hand();
    expect(store.get(0)).toMatchObject({ open: false, duration: 24_990 });
    expect(store.endTime).toBe(25_000);
    expect(cover()).toEqual([0.999, 1, 0.5, 0]);
  });

  it('refuses a gap and a row that is not there', () => {
    const { recorder, store } = pair();
    recorder.instant(1, 0, Kind.DmaRead, 0, 0);
    recorder.takeDelta();
    recorder.instant(2, 0, Kind.DmaRead, 0, 0);
    expect(() => store.append(recorder.takeDelta())).toThrow(/expected row 0, got 1/);
    expect(() => store.get(0)).toThrow(/no row 0/);
    expect(() => queryViewport(store, { from: 5, to: 5, width: 1, lanes: [] })).toThrow(
      /its end must be after its start/,
    );
  });
});
