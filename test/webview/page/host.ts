/** Stands for the extension host: answers the page from a made-up trace by the code that the product uses. */
import type { Bookmark, LaneChoices } from '../../../src/protocol/choices';
import type { FailedExpectations, HostCall, HostMethods, ToPage } from '../../../src/protocol/webview';
import { kindRow } from '../../../src/trace/vocabulary/events';
import type { RunState } from '../../../src/trace/model';
import { TraceStore } from '../../../src/trace/query/store';
import { answersOf, type Answers } from './answers';
import { atRest } from './idle';
import { Synthetic } from './synthetic';

interface Setup {
  packets: number;
  state: RunState;
  message?: string;
  /** As `trace.maxEvents` of a scenario. */
  maxEvents?: number;
  /** Milliseconds before the host says anything. */
  silent?: boolean;
}

/** What tests may read and do. */
export interface FakeHost {
  calls: { method: string; args: unknown[] }[];
  notices: { type: string; row?: number; message?: string }[];
  start(setup: Setup): void;
  grow(packets: number, state?: RunState, message?: string, failed?: FailedExpectations): void;
  post(message: unknown): void;
  rows(): number;
  endTime(): number;
  /** Where recording stopped at its limit. */
  gapFrom(): number;
  /** First event of a kind. */
  first(name: string): { row: number; start: number; duration: number };
  nameOf(row: number): string;
  startOf(row: number): number;
  /** Resolves when the page has come to rest. */
  atRest(): Promise<void>;
}

declare global {
  interface Window {
    fakeHost: FakeHost;
    acquireVsCodeApi: () => {
      postMessage(m: unknown): void;
      getState(): unknown;
      setState(s: unknown): void;
    };
  }
}

let trace = new Synthetic();
const store = new TraceStore(trace.meta('running'));
let setup: Setup | undefined;
let ready = false;

/** What a host keeps of a reader's choices. */
interface Kept {
  choices?: LaneChoices;
  bookmarks: Bookmark[];
}
const kept = (): Kept => JSON.parse(sessionStorage.getItem('kept') ?? '{"bookmarks":[]}') as Kept;
const keep = (change: Partial<Kept>): void =>
  sessionStorage.setItem('kept', JSON.stringify({ ...kept(), ...change }));
const answers: Answers = {
  ...answersOf(store),
  keepChoices: (choices) => keep({ choices }),
  keepBookmarks: (bookmarks) => keep({ bookmarks }),
};

function post(message: ToPage): void {
  window.postMessage(structuredClone(message), '*');
}

function call<M extends keyof HostMethods>({ id, method, args }: HostCall<M>): void {
  fakeHost.calls.push({ method, args });
  setTimeout(() => {
    try {
      post({ type: 'answer', id, result: answers[method](...args) });
    } catch (error) {
      post({ type: 'answer', id, error: error instanceof Error ? error.message : String(error) });
    }
  }, 2);
}

function send(packets: number): void {
  for (let i = 0; i < packets; i++) {
    trace.send();
    if (i % 20_000 === 19_999) trace.handTo(store);
  }
  trace.handTo(store);
}

function init(): void {
  if (!ready || !setup || setup.silent) return;
  store.setMeta(trace.meta(setup.state, setup.message));
  post({ type: 'init', meta: store.meta, rows: store.rows, endTime: store.endTime, ...kept() });
}

const fakeHost: FakeHost = {
  calls: [],
  notices: [],
  start(next) {
    setup = next;
    if (next.maxEvents !== undefined) trace = new Synthetic(next.maxEvents);
    send(next.packets);
    init();
  },
  grow(packets, state = 'running', message, failed) {
    send(packets);
    store.setMeta(trace.meta(state, message));
    const counts = trace.recorder.counts();
    post({
      type: 'grown',
      rows: store.rows,
      endTime: store.endTime,
      state,
      ...(message !== undefined && { message }),
      ...(failed && { failed }),
      tracks: store.meta.tracks,
      gaps: store.meta.gaps,
      progress: {
        cycles: trace.time,
        guestInstructions: 0,
        events: store.rows,
        exits: 0,
        counts,
        gaps: store.meta.gaps,
      },
    });
  },
  post: (message) => window.postMessage(message, '*'),
  rows: () => store.rows,
  endTime: () => store.endTime,
  gapFrom: () => store.meta.gaps[0]?.from ?? -1,
  first(name) {
    for (let row = 0; row < store.rows; row++) if (fakeHost.nameOf(row) === name) return store.get(row);
    throw new Error(`no ${name} in the trace`);
  },
  startOf: (row) => store.startOf(row),
  nameOf: (row) => kindRow(store.get(row).kind).name,
  atRest,
};
window.fakeHost = fakeHost;
window.acquireVsCodeApi = () => ({
  postMessage(message: unknown) {
    const sent = message as { type: string; row?: number };
    if (sent.type === 'call') return call(sent as unknown as HostCall);
    fakeHost.notices.push(sent);
    if (sent.type === 'ready') {
      ready = true;
      init();
    }
  },
  getState: () => JSON.parse(sessionStorage.getItem('state') ?? 'null') as unknown,
  setState: (state) => sessionStorage.setItem('state', JSON.stringify(state)),
});
