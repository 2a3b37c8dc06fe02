/** Stands in the page for VS Code before a host that holds a trace file. Loaded before the page. */
import type { HostCall } from '../../../src/protocol/webview';
import { gestures, lanesShown } from './gestures';
import { unpacked } from './packed-answer';

let ready: () => void = () => undefined;
const pageReady = new Promise<void>((resolve) => (ready = resolve));
/** Bytes of the longest answer. */
let longest = 0;

async function ask(method: string, args: readonly unknown[]): Promise<unknown> {
  const response = await fetch('/host', { method: 'POST', body: JSON.stringify({ method, args }) });
  const bytes = await response.arrayBuffer();
  longest = Math.max(longest, bytes.byteLength);
  return unpacked(bytes);
}

async function answer({ id, method, args }: HostCall): Promise<void> {
  window.postMessage({ type: 'answer', id, result: await ask(method, args) }, '*');
}

declare global {
  interface Window {
    fileBench: typeof fileBench;
  }
}

const fileBench = {
  /** Milliseconds from the command to open a file to the frame that shows lanes. */
  async open(path: string): Promise<number> {
    await pageReady;
    const begun = performance.now();
    window.postMessage(await ask('open', [path]), '*');
    return (await lanesShown()) - begun;
  },
  gestures,
  longestAnswer: (): number => longest,
};
window.fileBench = fileBench;
window.acquireVsCodeApi = () => ({
  postMessage(message: unknown) {
    const { type } = message as { type: string };
    if (type === 'ready') ready();
    else if (type === 'call') void answer(message as HostCall);
  },
  getState: () => undefined,
  setState: () => undefined,
});
