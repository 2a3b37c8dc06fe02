/** One transmit queue: a packet at a time, from the driver's buffer to the wire. */
import { Kind } from '../../../../trace/vocabulary/events';
import { PendingEvent, type PendingEventRun } from '../../../time/pending-event';
import type { Cycles } from '../../../time/event-queue';
import { lengthOf, type Chain, type DeviceQueue, type TypeHost } from '../contract';
import { NetDrop, NetEvent, NetFault, PACKET_MAX } from './constants';
import { framesOf } from './offload';

/** What a queue needs of its device. */
export interface TransmitSide {
  /** Bytes of the header before each packet. */
  headerBytes(): number;
  /** Buffers that are shown to the driver together at most. */
  readonly batch: number;
  /** Whether the network carries a frame of this length. */
  carries(frame: Uint8Array): boolean;
  /** Cycles until the wire takes a frame; 0: now. */
  roomIn(): Cycles;
  send(frame: Uint8Array, pair: number): void;
}

/** Where it is with its packet. */
type Stage = 'idle' | 'fetching' | 'reading' | 'sending';

/** What the hardware has of a `TransmitQueue`. */
export interface TransmitHardware {
  stage: Stage;
  chain: Chain | undefined;
  frames: Uint8Array[];
  unshown: number;
  remaining: Cycles;
}

/** What the run knows of it: the row of the last notification, on which the packets hang that are found from then on. */
export interface TransmitRun extends PendingEventRun {
  cause: number;
}

/** The queue's packets. */
export class TransmitQueue {
  private stage: Stage = 'idle';
  private chain: Chain | undefined;
  /** Of the packet: what the wire has not taken yet. */
  private frames: Uint8Array[] = [];
  /** Buffers that the driver has not been shown. */
  private unshown = 0;
  private readonly wireFree: PendingEvent;
  private cause = 0;

  constructor(
    private readonly host: TypeHost,
    /** Of its virtqueue. */
    private readonly index: number,
    private readonly pair: number,
    private readonly side: TransmitSide,
  ) {
    const { bus } = host;
    this.wireFree = new PendingEvent(bus, (time) => bus.schedule(time - bus.now(), NetEvent.Wire, index));
  }

  notified(): void {
    this.cause = this.host.bus.trace.cause;
    if (this.stage === 'idle') this.next();
  }

  onChain(chain: Chain | undefined): void {
    if (!chain) {
      this.stage = 'idle';
      this.show();
      return;
    }
    const length = lengthOf(chain.readable);
    const header = this.side.headerBytes();
    this.chain = chain;
    if (length < header) this.host.needsReset(NetFault.NoHeader);
    else if (length > header + PACKET_MAX) this.dropped(length - header, NetDrop.Oversize);
    else {
      this.stage = 'reading';
      this.queue.read(chain, 0, length, 0);
    }
  }

  /** The packet has been read. */
  onTransfer(bytes: Uint8Array): void {
    const header = this.side.headerBytes();
    const view = new DataView(bytes.buffer, bytes.byteOffset, header);
    const packet = bytes.subarray(header);
    const frames = framesOf(view, packet);
    if (typeof frames === 'number') {
      this.dropped(packet.length, frames);
      return;
    }
    if (!frames.every((frame) => this.side.carries(frame))) {
      this.dropped(packet.length, NetDrop.Oversize);
      return;
    }
    this.frames = frames;
    this.stage = 'sending';
    this.send();
  }

  /** The wire is free. */
  onWire(): void {
    this.wireFree.came();
    this.send();
  }

  stop(): void {
    this.stage = 'idle';
    this.chain = undefined;
    this.frames = [];
    this.unshown = 0;
    this.wireFree.cancel();
  }

  saveHardware(): TransmitHardware {
    const { stage, chain, frames, unshown, wireFree } = this;
    return { stage, chain, frames: [...frames], unshown, remaining: wireFree.remaining };
  }

  saveRun(): TransmitRun {
    return { ...this.wireFree.save(), cause: this.cause };
  }

  /** @param run absent: in another run, whose queue engine begins anew what was in flight */
  load(hardware: TransmitHardware, run: TransmitRun | undefined): void {
    this.stage = hardware.stage;
    this.chain = hardware.chain;
    this.frames = [...hardware.frames];
    this.unshown = hardware.unshown;
    this.cause = run?.cause ?? 0;
    if (run) this.wireFree.load(run);
    else this.wireFree.adopt(hardware.remaining);
  }

  /** Made after its type, whose queues it needs to know. */
  private get queue(): DeviceQueue {
    return this.host.queues[this.index];
  }

  private next(): void {
    this.stage = 'fetching';
    this.host.bus.trace.cause = this.cause;
    this.queue.fetch();
  }

  private dropped(length: number, reason: number): void {
    this.host.bus.trace.instant(Kind.PacketDrop, length, reason);
    this.done();
  }

  private send(): void {
    const { bus } = this.host;
    for (let [frame] = this.frames; frame !== undefined; [frame] = this.frames) {
      const wait = this.side.roomIn();
      if (wait > 0) {
        this.wireFree.comeAt(bus.now() + wait);
        return;
      }
      this.frames.shift();
      this.side.send(frame, this.pair);
    }
    this.done();
  }

  private done(): void {
    if (this.chain) this.queue.push(this.chain, 0);
    this.chain = undefined;
    this.unshown += 1;
    if (this.unshown >= this.side.batch) this.show();
    this.next();
  }

  private show(): void {
    if (this.unshown === 0) return;
    this.unshown = 0;
    this.queue.flush();
  }
}
