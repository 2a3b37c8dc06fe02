/**
 * What a thread has begun and not done yet: steps, one after the other. Each takes its time, and what it does to the world
 * happens at its end, in the order of time with everybody else's doings.
 */
import type { Stateful } from '../../machine/bus';
import { SnapshotError, requireVersion } from '../../machine/snapshot';
import type { DmaTranslated } from '../../machine/memory/dma-translation';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import type { RowRef, Tracer } from '../../trace/record/tracer';
import type { Island, Runnable } from './island';

/** One step as plain data. What `kind`, `a`, `b`, `c`, `d` and `bytes` mean is the target's own. */
export interface Step {
  /** `StepTarget.stepTargetId`. */
  target: string;
  cycles: Cycles;
  kind: number;
  a: number;
  b: number;
  c: number;
  d?: number;
  bytes?: Uint8Array;
  /** Where a copy goes, which is found when it begins. */
  way?: DmaTranslated;
  /** Why, as a row reference. */
  cause: RowRef;
}

/** Somebody whose steps threads do. */
export interface StepTarget {
  /** Unique in the run. */
  readonly stepTargetId: string;
  /**
   * A thread is about to begin the step: the step as it is to be then, when that is found out only now. Absent: as it was added. The
   * tracer's cause is the step's; what this records becomes the cause of the step's row.
   */
  prepare?(step: Step): Step;
  /** A thread begins the step: the row that shows it, on which the rest hangs. The tracer's cause is the step's. */
  begin(step: Step, time: Cycles): RowRef;
  /** The step's time is over: its effect. The tracer's cause is the row. */
  finish(step: Step, row: RowRef): void;
}

/** The clock of the thread that works. */
export interface ThreadClock {
  now(): Cycles;
  advance(cycles: Cycles): void;
  /** The thread goes on after others were at work. */
  resumed(): void;
}

/** Snapshot of a `Work`. */
export interface WorkState {
  version: 1;
  steps: Step[];
  row: RowRef;
  waiting: boolean;
}

/** The work of one thread. */
export class Work implements EventTarget, Stateful<WorkState> {
  readonly eventTargetId: string;
  private steps: Step[] = [];
  /** Row of the step that has begun; -1: none has. */
  private row: RowRef = -1;
  /** An event will go on with it. */
  private waiting = false;

  /**
   * @param name the thread's, unique in the run
   * @param actor the CPU whose thread it is; undefined for a thread that runs no guest code
   * @param targets those whose steps may be added, by id
   * @param done called when an event has brought the last step to its end
   */
  constructor(
    name: string,
    private readonly island: Island,
    private readonly tracer: Tracer,
    private readonly clock: ThreadClock,
    private readonly actor: Runnable | undefined,
    private readonly targets: ReadonlyMap<string, StepTarget>,
    private readonly done: () => void,
  ) {
    this.eventTargetId = `${name}/work`;
    island.queue.register(this);
  }

  /** Adds a step after those that are there. */
  add(step: Step): void {
    this.steps.push(step);
  }

  /** Does what can be done without anybody else coming first. False: the rest waits, and `done` is called when it is over. */
  run(): boolean {
    while (this.steps.length > 0) {
      const end = this.begin();
      if (this.island.mustWait(this.actor, end)) {
        this.waiting = true;
        this.island.queue.schedule(end, this, 0);
        return false;
      }
      this.complete();
    }
    return true;
  }

  onEvent(): void {
    this.waiting = false;
    this.clock.resumed();
    this.complete();
    if (this.run()) this.done();
  }

  save(): WorkState {
    return {
      version: 1,
      steps: this.steps.map((step) => ({ ...step })),
      row: this.row,
      waiting: this.waiting,
    };
  }

  /** The event queue's own snapshot brings the event back. */
  load(state: WorkState): void {
    requireVersion('the work of a thread', state.version, 1);
    state.steps.forEach((step) => this.targetOf(step));
    this.steps = state.steps.map((step) => ({ ...step }));
    this.row = state.row;
    this.waiting = state.waiting;
  }

  /** The first step begins, if it has not yet. @returns when it ends */
  private begin(): Cycles {
    const now = this.clock.now();
    if (this.row < 0) {
      const [added] = this.steps;
      const target = this.targetOf(added);
      this.tracer.cause = added.cause;
      const step = target.prepare?.(added) ?? added;
      this.steps[0] = step;
      this.row = target.begin(step, now);
    }
    return now + this.steps[0].cycles;
  }

  private complete(): void {
    const { row } = this;
    const [step] = this.steps;
    this.clock.advance(step.cycles);
    this.steps.shift();
    this.row = -1;
    this.island.standAt(this.clock.now());
    this.tracer.cause = row;
    this.targetOf(step).finish(step, row);
  }

  private targetOf(step: Step): StepTarget {
    const target = this.targets.get(step.target);
    if (!target) {
      throw new SnapshotError(
        `${this.eventTargetId} has a step of '${step.target}', which this machine does not have`,
      );
    }
    return target;
  }
}
