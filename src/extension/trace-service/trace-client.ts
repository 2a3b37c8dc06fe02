/** The host's end of a trace's thread: passes questions and a run's messages on, and knows when the thread is gone. Knows no editor. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { RunEnd, RunMessage, RunProgress } from '../../protocol/run';
import { transferables } from '../../run/transfer';
import type { ExportFormatName } from '../../trace/exchange/export/formats';
import type { TraceMeta } from '../../trace/model';
import type {
  FromTraceThread,
  Growth,
  ToTraceThread,
  TraceMethods,
  TraceSource,
  TraceThreadInput,
} from './messages';
import type { TraceState, TraceView } from './trace-view';

const SCRIPT = 'trace-worker.js';
const CLOSED = 'The trace has been closed.';

/** Something that is waited for. */
export class Deferred<T> {
  resolve: (value: T) => void = () => undefined;
  reject: (error: Error) => void = () => undefined;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });

  constructor() {
    // Whoever waits hears of it; that nobody does is no failure of its own.
    this.promise.catch(() => undefined);
  }
}

/** Starts the thread of a trace, or of a comparison. @param buffers are given away to it */
export function startThread(distDir: string, input: TraceThreadInput, buffers: ArrayBuffer[]): Worker {
  return new Worker(join(distDir, SCRIPT), { workerData: input, transferList: buffers });
}

/** Buffers of a source that may be given away: bytes that fill theirs. */
export function buffersOf(source: TraceSource): ArrayBuffer[] {
  if (source.from !== 'bytes') return [];
  const { buffer, byteLength } = source.bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}

/** What is told of a trace unasked. */
export interface TraceNews {
  /** Rows were added or the state changed. */
  grew(progress: RunProgress | undefined): void;
  /** The thread is gone, and with it the trace: why, for a reader. */
  lost(why: string): void;
}

/** One trace in a thread of its own. */
export class TraceClient implements TraceView {
  private readonly thread: Worker;
  private readonly opening = new Deferred<void>();
  private readonly running = new Deferred<RunEnd>();
  private readonly calls = new Map<number, Deferred<unknown>>();
  /** Deltas that the thread has not taken in yet, the oldest first. */
  private readonly underway: Deferred<void>[] = [];
  private lastCall = 0;
  private gone: string | undefined;
  private state: TraceState;
  private readonly listeners = new Set<Partial<TraceNews>>();

  /**
   * @param distDir folder of the thread's script
   * @param meta what is known of the trace before its thread says more
   */
  constructor(distDir: string, source: TraceSource, meta: TraceMeta) {
    this.state = { meta, rows: 0, endTime: 0 };
    this.thread = startThread(distDir, { hold: source }, buffersOf(source));
    this.thread.on('message', (message: FromTraceThread) => this.receive(message));
    this.thread.on('error', (error) => this.lose(error.message));
    this.thread.on('exit', (code) => this.lose(`its thread ended with code ${code}`));
  }

  /** Resolves when the trace of a file can be asked; rejects with a message for a reader when it cannot be shown. */
  get opened(): Promise<void> {
    return this.opening.promise;
  }
  /** Resolves when the trace of a run is complete; rejects with a message for a reader when the run failed. */
  get ended(): Promise<RunEnd> {
    return this.running.promise;
  }
  get meta(): TraceMeta {
    return this.state.meta;
  }
  get rows(): number {
    return this.state.rows;
  }
  get endTime(): number {
    return this.state.endTime;
  }

  /** Tells of the trace; returns what ends that. */
  listen(news: Partial<TraceNews>): { dispose(): void } {
    this.listeners.add(news);
    return { dispose: () => void this.listeners.delete(news) };
  }

  viewport: TraceView['viewport'] = (query) => this.call('viewport', query);
  describe: TraceView['describe'] = (row) => this.call('describe', row);
  chain: TraceView['chain'] = (row, reach) => this.call('chain', row, reach);
  criticalPath: TraceView['criticalPath'] = (row) => this.call('criticalPath', row);
  find: TraceView['find'] = (query, fromRow, direction) => this.call('find', query, fromRow, direction);
  density: TraceView['density'] = (query, from, to, parts) => this.call('density', query, from, to, parts);
  complete: TraceView['complete'] = (query, cursor) => this.call('complete', query, cursor);
  events: TraceView['events'] = (query) => this.call('events', query);
  statistics: TraceView['statistics'] = (from, to) => this.call('statistics', from, to);
  operations: TraceView['operations'] = (from, to) => this.call('operations', from, to);
  mappings: TraceView['mappings'] = (track, time, address) => this.call('mappings', track, time, address);
  like: TraceView['like'] = (row) => this.call('like', row);
  sourceFigures: TraceView['sourceFigures'] = (span) => this.call('sourceFigures', span);
  perInstruction: TraceView['perInstruction'] = (vm, span) => this.call('perInstruction', vm, span);
  registerHistory: TraceView['registerHistory'] = (path) => this.call('registerHistory', path);
  registersAt: TraceView['registersAt'] = (row) => this.call('registersAt', row);
  failed: TraceView['failed'] = () => this.call('failed');

  /** The tables as they are now, which `meta` then has too. */
  async refresh(): Promise<TraceState> {
    this.state = await this.call('state');
    return this.state;
  }
  /** Writes the trace to a file of this machine. */
  save(path: string): Promise<void> {
    return this.call('save', path);
  }
  /** The trace as a file's bytes. */
  bytes(): Promise<Uint8Array> {
    return this.call('bytes');
  }
  /** Writes the trace to a file of this machine in a format of other tools. */
  export(format: ExportFormatName, path: string): Promise<void> {
    return this.call('export', format, path);
  }
  /** The trace in a format of other tools. */
  exportBytes(format: ExportFormatName): Promise<Uint8Array> {
    return this.call('exportBytes', format);
  }
  /** What a reader is to be told of a trace that does not agree with itself; all rows are read for that. */
  damage(): Promise<string | undefined> {
    return this.call('damage');
  }

  /** Passes a message of the trace's run on. Of a delta, the promise says when it has been taken in. Never rejects. */
  async deliver(message: RunMessage): Promise<void> {
    const changes = message.type === 'delta' || message.type === 'ended';
    this.post({ type: 'run', message }, changes ? transferables(message.delta) : []);
    if (message.type !== 'delta' || this.gone !== undefined) return;
    const taken = new Deferred<void>();
    this.underway.push(taken);
    await taken.promise;
  }

  /** The run's thread failed: why, for a reader. */
  runFailed(why: string): void {
    this.post({ type: 'run-failed', why });
  }
  /** The run's thread is gone; parameters as those of `RunSink.closed`. */
  closed(wanted?: boolean, why?: string): void {
    this.post({
      type: 'run-closed',
      ...(wanted !== undefined && { wanted }),
      ...(why !== undefined && { why }),
    });
  }

  /** The run came to no end of its own: marks its trace. */
  cutOff(state: TraceMeta['state'], message: string): void {
    this.post({ type: 'cut-off', state, message });
  }

  dispose(): void {
    this.listeners.clear();
    this.lose(CLOSED);
    void this.thread.terminate();
  }

  private call<M extends keyof TraceMethods>(
    method: M,
    ...args: Parameters<TraceMethods[M]>
  ): Promise<ReturnType<TraceMethods[M]>> {
    const answer = new Deferred<unknown>();
    if (this.gone !== undefined) answer.reject(new Error(this.gone));
    else {
      const id = ++this.lastCall;
      this.calls.set(id, answer);
      this.post({ type: 'call', id, method, args });
    }
    return answer.promise as Promise<ReturnType<TraceMethods[M]>>;
  }

  private post(message: ToTraceThread, buffers: ArrayBuffer[] = []): void {
    if (this.gone === undefined) this.thread.postMessage(message, buffers);
  }

  private receive(message: FromTraceThread): void {
    switch (message.type) {
      case 'opened':
        this.state = message.state;
        return this.opening.resolve();
      case 'refused':
        this.opening.reject(new Error(message.message));
        return this.lose(message.message);
      case 'answer': {
        const answer = this.calls.get(message.id);
        this.calls.delete(message.id);
        if ('error' in message) answer?.reject(new Error(message.error));
        else answer?.resolve(message.result);
        return undefined;
      }
      case 'taken':
        return this.underway.shift()?.resolve();
      case 'grown':
        return this.grow(message.growth);
      case 'ended':
        this.state = message.state;
        this.running.resolve(message.end);
        return this.tell((news) => news.grew?.(undefined));
      case 'failed':
        return this.running.reject(new Error(message.message));
      case 'compared':
        return undefined;
    }
  }

  private grow({ rows, endTime, tracks, progress, ...changed }: Growth): void {
    const { meta } = this.state;
    const all = tracks.length > 0 ? [...meta.tracks, ...tracks] : meta.tracks;
    this.state = { meta: { ...meta, ...changed, tracks: all }, rows, endTime };
    this.tell((news) => news.grew?.(progress));
  }

  private tell(word: (news: Partial<TraceNews>) => void): void {
    for (const news of [...this.listeners]) word(news);
  }

  private lose(why: string): void {
    if (this.gone !== undefined) return;
    this.gone = why;
    const error = new Error(why);
    this.opening.reject(error);
    this.running.reject(error);
    for (const waiting of this.calls.values()) waiting.reject(error);
    // A run that goes on has nobody to wait for.
    for (const taken of this.underway) taken.resolve();
    this.calls.clear();
    this.underway.length = 0;
    this.tell((news) => news.lost?.(why));
  }
}
