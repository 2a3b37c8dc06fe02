/**
 * QEMU's main loop: one host thread that does what no vCPU waits for (a packet from the tap device, a timer). It takes one
 * job after the other; a job that comes while it is busy waits for its turn.
 */
import type { Stateful } from '../../machine/bus';
import { SnapshotError, requireVersion } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { Host, TimeContext } from '../host';

/** Somebody the thread does jobs for. The id is stable across runs, so that a snapshot can name him. */
export interface JobTarget {
  readonly jobTargetId: string;
  /** Does a job; what `kind`, `arg` and `bytes` mean is the target's own. */
  onJob(kind: number, arg: number, bytes: Uint8Array | undefined): void;
}

/** A job that waits. */
export interface SavedJob {
  /** Row reference of the wake-up. */
  cause: number;
  target: string;
  kind: number;
  arg: number;
  bytes?: Uint8Array;
}

/** Snapshot of an `IoThread`. */
export interface IoThreadState {
  version: 1;
  jobs: SavedJob[];
  time: Cycles;
  scheduled: boolean;
}

const TAKE_JOB = 0;

/** The I/O thread of one QEMU process. */
export class IoThread implements EventTarget, TimeContext, Stateful<IoThreadState> {
  readonly eventTargetId: string;
  readonly track: number;
  private readonly targets = new Map<string, JobTarget>();
  private jobs: SavedJob[] = [];
  private time: Cycles = 0;
  private scheduled = false;

  /** @param vm index and name of the VM whose QEMU this is */
  constructor(
    private readonly host: Host,
    vm: { index: number; name: string },
  ) {
    this.eventTargetId = `${vm.name}/qemu-io-thread`;
    this.track = host.tracer.addTrack({
      type: 'thread',
      name: 'QEMU I/O thread',
      group: 'host',
      vm: vm.index,
    });
    host.queue.register(this);
    host.units.keep(this.eventTargetId, this);
  }

  /** Makes a target known, before a job is posted for it. */
  register(target: JobTarget): void {
    this.targets.set(target.jobTargetId, target);
  }

  now(): Cycles {
    return this.time;
  }

  advance(cycles: Cycles): void {
    this.time += cycles;
  }

  /** True while the thread's own job is the one at work. */
  private working = false;
  get atWork(): boolean {
    return this.working;
  }

  /**
   * Hands a job to the thread. It is done when the thread has woken up and its earlier jobs are finished.
   *
   * @param bytes not to be changed afterwards
   */
  post(target: JobTarget, kind: number, arg: number, bytes?: Uint8Array): void {
    const { tracer } = this.host;
    const cause = tracer.instant(this.host.now(), this.track, Kind.SchedWake, 0, 0);
    this.jobs.push({ cause, target: target.jobTargetId, kind, arg, ...(bytes && { bytes }) });
    if (!this.scheduled) this.scheduleNext();
  }

  onEvent(_kind: number, _arg: number, time: Cycles): void {
    this.scheduled = false;
    const job = this.jobs.shift();
    if (!job) return;
    const { tracer } = this.host;
    const start = time - this.host.costs['qemu.ioThread'];
    tracer.cause = job.cause;
    const run = tracer.open(start, this.track, Kind.SchedRun, 0, 0);
    tracer.cause = run;
    this.time = time;
    this.working = true;
    try {
      this.host.inContext(this, () => this.targetOf(job).onJob(job.kind, job.arg, job.bytes));
    } finally {
      this.working = false;
    }
    tracer.close(run, this.time);
    if (this.jobs.length > 0) this.scheduleNext();
  }

  save(): IoThreadState {
    return { version: 1, jobs: [...this.jobs], time: this.time, scheduled: this.scheduled };
  }

  /** The event queue's own snapshot brings the wake-up back. */
  load(state: IoThreadState): void {
    requireVersion('an I/O thread', state.version, 1);
    state.jobs.forEach((job) => this.targetOf(job));
    this.jobs = [...state.jobs];
    this.time = state.time;
    this.scheduled = state.scheduled;
  }

  private targetOf(job: SavedJob): JobTarget {
    const target = this.targets.get(job.target);
    if (!target) {
      throw new SnapshotError(
        `${this.eventTargetId} has a job for '${job.target}', which this machine does not have`,
      );
    }
    return target;
  }

  private scheduleNext(): void {
    this.scheduled = true;
    const start = Math.max(this.host.now(), this.time);
    this.host.queue.schedule(start + this.host.costs['qemu.ioThread'], this, TAKE_JOB);
  }
}
