/** What is asked for, how much one reply holds, and how often a reader's moves ask at all. */
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Lane, LaneBins, LaneEvents, ViewportQuery } from '../../../src/protocol/viewport';
import { lanesOf } from '../../../src/trace/query/lanes';
import { TraceStore } from '../../../src/trace/query/store';
import { queryViewport } from '../../../src/trace/query/viewport';
import type { HostClient } from '../../../webview/host/client';
import { Feed, type Supply } from '../../../webview/timeline/feed';
import { bytesOf, questionFor, REPLY_BYTES } from '../../../webview/timeline/plan';
import { Folding } from '../../../webview/time/fold';
import { binOf, covers, needOf } from '../../../webview/time/grid';
import { panBy, spanOf, zoomAbout, type TimeWindow } from '../../../webview/time/window';
import { Synthetic } from '../../webview/page/synthetic';

function traceOf(packets: number): TraceStore {
  const trace = new Synthetic();
  for (let i = 0; i < packets; i++) trace.send();
  const store = new TraceStore(trace.meta('finished'));
  trace.handTo(store);
  return store;
}

/** Bytes of the columns that travel. */
function sizeOf(data: LaneEvents | LaneBins): number {
  return Object.values(data)
    .filter((column) => ArrayBuffer.isView(column))
    .reduce((sum, column) => sum + column.byteLength, 0);
}

const store = traceOf(4000);
const lanes = lanesOf(store.meta);
/** As many lanes as a screen may show at once. */
const many = Array.from({ length: 6 }, (_, copy) =>
  lanes.map((lane) => ({ ...lane, id: `${copy}/${lane.id}` })),
).flat();

const windows = fc
  .tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 1e-6, max: 1, noNaN: true }))
  .map(([at, share]): TimeWindow => {
    const span = Math.max(32, share * store.endTime);
    const from = at * (store.endTime - span);
    return { from, to: from + span };
  });
const widths = fc.integer({ min: 200, max: 3800 });

describe('what a window needs', () => {
  it('lies on a grid of powers of two and is less than a pixel fine', () => {
    fc.assert(
      fc.property(windows, widths, (window, width) => {
        const { bin, asked, needed } = needOf(window, width, store.endTime, Folding.none);
        const pixel = spanOf(window) / width;
        expect(Number.isInteger(Math.log2(bin))).toBe(true);
        expect(bin).toBeLessThanOrEqual(pixel * (1 + 1e-9));
        expect(bin * 2).toBeGreaterThan(pixel * (1 - 1e-9));
        for (const { from, to } of asked) {
          expect(Number.isInteger(from / bin)).toBe(true);
          expect(Number.isInteger(to / bin)).toBe(true);
        }
        expect(covers(asked, needed)).toBe(true);
        expect(binOf(bin)).toBe(bin);
      }),
    );
  });

  it('is asked for by replies of bounded size, which no answer exceeds', () => {
    fc.assert(
      fc.property(windows, widths, (window, width) => {
        const { bin, asked } = needOf(window, width, store.endTime, Folding.none);
        for (const stretch of asked) {
          const question = questionFor(stretch, bin, many);
          expect(question.lanes.length).toBeGreaterThan(0);
          const reply = queryViewport(store, question);
          expect(reply.width).toBe(question.width);
          const sizes = reply.lanes.map(sizeOf);
          reply.lanes.forEach((_, i) =>
            expect(sizes[i]).toBeLessThanOrEqual(bytesOf(question.lanes[i]?.kind ?? 'mode', question.width)),
          );
          expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(REPLY_BYTES);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('the feed', () => {
  /** A host that notes what it is asked, and how many questions wait for it at once. */
  function hostOf(): { host: Pick<HostClient, 'call'>; asked: ViewportQuery[]; most: () => number } {
    const asked: ViewportQuery[] = [];
    let waiting = 0;
    let most = 0;
    const call = async (_method: string, query: ViewportQuery): Promise<unknown> => {
      asked.push(query);
      most = Math.max(most, ++waiting);
      await Promise.resolve();
      waiting--;
      return queryViewport(store, query);
    };
    return { host: { call: call as HostClient['call'] }, asked, most: () => most };
  }

  interface World {
    feed: Feed;
    asked: ViewportQuery[];
    most: () => number;
    here: Map<string, Supply>;
    show(window: TimeWindow, shown?: readonly Lane[]): Promise<void>;
  }
  function world(folding = Folding.none): World {
    const { host, asked, most } = hostOf();
    const here = new Map<string, Supply>();
    const fail = vi.fn();
    const feed = new Feed(host, (supplies) => supplies.forEach((supply, id) => here.set(id, supply)), fail);
    const width = 1200;
    const show = async (window: TimeWindow, shown: readonly Lane[] = lanes): Promise<void> => {
      feed.want(window, width, shown, store.endTime, folding, 1);
      const { bin, needed } = needOf(window, width, store.endTime, folding);
      await vi.waitUntil(() =>
        shown.every(({ id }) => here.get(id)?.bin === bin && covers(here.get(id)?.pieces ?? [], needed)),
      );
      expect(fail).not.toHaveBeenCalled();
    };
    return { feed, asked, most, here, show };
  }

  it('supplies every lane of the window, one question at a time', async () => {
    const { show, most } = world();
    await show({ from: store.endTime / 4, to: store.endTime / 2 });
    expect(most()).toBe(1);
  });

  it('asks for visible lanes alone, and for others when they are scrolled to', async () => {
    const { show, asked } = world();
    const window = { from: 0, to: store.endTime };
    await show(window, lanes.slice(0, 3));
    expect(new Set(asked.flatMap((query) => query.lanes.map(({ id }) => id))).size).toBe(3);
    asked.length = 0;
    await show(window, lanes.slice(2, 5));
    expect(asked.flatMap((query) => query.lanes)).toEqual(lanes.slice(3, 5));
  });

  it('asks rarely while the reader moves, and at most once by halving while they zoom', async () => {
    const { show, asked } = world();
    let window: TimeWindow = { from: store.endTime * 0.4, to: store.endTime * 0.6 };
    await show(window);
    const rounds = (): number => new Set(asked.map(({ from, to }) => `${from} ${to}`)).size;
    asked.length = 0;
    for (let i = 0; i < 20; i++) await show((window = panBy(window, spanOf(window) * 0.1, store.endTime)));
    // Twenty moves by a tenth are two windows: what was asked on either side lasts for one each.
    expect(rounds()).toBeLessThanOrEqual(2);
    asked.length = 0;
    for (let i = 0; i < 20; i++) await show((window = zoomAbout(window, window.from, 0.9, store.endTime)));
    expect(rounds()).toBeLessThanOrEqual(Math.ceil(Math.log2(0.9 ** -20)) + 1);
  });

  it('of questions that pile up asks only the newest', async () => {
    const { feed, asked, show } = world();
    const windowAt = (share: number): TimeWindow => ({
      from: store.endTime * share,
      to: store.endTime * (share + 0.01),
    });
    for (let i = 0; i < 50; i++) feed.want(windowAt(i / 60), 1200, lanes, store.endTime, Folding.none, 1);
    await show(windowAt(0.9));
    const stretches = new Set(asked.map(({ from, to }) => `${from} ${to}`));
    expect(stretches.size).toBe(2);
  });

  it('leaves out what is folded', async () => {
    const end = store.endTime;
    const fold = { from: end * 0.2, to: end * 0.7, shown: end * 0.01 };
    const { show, asked, here } = world(new Folding([fold]));
    await show({ from: 0, to: end });
    const bin = asked[0] ? (asked[0].to - asked[0].from) / asked[0].width : 0;
    for (const { from, to } of asked) expect(to <= fold.from + bin || from >= fold.to - bin).toBe(true);
    for (const { pieces } of here.values()) expect(pieces).toHaveLength(2);
  });
});
