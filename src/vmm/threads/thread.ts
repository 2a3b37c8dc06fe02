/** One thread of the host's operating system: a vCPU's, QEMU's main loop, a worker of the kernel. */
import type { Cycles } from '../../machine/time/event-queue';
import type { RowRef } from '../../trace/record/tracer';

/** What a thread is at: on a CPU, waiting for one, asleep until somebody wakes it, gone. */
export type ThreadState = 'running' | 'ready' | 'blocked' | 'ended';

/** What a thread does with a CPU; called by the scheduler, by events of their own. */
export interface ThreadBody {
  /** The thread has a CPU from the present on. */
  dispatched(time: Cycles): void;
  /**
   * Its CPU is wanted for another thread: it is to call `ThreadScheduler.yield` as soon as it can.
   * @returns whether an interrupt has to make it look; false: it does so in any case before it runs guest code
   */
  preempt(): boolean;
  /** A vector has come to the physical CPU on which the thread runs. */
  hostInterrupt(vector: number): void;
  /**
   * A vector is pending at the physical CPU on which the thread runs. True: the thread is in a guest that takes it itself.
   * Absent: never so.
   */
  interruptPending?(): boolean;
  /** The doorbell of the physical CPU on which the thread runs has rung (AMD64 vol. 2, 15.29.8). Absent: nothing comes of it. */
  doorbellRang?(): void;
}

/** Snapshot of a `HostThread`. */
export interface SavedThread {
  state: ThreadState;
  cpu: number;
  ran: Cycles;
  since: Cycles;
  row: RowRef;
}

/** A thread as the scheduler knows it; only the scheduler writes to it. */
export class HostThread {
  state: ThreadState = 'blocked';
  /** Index of the CPU it runs on, or ran on last; -1: none yet. */
  cpu = -1;
  /** CPU time it has had, for a fair share: of two that wait, the one that has had less comes first. */
  ran: Cycles = 0;
  /** Since when it has its CPU, or waits for one. */
  since: Cycles = 0;
  /** The span that shows its wait for a CPU. */
  row: RowRef = 0;

  /**
   * @param name unique on its host
   * @param track where its waits are shown
   */
  constructor(
    readonly name: string,
    readonly track: number,
    readonly body: ThreadBody,
  ) {}

  save(): SavedThread {
    const { state, cpu, ran, since, row } = this;
    return { state, cpu, ran, since, row };
  }

  load(saved: SavedThread): void {
    this.state = saved.state;
    this.cpu = saved.cpu;
    this.ran = saved.ran;
    this.since = saved.since;
    this.row = saved.row;
  }
}
