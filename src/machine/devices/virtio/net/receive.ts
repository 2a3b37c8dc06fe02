/** One receive queue: a packet at a time, from the NIC's own buffer to the driver's, or to several of these merged (5.1.6.4). */
import { Kind } from '../../../../trace/vocabulary/events';
import { lengthOf, type Chain, type DeviceQueue, type TypeHost } from '../contract';
import { Header, NetDrop } from './constants';

/** Packets that wait in the NIC for buffers; whoever can hold packets back does not hand over more. */
const FIFO_PACKETS = 16;

/** What a queue needs of its device. */
export interface ReceiveSide {
  headerBytes(): number;
  /** Whether a packet may take several buffers. */
  merges(): boolean;
  /** A packet has left the buffer. */
  room(): void;
  /** Whether the driver uses the pair that the queue belongs to (5.1.6.5.6). */
  inUse(queue: number): boolean;
  /** Numbers the packets that have arrived. */
  count(): number;
}

/** Where it is with the first packet that waits. */
type Stage = 'idle' | 'fetching' | 'starved' | 'writing';

/** What the hardware has of a `ReceiveQueue`. */
export interface ReceiveHardware {
  stage: Stage;
  waiting: Uint8Array[];
  chains: Chain[];
  writes: number;
}

/** What the run knows of it: the rows of the packets that wait. */
export interface ReceiveRun {
  causes: number[];
}

/** The queue's packets. */
export class ReceiveQueue {
  private stage: Stage = 'idle';
  private waiting: { frame: Uint8Array; cause: number }[] = [];
  /** Buffers for the first packet. */
  private chains: Chain[] = [];
  /** Transfers of it that have not ended. */
  private writes = 0;

  constructor(
    private readonly host: TypeHost,
    /** Of its virtqueue. */
    private readonly index: number,
    private readonly side: ReceiveSide,
  ) {}

  get hasRoom(): boolean {
    return this.waiting.length < FIFO_PACKETS;
  }

  /** A packet that passes the filter. */
  arrived(frame: Uint8Array): void {
    const { trace } = this.host.bus;
    if (!this.hasRoom) {
      trace.instant(Kind.PacketDrop, frame.length, NetDrop.QueueFull);
      return;
    }
    this.waiting.push({ frame, cause: trace.cause });
    if (this.stage === 'idle') this.next();
  }

  /** There may be buffers. */
  notified(): void {
    if (this.stage === 'starved') this.next();
  }

  onChain(chain: Chain | undefined): void {
    const { queue, side } = this;
    const [first] = this.waiting;
    if (chain) this.chains.push(chain);
    if (!chain || !first) {
      this.giveBack();
      this.stage = first ? 'starved' : 'idle';
      return;
    }
    const room = this.chains.reduce((sum, { writable }) => sum + lengthOf(writable), 0);
    if (room >= side.headerBytes() + first.frame.length) this.store(first.frame);
    else if (side.merges()) queue.fetch();
    else this.tooSmall(first.frame);
  }

  /** A part of the packet is written. */
  onTransfer(): void {
    this.writes -= 1;
    if (this.writes > 0) return;
    const { queue, chains, side, host } = this;
    if (!side.inUse(this.index)) {
      this.stage = 'idle';
      this.retire();
      return;
    }
    const first = this.waiting.shift();
    if (!first) return;
    let left = side.headerBytes() + first.frame.length;
    for (const chain of chains) {
      const written = Math.min(left, lengthOf(chain.writable));
      left -= written;
      queue.push(chain, written);
    }
    this.chains = [];
    host.bus.trace.instant(Kind.PacketRx, first.frame.length, side.count());
    queue.flush();
    side.room();
    this.next();
  }

  /**
   * The driver has taken the queue's pair out of use: what waits is lost. A packet that is being written is lost when that has
   * ended; no buffer of it is used up.
   */
  retire(): void {
    const lost = this.waiting.splice(this.stage === 'writing' ? 1 : 0);
    const { trace } = this.host.bus;
    const { cause } = trace;
    for (const { frame } of lost) {
      trace.cause = cause;
      trace.instant(Kind.PacketDrop, frame.length, NetDrop.NotInUse);
    }
    trace.cause = cause;
    if (this.stage !== 'writing') this.giveBack();
    if (this.stage === 'starved') this.stage = 'idle';
    if (lost.length > 0) this.side.room();
  }

  /** @param keep the packets that wait stay: the queue alone was reset */
  stop(keep: boolean): void {
    this.chains = [];
    this.writes = 0;
    if (!keep) this.waiting = [];
    this.stage = this.waiting.length > 0 ? 'starved' : 'idle';
  }

  saveHardware(): ReceiveHardware {
    const { stage, waiting, chains, writes } = this;
    return { stage, waiting: waiting.map(({ frame }) => frame), chains: [...chains], writes };
  }

  saveRun(): ReceiveRun {
    return { causes: this.waiting.map(({ cause }) => cause) };
  }

  load(hardware: ReceiveHardware, run: ReceiveRun | undefined): void {
    this.stage = hardware.stage;
    this.waiting = hardware.waiting.map((frame, i) => ({ frame, cause: run?.causes[i] ?? 0 }));
    this.chains = [...hardware.chains];
    this.writes = hardware.writes;
  }

  /** Made after its type, whose queues it needs to know. */
  private get queue(): DeviceQueue {
    return this.host.queues[this.index];
  }

  private next(): void {
    const [first] = this.waiting;
    this.stage = first ? 'fetching' : 'idle';
    if (!first) return;
    // A queue that is not at work answers nothing: the packet waits until it is.
    if (!this.queue.running) {
      this.stage = 'starved';
      return;
    }
    this.host.bus.trace.cause = first.cause;
    this.queue.fetch();
  }

  private giveBack(): void {
    this.queue.unfetch(this.chains.length);
    this.chains = [];
  }

  /** The header counts the buffers; the packet follows it, across all of them. */
  private store(frame: Uint8Array): void {
    const { queue, chains, side } = this;
    const header = side.headerBytes();
    const whole = new Uint8Array(header + frame.length);
    whole.set(frame, header);
    if (header > Header.buffers) new DataView(whole.buffer).setUint16(Header.buffers, chains.length, true);
    this.stage = 'writing';
    let at = 0;
    this.writes = chains.length;
    for (const [index, chain] of chains.entries()) {
      const end = Math.min(whole.length, at + lengthOf(chain.writable));
      queue.write(chain, 0, whole.subarray(at, end), index);
      at = end;
    }
  }

  private tooSmall(frame: Uint8Array): void {
    this.giveBack();
    this.waiting.shift();
    this.host.bus.trace.instant(Kind.PacketDrop, frame.length, NetDrop.SmallBuffer);
    this.side.room();
    this.next();
  }
}
