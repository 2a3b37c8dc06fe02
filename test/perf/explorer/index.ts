/** How fast the explorer's questions are answered, and what the index for it holds: on synthetic events. */
import type { Lane } from '../../../src/protocol/viewport';
import { lanesOf } from '../../../src/trace/query/lanes';
import { statistics } from '../../../src/trace/query/statistics';
import { TraceStore } from '../../../src/trace/query/store';
import { queryViewport } from '../../../src/trace/query/viewport';
import type { Figures } from '../side-by-side';
import { syntheticBlocks, syntheticMeta } from './synthetic';

const WIDTH = 1920;
const VISIBLE_LANES = 24;
const POSITIONS = 75;
/** Windows are shares of the whole trace: 1/1, 1/2.8, 1/8 … 1/32768. */
const ZOOMS = Array.from({ length: 11 }, (_, i) => 2 ** (-1.5 * i));

/** Cycles of a pixel: the least power of two with which the window fits the width. */
function pixelOf(cycles: number): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2(cycles / WIDTH)));
}

function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

/** Wall milliseconds. */
function timed(what: () => void): number {
  const before = performance.now();
  what();
  return performance.now() - before;
}

function bytesHeld(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** The times of all windows in milliseconds, ascending. */
function viewportTimes(store: TraceStore, lanes: readonly Lane[], say: (line: string) => void): number[] {
  const end = store.endTime;
  const times: number[] = [];
  for (const zoom of ZOOMS) {
    const pixel = pixelOf(end * zoom);
    const window = pixel * WIDTH;
    const here: number[] = [];
    for (let i = 0; i < POSITIONS; i++) {
      const from = Math.floor((Math.max(0, end - window) * i) / (POSITIONS - 1) / pixel) * pixel;
      const first = (i * 7) % Math.max(1, lanes.length - VISIBLE_LANES + 1);
      const visible = lanes.slice(first, first + VISIBLE_LANES);
      here.push(timed(() => queryViewport(store, { from, to: from + window, width: WIDTH, lanes: visible })));
    }
    here.sort((x, y) => x - y);
    say(
      `  1/${Math.round(1 / zoom)}: p50 ${percentile(here, 0.5).toFixed(2)} ms, p95 ${percentile(here, 0.95).toFixed(2)} ms, most ${here.at(-1)?.toFixed(2)} ms`,
    );
    times.push(...here);
  }
  return times.sort((x, y) => x - y);
}

function measure(rows: number, label: string, say: (line: string) => void): Figures {
  const store = new TraceStore(syntheticMeta(rows));
  for (const block of syntheticBlocks(rows)) store.appendChunk(block);
  const before = bytesHeld();
  const build = timed(() => void store.storedIndex());
  const lanes = lanesOf({ ...store.meta, state: 'running' }, (track, group) =>
    store.countOf(track, group),
  ).filter(({ empty }) => !empty);
  say(`explorer ${label}: ${rows} events, ${lanes.length} lanes, index in ${build.toFixed(0)} ms`);
  const times = viewportTimes(store, lanes, say);
  const all = timed(() => statistics(store, 0, store.endTime));
  const half = timed(() => statistics(store, store.endTime / 3, store.endTime / 2));
  const held = (bytesHeld() - before) / 2 ** 20;
  say(`  statistics ${all.toFixed(1)} ms, of a part ${half.toFixed(1)} ms; index ${held.toFixed(1)} MiB`);
  return {
    [`explorer.index${label}.mib`]: held,
    [`explorer.index${label}.buildMs`]: build,
    [`explorer.query${label}.p50Ms`]: percentile(times, 0.5),
    [`explorer.query${label}.p95Ms`]: percentile(times, 0.95),
    [`explorer.statistics${label}.ms`]: all,
  };
}

/** Figures of a million and of ten million events. */
export function measureIndex(say: (line: string) => void): Figures {
  return { ...measure(1_000_000, '1M', say), ...measure(10_000_000, '10M', say) };
}
