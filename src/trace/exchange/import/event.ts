/** What the tables of tracepoints are made of: a pattern of an event's text, and what it becomes. */
import type { Recorder } from '../../record/recorder';
import type { TraceClock } from './clock';
import type { Isa } from './exit-names';
import type { NumberReader } from './numbers';
import type { Scene, Thread } from './scene';
import type { Vcpu } from './vcpu';

/** One event of the file, and everything that it may change. */
export interface EventContext {
  recorder: Recorder;
  scene: Scene;
  clock: TraceClock;
  numbers: NumberReader;
  /** Of the exits so far. */
  isa: Isa | undefined;
  /** Ticks since the first event. */
  time: number;
  /** Physical CPU; -1: unknown. */
  cpu: number;
  thread: Thread;
  event: string;
  /** The vCPU of the thread; undefined for other threads. */
  vcpu: Vcpu | undefined;
}

/** How one tracepoint becomes events. */
export interface Tracepoint {
  /** Matches the text behind the event's name. */
  pattern: RegExp;
  /** @returns why the event cannot be one of the trace; undefined: it is */
  act(context: EventContext, groups: readonly (string | undefined)[]): string | undefined | void;
}

/** Tracepoints by name. */
export type Tracepoints = Readonly<Record<string, Tracepoint>>;

/** What an event of a thread follows from: the interrupt that it has just raised, its exit, or what woke it. */
export function causeOf({ vcpu, thread }: EventContext): number {
  return thread.raised || vcpu?.cause || thread.woken;
}

/** Records an instant with a cause of its own. */
export function instant(
  { recorder, time }: EventContext,
  track: number,
  kind: number,
  a: number,
  b: number,
  cause: number,
): number {
  recorder.cause = cause;
  const row = recorder.instant(time, track, kind, a, b);
  recorder.cause = 0;
  return row;
}
