/**
 * The host that everything runs on: one clock, one queue of events, and the loop that lets every vCPU and every event have
 * its turn in the order of simulated time.
 */
import { requireVersion } from '../machine/snapshot';
import type { Cycles } from '../machine/time/event-queue';
import { EventQueue } from '../machine/time/queue';
import type { Costs } from './cost-keys';
import { Units } from './units';
import type { Tracer } from '../trace/tracer';

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

/** Longest time one vCPU runs ahead of another: short enough that spin locks and IPIs behave. */
const QUANTUM: Cycles = 2_000;

/** One physical computer: clock, events, costs, and what runs on it. */
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

  /** @param frequencyHz cycles per second of the TSC */
  constructor(
    readonly tracer: Tracer,
    readonly costs: Costs,
    readonly frequencyHz: number,
  ) {
    this.queue = new EventQueue(tracer, this);
    this.units.keep('host', this);
    this.units.keep('events', this.queue);
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
   * Runs everything up to `sliceEnd`, or `stopTime`, or until there is nothing more to run. Where the slices lie changes
   * nothing in the trace.
   *
   * @param budget guest instructions that all runnables together may have retired in the end; met exactly
   */
  run(sliceEnd: Cycles, stopTime: Cycles, budget = Infinity): HostState {
    const limit = Math.min(sliceEnd, stopTime);
    for (;;) {
      const left = budget === Infinity ? budget : budget - this.retired();
      if (this.runnables.every((each) => each.ended)) return 'ended';
      const next = this.queue.nextTime();
      const turn = this.earliest();
      const reached = turn ? turn.now() : next;
      if (reached === Infinity) return 'deadlock';
      if (Math.min(next, reached) >= limit) {
        return limit === stopTime ? 'timeout' : 'running';
      }
      if (!turn || next <= turn.now()) {
        this.fire(next);
      } else if (left <= 0) {
        return 'budget';
      } else {
        // No instruction is cheaper than the base, so that this many cycles never hold more than what is left.
        const affordable = left === Infinity ? left : turn.now() + left * this.costs['instruction.base'];
        this.turnOf(turn, Math.min(next, affordable), sliceEnd, stopTime);
      }
    }
  }

  /** The time up to which everything has happened. */
  get elapsed(): Cycles {
    return this.runnables.reduce((latest, each) => Math.max(latest, each.now()), this.time);
  }

  private retired(): number {
    return this.runnables.reduce((sum, each) => sum + each.instructions(), 0);
  }

  private earliest(): Runnable | undefined {
    let first: Runnable | undefined;
    for (const each of this.runnables) {
      if (each.runnable && (!first || each.now() < first.now())) first = each;
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
   * A turn ends with its quantum, whatever the slice: where two take turns, an end of the slice in the midst of one would
   * change who runs next. Alone, a runnable goes on where it stopped, and the slice may cut.
   */
  private turnOf(turn: Runnable, limit: Cycles, sliceEnd: Cycles, stopTime: Cycles): void {
    let quantum = Infinity;
    for (const other of this.runnables) {
      if (other !== turn && other.runnable) quantum = Math.min(quantum, other.now() + QUANTUM);
    }
    const deadline = Math.min(limit, stopTime, quantum === Infinity ? sliceEnd : quantum);
    this.deadline = deadline;
    this.context = turn;
    this.turn = turn;
    try {
      turn.runUntil(deadline);
    } finally {
      this.context = undefined;
      this.turn = undefined;
      this.time = Math.max(this.time, Math.min(turn.now(), this.queue.nextTime()));
    }
  }
}
