/**
 * The receiver's way into memory (manual 3.2.3 to 3.2.7): a state machine that stores the frames of the packet buffer in
 * order, each in the buffers of as many descriptors as it needs. With no descriptor left, or while the function is no bus
 * master, frames wait. A descriptor is used when its buffer is written; RDH passes it when it is written back.
 */
import type { DmaResult } from '../../bus';
import { Kind } from '../../../trace/vocabulary/events';
import { DropReason, FCS } from '../intel-nic/constants';
import { isFault, type Dma } from '../intel-nic/dma';
import { DescriptorFetch, type Descriptor, type FetchHardware, type FetchRun } from '../intel-nic/fetch';
import {
  PacketBuffer,
  type Buffered,
  type PacketBufferHardware,
  type PacketBufferRun,
} from '../intel-nic/packet-buffer';
import { Ring, type RingRegisters } from '../intel-nic/ring';
import type { Timers } from '../intel-nic/timers';
import { WriteBack, type Used, type WriteBackHardware, type WriteBackRun } from '../intel-nic/writeback';
import { Cause, Channel, ON_CHIP, Rctl, Reg, RxStatus, Timer } from './constants';
import type { E1000Core } from './core';
import { RECEIVE_DELAY, type InterruptUnit } from './interrupts';

const RING: RingRegisters = { base: Reg.RDBAL, length: Reg.RDLEN, head: Reg.RDH, tail: Reg.RDT };

/** A frame in the packet buffer. */
export interface ReceivedFrame {
  /** As they are to stand in memory. */
  bytes: Uint8Array;
  /** Of the frame as it came, without FCS. */
  length: number;
  /** Packet checksum (13.4.47). */
  checksum: number;
  /** Its tag was taken out, and is in `special`. */
  stripped: boolean;
  special: number;
}

/** What the hardware has of a `Storer`. */
export interface StorerHardware {
  fetch: FetchHardware;
  writeBack: WriteBackHardware;
  buffer: PacketBufferHardware<ReceivedFrame>;
  stored: number;
  storing: number;
  timeSpent: boolean;
}

/** What the run has of a `Storer`. */
export interface StorerRun {
  fetch: FetchRun;
  writeBack: WriteBackRun;
  buffer: PacketBufferRun;
  packets: number;
}

/** Offsets in a receive descriptor (3.2.3). */
const Field = { length: 8, checksum: 10, status: 12, errors: 13, special: 14 } as const;

/** The receiver from the packet buffer on. */
export class Storer {
  /** Frames that wait for descriptors. */
  readonly buffer: PacketBuffer<ReceivedFrame>;
  readonly ring: Ring;
  private readonly fetch: DescriptorFetch;
  private readonly writeBack: WriteBack;
  /** Bytes of the first frame that are in memory. */
  private stored = 0;
  /** Bytes that are on their way there. */
  private storing = 0;
  /** The receiver's own work on the first frame is done. */
  private timeSpent = false;
  /** Packets put into memory so far. */
  private packets = 0;

  constructor(
    private readonly core: E1000Core,
    private readonly dma: Dma,
    private readonly timers: Timers,
    private readonly interrupts: InterruptUnit,
  ) {
    this.ring = new Ring(core, RING, (which) => core.threshold(Reg.RXDCTL, which));
    this.buffer = new PacketBuffer<ReceivedFrame>(() => core.packetBuffer().receive);
    this.writeBack = new WriteBack(this.ring, dma, Channel.ReceiveWriteBack, {
      written: (used, ok, signals) => this.written(used, ok, signals),
      nothingToWrite: (signals) => interrupts.raise(signals),
    });
    this.fetch = new DescriptorFetch(this.ring, dma, Channel.ReceiveFetch, {
      enabled: () => this.enabled,
      onChip: ON_CHIP,
      held: () => this.writeBack.held,
      cause: () => core.bus.trace.cause,
      fetched: () => this.run(),
      failed: () => this.run(),
    });
    dma.onEnd(Channel.ReceiveData, (result) => this.dataEnded(result));
    interrupts.onExpiry(RECEIVE_DELAY, (causes) => this.writeBack.flush(causes));
  }

  /** Whether the receiver is on. */
  get enabled(): boolean {
    return (this.core.get(Reg.RCTL) & Rctl.EN) !== 0;
  }

  /** Descriptors that the hardware owns, from head to tail (3.2.6). */
  get free(): number {
    return this.ring.upToTail(this.ring.head);
  }

  /** Puts a frame, which fits, into the packet buffer. */
  take(frame: ReceivedFrame): void {
    const { cause } = this.core.bus.trace;
    this.buffer.push({ frame, size: frame.length + FCS, cause });
    this.fetch.retry();
    this.run();
  }

  /** RDT was written: descriptors were given to the device. */
  tailWritten(value: number): void {
    const { core, ring } = this;
    const { trace } = core.bus;
    core.set(Reg.RDT, value & 0xffff);
    trace.instant(Kind.RingTail, value & 0xffff, core.get(Reg.RDH));
    if (ring.size > 0 && ring.tail >= ring.size) core.aside(Kind.DeviceMisused, Reg.RDT, value);
    this.fetch.granted(trace.cause);
    this.run();
  }

  /** RCTL was written. */
  controlWritten(value: number): void {
    const { core } = this;
    const before = this.enabled;
    core.set(Reg.RCTL, value);
    if (!before && this.enabled) this.fetch.granted(core.bus.trace.cause);
    this.resume();
  }

  /** The ring's base, length or head was written: what is on the chip of the old one is void, the first frame begins anew. */
  ringChanged(): void {
    this.fetch.reset();
    this.writeBack.reset();
    this.dma.forget(Channel.ReceiveData);
    this.stored = 0;
    this.fetch.granted(this.core.bus.trace.cause);
    this.run();
  }

  /** Goes on where it can: the receiver was turned on, the function became a bus master, a threshold changed. */
  resume(): void {
    this.writeBack.write();
    this.run();
  }

  /** `Timer.Receive`: the own work on a frame is done. */
  workDone(): void {
    this.timeSpent = true;
    if (this.buffer.first) this.buffer.first.cause = this.core.bus.trace.cause;
    this.run();
  }

  /** CTRL.RST; the registers are reset already. */
  reset(): void {
    this.buffer.clear();
    this.timers.stop(Timer.Receive);
    this.timeSpent = false;
    this.ringChanged();
  }

  saveHardware(): StorerHardware {
    return {
      fetch: this.fetch.saveHardware(),
      writeBack: this.writeBack.saveHardware(),
      buffer: this.buffer.saveHardware(),
      stored: this.stored,
      storing: this.storing,
      timeSpent: this.timeSpent,
    };
  }

  saveRun(): StorerRun {
    return {
      fetch: this.fetch.saveRun(),
      writeBack: this.writeBack.saveRun(),
      buffer: this.buffer.saveRun(),
      packets: this.packets,
    };
  }

  load(hardware: StorerHardware, run: StorerRun | undefined): void {
    this.fetch.load(hardware.fetch, run?.fetch);
    this.writeBack.load(hardware.writeBack, run?.writeBack);
    this.buffer.load(hardware.buffer, run?.buffer);
    this.stored = hardware.stored;
    this.storing = hardware.storing;
    this.timeSpent = hardware.timeSpent;
    this.packets = run?.packets ?? 0;
  }

  /** Size of the driver's buffers (13.4.22). */
  private get bufferSize(): number {
    const rctl = this.core.get(Reg.RCTL);
    const code = (rctl >> 16) & 3;
    if ((rctl & Rctl.BSEX) === 0) return 2048 >> code;
    // With BSEX code 0 is reserved; it is taken as the largest.
    return code === 0 ? 16384 : 32768 >> code;
  }

  private run(): void {
    let more = true;
    while (more) more = this.step();
    // Used descriptors that wait for more of them would wait for ever when there is none to come.
    if (this.fetch.full || (!this.buffer.empty && this.fetch.exhausted)) this.writeBack.flush(0);
    this.fetch.fetch();
  }

  /** One step; false when the next one waits for something. */
  private step(): boolean {
    const { buffer, fetch, dma } = this;
    const entry = buffer.first;
    if (dma.busy(Channel.ReceiveData) || !entry || !this.mayStore(entry)) return false;
    const descriptor = fetch.first;
    if (!descriptor) {
      if (!fetch.faulted) return false;
      // The ring cannot be read: each frame that waits for it is one attempt.
      this.lose(entry);
      if (!buffer.empty) fetch.retry();
      return false;
    }
    const address = addressOf(descriptor);
    if (address === 0) {
      fetch.shift();
      this.writeBack.add({ ...descriptor, bytes: nullOf(descriptor), mark: 0 });
      return true;
    }
    if (!dma.allowed(Channel.ReceiveData)) return false;
    const part = entry.frame.bytes.subarray(this.stored, this.stored + this.bufferSize);
    this.storing = part.length;
    dma.write(Channel.ReceiveData, address, part, entry.cause);
    return false;
  }

  /** Whether the first frame may be stored: the receiver is on, or it is under way, and its own work on it is done. */
  private mayStore(entry: Buffered<ReceivedFrame>): boolean {
    const { core, timers } = this;
    if (this.stored > 0) return true;
    if (!this.enabled) return false;
    const cycles = core.cycles(core.timing.receiveNanoseconds);
    if (cycles === 0 || this.timeSpent) return true;
    if (!timers.running(Timer.Receive)) timers.work(Timer.Receive, cycles, entry.cause);
    return false;
  }

  private dataEnded(result: DmaResult): void {
    const { buffer, fetch, core } = this;
    const entry = buffer.first;
    const descriptor = fetch.first;
    if (!entry || !descriptor) return;
    if (isFault(result)) {
      // A function that was taken off the bus meanwhile stores the same again when it is a master again.
      if (!this.dma.allowed(Channel.ReceiveData)) return;
      this.lose(entry);
      this.run();
      return;
    }
    const { cause } = core.bus.trace;
    const { frame } = entry;
    const length = this.storing;
    this.stored += length;
    const last = this.stored >= frame.bytes.length;
    fetch.shift();
    const bytes = usedOf(descriptor, length, last ? frame : undefined);
    this.writeBack.add({ index: descriptor.index, bytes, mark: last ? frame.length : 0, cause });
    if (last) {
      this.leave();
      this.signalReceived(frame);
    }
    core.bus.trace.cause = cause;
    this.run();
  }

  /** The first frame has left the packet buffer. */
  private leave(): void {
    this.buffer.shift();
    this.stored = 0;
    this.timeSpent = false;
  }

  private lose(entry: Buffered<ReceivedFrame>): void {
    this.core.aside(Kind.PacketDrop, entry.frame.length, DropReason.DmaAbort);
    this.leave();
  }

  /** RXT0 now or after its delay; a small packet ends the delay (3.2.7.2). */
  private signalReceived(frame: ReceivedFrame): void {
    const { core, interrupts } = this;
    const small = frame.bytes.length <= core.get(Reg.RSRPD);
    if (small) interrupts.expired(RECEIVE_DELAY, Cause.SRPD);
    else interrupts.delayed(RECEIVE_DELAY);
  }

  private written(used: readonly Used[], ok: boolean, signals: number): void {
    const { core, ring } = this;
    const { trace } = core.bus;
    const before = this.free;
    if (ok) {
      ring.head = ring.after(used[used.length - 1].index);
      trace.instant(Kind.RingHead, ring.head, ring.tail);
    }
    for (const { mark } of used) {
      if (mark === 0) continue;
      if (ok) trace.instant(Kind.PacketRx, mark, this.packets++);
      else core.aside(Kind.PacketDrop, mark, DropReason.DmaAbort);
    }
    const causes = this.fewLeft(before) | signals;
    if (causes !== 0) this.interrupts.raise(causes);
    this.run();
  }

  /** RXDMT0 when the free descriptors have fallen to the fraction of the ring that RCTL.RDMTS names (1/2, 1/4, 1/8). */
  private fewLeft(before: number): number {
    const threshold = this.ring.size >> (((this.core.get(Reg.RCTL) >> 8) & 3) + 1);
    return before > threshold && this.free <= threshold ? Cause.RXDMT0 : 0;
  }
}

function addressOf({ bytes }: Descriptor): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
}

/** A descriptor without a buffer: DD, and nothing else of it changes (3.2.5.2). */
function nullOf({ bytes }: Descriptor): Uint8Array {
  const used = bytes.slice();
  used[Field.status] |= RxStatus.DD;
  return used;
}

/** A used descriptor. @param ended the frame that ended in it: only then checksum, special and status mean something (3.2.3.1) */
function usedOf({ bytes }: Descriptor, length: number, ended: ReceivedFrame | undefined): Uint8Array {
  const used = bytes.slice();
  const view = new DataView(used.buffer);
  const tag = ended?.stripped ? RxStatus.VP : 0;
  view.setUint16(Field.length, length, true);
  view.setUint16(Field.checksum, ended?.checksum ?? 0, true);
  used[Field.status] = RxStatus.DD | (ended ? RxStatus.EOP | RxStatus.IXSM | tag : 0);
  used[Field.errors] = 0;
  view.setUint16(Field.special, ended?.special ?? 0, true);
  return used;
}
