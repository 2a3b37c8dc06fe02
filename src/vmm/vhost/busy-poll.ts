/**
 * Busy polling of a vhost device (VHOST_SET_VRING_BUSYLOOP_TIMEOUT; `vhost_net_busy_poll` of Linux): before its worker sleeps, it
 * looks for some time whether a driver has added something to a queue, or a packet has come to the tap device, which both cost
 * neither a notification nor a wake-up then. Its CPU is busy with that; it stops when another thread is to have the CPU
 * (`vhost_can_busy_poll`).
 */
import type { BusDevice, BusyPolling, RequesterId, Stateful } from '../../machine/bus';
import type { DmaMemory } from '../../machine/memory/dma-memory';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';
import type { RowRef } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import type { Site } from '../host';
import type { StepTarget } from '../threads/work';
import type { SpareTime, Worker } from '../threads/worker';

/** What is watched. */
interface Watch {
  requester: RequesterId;
  address: number;
  seen: Uint8Array;
  tag: number;
}

/** Snapshot of a `BusyPoll`. */
export interface BusyPollState {
  version: 1;
  watches: Watch[];
  until: Cycles;
  row: RowRef;
}

/** What the polling needs to know of its device. */
export interface BusyPollPlace {
  /** Unique in the run. */
  id: string;
  /** What the trace calls the device. */
  who: string;
  memory: DmaMemory;
  /** Whether the device may read memory. */
  busMaster: () => boolean;
  device: () => BusDevice | undefined;
  /** Makes sure that the worker comes to look. */
  wake: () => void;
}

/** The polling of one device. */
export class BusyPoll implements BusyPolling, SpareTime, StepTarget, Stateful<BusyPollState> {
  readonly stepTargetId: string;
  private watches: Watch[] = [];
  /** When the poll under way ends, and its row; 0: there is none. */
  private until: Cycles = 0;
  private row: RowRef = 0;

  /** @param cycles how long a poll takes at most */
  constructor(
    private readonly site: Site,
    private readonly worker: Worker,
    private readonly place: BusyPollPlace,
    private readonly cycles: Cycles,
  ) {
    this.stepTargetId = place.id;
    worker.serve(this);
    worker.spare = this;
    site.units.keep(place.id, this);
  }

  watch(requester: RequesterId, address: number, seen: Uint8Array, tag: number): void {
    this.watches.push({ requester, address, seen, tag });
    this.place.wake();
  }

  /** A job ends the poll, but what a driver has added by then comes before it: no notification tells of that. */
  spend(time: Cycles, jobWaits: boolean): boolean {
    if (jobWaits) {
      const changed = this.changed();
      this.over(time, true);
      this.tell(changed);
      return changed.length > 0;
    }
    if (this.watches.length === 0) return false;
    if (this.row === 0) {
      this.until = time + this.cycles;
      this.row = this.site.tracer.open(time, this.worker.thread.track, Kind.VhostPoll, this.cycles, 0);
    }
    const { costs } = this.site;
    const cycles = costs['instruction.base'] + costs['instruction.pause'];
    this.worker.work.add({ target: this.stepTargetId, cycles, kind: 0, a: 0, b: 0, c: 0, cause: this.row });
    return true;
  }

  /** A look is no row of its own. */
  begin(): RowRef {
    return this.row;
  }

  /** It has been looked. */
  finish(): void {
    const now = this.site.island.now();
    const changed = this.changed();
    const atEnd = now >= this.until || this.worker.preempted;
    if (changed.length === 0 && !atEnd) return;
    this.over(now, changed.length > 0);
    this.tell(atEnd ? [...this.watches] : changed);
  }

  save(): BusyPollState {
    const { watches, until, row } = this;
    return { version: 1, watches: watches.map((each) => ({ ...each })), until, row };
  }

  load(state: BusyPollState): void {
    requireVersion('the busy polling of a vhost device', state.version, 1);
    this.watches = state.watches.map((each) => ({ ...each }));
    this.until = state.until;
    this.row = state.row;
  }

  /** The poll under way is closed, if there is one. */
  private over(time: Cycles, found: boolean): void {
    const { tracer } = this.site;
    if (this.row === 0) return;
    tracer.setArgs(this.row, this.cycles, found ? 1 : 0);
    tracer.close(this.row, time);
    this.row = 0;
  }

  private changed(): Watch[] {
    return this.watches.filter((watch) => {
      const bytes = this.bytesOf(watch);
      return typeof bytes === 'string' || bytes.some((byte, i) => byte !== watch.seen[i]);
    });
  }

  /** The device is told of the ends; the current cause is what has brought them. */
  private tell(ended: readonly Watch[]): void {
    const { tracer } = this.site;
    const { cause } = tracer;
    this.watches = this.watches.filter((each) => !ended.includes(each));
    for (const watch of ended) {
      tracer.cause = cause;
      this.place.device()?.onDma(watch.tag, this.bytesOf(watch));
    }
  }

  private bytesOf({ requester, address, seen }: Watch): ReturnType<DmaMemory['read']> {
    const { memory, busMaster, who } = this.place;
    return busMaster() ? memory.read(requester, address, seen.length, who) : 'master-abort';
  }
}
