/**
 * The two kinds of state that a unit of hardware has. What the hardware has (registers, rings, a timer as cycles that remain)
 * moves to another host in a migration and goes on there. What the run has (handles of events, moments of this run's time, tags
 * of transactions, rows of the trace) means something in its own run only. Both together are a checkpoint, which goes on in the
 * run that it was taken from.
 *
 * The kinds are told apart by types that no assignment confuses; the mark exists for the compiler alone.
 */
import type { Stateful } from './bus';

export { SnapshotError, requireVersion } from '../trace/snapshot-error';

declare const kind: unique symbol;

/** What the hardware has: plain data that means the same in every run. */
export interface HardwareState {
  readonly [kind]?: 'hardware';
  /** Of the unit's state as a whole: a state of another version is refused. */
  readonly version: number;
}

/** What the run knows of a unit: plain data that means something in this run only. Of most units it knows nothing. */
export interface RunState {
  readonly [kind]?: 'run';
}

/** Both together. */
export interface Checkpoint<H extends HardwareState, R extends RunState> {
  readonly [kind]?: 'checkpoint';
  hardware: H;
  run: R;
}

/** A unit of hardware, whose state can be kept for this run and can move to another. */
export interface Migratable<
  H extends HardwareState = HardwareState,
  R extends RunState = RunState,
> extends Stateful<Checkpoint<H, R>> {
  save(): Checkpoint<H, R>;
  /**
   * Goes on in the run that was saved. Tells nobody of a line's level and schedules nothing: queue, bus and whoever else is
   * concerned have snapshots of their own.
   */
  load(state: Checkpoint<H, R>): void;
  /**
   * Goes on on this unit's own host as the one that was saved would have gone on on its own: timers run for what remained of
   * them, lines are driven to their levels, transactions under way are begun anew.
   */
  adopt(hardware: H): void;
}
