/**
 * The transmitter behind its queues (7.2.1): frames wait in the packet buffer for the wire, or are handed to pools of the device. A
 * queue that finds the buffer full goes on when there is room again, the one that has waited for longest first.
 */
import { Kind } from '../../../trace/vocabulary/events';
import type { Dma } from '../intel-nic/dma';
import { PacketBuffer, type PacketBufferHardware, type PacketBufferRun } from '../intel-nic/packet-buffer';
import type { Timers } from '../intel-nic/timers';
import { Dmatxctl, DropReason, Hlreg0, Secrx } from './bits';
import type { IxgbeCore } from './core';
import { Direction } from './interrupts';
import { QUEUES, Reg, Stat } from './offsets';
import type { Receiver, ReceiverSignals } from './receive';
import { countQueue, countSent } from './statistics';
import { routeOf, type Route } from './switch';
import { TransmitQueue, type TransmitQueueHardware, type TransmitQueueRun } from './transmit-queue';

/** A frame in the packet buffer. */
interface Sending {
  bytes: Uint8Array;
  queue: number;
  route: Route;
}

/** What the hardware has of a `Transmitter`: of its queues those that are on. */
export interface TransmitterHardware {
  buffer: PacketBufferHardware<Sending>;
  blocked: number[];
  indices: number[];
  queues: TransmitQueueHardware[];
}

/** What the run has of it. */
export interface TransmitterRun {
  buffer: PacketBufferRun;
  queues: TransmitQueueRun[];
  packets: number;
}

/** What the transmitter tells of. */
export interface TransmitterSignals extends Pick<ReceiverSignals, 'queueDone'> {
  /** Used descriptors of a queue wait for the end of the interval of its interrupt. */
  waits(queue: number): void;
}

/** Bits of TXPBSIZE that are its size in KiB (8.2.3.9.13). */
const SIZE_SHIFT = 10;
const SIZE_MASK = 0x3ff;

/** The transmitter. */
export class Transmitter {
  readonly queues: readonly TransmitQueue[];
  private readonly buffer: PacketBuffer<Sending>;
  /** Queues that found the packet buffer full, in that order. */
  private blocked: number[] = [];
  private packets = 0;
  private draining = false;

  /** @param wire number of the timer that ends when the wire takes the next frame */
  constructor(
    private readonly core: IxgbeCore,
    dma: Dma,
    private readonly timers: Timers,
    private readonly wire: number,
    private readonly receiver: Receiver,
    signals: TransmitterSignals,
  ) {
    this.buffer = new PacketBuffer<Sending>(() => this.capacity);
    this.queues = Array.from(
      { length: QUEUES },
      (_, index) =>
        new TransmitQueue(index, core, dma, {
          admits: (queue) => this.admits(queue),
          send: (queue, frame) => this.take(queue, frame),
          done: (queue) => signals.queueDone(queue, Direction.transmit),
          waits: (queue) => signals.waits(queue),
        }),
    );
  }

  /** DMATXCTL.TE, and the security block lets data pass (SECTXCTRL.TX_DIS). */
  get enabled(): boolean {
    const { core } = this;
    return (core.get(Reg.DMATXCTL) & Dmatxctl.TE) !== 0 && (core.get(Reg.SECTXCTRL) & Secrx.DISABLE) === 0;
  }

  /** The wire is free, the transmitter was turned on, the function became a bus master. */
  resume(): void {
    this.drain();
    for (const queue of this.queues) if (queue.enabled) queue.resume();
  }

  /** The wire takes the next frame. */
  wireFree(): void {
    this.drain();
  }

  reset(): void {
    this.timers.stop(this.wire);
    this.buffer.clear();
    this.blocked = [];
    for (const queue of this.queues) queue.reset();
  }

  saveHardware(): TransmitterHardware {
    const indices = this.active();
    return {
      buffer: this.buffer.saveHardware(),
      blocked: this.blocked.slice(),
      indices,
      queues: indices.map((index) => this.queues[index].saveHardware()),
    };
  }

  saveRun(): TransmitterRun {
    return {
      buffer: this.buffer.saveRun(),
      queues: this.active().map((index) => this.queues[index].saveRun()),
      packets: this.packets,
    };
  }

  /** The registers are in place already, and nothing is in any queue. */
  load(hardware: TransmitterHardware, run: TransmitterRun | undefined): void {
    this.buffer.load(hardware.buffer, run?.buffer);
    this.blocked = hardware.blocked.slice();
    hardware.indices.forEach((index, i) => this.queues[index].load(hardware.queues[i], run?.queues[i]));
    this.packets = run?.packets ?? 0;
  }

  private active(): number[] {
    return this.queues.flatMap(({ enabled }, index) => (enabled ? [index] : []));
  }

  private get capacity(): number {
    return ((this.core.get(Reg.TXPBSIZE) >> SIZE_SHIFT) & SIZE_MASK) * 1024;
  }

  /** A packet may be begun while the buffer is not full; those that were begun come to their end. */
  private admits(queue: number): boolean {
    if (!this.enabled) return false;
    if (!this.buffer.full) return true;
    if (!this.blocked.includes(queue)) this.blocked.push(queue);
    return false;
  }

  private take(queue: number, frame: Uint8Array): void {
    const { core } = this;
    const trace = core.traceOf(queue);
    const { cause } = trace;
    const route = routeOf(core, frame, queue);
    if (typeof route === 'number') {
      core.asideOf(queue, Kind.PacketDrop, frame.length, route);
      if (route === DropReason.MacSpoofed || route === DropReason.VlanSpoofed) core.count(Stat.SSVPC);
      return;
    }
    countQueue(core, 'sent', queue, frame);
    this.buffer.push({ frame: { bytes: frame, queue, route }, size: frame.length, cause });
    this.drain();
    trace.cause = cause;
  }

  /** Hands over what the wire takes now. */
  private drain(): void {
    // A queue that goes on may come here again.
    if (this.draining) return;
    this.draining = true;
    do this.handOver();
    while (this.unblock());
    this.draining = false;
  }

  private handOver(): void {
    const { core, buffer, timers } = this;
    for (let entry = buffer.first; entry; entry = buffer.first) {
      const { frame: sending, cause } = entry;
      const wait = sending.route.toWire && !this.loops && core.linkUp ? (core.wire?.roomIn(0) ?? 0) : 0;
      if (wait > 0) {
        if (!timers.running(this.wire)) timers.start(this.wire, wait);
        return;
      }
      buffer.shift();
      core.traceOf(sending.queue).cause = cause;
      this.leave(sending, cause);
    }
  }

  /** Has the queue that has waited for longest go on, if there is one and room for it. */
  private unblock(): boolean {
    if (this.buffer.full) return false;
    const queue = this.blocked.shift();
    if (queue === undefined) return false;
    this.queues[queue].resume();
    return true;
  }

  /** HLREG0.LPBK: what is sent is received (8.2.3.22.8). */
  private get loops(): boolean {
    return (this.core.get(Reg.HLREG0) & Hlreg0.LOOPBACK) !== 0;
  }

  private leave({ bytes, queue, route }: Sending, cause: number): void {
    const { core, receiver } = this;
    const trace = core.traceOf(queue);
    for (const pool of route.pools) {
      trace.cause = cause;
      trace.instant(Kind.PacketSwitched, bytes.length, pool);
      receiver.switched(bytes, pool);
    }
    trace.cause = cause;
    if (!route.toWire) return;
    if (this.loops) {
      countSent(core, bytes);
      receiver.arrived(bytes);
    } else this.toWire(bytes, queue);
  }

  private toWire(frame: Uint8Array, queue: number): void {
    const { core } = this;
    if (!core.wire) {
      core.asideOf(queue, Kind.PacketDrop, frame.length, DropReason.LinkDown);
      return;
    }
    const number = this.packets++;
    countSent(core, frame);
    core.traceOf(queue).instant(Kind.PacketTx, frame.length, number);
    core.wire.send(frame, number);
  }
}
