/**
 * The host that everything runs on: one clock, one queue of events, and the loop that lets every vCPU and every event have
 * its turn in the order of simulated time.
 */
import { requireVersion } from '../machine/snapshot';
import type { Cycles } from '../machine/time/event-queue';
import { EventQueue } from '../machine/time/queue';
import type { Costs } from './cost-keys';
import { Units } from './units';
import type { Tracer } from '../trace/record/tracer';

/** Whoever's time it is: a vCPU in a call-out, a host thread at work. */
export interface TimeContext {
  now(): Cycles;
  advance(cycles: Cycles): void;
}

/** Something with a vCPU's rhythm: it runs until a deadline, or has nothing to run. */
export interface Runnable extends TimeContext {
  /** True while guest code can be run now. */
  readonly runnable: boolean;
  /** True when nothing will ever run here again. */
  readonly ended: boolean;
  runUntil(deadline: Cycles): void;
  /** Guest instructions retired so far. */
  instructions(): number;
  /** Something may now have to happen before the deadline of the present `runUntil`. */
  limitDeadline(deadline: Cycles): void;
}

/** How `Host.run` came back. */
export type HostState =
  /** The slice is used up. */
  | 'running'
  /** All guests have ended. */
  | 'ended'
  /** The stop time was reached. */
  | 'timeout'
  /** As many instructions were retired as may be. */
  | 'budget'
  /** Nothing is runnable and no event will change that. */
  | 'deadlock';

/** Snapshot of a `Host`; what stands on it has snapshots of its own. */
export interface HostClockState {
  version: 1;
  time: Cycles;
}

/** Bounds of a window of time (see `Host`), in cycles. */
const SHORTEST_WINDOW: Cycles = 50;
const LONGEST_WINDOW: Cycles = 1_000;

/**
 * One physical computer: clock, events, costs, and what runs on it.
 *
 * Several runnables take turns by windows of time: whoever stands in the earliest window runs to its end, of those in the
 * same window the one added first. So one is never further ahead of another than a window and an instruction. What that
 * means:
 * - An event fires when all have come to its time, and a device access waits for its time likewise (`mustWait`). So
 *   devices, interrupt controllers and IPIs act in the exact order of time, also between vCPUs.
 * - An interrupt that one vCPU sends while another runs takes effect `irq.kick` later. A window is no longer than that: the
 *   other cannot have run past that point already.
 * - Only RAM shows the window: of two vCPUs' stores and loads less than a window apart, either may come first, as with a
 *   processor's store buffers. Locked instructions are atomic.
 *
 * Whose turn it is follows from everybody's time alone. A run that is cut anywhere, by a slice or a budget, goes on as if
 * it had not been.
 */
export class Host implements TimeContext {
  readonly queue: EventQueue;
  /** All that has a state, for snapshots. */
  readonly units = new Units();
  private readonly runnables: Runnable[] = [];
  private context: TimeContext | undefined;
  private time: Cycles = 0;
  /** Whose turn it is in `turnOf`, and until when. */
  private turn: Runnable | undefined;
  private deadline: Cycles = 0;
  private readonly window: Cycles;
  private readonly alwaysWait: boolean;

  /**
   * @param frequencyHz cycles per second of the TSC
   * @param options `alwaysWait`: every device access waits for an event of its own, which must change no trace
   */
  constructor(
    readonly tracer: Tracer,
    readonly costs: Costs,
    readonly frequencyHz: number,
    options: { alwaysWait?: boolean } = {},
  ) {
    this.queue = new EventQueue(tracer, this);
    this.units.keep('host', this);
    this.units.keep('events', this.queue);
    this.window = Math.max(SHORTEST_WINDOW, Math.min(LONGEST_WINDOW, costs['irq.kick']));
    this.alwaysWait = options.alwaysWait ?? false;
  }

  save(): HostClockState {
    return { version: 1, time: this.time };
  }

  load(state: HostClockState): void {
    requireVersion('the host', state.version, 1);
    this.time = state.time;
  }

  /** Time of whoever is at work. */
  now(): Cycles {
    return this.context ? this.context.now() : this.time;
  }

  /** Charges whoever is at work; an event by itself takes no time. */
  advance(cycles: Cycles): void {
    this.context?.advance(cycles);
  }

  addRunnable(runnable: Runnable): void {
    this.runnables.push(runnable);
  }

  /** Does work in the name of a thread: its clock is the clock meanwhile. */
  inContext(context: TimeContext, work: () => void): void {
    const before = this.context;
    this.context = context;
    try {
      work();
    } finally {
      this.context = before;
    }
  }

  /** To be called at the end of a call-out, which may have scheduled something earlier than the vCPU's deadline. */
  limitDeadline(runnable: Runnable): void {
    const next = this.queue.nextTime();
    if (runnable === this.turn && next < this.deadline) {
      this.deadline = next;
      runnable.limitDeadline(next);
    }
  }

  /**
   * Whether something has to happen before what `runnable` is about to do at `time`: an event that is due, or another
   * runnable's instructions. It then has to stop running and be called by an event of that time.
   */
  mustWait(runnable: Runnable, time: Cycles): boolean {
    if (this.queue.nextTime() <= time || this.alwaysWait) return true;
    const { runnables } = this;
    if (runnables.length === 1) return false;
    for (const other of runnables) {
      if (other !== runnable && other.runnable && other.now() < time) return true;
    }
    return false;
  }

  /**
   * Runs everything up to `sliceEnd`, or `stopTime`, or until there is nothing more to run. Where the slices lie changes
   * nothing in the trace.
   *
   * @param budget guest instructions that all runnables together may have retired in the end; met exactly
   */
  run(sliceEnd: Cycles, stopTime: Cycles, budget = Infinity): HostState {
    const limit = Math.min(sliceEnd, stopTime);
    for (;;) {
      const left = budget === Infinity ? budget : budget - this.retired();
      if (this.allEnded()) return 'ended';
      const next = this.queue.nextTime();
      const reached = Math.min(next, this.earliestTime());
      if (reached === Infinity) return 'deadlock';
      if (reached >= limit) return limit === stopTime ? 'timeout' : 'running';
      const turn = this.whoseTurn(Math.min(next, stopTime));
      if (!turn) {
        this.fire(next);
      } else if (left <= 0) {
        return 'budget';
      } else {
        // No instruction is cheaper than the base, so that this many cycles never hold more than what is left.
        const affordable = left === Infinity ? left : turn.now() + left * this.costs['instruction.base'];
        this.turnOf(turn, Math.min(next, affordable, stopTime), sliceEnd);
      }
    }
  }

  /** The time up to which everything has happened. */
  get elapsed(): Cycles {
    return this.runnables.reduce((latest, each) => Math.max(latest, each.now()), this.time);
  }

  private retired(): number {
    let sum = 0;
    for (const each of this.runnables) sum += each.instructions();
    return sum;
  }

  private allEnded(): boolean {
    for (const each of this.runnables) if (!each.ended) return false;
    return true;
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

  /** What an event does is nobody's instruction; whose consequence it is, its cause tells. */
  private fire(time: Cycles): void {
    this.time = Math.max(this.time, time);
    this.tracer.place = 0;
    this.queue.fireDue(time);
  }

  /**
   * A turn ends with its window, whatever the slice: an end of the slice in its midst would let another run first. Alone,
   * a runnable has no window, and the slice may cut.
   */
  private turnOf(turn: Runnable, limit: Cycles, sliceEnd: Cycles): void {
    const windowEnd = (Math.floor(turn.now() / this.window) + 1) * this.window;
    const deadline = Math.min(limit, this.alone(turn) ? sliceEnd : windowEnd);
    this.deadline = deadline;
    this.context = turn;
    this.turn = turn;
    try {
      turn.runUntil(deadline);
    } finally {
      this.context = undefined;
      this.turn = undefined;
      this.time = Math.max(this.time, Math.min(this.earliestTime(), turn.now(), this.queue.nextTime()));
    }
  }
}
