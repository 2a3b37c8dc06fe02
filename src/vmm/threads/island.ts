/**
 * A part of the host that shares nothing with the rest but the clock: some physical CPUs, the guests that run on them, the
 * links between these. It has a queue of events of its own, and everything in it happens in the order of simulated time.
 * Guests of different islands never wait for each other.
 */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';
import { EventQueue } from '../../machine/time/queue';
import type { Tracer } from '../../trace/record/tracer';
import type { StopSignal } from './stop-signal';

/** A CPU that may have guest code to run. */
export interface Runnable {
  /** True while guest code can be run now. */
  readonly runnable: boolean;
  /** True when nothing will ever run here again. */
  readonly ended: boolean;
  /** The CPU's own time. */
  now(): Cycles;
  runUntil(deadline: Cycles): void;
  /** Guest instructions retired so far. */
  instructions(): number;
  /** Something may now have to happen before the deadline of the present `runUntil`. */
  limitDeadline(deadline: Cycles): void;
}

/** How `Island.run` came back. */
export type IslandState =
  /** The slice is used up. */
  | 'running'
  /** All guests have ended. */
  | 'ended'
  /** The stop time was reached. */
  | 'timeout'
  /** As many instructions were retired as may be. */
  | 'budget'
  /** Nothing is runnable and no event will change that. */
  | 'deadlock'
  /** Somebody wanted it to stop, by the stop signal. */
  | 'stopped';

/** Snapshot of an `Island`; what stands on it has snapshots of its own. */
export interface IslandClockState {
  version: 2;
  present: Cycles;
  /** The run was stopped between two events of one instant. */
  firing: boolean;
}

/** How far an island is to go. */
export interface IslandLimits {
  /** End of the slice: where it lies changes nothing in the trace. */
  sliceEnd: Cycles;
  stopTime: Cycles;
  /** Guest instructions that may still be retired. */
  budget: number;
}

/**
 * Several runnables take turns by windows of time: whoever stands in the earliest window runs to its end, of those in the
 * same window the one added first. So one is never further ahead of another than a window and an instruction. What that
 * means:
 * - An event fires when all have come to its time, and whatever a CPU or a thread does to the world waits for its time
 *   likewise (`mustWait`). So devices, locks, interrupt controllers and IPIs act in the exact order of time.
 * - An interrupt that one CPU sends to another takes effect a window later at the earliest: the other cannot have run past
 *   that point already.
 * - Only RAM shows the window: of two CPUs' stores and loads less than a window apart, either may come first, as with a
 *   processor's store buffers. Locked instructions are atomic.
 *
 * Whose turn it is follows from everybody's time alone. A run that is cut anywhere, by a slice, a budget or the stop signal,
 * goes on as if it had not been.
 */
export class Island implements Stateful<IslandClockState> {
  readonly queue: EventQueue;
  private readonly runnables: Runnable[] = [];
  /** The only one; null where there are several, or none. */
  private lonely: Runnable | null = null;
  private present: Cycles = 0;
  /** Whose turn it is in `turnOf`, and until when. */
  private turn: Runnable | undefined;
  private deadline: Cycles = 0;
  /** Events of the present instant are to be fired before anything else happens. */
  private firing = false;

  /**
   * @param index position among the host's islands
   * @param window cycles; see above
   * @param cheapestInstruction cycles of the cheapest instruction, by which a budget is turned into time
   */
  constructor(
    tracer: Tracer,
    readonly index: number,
    private readonly window: Cycles,
    private readonly cheapestInstruction: Cycles,
    private readonly signal: StopSignal,
  ) {
    this.queue = new EventQueue(tracer, this);
  }

  save(): IslandClockState {
    return { version: 2, present: this.present, firing: this.firing };
  }

  load(state: IslandClockState): void {
    requireVersion('an island of the host', state.version, 2);
    this.present = state.present;
    this.firing = state.firing;
  }

  /** The present instant: the time of the event or of the effect that is happening. */
  now(): Cycles {
    return this.present;
  }

  /** The present is at least `time`: to be called before an effect that no event brings. See `mustWait`. */
  standAt(time: Cycles): void {
    if (time > this.present) this.present = time;
  }

  add(runnable: Runnable): void {
    this.runnables.push(runnable);
    this.lonely = this.runnables.length === 1 ? runnable : null;
  }

  /** To be called at the end of a call-out, which may have scheduled something earlier than the CPU's deadline. */
  limitDeadline(runnable: Runnable): void {
    const next = this.queue.nextTime();
    if (runnable === this.turn && next < this.deadline) {
      this.deadline = next;
      runnable.limitDeadline(next);
    }
  }

  /**
   * Whether something has to happen before an effect at `time`: an event that is due, or another CPU's instructions. The
   * effect then has to be brought by an event of that time.
   *
   * @param actor the CPU whose effect it is; undefined for a thread that runs no guest code
   */
  mustWait(actor: Runnable | undefined, time: Cycles): boolean {
    return this.queue.nextTime() <= time || (actor !== this.lonely && this.isSomeoneBehind(actor, time));
  }

  private isSomeoneBehind(actor: Runnable | undefined, time: Cycles): boolean {
    for (const other of this.runnables) {
      if (other !== actor && other.runnable && other.now() < time) return true;
    }
    return false;
  }

  /** The time up to which everything has happened. */
  get elapsed(): Cycles {
    return this.runnables.reduce((latest, each) => Math.max(latest, each.now()), this.present);
  }

  /** The time that nobody is behind of. */
  get reached(): Cycles {
    return Math.min(this.queue.nextTime(), this.earliestTime());
  }

  /** Guest instructions retired so far. */
  get instructions(): number {
    let sum = 0;
    for (const each of this.runnables) sum += each.instructions();
    return sum;
  }

  /** True when every guest has ended. */
  get ended(): boolean {
    for (const each of this.runnables) if (!each.ended) return false;
    return true;
  }

  /** Runs everything up to a limit, or until there is nothing more to run. A budget is met exactly. */
  run({ sliceEnd, stopTime, budget }: IslandLimits): IslandState {
    const limit = Math.min(sliceEnd, stopTime);
    const most = budget === Infinity ? budget : budget + this.instructions;
    for (;;) {
      if (this.signal.wanted) return 'stopped';
      if (this.firing) {
        this.fire(this.present);
        continue;
      }
      if (this.ended) return 'ended';
      const next = this.queue.nextTime();
      const reached = Math.min(next, this.earliestTime());
      if (reached === Infinity) return 'deadlock';
      if (reached >= limit) return limit === stopTime ? 'timeout' : 'running';
      const turn = this.whoseTurn(Math.min(next, stopTime));
      if (!turn) {
        this.fire(next);
        continue;
      }
      const left = most === Infinity ? most : most - this.instructions;
      if (left <= 0) return 'budget';
      // No instruction is cheaper than the base, so that this many cycles never hold more than what is left.
      const affordable = left === Infinity ? left : turn.now() + left * this.cheapestInstruction;
      this.turnOf(turn, Math.min(next, affordable, stopTime), sliceEnd);
    }
  }

  private alone(turn: Runnable): boolean {
    for (const each of this.runnables) if (each !== turn && each.runnable) return false;
    return true;
  }

  private earliestTime(): Cycles {
    let time = Infinity;
    for (const each of this.runnables) if (each.runnable) time = Math.min(time, each.now());
    return time;
  }

  /** Who is to run up to a time; nobody when all have come to it. */
  private whoseTurn(time: Cycles): Runnable | undefined {
    let first: Runnable | undefined;
    let earliest = Infinity;
    for (const each of this.runnables) {
      if (!each.runnable || each.now() >= time) continue;
      const window = Math.floor(each.now() / this.window);
      if (window < earliest) {
        earliest = window;
        first = each;
      }
    }
    return first;
  }

  private fire(time: Cycles): void {
    this.standAt(time);
    this.queue.fireDue(time, this.signal);
    this.firing = this.signal.wanted && this.queue.nextTime() <= time;
  }

  /**
   * A turn ends with its window, whatever the slice: an end of the slice in its midst would let another run first. Alone,
   * a runnable has no window, and the slice may cut.
   */
  private turnOf(turn: Runnable, limit: Cycles, sliceEnd: Cycles): void {
    const windowEnd = (Math.floor(turn.now() / this.window) + 1) * this.window;
    this.deadline = Math.min(limit, this.alone(turn) ? sliceEnd : windowEnd);
    this.turn = turn;
    this.signal.turnOf(turn);
    try {
      turn.runUntil(this.deadline);
    } finally {
      this.turn = undefined;
      this.signal.turnOf(undefined);
      this.standAt(Math.min(this.earliestTime(), turn.now(), this.queue.nextTime()));
    }
  }
}
