import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Lane, LaneEvents } from '../../../src/protocol/viewport';
import { columns } from '../../../webview/host/columns';
import { Kind } from '../../../src/trace/vocabulary/events';
import { Latest } from '../../../webview/host/latest';
import { binAt, binned, depthsOf, eventAt, nextInstant } from '../../../webview/lanes/geometry';
import { layoutOf, rowAt, rowOfEvent } from '../../../webview/lanes/layout';
import { densityHeight, fullCount, stackOf } from '../../../webview/lanes/density';

function eventsOf(spans: readonly (readonly [start: number, duration: number])[]): LaneEvents {
  return {
    type: 'events',
    row: Float64Array.from(spans, (_, i) => i + 100),
    start: Float64Array.from(spans, ([start]) => start),
    duration: Float64Array.from(spans, ([, duration]) => duration),
    kind: new Uint16Array(spans.length).fill(1),
    a: new Float64Array(spans.length),
  };
}

describe('events of a lane', () => {
  const nested = eventsOf([
    [0, 100],
    [10, 50],
    [20, 10],
    [40, 5],
    [120, 10],
  ]);

  it('know how deep they lie', () => {
    expect([...depthsOf(nested)]).toEqual([0, 1, 2, 2, 0]);
  });

  it('know which instants are one', () => {
    const events = eventsOf([10, 10, 10, 20, 20].map((start) => [start, 0] as const));
    events.kind.set([Kind.IrqPost, Kind.IrqNotify, Kind.CpuThread, Kind.IrqPost, Kind.IrqNotify]);
    expect([0, 1, 2, 3].map((index) => nextInstant(events, index))).toEqual([2, 2, 3, 5]);
  });

  it('are hit innermost first, and missed where there is nothing', () => {
    expect(eventAt(nested, 25, 0.1)).toBe(2);
    expect(eventAt(nested, 35, 0.1)).toBe(1);
    expect(eventAt(nested, 90, 0.1)).toBe(0);
    expect(eventAt(nested, 110, 0.1)).toBe(-1);
  });

  it('an instant near the pointer goes before the span behind it', () => {
    expect(
      eventAt(
        eventsOf([
          [0, 100],
          [50, 0],
        ]),
        51,
        2,
      ),
    ).toBe(1);
  });

  it('as bins lose no event and no time', () => {
    const span = fc.tuple(fc.integer({ min: 0, max: 999 }), fc.integer({ min: 0, max: 50 }));
    fc.assert(
      fc.property(fc.array(span, { maxLength: 60 }), (spans) => {
        // One after the other, so that covers add up to the time they take inside the window.
        let at = 0;
        const apart = spans.map(([gap, duration]) => {
          const start = at + (gap % 20);
          at = start + duration;
          return [start, duration] as const;
        });
        const bins = binned(eventsOf(apart), 0, 4096, 64);
        const inside = apart.filter(([start]) => start < 4096);
        const time = inside.reduce((sum, [start, duration]) => sum + Math.min(duration, 4096 - start), 0);
        expect(bins.count.reduce((a, b) => a + b, 0)).toBe(apart.length);
        expect(bins.cover.reduce((a, b) => a + b, 0) * 64).toBeCloseTo(time, 1);
      }),
    );
  });

  it('as bins of modes share every pixel out in full', () => {
    // One of each mode, in the order of the modes.
    const kinds = [
      Kind.GuestKernel,
      Kind.GuestUser,
      Kind.KvmHandle,
      Kind.UserExit,
      Kind.QemuHandle,
      Kind.Halted,
      Kind.SchedReady,
    ];
    const lengths = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(lengths, (durations) => {
        let at = 0;
        const spans = durations.map((duration) => [(at += duration) - duration, duration] as const);
        const events = eventsOf(spans);
        events.kind.forEach((_, i) => (events.kind[i] = kinds[i % kinds.length] ?? 0));
        const bins = binned(events, 0, at, 16, 'mode');
        for (let x = 0; x < 16; x++) {
          const [left, right] = [(x * at) / 16, ((x + 1) * at) / 16];
          kinds.forEach((_, mode) => {
            const inside = spans.reduce(
              (sum, [start, length], i) =>
                i % kinds.length === mode
                  ? sum + Math.max(0, Math.min(right, start + length) - Math.max(left, start))
                  : sum,
              0,
            );
            expect(bins.shares?.[x * kinds.length + mode]).toBeCloseTo(inside / (right - left), 4);
          });
          const stack = stackOf(bins.shares ?? [], x, 1, 20);
          expect(stack.reduce((sum, { from, to }) => sum + to - from, 0)).toBe(20);
          expect(stack[0]?.from).toBe(0);
        }
      }),
    );
  });

  it('as bins open on a fault, but keep the colour of what the pixel is full of', () => {
    const events = eventsOf([
      [0, 0],
      [1, 0],
      [2, 0],
    ]);
    events.kind.set([Kind.IommuHit, Kind.IommuFault, Kind.IommuHit]);
    const bins = binned(events, 0, 100, 2);
    expect([...bins.fault]).toEqual([1, 0]);
    expect(bins.kind[0]).toBe(Kind.IommuHit);
    expect(bins.row[0]).toBe(101);
  });

  it('a pointer beside a filled pixel finds it', () => {
    const bins = binned(eventsOf([[320, 0]]), 0, 640, 64);
    expect(binAt(bins, 32.4, 0)).toBe(32);
    expect(binAt(bins, 34, 2)).toBe(32);
    expect(binAt(bins, 36, 2)).toBe(-1);
  });
});

describe('layout', () => {
  const lane = (group: string, track: string, part: string, trackId: number): Lane => ({
    id: `${group}/${track}/${part}`,
    label: `${track} ${part}`,
    track,
    part,
    group,
    trackIds: [trackId],
    groups: part === 'mode' ? ['mode', 'leg'] : ['exit'],
    kind: part === 'mode' ? 'mode' : 'spans',
    empty: false,
  });
  const lanes = [
    lane('vm0', 'vCPU 0', 'mode', 0),
    lane('vm0', 'vCPU 0', 'exits', 0),
    lane('host', 'thread', 'mode', 1),
  ];

  it('stacks lanes without gap or overlap and names a track once', () => {
    const { rows, height } = layoutOf(lanes, new Set());
    let y = 0;
    for (const row of rows) {
      expect(row.top).toBe(y);
      y += row.height;
      expect(rowAt(layoutOf(lanes, new Set()), row.top + 1)?.top).toBe(row.top);
    }
    expect(y).toBe(height);
    expect(rows.filter((row) => row.type === 'lane' && row.firstOfTrack)).toHaveLength(2);
  });

  it('leads to the heading where the lane is folded away', () => {
    const folded = layoutOf(lanes, new Set(['vm0']));
    expect(folded.lanes).toHaveLength(1);
    expect(rowOfEvent(folded, lanes, 0, 'exit')).toMatchObject({ type: 'heading', group: 'vm0' });
    expect(rowOfEvent(folded, lanes, 9, 'exit')).toBeUndefined();
  });
});

describe('density', () => {
  it('grows evenly with the count, up to all of the height', () => {
    const counts = [0, 1, 3, 15, 200, 900];
    const full = fullCount(counts);
    expect(full).toBe(1000);
    for (const count of counts) expect(densityHeight(count, full) * full).toBeCloseTo(count, 6);
    expect(fullCount([])).toBe(1);
    expect([1, 1.5, 2, 3, 5, 7, 10, 11].map((most) => fullCount([0, most]))).toEqual([
      1, 2, 2, 5, 5, 10, 10, 20,
    ]);
  });
});

describe('columns off the wire', () => {
  const bins = {
    type: 'bins',
    count: [1, 2],
    kind: { 0: 3, 1: 4 },
    cover: new Float32Array([0.5, 1]).buffer,
    row: new Float64Array([7, -1]),
    fault: new Uint8Array([0, 1]),
    shares: { 0: 0.25, 1: 0.5 },
  };

  it('come as typed arrays, however they travelled', () => {
    const [lane] = columns({ from: 0, to: 2, width: 2, lanes: [bins] }).lanes;
    expect(lane).toEqual({
      type: 'bins',
      count: Uint32Array.of(1, 2),
      kind: Uint16Array.of(3, 4),
      cover: Float32Array.of(0.5, 1),
      row: Float64Array.of(7, -1),
      fault: Uint8Array.of(0, 1),
      shares: Float32Array.of(0.25, 0.5),
    });
  });

  it('are refused when they are something else', () => {
    fc.assert(
      fc.property(fc.anything(), (junk) => {
        expect(() => columns({ from: 0, to: 1, width: 1, lanes: [junk] })).toThrow(TypeError);
      }),
    );
    expect(() => columns(null)).toThrow(TypeError);
  });
});

it('asks one question at a time and skips those that are overtaken', async () => {
  const asked: number[] = [];
  const got: number[] = [];
  const latest = new Latest<number, number>(
    async (question) => {
      asked.push(question);
      await Promise.resolve();
      return question * 10;
    },
    (answer) => got.push(answer),
    () => undefined,
  );
  for (const question of [1, 2, 3, 4]) latest.request(question);
  await vi.waitUntil(() => got.length === 2);
  expect(asked).toEqual([1, 4]);
  expect(got).toEqual([10, 40]);
});
