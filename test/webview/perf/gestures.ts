/** What a reader does with the lanes, and how the page keeps up. */
import { frames, nextFrame, percentile } from './frames';

/** A wheel event at the middle of the lanes. */
function wheel(deltaX: number, deltaY: number, ctrlKey: boolean): void {
  const surface = document.querySelector('.surface');
  if (!surface) throw new Error('the page has no lanes');
  const box = surface.getBoundingClientRect();
  surface.dispatchEvent(
    new WheelEvent('wheel', {
      deltaX,
      deltaY,
      ctrlKey,
      clientX: box.x + box.width / 2,
      clientY: box.y + box.height / 2,
      bubbles: true,
      cancelable: true,
    }),
  );
}

/** Milliseconds between frames of pans and zooms, `count` in all, one a frame: in by halves of the time, out, and across. */
export async function gestures(count: number): Promise<{ p50: number; p95: number; longest: number }> {
  const times = await frames(count, (index) => {
    const phase = Math.floor((3 * index) / count);
    if (phase === 0) wheel(0, -40, true);
    else if (phase === 1) wheel(60, 0, false);
    else wheel(0, 40, true);
  });
  return { p50: percentile(times, 0.5), p95: percentile(times, 0.95), longest: Math.max(...times) };
}

/** Waits for the frame that shows lanes; gives its time. */
export async function lanesShown(): Promise<number> {
  while (performance.getEntriesByName('trapline:lanes').length === 0) await nextFrame();
  return nextFrame();
}
