/**
 * Time inside a run: integer cycles of the host's TSC, and one queue of future events.
 *
 * Events fire in the total order (time, priority, sequence number): the sequence number makes two events of the same
 * time and priority fire in the order in which they were scheduled, so that a run never depends on a heap's whims.
 */

/** A point or span of time in host TSC cycles; always a safe integer. */
export type Cycles = number;

/** Names one scheduled event, for cancelling it. Never reused within a run; 0 is no event. */
export type EventHandle = number;

/** Something that events are delivered to. The id is stable across runs, so that a snapshot can name the target. */
export interface EventTarget {
  readonly eventTargetId: string;
  /** Called at `time`, once. `kind` and `arg` are what was scheduled; their meaning is the target's own. */
  onEvent(kind: number, arg: number, time: Cycles): void;
}

/** What a unit may ask of time. */
export interface Scheduler {
  /** The present instant. During a vCPU's call-out this is that vCPU's own time. */
  now(): Cycles;
  /**
   * Fires `target.onEvent(kind, arg)` at `time` (not before now). The tracer's current cause is kept with the event and
   * is the current cause again while it fires. Smaller `priority` fires first among equals (default 0).
   */
  schedule(time: Cycles, target: EventTarget, kind: number, arg?: number, priority?: number): EventHandle;
  /** Takes a scheduled event back; does nothing if it has fired or was cancelled. */
  cancel(handle: EventHandle): void;
}
