/**
 * A host thread that does jobs, one after the other, each under a lock if it has one: QEMU's main loop, a worker of the kernel.
 * Asleep while there are none.
 */
import type { Stateful } from '../../machine/bus';
import { SnapshotError, requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef, Tracer } from '../../trace/record/tracer';
import type { Island } from './island';
import type { HostLock, LockUser } from './lock';
import type { ThreadScheduler } from './scheduler';
import { HostThread, type ThreadBody } from './thread';
import { Work, type Step, type StepTarget, type ThreadClock, type WorkState } from './work';

/** Somebody the thread does jobs for. The id is stable across runs, so that a snapshot can name it. */
export interface JobTarget {
  readonly jobTargetId: string;
  /** Does a job; what `kind`, `arg` and `bytes` mean is the target's own. */
  onJob(kind: number, arg: number, bytes: Uint8Array | undefined): void;
}

/** A job that waits. */
export interface SavedJob {
  /** Row reference of the wake-up. */
  cause: RowRef;
  target: string;
  kind: number;
  arg: number;
  bytes?: Uint8Array;
}

/** What a thread does before it sleeps. */
export interface SpareTime {
  /**
   * The thread has finished a job, or what it did in its spare time, at a time.
   * @param jobWaits it has another job, which it comes to when it has nothing to do here
   * @returns whether it has something to do: steps of its work. False: it goes on with the job, or sleeps
   */
  spend(time: Cycles, jobWaits: boolean): boolean;
}

/** Where a worker is with its present job; `spare`: it has none, and has not gone to sleep. */
type Stage = 'idle' | 'taking' | 'locking' | 'working' | 'spare';

/** Snapshot of a `Worker`. */
export interface WorkerState {
  version: 1;
  jobs: SavedJob[];
  time: Cycles;
  stage: Stage;
  row: RowRef;
  preempted: boolean;
  work: WorkState;
}

/** What a worker is made of. */
export interface WorkerOptions {
  /** Unique in the run. */
  name: string;
  /** Its track. */
  track: number;
  /** Cycles from being dispatched, or the end of the last job, to beginning with a job. */
  takeCycles: Cycles;
  /** Held while a job is done; absent: its jobs need none. */
  lock?: HostLock;
  /** Those whose steps its jobs may add, by id; it adds its own. */
  targets: Map<string, StepTarget>;
}

/** One such thread. */
export class Worker implements ThreadBody, ThreadClock, LockUser, StepTarget, Stateful<WorkerState> {
  readonly thread: HostThread;
  readonly work: Work;
  readonly stepTargetId: string;
  /** Absent: it sleeps when it has no job. */
  spare: SpareTime | undefined;
  private readonly jobTargets = new Map<string, JobTarget>();
  private jobs: SavedJob[] = [];
  private time: Cycles = 0;
  private stage: Stage = 'idle';
  private row: RowRef = 0;
  private wanted = false;

  constructor(
    private readonly island: Island,
    private readonly scheduler: ThreadScheduler,
    private readonly tracer: Tracer,
    private readonly options: WorkerOptions,
  ) {
    const { name, track, lock, targets } = options;
    this.thread = new HostThread(name, track, this);
    this.stepTargetId = `${name}/take`;
    targets.set(this.stepTargetId, this);
    this.work = new Work(name, island, tracer, this, undefined, targets, () => this.goOn());
    scheduler.add(this.thread);
    lock?.register(this);
  }

  /** Makes a target known, before a job is posted for it. */
  register(target: JobTarget): void {
    this.jobTargets.set(target.jobTargetId, target);
  }

  /** Makes somebody known whose steps its jobs may add. */
  serve(target: StepTarget): void {
    this.options.targets.set(target.stepTargetId, target);
  }

  /** Its CPU is wanted for another thread: it is given up when the job is finished. */
  get preempted(): boolean {
    return this.wanted;
  }

  /** Asleep, and nobody has handed it a job. */
  get idle(): boolean {
    return this.stage === 'idle' && this.jobs.length === 0;
  }

  now(): Cycles {
    return this.time;
  }

  advance(cycles: Cycles): void {
    this.time += cycles;
  }

  resumed(): void {
    this.tracer.place = 0;
  }

  /**
   * Hands a job to the thread. It is done when the thread has woken up and its earlier jobs are finished.
   *
   * @param bytes not to be changed afterwards
   */
  post(target: JobTarget, kind: number, arg: number, bytes?: Uint8Array): void {
    const { island, tracer, thread } = this;
    const cause = tracer.instant(island.now(), thread.track, Kind.SchedWake, 0, 0);
    this.jobs.push({ cause, target: target.jobTargetId, kind, arg, ...(bytes && { bytes }) });
    // In the midst of a job it looks for the next one by itself. Asleep then, it waits for the lock, which alone may wake it.
    if (this.stage === 'idle') this.scheduler.wake(thread);
  }

  dispatched(time: Cycles): void {
    this.time = time;
    this.goOn();
  }

  preempt(): boolean {
    this.wanted = true;
    return true;
  }

  /** The host's own handler runs; the thread notices nothing of it. */
  hostInterrupt(): void {}

  /** Taking a job is a step with no effect but the time it takes. */
  begin(step: Step): RowRef {
    return step.cause;
  }

  finish(): void {}

  save(): WorkerState {
    return {
      version: 1,
      jobs: [...this.jobs],
      time: this.time,
      stage: this.stage,
      row: this.row,
      preempted: this.wanted,
      work: this.work.save(),
    };
  }

  load(state: WorkerState): void {
    requireVersion('a worker thread', state.version, 1);
    state.jobs.forEach((job) => this.targetOf(job));
    this.jobs = [...state.jobs];
    this.time = state.time;
    this.stage = state.stage;
    this.row = state.row;
    this.wanted = state.preempted;
    this.work.load(state.work);
  }

  /** From one stage to the next, as far as nothing has to be waited for. */
  private goOn(): void {
    while (this.step());
  }

  /** One stage; false when the thread now waits: for a job, a CPU, the lock, or the time of a step. */
  private step(): boolean {
    switch (this.stage) {
      case 'idle':
        return this.take();
      case 'spare':
        this.stage = 'idle';
        return true;
      case 'taking':
        this.stage = 'locking';
        return this.options.lock?.acquire(this, this.time) ?? true;
      case 'locking':
        return this.begun();
      case 'working':
        return this.ended();
    }
  }

  private take(): boolean {
    const { tracer, thread, time } = this;
    const [job] = this.jobs;
    if (this.spare?.spend(time, job !== undefined)) {
      this.stage = 'spare';
      return this.work.run();
    }
    if (!job) {
      this.wanted = false;
      this.scheduler.block(thread, time);
      return false;
    }
    tracer.cause = job.cause;
    this.row = tracer.open(time, thread.track, Kind.SchedRun, 0, 0);
    const { takeCycles } = this.options;
    this.work.add({
      target: this.stepTargetId,
      cycles: takeCycles,
      kind: 0,
      a: 0,
      b: 0,
      c: 0,
      cause: this.row,
    });
    this.stage = 'taking';
    return this.work.run();
  }

  private begun(): boolean {
    this.stage = 'working';
    const job = this.jobs.shift();
    if (!job) return true;
    this.tracer.cause = this.row;
    this.targetOf(job).onJob(job.kind, job.arg, job.bytes);
    return this.work.run();
  }

  private ended(): boolean {
    this.options.lock?.release(this.time);
    this.tracer.close(this.row, this.time);
    this.stage = 'idle';
    if (!this.wanted) return true;
    this.wanted = false;
    this.scheduler.yield(this.thread, this.time);
    return false;
  }

  private targetOf(job: SavedJob): JobTarget {
    const target = this.jobTargets.get(job.target);
    if (!target) {
      throw new SnapshotError(
        `${this.thread.name} has a job for '${job.target}', which this machine does not have`,
      );
    }
    return target;
  }
}
