/** Where the mark of a stretch without events lies. */
import type { TraceGap } from '../../src/trace/model';

/** Narrowest mark in pixels: a gap must be seen however far the reader has zoomed out. */
const LEAST = 3;
/** Where a gap lies in a window of `width` pixels; undefined outside. One at the very end has no width, and reaches beyond. */
export function gapBox(
  gap: TraceGap,
  endTime: number,
  window: { from: number; to: number },
  width: number,
): { left: number; width: number } | undefined {
  const toX = (cycles: number): number => ((cycles - window.from) * width) / (window.to - window.from);
  const to = gap.to ?? (gap.from < endTime ? endTime : Infinity);
  const left = Math.max(0, toX(gap.from));
  const right = Math.min(width, Math.max(toX(to), toX(gap.from) + LEAST));
  return right > left ? { left, width: right - left } : undefined;
}
