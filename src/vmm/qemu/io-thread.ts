/**
 * QEMU's main loop: one host thread that does what no vCPU waits for (a packet from the tap device, a timer). It takes one
 * job after the other; a job that comes while it is busy waits for its turn.
 */
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import { Kind } from '../../trace/events';
import type { Host, TimeContext } from '../host';

interface Job {
  cause: number;
  work: () => void;
}

const TAKE_JOB = 0;

/** The I/O thread of one QEMU process. */
export class IoThread implements EventTarget, TimeContext {
  readonly eventTargetId: string;
  readonly track: number;
  private readonly jobs: Job[] = [];
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

  /** Hands a job to the thread. It is done when the thread has woken up and its earlier jobs are finished. */
  post(work: () => void): void {
    const { tracer } = this.host;
    const wake = tracer.instant(this.host.now(), this.track, Kind.SchedWake, 0, 0);
    this.jobs.push({ cause: wake, work });
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
      this.host.inContext(this, job.work);
    } finally {
      this.working = false;
    }
    tracer.close(run, this.time);
    if (this.jobs.length > 0) this.scheduleNext();
  }

  private scheduleNext(): void {
    this.scheduled = true;
    const start = Math.max(this.host.now(), this.time);
    this.host.queue.schedule(start + this.host.costs['qemu.ioThread'], this, TAKE_JOB);
  }
}
