/** Stands in the page for VS Code, with the host in a worker, and measures frames. Loaded before the page. */
import { frames, nextFrame, percentile } from './frames';

const host = new Worker('/host-worker.js');
let ready: () => void = () => undefined;
const pageReady = new Promise<void>((resolve) => (ready = resolve));
let recorded: () => void = () => undefined;

host.addEventListener('message', ({ data }: MessageEvent<{ type: string }>) => {
  if (data.type === 'recorded') recorded();
  else window.postMessage(data, '*');
});

declare global {
  interface Window {
    bench: typeof bench;
  }
}

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

const bench = {
  /** Records a trace of at least so many events in the worker. */
  record: (events: number): Promise<void> =>
    new Promise((resolve) => {
      recorded = resolve;
      host.postMessage({ record: events });
    }),

  /** Milliseconds from the trace's tables being there to the frame that shows lanes. */
  async firstPaint(): Promise<number> {
    await pageReady;
    const begun = performance.now();
    host.postMessage({ init: true });
    while (performance.getEntriesByName('trapline:lanes').length === 0) await nextFrame();
    return (await nextFrame()) - begun;
  },

  /** Milliseconds between frames of pans and zooms, `count` in all, one a frame: in by halves of the time, out, and across. */
  async gestures(count: number): Promise<{ p50: number; p95: number; longest: number }> {
    const times = await frames(count, (index) => {
      const phase = Math.floor((3 * index) / count);
      if (phase === 0) wheel(0, -40, true);
      else if (phase === 1) wheel(60, 0, false);
      else wheel(0, 40, true);
    });
    return { p50: percentile(times, 0.5), p95: percentile(times, 0.95), longest: Math.max(...times) };
  },
};
window.bench = bench;
window.acquireVsCodeApi = () => ({
  postMessage(message: unknown) {
    const { type } = message as { type: string };
    if (type === 'ready') ready();
    else if (type === 'call') host.postMessage(message);
  },
  getState: () => undefined,
  setState: () => undefined,
});
