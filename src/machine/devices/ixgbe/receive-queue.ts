/**
 * One receive queue (7.1.3 to 7.1.8): it stores the frames that it was given, each in the buffers of as many descriptors as it needs,
 * with several writes on their way together, as PCI Express posts them. A descriptor is used when its buffer is written; RDH passes it
 * when it is written back.
 */
import type { DmaResult } from '../../bus';
import { Kind } from '../../../trace/vocabulary/events';
import { FCS } from '../intel-nic/constants';
import { isFault, type Dma } from '../intel-nic/dma';
import { DescriptorFetch, type FetchHardware, type FetchRun } from '../intel-nic/fetch';
import { Ring } from '../intel-nic/ring';
import { WriteBack, type Used, type WriteBackHardware, type WriteBackRun } from '../intel-nic/writeback';
import { DropReason, IN_FLIGHT, ON_CHIP, Qdctl, Srrctl, Use, USES } from './bits';
import type { IxgbeCore } from './core';
import { QueueReg, receiveBase, ringRegisters } from './queue-registers';
import { bufferAddress, usedDescriptor, type FrameFacts } from './receive-descriptors';

/** A frame for a queue. */
export interface QueuedFrame {
  /** As they are to stand in memory. */
  bytes: Uint8Array;
  /** Of the frame as it came, without FCS. */
  length: number;
  facts: FrameFacts;
}

/** A buffer that is being written. */
interface Storing {
  index: number;
  /** Its descriptor. */
  bytes: Uint8Array;
  length: number;
  /** The frame that ends in it. */
  ended?: QueuedFrame;
}

/** What the hardware has of a `ReceiveQueue`. */
export interface ReceiveQueueHardware {
  fetch: FetchHardware;
  writeBack: WriteBackHardware;
  frames: QueuedFrame[];
  offset: number;
  storing: Storing[];
  failed: boolean;
}

/** What the run has of it. */
export interface ReceiveQueueRun {
  fetch: FetchRun;
  writeBack: WriteBackRun;
  causes: number[];
  packets: number;
}

/** Whose queue it is. */
export interface ReceiveQueueOwner {
  /** A frame has left the packet buffer. @param stored whether it is in memory */
  left(queue: number, frame: QueuedFrame, stored: boolean): void;
  /** Descriptors are in memory: the queue's interrupt cause. */
  done(queue: number): void;
  /** There are new descriptors. */
  more(): void;
}

const KIB = 1024;

/** The queue. */
export class ReceiveQueue {
  private readonly base: number;
  readonly ring: Ring;
  private readonly fetch: DescriptorFetch;
  private readonly writeBack: WriteBack;
  private readonly channel: number;
  /** Frames whose last buffer's write has not begun, with the row of each. */
  private frames: { frame: QueuedFrame; cause: number }[] = [];
  /** Bytes of the first one whose writes have begun. */
  private offset = 0;
  private storing: Storing[] = [];
  /** A buffer of the frame that is stored could not be written. */
  private failed = false;
  private packets = 0;

  constructor(
    private readonly index: number,
    private readonly core: IxgbeCore,
    private readonly dma: Dma,
    private readonly owner: ReceiveQueueOwner,
  ) {
    this.base = receiveBase(index);
    this.channel = index * USES + Use.ReceiveData;
    this.ring = new Ring(core, ringRegisters(this.base), () => 0);
    this.writeBack = new WriteBack(this.ring, dma, index * USES + Use.ReceiveWriteBack, {
      written: (used, ok) => this.written(used, ok),
      nothingToWrite: () => undefined,
    });
    this.fetch = new DescriptorFetch(this.ring, dma, index * USES + Use.ReceiveFetch, {
      enabled: () => this.enabled,
      onChip: ON_CHIP.receive,
      held: () => this.writeBack.held + this.storing.length,
      cause: () => core.traceOf(index).cause,
      fetched: () => this.run(),
      failed: () => this.lost(),
    });
    dma.onEnd(this.channel, (result) => this.dataEnded(result));
  }

  /** RXDCTL.ENABLE. */
  get enabled(): boolean {
    return (this.control & Qdctl.ENABLE) !== 0;
  }

  /** RXDCTL.VME: tags are taken out. */
  get strips(): boolean {
    return (this.control & Qdctl.VME) !== 0;
  }

  /** SRRCTL.DROP_EN: a frame that finds no descriptors is lost rather than in the others' way. */
  get drops(): boolean {
    return (this.srrctl & Srrctl.DROP_EN) !== 0;
  }

  /** Whether there are descriptors enough for so many bytes, beside those that the frames before need. */
  roomFor(bytes: number): boolean {
    const promised = this.frames.reduce((sum, { frame }) => sum + this.needed(frame.bytes.length), 0);
    const begun = Math.floor(this.offset / this.bufferSize);
    return this.fetch.left >= promised - begun + this.needed(bytes);
  }

  /** Whether a frame of so many bytes can never be stored, however many descriptors software gives. */
  tooLong(bytes: number): boolean {
    return this.needed(bytes) >= this.ring.size;
  }

  /** Takes a frame that there is room for. */
  take(frame: QueuedFrame, cause: number): void {
    this.frames.push({ frame, cause });
    this.fetch.retry();
    this.run();
  }

  /** RDT was written: descriptors were given to the device. */
  tailWritten(value: number): void {
    const { core, ring, index } = this;
    const trace = core.traceOf(index);
    core.set(this.base + QueueReg.tail, value & 0xffff);
    trace.instant(Kind.ReceiveTail, index, value & 0xffff);
    if (ring.size > 0 && ring.tail >= ring.size)
      core.asideOf(index, Kind.DeviceMisused, this.base + QueueReg.tail, value);
    this.granted();
  }

  /** RXDCTL was written. */
  controlWritten(value: number): void {
    const before = this.enabled;
    this.core.set(this.base + QueueReg.control, value);
    if (before && !this.enabled) this.reset();
    else if (!before && this.enabled) this.granted();
  }

  /** The queue was turned off, or its ring is another: what is on the chip of the old one is void, and its frames are lost. */
  reset(): void {
    const lost = this.frames.map(({ frame }) => frame);
    const cut = this.storing.flatMap(({ ended }) => ended ?? []);
    this.clear();
    for (const frame of [...cut, ...lost]) this.lose(frame, DropReason.QueueOff);
  }

  /** Forgets everything: a queue that is off has no state, and one that is turned on counts its packets from 0. */
  clear(): void {
    this.packets = 0;
    this.fetch.reset();
    this.writeBack.reset();
    this.dma.forget(this.channel);
    this.frames = [];
    this.storing = [];
    this.offset = 0;
    this.failed = false;
  }

  /** The ring's base, length or head was written. */
  ringChanged(): void {
    this.reset();
    if (this.enabled) this.granted();
  }

  /** Goes on where it can: the function became a bus master. */
  resume(): void {
    this.fetch.retry();
    this.writeBack.write();
    this.run();
  }

  saveHardware(): ReceiveQueueHardware {
    const { offset, storing, failed } = this;
    return {
      fetch: this.fetch.saveHardware(),
      writeBack: this.writeBack.saveHardware(),
      frames: this.frames.map(({ frame }) => frame),
      offset,
      storing: storing.slice(),
      failed,
    };
  }

  saveRun(): ReceiveQueueRun {
    return {
      fetch: this.fetch.saveRun(),
      writeBack: this.writeBack.saveRun(),
      causes: this.frames.map(({ cause }) => cause),
      packets: this.packets,
    };
  }

  load(hardware: ReceiveQueueHardware, run: ReceiveQueueRun | undefined): void {
    this.fetch.load(hardware.fetch, run?.fetch);
    this.writeBack.load(hardware.writeBack, run?.writeBack);
    this.frames = hardware.frames.map((frame, i) => ({ frame, cause: run?.causes[i] ?? 0 }));
    this.offset = hardware.offset;
    this.storing = hardware.storing.slice();
    this.failed = hardware.failed;
    this.packets = run?.packets ?? 0;
  }

  private get control(): number {
    return this.core.get(this.base + QueueReg.control);
  }

  private get srrctl(): number {
    return this.core.get(this.base + QueueReg.srrctl);
  }

  /** Size of the driver's buffers: SRRCTL.BSIZEPACKET in KiB; 0 is reserved, and taken as the smallest. */
  private get bufferSize(): number {
    return Math.max(1, this.srrctl & Srrctl.PACKET_KIB) * KIB;
  }

  private needed(bytes: number): number {
    return Math.ceil(bytes / this.bufferSize);
  }

  private granted(): void {
    this.fetch.granted(this.core.traceOf(this.index).cause);
    this.run();
    this.owner.more();
  }

  private run(): void {
    while (this.step());
    this.fetch.fetch();
  }

  /** Begins the write of one buffer; false when there is nothing to write, or it has to wait. */
  private step(): boolean {
    const { dma, channel, fetch, storing } = this;
    const [entry] = this.frames;
    if (!entry || !fetch.first || storing.length >= IN_FLIGHT || !dma.allowed(channel)) return false;
    const { frame, cause } = entry;
    const { index, bytes } = fetch.first;
    const part = frame.bytes.subarray(this.offset, this.offset + this.bufferSize);
    fetch.shift();
    this.offset += part.length;
    const last = this.offset >= frame.bytes.length;
    storing.push({ index, bytes, length: part.length, ...(last && { ended: frame }) });
    if (last) {
      this.frames.shift();
      this.offset = 0;
    }
    dma.write(channel, bufferAddress(bytes), part, cause);
    return true;
  }

  private dataEnded(result: DmaResult): void {
    const { core, index, srrctl } = this;
    const stored = this.storing.shift();
    if (!stored) return;
    const trace = core.traceOf(index);
    const { cause } = trace;
    const { ended, length } = stored;
    this.failed ||= isFault(result);
    const bytes = usedDescriptor(stored.bytes, srrctl, length, ended?.facts, this.failed);
    this.writeBack.add({ index: stored.index, bytes, mark: ended && !this.failed ? ended.length : 0, cause });
    if (ended) {
      if (this.failed) this.lose(ended, DropReason.DmaAbort);
      else this.owner.left(index, ended, true);
      this.failed = false;
    }
    trace.cause = cause;
    this.run();
  }

  /** The ring cannot be read: the frames that wait for it are lost, and the next one is another attempt. */
  private lost(): void {
    const { frames } = this;
    this.frames = [];
    // What follows a frame that was stored in part looks to the driver like the rest of it.
    this.failed ||= this.offset > 0;
    this.offset = 0;
    for (const { frame } of frames) this.lose(frame, DropReason.DmaAbort);
  }

  private lose(frame: QueuedFrame, reason: number): void {
    this.core.asideOf(this.index, Kind.PacketDrop, frame.length, reason);
    this.owner.left(this.index, frame, false);
  }

  private written(used: readonly Used[], ok: boolean): void {
    const { core, ring, index } = this;
    const trace = core.traceOf(index);
    if (ok) {
      ring.head = ring.after(used[used.length - 1].index);
      trace.instant(Kind.ReceiveHead, index, ring.head);
    }
    for (const { mark } of used) {
      if (mark === 0) continue;
      if (ok) trace.instant(Kind.PacketRx, mark, this.packets++);
      else core.asideOf(index, Kind.PacketDrop, mark, DropReason.DmaAbort);
    }
    if (ok) this.owner.done(index);
    this.run();
  }
}

/** Bytes that a frame takes in the packet buffer. */
export function bufferedBytes({ length }: Pick<QueuedFrame, 'length'>): number {
  return length + FCS;
}
