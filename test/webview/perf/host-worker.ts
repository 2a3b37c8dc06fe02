/** A host beside the page, as the extension host is: a made-up trace in a thread of its own that answers the page's calls. */
import type { HostCall, HostMethods } from '../../../src/protocol/webview';
import { TraceStore } from '../../../src/trace/query/store';
import { answersOf } from '../page/answers';
import { Synthetic } from '../page/synthetic';

/** Packets between two hand-overs of recorded rows to the store. */
const BATCH = 20_000;

const trace = new Synthetic();
const store = new TraceStore(trace.meta('running'));
const answers = answersOf(store);

/** Records at least so many events. */
function record(events: number): void {
  while (store.rows < events) {
    for (let i = 0; i < BATCH && store.rows + i * 25 < events; i++) trace.send();
    trace.handTo(store);
  }
  store.setMeta(trace.meta('finished'));
  postMessage({ type: 'recorded' });
}

function answer<M extends keyof HostMethods>({ id, method, args }: HostCall<M>): void {
  postMessage({ type: 'answer', id, result: answers[method](...args) });
}

addEventListener('message', ({ data }: MessageEvent<{ record: number } | { init: true } | HostCall>) => {
  if ('record' in data) record(data.record);
  else if ('init' in data)
    postMessage({ type: 'init', meta: store.meta, rows: store.rows, endTime: store.endTime, bookmarks: [] });
  else answer(data);
});
