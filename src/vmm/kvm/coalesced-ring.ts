/**
 * KVM's ring of coalesced MMIO: writes that KVM notes down without leaving the kernel, and that QEMU performs when a vCPU next
 * brings it to work (Documentation/virt/kvm/api.rst, KVM_REGISTER_COALESCED_MMIO).
 */
import type { AddressMap } from '../../machine/address-map';
import { NO_CPU, type Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import type { Site } from '../host';
import type { Step, StepTarget, Work } from '../threads/work';
import type { KvmRegion } from './region';

/** A write that waits. */
export interface CoalescedWrite {
  address: number;
  size: number;
  low: number;
  high: number;
  /** Row of the exit that brought it. */
  cause: RowRef;
}

/** Entries of 24 bytes in one page behind two indexes, one of them always free (KVM_COALESCED_MMIO_MAX of Linux). */
const CAPACITY = Math.floor((4096 - 8) / 24) - 1;

/** Snapshot of a `CoalescedRing`. */
export interface CoalescedRingState {
  version: 1;
  writes: CoalescedWrite[];
}

/** The ring of one VM. */
export class CoalescedRing implements StepTarget, Stateful<CoalescedRingState> {
  readonly stepTargetId: string;
  private writes: CoalescedWrite[] = [];

  /** @param vm the VM's name */
  constructor(
    vm: string,
    private readonly site: Site,
    private readonly mmio: AddressMap<KvmRegion>,
  ) {
    this.stepTargetId = `${vm}/coalesced`;
    site.units.keep(this.stepTargetId, this);
  }

  get empty(): boolean {
    return this.writes.length === 0;
  }

  /** No more room: the write goes on to QEMU at once, as if its register were not coalesced. */
  get full(): boolean {
    return this.writes.length >= CAPACITY;
  }

  push(write: CoalescedWrite): void {
    this.writes.push(write);
  }

  /** Hands all that wait to a thread of QEMU, in order: a step of so many cycles each. */
  drainInto(work: Work, cycles: Cycles): void {
    for (const { address, size, low, high, cause } of this.writes) {
      work.add({ target: this.stepTargetId, cycles, kind: size, a: address, b: low, c: high, cause });
    }
    this.writes = [];
  }

  begin(step: Step): RowRef {
    return step.cause;
  }

  finish({ kind: size, a: address, b: low, c: high }: Step): void {
    const { tracer, island } = this.site;
    const region = this.mmio.find(address);
    if (!region) return;
    const offset = address - region.base + region.tag.offset;
    tracer.cause = tracer.instant(island.now(), region.tag.lane.track, Kind.MmioWrite, offset, low);
    this.mmio.write(address, size, low, high, NO_CPU);
  }

  /** The machine is reset: what waits is lost. */
  clear(): void {
    this.writes = [];
  }

  save(): CoalescedRingState {
    return { version: 1, writes: this.writes.map((write) => ({ ...write })) };
  }

  load(state: CoalescedRingState): void {
    requireVersion('the ring of coalesced MMIO', state.version, 1);
    this.writes = state.writes.map((write) => ({ ...write }));
  }
}
