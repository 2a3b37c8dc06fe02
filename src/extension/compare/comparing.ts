/** The host's end of a thread that compares traces. Knows no editor. */
import type { ComparisonReport, CourseQuery } from '../../protocol/comparison';
import type { OperationCourse, Pair } from '../../protocol/difference';
import type { ComparingMethods, FromTraceThread, ToComparingThread, TraceSource } from '../trace-service/messages';
import { buffersOf, Deferred, startThread } from '../trace-service/trace-client';

const CLOSED = 'The comparison has been closed.';

/** A comparison that goes on in its thread for as long as somebody may ask about it. */
export class Comparing {
  private readonly reported = new Deferred<ComparisonReport>();
  private readonly calls = new Map<number, Deferred<unknown>>();
  private readonly thread;
  private lastCall = 0;
  private gone: string | undefined;

  /**
   * @param distDir folder of the thread's script
   * @param progress hears what share of the work is done, 0 to 1
   */
  constructor(
    distDir: string,
    runs: readonly { name: string; source: TraceSource }[],
    progress: (share: number) => void = () => undefined,
  ) {
    this.thread = startThread(
      distDir,
      { compare: runs },
      runs.flatMap(({ source }) => buffersOf(source)),
    );
    this.thread.on('message', (message: FromTraceThread) => {
      if (message.type === 'comparing') progress(message.share);
      else if (message.type === 'compared') this.reported.resolve(message.report);
      else if (message.type === 'refused') this.lose(message.message);
      else if (message.type === 'answer') this.answer(message);
    });
    this.thread.on('error', (error) => this.lose(error.message));
    this.thread.on('exit', (code) => this.lose(`the comparing thread ended (code ${code})`));
  }

  /** Rejects with a message for a reader when the traces cannot be compared. */
  get report(): Promise<ComparisonReport> {
    return this.reported.promise;
  }

  /** Two operations beside each other. */
  courses(query: CourseQuery): Promise<Pair<OperationCourse | null>> {
    return this.call('courses', query);
  }
  /** The first event of a run that a query finds; -1: none. */
  find(run: number, query: string): Promise<number> {
    return this.call('find', run, query);
  }
  /** The first VM exit of a run at a time or later; -1: none. */
  exitAt(run: number, seconds: number): Promise<number> {
    return this.call('exitAt', run, seconds);
  }

  dispose(): void {
    this.lose(CLOSED);
    void this.thread.terminate();
  }

  private call<M extends keyof ComparingMethods>(
    method: M,
    ...args: Parameters<ComparingMethods[M]>
  ): Promise<ReturnType<ComparingMethods[M]>> {
    const answer = new Deferred<unknown>();
    if (this.gone !== undefined) answer.reject(new Error(this.gone));
    else {
      const id = ++this.lastCall;
      this.calls.set(id, answer);
      const call: ToComparingThread = { id, method, args };
      this.thread.postMessage(call);
    }
    return answer.promise as Promise<ReturnType<ComparingMethods[M]>>;
  }

  private answer(message: Extract<FromTraceThread, { type: 'answer' }>): void {
    const waiting = this.calls.get(message.id);
    this.calls.delete(message.id);
    if ('error' in message) waiting?.reject(new Error(message.error));
    else waiting?.resolve(message.result);
  }

  private lose(why: string): void {
    if (this.gone !== undefined) return;
    this.gone = why;
    this.reported.reject(new Error(why));
    for (const waiting of this.calls.values()) waiting.reject(new Error(why));
    this.calls.clear();
  }
}
