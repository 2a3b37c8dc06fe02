/**
 * The receiver (7.1.1 and 7.1.2): a frame that a filter wants waits in the packet buffer, which is one FIFO, until each queue that it
 * is for has descriptors for it. A queue without any is in everybody's way unless it is set to drop (SRRCTL.DROP_EN, PFQDE).
 */
import { Kind } from '../../../trace/vocabulary/events';
import { crc32 } from '../../link/checksum';
import { FRAME_MIN } from '../../link/wire';
import { FCS } from '../intel-nic/constants';
import type { Dma } from '../intel-nic/dma';
import { PacketBuffer, type PacketBufferHardware, type PacketBufferRun } from '../intel-nic/packet-buffer';
import { isTagged, tagControl, withoutTag } from '../intel-nic/vlan';
import { Cause, DropReason, Hlreg0, LONGEST, NORMAL_MAX, Rdrxctl, Rxctrl } from './bits';
import { classify, type Classified } from './classify';
import type { IxgbeCore } from './core';
import { accepts, isEmpty, poolsFor, poolsOf, tagType, virtualized } from './filter';
import { Direction } from './interrupts';
import { QUEUES, Reg, Stat } from './offsets';
import {
  bufferedBytes,
  ReceiveQueue,
  type QueuedFrame,
  type ReceiveQueueHardware,
  type ReceiveQueueRun,
} from './receive-queue';
import { hashOf, redirected, type RssHash } from './rss';
import { countQueue, countReceived } from './statistics';

/** A frame in the packet buffer, and the queues that it is still for. */
interface Waiting {
  frame: Uint8Array;
  tagged: boolean;
  classified: Classified;
  hash: RssHash;
  looped: boolean;
  queues: number[];
}

/** What the hardware has of a `Receiver`: of its queues those that are on or have something. */
export interface ReceiverHardware {
  buffer: PacketBufferHardware<Waiting>;
  held: number;
  dropping: Uint32Array;
  indices: number[];
  queues: ReceiveQueueHardware[];
}

/** What the run has of it. */
export interface ReceiverRun {
  buffer: PacketBufferRun;
  queues: ReceiveQueueRun[];
  /** Length of the frame that somebody holds back since `canReceive` said no; 0: nobody does. */
  refused: number;
}

/** What the receiver tells of. */
export interface ReceiverSignals {
  queueDone(queue: number, direction: Direction): void;
  raise(causes: number): void;
}

/** Multiple receive queues, by MRQC.MRQE (8.2.3.7.12): how many pools, and queues of a pool that RSS chooses among. */
const MODES: Readonly<Record<number, { pools: number; rss: number }>> = {
  1: { pools: 0, rss: 16 },
  8: { pools: 64, rss: 1 },
  10: { pools: 32, rss: 4 },
  11: { pools: 64, rss: 2 },
};
const SINGLE = { pools: 0, rss: 1 } as const;
const MRQE = 0xf;
/** Bits of RXPBSIZE that are its size in KiB. */
const SIZE_SHIFT = 10;
const SIZE_MASK = 0x3ff;

/** PFQDE (8.2.3.27.9). */
const Qde = { ENABLE: 1 << 0, INDEX_SHIFT: 8, WRITE: 1 << 16 } as const;

/** The receiver up to its queues. */
export class Receiver {
  readonly queues: readonly ReceiveQueue[];
  private readonly buffer: PacketBuffer<Waiting>;
  /** Bytes of frames that queues have taken and not stored yet: they are in the packet buffer until then. */
  private held = 0;
  private refused = 0;
  /** Queues that PFQDE has drop frames they have no descriptors for: 32 in a word. */
  private readonly dropping = new Uint32Array(QUEUES / 32);
  private dispatching = false;

  constructor(
    private readonly core: IxgbeCore,
    dma: Dma,
    private readonly signals: ReceiverSignals,
  ) {
    this.buffer = new PacketBuffer<Waiting>(() => this.capacity - this.held);
    this.queues = Array.from(
      { length: QUEUES },
      (_, index) =>
        new ReceiveQueue(index, core, dma, {
          left: (queue, frame, stored) => this.left(queue, frame, stored),
          done: (queue) => signals.queueDone(queue, Direction.receive),
          more: () => this.dispatch(),
        }),
    );
  }

  /** RXCTRL.RXEN. */
  get enabled(): boolean {
    return (this.core.get(Reg.RXCTRL) & Rxctrl.RXEN) !== 0;
  }

  /** As in `FrameReceiver`. A no is remembered. */
  canReceive(length: number): boolean {
    const can = this.couldReceive(length);
    if (!can) this.refused = Math.max(this.refused, length, 1);
    return can;
  }

  /** Tells whoever holds a frame back as soon as there is room for it. */
  tellRoom(): void {
    if (this.refused === 0 || !this.couldReceive(this.refused)) return;
    this.refused = 0;
    this.core.wire?.onRoom();
  }

  /** A whole frame has come from the link. */
  arrived(frame: Uint8Array): void {
    const { core } = this;
    if (!core.linkUp) this.drop(frame, DropReason.LinkDown);
    else if (!this.enabled) this.drop(frame, DropReason.Disabled);
    else {
      core.count(Stat.TPR);
      core.countLong(Stat.TORL, frame.length + FCS);
      if (virtualized(core)) this.toPools(frame);
      else if (accepts(core, frame)) this.take(frame, false, undefined);
      else this.drop(frame, DropReason.Filtered);
    }
  }

  /** A frame from a pool of this device, for another. */
  switched(frame: Uint8Array, pool: number): void {
    if (!this.enabled) this.drop(frame, DropReason.Disabled);
    else this.take(frame, true, [pool]);
  }

  /** PFQDE was written: the bit of one queue, with WE (8.2.3.27.9). Returns what the register holds then. */
  queueDropWritten(value: number): number {
    const queue = (value >> Qde.INDEX_SHIFT) & (QUEUES - 1);
    const [word, bit] = [queue >> 5, 1 << (queue & 31)];
    if ((value & Qde.WRITE) !== 0) {
      this.dropping[word] &= ~bit;
      if ((value & Qde.ENABLE) !== 0) this.dropping[word] |= bit;
      this.dispatch();
    }
    const enabled = (this.dropping[word] & bit) !== 0 ? Qde.ENABLE : 0;
    return (queue << Qde.INDEX_SHIFT) | enabled;
  }

  /** RXCTRL was written, or a queue's registers: what waits may go on. */
  dispatch(): void {
    // A queue that gets a frame may tell of its room within.
    if (this.dispatching) return;
    this.dispatching = true;
    while (this.enabled && this.hand());
    this.dispatching = false;
    this.tellRoom();
  }

  resume(): void {
    for (const queue of this.queues) if (queue.enabled) queue.resume();
    this.dispatch();
  }

  /** CTRL.RST, or another state takes this one's place. */
  reset(): void {
    this.buffer.clear();
    for (const queue of this.queues) queue.clear();
    this.held = 0;
    this.dropping.fill(0);
  }

  saveHardware(): ReceiverHardware {
    const indices = this.active();
    return {
      buffer: this.buffer.saveHardware(),
      held: this.held,
      dropping: this.dropping.slice(),
      indices,
      queues: indices.map((index) => this.queues[index].saveHardware()),
    };
  }

  saveRun(): ReceiverRun {
    return {
      buffer: this.buffer.saveRun(),
      queues: this.active().map((index) => this.queues[index].saveRun()),
      refused: this.refused,
    };
  }

  /** The registers are in place already, and nothing is in any queue. */
  load(hardware: ReceiverHardware, run: ReceiverRun | undefined): void {
    this.buffer.load(hardware.buffer, run?.buffer);
    this.held = hardware.held;
    this.dropping.set(hardware.dropping);
    hardware.indices.forEach((index, i) => this.queues[index].load(hardware.queues[i], run?.queues[i]));
    this.refused = run?.refused ?? 0;
  }

  private active(): number[] {
    return this.queues.flatMap(({ enabled }, index) => (enabled ? [index] : []));
  }

  private get capacity(): number {
    return ((this.core.get(Reg.RXPBSIZE) >> SIZE_SHIFT) & SIZE_MASK) * 1024;
  }

  private couldReceive(length: number): boolean {
    return this.core.linkUp && this.enabled && this.buffer.fits(length + FCS);
  }

  private toPools(frame: Uint8Array): void {
    const pools = poolsFor(this.core, frame);
    if (isEmpty(pools)) this.drop(frame, DropReason.NoPool);
    else this.take(frame, false, poolsOf(pools));
  }

  /** Puts a frame that is wanted into the packet buffer. @param pools absent: there are none */
  private take(frame: Uint8Array, looped: boolean, pools: readonly number[] | undefined): void {
    const { core } = this;
    const reason = this.refusal(frame);
    if (reason !== 0) {
      this.drop(frame, reason);
      if (reason === DropReason.BufferFull) this.signals.raise(Cause.RX_MISS);
      return;
    }
    if (!looped) countReceived(core, frame);
    const tagged = isTagged(frame, tagType(core));
    const classified = classify(frame, tagged ? 16 : 12);
    const hash = hashOf(core, frame, classified);
    const queues = this.queuesFor(hash, pools);
    const waiting: Waiting = { frame, tagged, classified, hash, looped, queues };
    this.buffer.push({ frame: waiting, size: bufferedBytes(frame), cause: core.bus.trace.cause });
    this.dispatch();
  }

  /** Why a frame is not received; 0 when it is. */
  private refusal(frame: Uint8Array): number {
    const { core } = this;
    if (frame.length < FRAME_MIN) return this.counted(Stat.RUC, DropReason.Undersize);
    const jumbo = (core.get(Reg.HLREG0) & Hlreg0.JUMBO) !== 0;
    const longest = jumbo ? Math.min(LONGEST, core.get(Reg.MAXFRS) >>> 16) + 4 : NORMAL_MAX;
    if (frame.length + FCS > longest) return this.counted(Stat.ROC, DropReason.Oversize);
    return this.buffer.fits(bufferedBytes(frame)) ? 0 : this.counted(Stat.MPC, DropReason.BufferFull);
  }

  private counted(counter: number, reason: number): number {
    this.core.count(counter);
    return reason;
  }

  /** The queue of each pool, or of the device (7.1.2). */
  private queuesFor(hash: RssHash, pools: readonly number[] | undefined): number[] {
    const { core } = this;
    const mode = MODES[core.get(Reg.MRQC) & MRQE] ?? SINGLE;
    const within = mode.rss === 1 ? 0 : redirected(core, hash) % mode.rss;
    if (!pools) return [within];
    const count = mode.pools || core.vfPools || 64;
    return pools.filter((pool) => pool < count).map((pool) => pool * (QUEUES / count) + within);
  }

  /** Hands the first frame to the queues that have room for it; false when there is none, or it has to wait. */
  private hand(): boolean {
    const { first } = this.buffer;
    if (!first) return false;
    const { frame: waiting, cause } = first;
    const left: number[] = [];
    for (const index of waiting.queues) if (!this.offer(waiting, index, cause)) left.push(index);
    if (left.length === 0) this.buffer.shift();
    else first.frame = { ...waiting, queues: left };
    return left.length === 0;
  }

  /** False while a queue has no room for a frame and does not drop it. */
  private offer(waiting: Waiting, index: number, cause: number): boolean {
    const { core } = this;
    const queue = this.queues[index];
    const frame = this.queued(waiting, queue);
    const { length } = frame.bytes;
    if (!queue.enabled) this.lose(index, frame, DropReason.QueueOff);
    else if (queue.tooLong(length)) this.lose(index, frame, DropReason.Oversize);
    else if (queue.roomFor(length)) {
      this.held += bufferedBytes(frame);
      queue.take(frame, cause);
    } else if (queue.drops || (this.dropping[index >> 5] & (1 << (index & 31))) !== 0) {
      core.count(Stat.RNBC);
      this.lose(index, frame, DropReason.NoDescriptors);
    } else return false;
    return true;
  }

  /** A frame as a queue has it stored. */
  private queued({ frame, tagged, classified, hash, looped }: Waiting, queue: ReceiveQueue): QueuedFrame {
    const { core } = this;
    const strips = tagged && queue.strips;
    const plain = strips ? withoutTag(frame) : frame;
    const stripsFcs =
      (core.get(Reg.HLREG0) & Hlreg0.RX_CRC_STRIP) !== 0 || (core.get(Reg.RDRXCTL) & Rdrxctl.CRC_STRIP) !== 0;
    return {
      bytes: stripsFcs ? plain : withFcs(frame, plain),
      length: frame.length,
      facts: { hash, classified, looped, tag: strips ? tagControl(frame) : undefined },
    };
  }

  private left(queue: number, frame: QueuedFrame, stored: boolean): void {
    this.held = Math.max(0, this.held - bufferedBytes(frame));
    if (stored) countQueue(this.core, 'received', queue, frame.bytes);
    this.dispatch();
  }

  private lose(queue: number, frame: QueuedFrame, reason: number): void {
    countQueue(this.core, 'dropped', queue, frame.bytes);
    this.core.asideOf(queue, Kind.PacketDrop, frame.length, reason);
  }

  private drop(frame: Uint8Array, reason: number): void {
    this.core.aside(Kind.PacketDrop, frame.length, reason);
  }
}

/** What is kept of a frame, and the FCS that it came with. */
function withFcs(frame: Uint8Array, kept: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(kept.length + FCS);
  bytes.set(kept);
  new DataView(bytes.buffer).setUint32(kept.length, crc32(frame), true);
  return bytes;
}
