/** Stands in the page for VS Code, with the host in a worker, and measures frames. Loaded before the page. */
import { gestures, lanesShown } from './gestures';

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
    return (await lanesShown()) - begun;
  },

  gestures,
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
