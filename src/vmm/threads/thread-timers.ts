/** Timers of a device that software stands in for: they expire at their time, and the thread that serves them comes to it when it can. */
import type { BusDevice, Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventHandle, EventTarget } from '../../machine/time/event-queue';
import type { Site } from '../host';
import type { JobTarget, Worker } from './worker';

/** A timer of the device that is armed, or that has expired and whose turn in the thread has not come. */
export interface ArmedTimer {
  /** Tells it from all others of the device. */
  serial: number;
  handle: EventHandle;
  kind: number;
  arg: number;
}

/** Snapshot of a `ThreadTimers`. */
export interface ThreadTimersState {
  version: 1;
  timers: ArmedTimer[];
  serials: number;
}

/** The timers of one device. */
export class ThreadTimers implements JobTarget, EventTarget, Stateful<ThreadTimersState> {
  readonly jobTargetId: string;
  readonly eventTargetId: string;
  private timers: ArmedTimer[] = [];
  private serials = 0;

  /** @param id unique in the run: `vm0/e1000/timers` */
  constructor(
    id: string,
    private readonly site: Site,
    private readonly thread: Worker,
    private readonly device: () => BusDevice | undefined,
  ) {
    this.jobTargetId = this.eventTargetId = id;
    site.island.queue.register(this);
    thread.register(this);
    site.units.keep(id, this);
  }

  /** As `DeviceBus.schedule`. */
  schedule(delay: Cycles, kind: number, arg: number): EventHandle {
    const { island } = this.site;
    const serial = ++this.serials;
    const handle = island.queue.schedule(island.now() + delay, this, 0, serial);
    this.timers.push({ serial, handle, kind, arg });
    return handle;
  }

  /** Also one that has expired while the thread was at something else (`timer_del` of QEMU). */
  cancel(handle: EventHandle): void {
    this.site.island.queue.cancel(handle);
    this.timers = this.timers.filter((each) => each.handle !== handle);
  }

  onEvent(_kind: number, serial: number): void {
    this.thread.post(this, 0, serial);
  }

  /** The thread has come to one that has expired, if nobody has stopped it meanwhile. */
  onJob(_kind: number, serial: number): void {
    const timer = this.timers.find((each) => each.serial === serial);
    if (!timer) return;
    this.timers = this.timers.filter((each) => each !== timer);
    this.device()?.onEvent(timer.kind, timer.arg);
  }

  save(): ThreadTimersState {
    return { version: 1, timers: this.timers.map((each) => ({ ...each })), serials: this.serials };
  }

  load(state: ThreadTimersState): void {
    requireVersion('the timers of a device', state.version, 1);
    this.timers = state.timers.map((each) => ({ ...each }));
    this.serials = state.serials;
  }
}
