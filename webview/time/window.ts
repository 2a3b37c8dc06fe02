/** The stretch of simulated time on screen, and how it may move. Times in cycles. */

export interface TimeWindow {
  from: number;
  to: number;
}

/** Fewest cycles a window may hold: below it a pixel is far less than one cycle. */
export const MIN_SPAN = 32;

/** How far beyond the end of the trace a window may reach, as a share of the whole. */
const END_MARGIN = 0.02;

/** Length of a window in cycles. */
export function spanOf(window: TimeWindow): number {
  return window.to - window.from;
}

/** The whole trace with a little air at its end. */
export function wholeRun(endTime: number): TimeWindow {
  return { from: 0, to: Math.max(MIN_SPAN, Math.ceil(endTime * (1 + END_MARGIN))) };
}

/** Whether a window shows the whole trace. */
export function showsWholeRun(window: TimeWindow, endTime: number): boolean {
  return window.from <= 0 && window.to >= endTime;
}

/** The nearest allowed window: inside the trace, not shorter than `MIN_SPAN`; its length is kept where possible. */
export function clampWindow(window: TimeWindow, endTime: number): TimeWindow {
  const bounds = wholeRun(endTime);
  const span = Math.min(Math.max(spanOf(window), MIN_SPAN), spanOf(bounds));
  const centred = window.from + (spanOf(window) - span) / 2;
  const from = Math.min(Math.max(centred, bounds.from), bounds.to - span);
  return { from, to: from + span };
}

/**
 * Zooms so that the time `at` stays where it is on screen.
 * @param factor new length over old length; below 1 zooms in
 */
export function zoomAbout(window: TimeWindow, at: number, factor: number, endTime: number): TimeWindow {
  const bounds = spanOf(wholeRun(endTime));
  const old = spanOf(window);
  const span = Math.min(Math.max(old * factor, MIN_SPAN), bounds);
  const share = (at - window.from) / old;
  const from = at - share * span;
  return clampWindow({ from, to: from + span }, endTime);
}

/** Moves a window by a number of cycles. */
export function panBy(window: TimeWindow, cycles: number, endTime: number): TimeWindow {
  return clampWindow({ from: window.from + cycles, to: window.to + cycles }, endTime);
}

/** A window around an event in which the event is easy to see: an instant gets a length of its own. */
export function windowAround(
  start: number,
  duration: number,
  current: TimeWindow,
  endTime: number,
): TimeWindow {
  const span = duration > 0 ? duration * 1.5 : Math.min(spanOf(current), 20_000);
  const middle = start + duration / 2;
  return clampWindow({ from: middle - span / 2, to: middle + span / 2 }, endTime);
}

/** The window moved as little as needed so that an event is inside, away from the edges; the same when it is. */
export function bringIntoView(
  window: TimeWindow,
  start: number,
  duration: number,
  endTime: number,
): TimeWindow {
  const span = spanOf(window);
  const margin = span * 0.08;
  const end = start + Math.min(duration, span - 2 * margin);
  if (start >= window.from + margin && end <= window.to - margin) return window;
  const middle = (start + end) / 2;
  return clampWindow({ from: middle - span / 2, to: middle + span / 2 }, endTime);
}

/**
 * The window after the trace grew. With `follow` the end of the trace stays at the right edge, and a window that showed
 * the whole trace keeps showing it; without, the reader's place stays.
 */
export function afterGrowth(window: TimeWindow, oldEnd: number, newEnd: number, follow: boolean): TimeWindow {
  if (!follow) return window;
  if (oldEnd <= 0 || showsWholeRun(window, oldEnd)) return wholeRun(newEnd);
  const span = spanOf(window);
  return clampWindow({ from: newEnd - span * 0.96, to: newEnd + span * 0.04 }, newEnd);
}

/** Whether two windows are the same for the eye: within a hundredth of a pixel of 10 000. */
export function sameWindow(a: TimeWindow, b: TimeWindow): boolean {
  const tolerance = spanOf(a) * 1e-6;
  return Math.abs(a.from - b.from) <= tolerance && Math.abs(a.to - b.to) <= tolerance;
}
