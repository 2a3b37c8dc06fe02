/** A trace in a thread of its own: takes in what a run records, and answers questions. Knows no editor and no thread. */
import type { RunEnd, RunListener, RunProgress } from '../../protocol/run';
import { RunReceiver } from '../../run/receiver';
import { judge } from '../../scenario/breaking-events';
import { exportFormats } from '../../trace/exchange/export/formats';
import { damageSteps, encodeTrace } from '../../trace/file/file';
import { filePartsOf } from '../../trace/file/save';
import type { TraceDelta, TraceGap, TraceMeta } from '../../trace/model';
import { TraceStore, emptyMeta } from '../../trace/query/store';
import type { FromTraceThread, ToTraceThread, TraceMethods } from './messages';
import { storeView } from './store-view';
import type { TraceState } from './trace-view';

/** Questions that nobody waits for: of a large trace they come after the first picture, as they go through all rows. */
const IN_BACKGROUND: ReadonlySet<keyof TraceMethods> = new Set(['sourceFigures', 'damage', 'failed']);
const LARGE_ROWS = 1_000_000;
/** Questions that are answered from as much of the index as there is; the others wait for the rest. */
const AT_ONCE: ReadonlySet<keyof TraceMethods> = new Set(['viewport', 'state']);
/** Milliseconds for which the index is built before others have their turn. */
const TURN = 15;

/** What a thread needs of the world outside. */
export interface TraceThreadWorld {
  post(message: FromTraceThread): void;
  /** Writes parts to a file of this machine, which is there when it is whole. */
  save(path: string, parts: Iterable<Uint8Array>): void;
}

/** The methods of a trace by name. */
type Methods = {
  [M in keyof TraceMethods]: (
    ...args: Parameters<TraceMethods[M]>
  ) => ReturnType<TraceMethods[M]> | Promise<ReturnType<TraceMethods[M]>>;
};

export class TraceThread implements RunListener {
  private readonly methods: Methods;
  private readonly receiver: RunReceiver;
  private progress: RunProgress | undefined;
  /** A picture has been asked for. */
  private shown = false;
  private readonly postponed: (() => void)[] = [];
  /** Questions that wait for the index. */
  private readonly waiting: (() => void)[] = [];
  private building = false;
  /** Tracks that the other side has. */
  private knownTracks: number;

  constructor(
    private readonly store: TraceStore,
    private readonly world: TraceThreadWorld,
  ) {
    this.knownTracks = store.meta.tracks.length;
    this.methods = {
      ...storeView(store),
      state: () => this.state(),
      save: (path) => this.world.save(path, filePartsOf(store)),
      bytes: () => encodeTrace(store),
      export: (format, path) => this.world.save(path, exportFormats[format].parts(store)),
      exportBytes: (format) => joined([...exportFormats[format].parts(store)]),
      damage: () => inTurns(damageSteps(store)),
    };
    this.receiver = new RunReceiver(this);
    this.receiver.ended.then(
      (end) => {
        store.setMeta(end.meta);
        world.post({ type: 'ended', end: explained(end, store), state: this.state() });
      },
      (error: unknown) => world.post({ type: 'failed', message: messageOf(error) }),
    );
  }

  /** A thread for a run that has not begun. */
  static ofRun(world: TraceThreadWorld): TraceThread {
    return new TraceThread(new TraceStore(emptyMeta('', 1)), world);
  }

  state(): TraceState {
    const { meta, rows, endTime } = this.store;
    return { meta, rows, endTime };
  }

  /** Takes a message of the host. */
  receive(message: ToTraceThread): void {
    switch (message.type) {
      case 'call':
        return this.schedule(message.method, () => this.answer(message.id, message.method, message.args));
      case 'run': {
        void this.receiver.receive(message.message);
        if (message.message.type === 'delta') this.world.post({ type: 'taken' });
        return undefined;
      }
      case 'run-failed':
        return this.receiver.failed(message.why);
      case 'run-closed':
        return this.receiver.closed(message.wanted, message.why);
      case 'cut-off':
        return this.cutOff(message.state, message.message);
    }
  }

  started(meta: TraceMeta): void {
    this.store.setMeta(meta);
    this.knownTracks = meta.tracks.length;
  }

  delta(delta: TraceDelta, progress: RunProgress): void {
    this.store.append(delta);
    this.store.setMeta({ ...this.store.meta, gaps: progress.gaps });
    this.progress = progress;
    this.tellGrowth();
    this.buildIndex();
  }

  /** Builds the index of what is there, one turn after the other: between two of them others get their answers. */
  buildIndex(): void {
    if (this.building) return;
    this.building = true;
    setImmediate(() => this.buildOn());
  }

  private buildOn(): void {
    const until = performance.now() + TURN;
    const { store } = this;
    const { whole } = store;
    try {
      if (!store.build(() => performance.now() < until)) {
        setImmediate(() => this.buildOn());
        return;
      }
    } catch {
      // The file is damaged there, as each question that comes to that place says.
    }
    this.building = false;
    if (whole) return;
    // When the trace ends is known only now.
    this.tellGrowth();
    this.waiting.splice(0).forEach((each) => each());
  }

  serial(): void {
    // Printed where it was received.
  }

  private tellGrowth(): void {
    const { meta, rows, endTime } = this.store;
    const { state, gaps, message } = meta;
    const tracks = meta.tracks.slice(this.knownTracks);
    this.knownTracks = meta.tracks.length;
    const { progress } = this;
    this.world.post({
      type: 'grown',
      growth: {
        rows,
        endTime,
        state,
        gaps,
        tracks,
        ...(message !== undefined && { message }),
        ...(progress && { progress }),
      },
    });
  }

  private cutOff(state: TraceMeta['state'], message: string): void {
    const lost: TraceGap = { from: this.store.endTime, why: 'lost' };
    this.store.setMeta({ ...this.store.meta, state, message, gaps: [...(this.progress?.gaps ?? []), lost] });
    this.tellGrowth();
  }

  private schedule(method: keyof TraceMethods, answer: () => void): void {
    if (!this.store.whole && !AT_ONCE.has(method)) {
      this.waiting.push(() => this.schedule(method, answer));
      return;
    }
    if (IN_BACKGROUND.has(method) && this.store.rows > LARGE_ROWS && !this.shown) {
      this.postponed.push(answer);
      return;
    }
    answer();
    if (method !== 'viewport' || this.shown) return;
    this.shown = true;
    // Whatever else the page asks at first is before them.
    setImmediate(() => this.postponed.splice(0).forEach((each) => each()));
  }

  private answer<M extends keyof TraceMethods>(
    id: number,
    method: M,
    args: Parameters<TraceMethods[M]>,
  ): void {
    const failed = (error: unknown): void => this.world.post({ type: 'answer', id, error: messageOf(error) });
    try {
      const result = this.methods[method](...args);
      if (result instanceof Promise)
        void result.then((found) => this.world.post({ type: 'answer', id, result: found }), failed);
      else this.world.post({ type: 'answer', id, result });
    } catch (error) {
      failed(error);
    }
  }
}

/** Goes through long work one step a turn: between two of them others get their answers. */
async function inTurns<T>(steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const { value, done } = steps.next();
    if (done) return value;
    await new Promise((next) => setImmediate(next));
  }
}

/** The end of a run with the events that broke its expectations. */
function explained(end: RunEnd, store: TraceStore): RunEnd {
  return { ...end, summary: { ...end.summary, expectations: judge(store, end.summary) } };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
