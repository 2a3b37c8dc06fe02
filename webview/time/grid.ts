/**
 * The grid on which lanes are asked for: bins of a power of two of cycles, at whole multiples of it, over more time than is shown.
 * So a move or a small zoom finds its answer here already, and a bin is the same bin wherever the window stands.
 */
import type { Folding } from './fold';
import { spanOf, type TimeWindow } from './window';

/** Bins of a stretch begin and end at whole multiples of so many bins. */
const TILE = 512;
/** On either side of the window as much again is asked for, if that is no more bins than this in all. */
const MOST_BINS = 12_288;

/** Cycles of a bin: the greatest power of two that is at most a pixel. */
export function binOf(pixel: number): number {
  return 2 ** Math.floor(Math.log2(pixel) + 1e-12);
}

/** What a window needs. */
export interface Need {
  bin: number;
  /** Must be here for the window to be drawn. */
  needed: TimeWindow[];
  /** What is asked for when it is not; ends are multiples of the bin. */
  asked: TimeWindow[];
}

/**
 * What to ask for so that a window of `width` pixels can be drawn.
 * @param endTime beyond it there is nothing to ask for
 */
export function needOf(window: TimeWindow, width: number, endTime: number, folding: Folding): Need {
  const shown = folding.windowToShown(window);
  const span = spanOf(shown);
  const bin = binOf(span / width);
  const margin = Math.min(1, Math.max(0, ((MOST_BINS - 2 * TILE) * bin) / span - 1) / 2);
  const wide = folding.windowToTime({ from: shown.from - margin * span, to: shown.to + margin * span });
  const tile = bin * TILE;
  const from = Math.max(0, Math.floor(wide.from / tile) * tile);
  const end = Math.max(endTime, window.from + bin);
  const to = Math.min(Math.ceil(wide.to / tile), Math.ceil(end / bin / TILE)) * tile;
  const onGrid = (part: TimeWindow): TimeWindow => ({
    from: Math.floor(part.from / bin) * bin,
    to: Math.ceil(part.to / bin) * bin,
  });
  const needed = { from: Math.max(0, window.from), to: Math.min(window.to, Math.max(endTime, window.from)) };
  return {
    bin,
    needed: folding.stretches(needed),
    asked: folding.stretches({ from, to: Math.max(to, from + tile) }).map(onGrid),
  };
}

/** Whether every part of a list lies within one of the others. */
export function covers(have: readonly TimeWindow[], parts: readonly TimeWindow[]): boolean {
  return parts.every((part) => have.some(({ from, to }) => from <= part.from && to >= part.to));
}
