/**
 * The near end of a run's thread: takes its messages, prepares what they bring for whoever listens, and knows how the run ended.
 * The thread simulates; unfolding and hashing what it recorded is work for this side.
 */
import type { RunEnd, RunListener, RunMessage, RunProgress } from '../protocol/run';
import { evaluateExpectations } from '../scenario/expectations';
import { loadScenario } from '../scenario/load';
import { unfoldDelta } from '../trace/fold';
import type { TraceDelta, TraceMeta } from '../trace/model';
import { HashCollector } from '../trace/record/hash';
import { summarise } from '../trace/query/summary';

/** What is heard of a run whose thread ended before it. */
const ENDED_EARLY = 'The simulator’s thread ended; the trace holds what was recorded until then.';

/** Receives one run. */
export class RunReceiver {
  /** Rejects only when Trapline itself failed, with a message for a reader. */
  readonly ended: Promise<RunEnd>;
  private resolve: (end: RunEnd) => void = () => undefined;
  private reject: (error: Error) => void = () => undefined;
  private readonly collector = new HashCollector();
  private begun: TraceMeta | undefined;
  private latest: RunProgress | undefined;
  /** Settles when the listener is done with the frames of the next delta's report. */
  private framesTaken: void | Promise<void> = undefined;

  /** @param listener hears the news in order, the last of them before `ended` resolves */
  constructor(private readonly listener: RunListener) {
    this.ended = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** The machine has been built. */
  get hasBegun(): boolean {
    return this.begun !== undefined;
  }

  /** Takes a message. A promise says when the listener is done with a delta. */
  receive(message: RunMessage): void | Promise<unknown> {
    switch (message.type) {
      case 'started':
        this.begun = message.meta;
        this.listener.started(message.meta);
        return undefined;
      case 'delta': {
        this.latest = message.progress;
        const taken = this.take(message.delta, message.progress);
        return Promise.allSettled([this.framesTaken, taken]);
      }
      case 'frames':
        this.framesTaken = this.listener.frames?.(message.frames);
        return undefined;
      case 'serial':
        this.listener.serial(message.vm, message.text);
        return undefined;
      case 'ended':
        void this.take(message.delta, message.progress);
        this.resolve(hashed(message.end, this.collector.traceHash(message.end.summary.events)));
        return undefined;
      case 'failed':
        this.reject(new Error(message.message));
        return undefined;
    }
  }

  /** The thread failed: why, for a reader. */
  failed(why: string): void {
    this.reject(new Error(why));
  }

  /**
   * The thread is gone.
   * @param wanted it was ended because it did not stop in time: the run counts as cancelled, as far as the last report came
   */
  closed(wanted = false, why = ENDED_EARLY): void {
    if (wanted && this.begun) this.resolve(cutOff(this.begun, this.latest));
    this.reject(new Error(why));
  }

  private take(delta: TraceDelta, progress: RunProgress): void | Promise<void> {
    unfoldDelta(delta);
    this.collector.add(delta);
    return this.listener.delta(delta, progress);
  }
}

/** The end of a run with its trace hash, which an expectation may be about. */
function hashed(end: RunEnd, traceHash: string): RunEnd {
  const { meta, summary } = end;
  const complete = { ...summary, traceHash };
  const loaded = loadScenario(meta.scenarioText, meta.scenarioName);
  if (loaded.ok) complete.expectations = evaluateExpectations(loaded.scenario.expect, complete);
  return { ...end, meta: { ...meta, traceHash }, summary: complete };
}

/** The end of a run whose thread had to be ended after a cancel: as far as the last report came, and without a hash. */
function cutOff(begun: TraceMeta, latest: RunProgress | undefined): RunEnd {
  const meta: TraceMeta = { ...begun, state: 'cancelled', message: 'Stopped by the user.' };
  if (latest) {
    meta.counts = latest.counts;
    meta.facts = { ...begun.facts, cycles: latest.cycles };
  }
  return { meta, summary: summarise(meta, latest?.events ?? 0) };
}
