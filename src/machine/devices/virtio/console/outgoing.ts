/** A queue by which the driver sends bytes: one buffer at a time, read in pieces. */
import { lengthOf, type Chain, type DeviceQueue, type TypeHost } from '../contract';

/** Bytes that are read at a time: a driver may hand over megabytes. */
const PIECE = 4096;

/** What the hardware has of an `OutgoingQueue`. */
export interface OutgoingHardware {
  busy: boolean;
  chain: Chain | undefined;
  done: number;
}

/** One such queue. */
export class OutgoingQueue {
  private busy = false;
  private chain: Chain | undefined;
  /** Bytes of the buffer that have been read. */
  private done = 0;

  /**
   * @param take gets the bytes, a piece of a buffer at a time
   * @param message each buffer is one message, of which so many bytes are read; absent: bytes are a stream
   */
  constructor(
    private readonly host: TypeHost,
    private readonly index: number,
    private readonly take: (bytes: Uint8Array) => void,
    private readonly message?: number,
  ) {}

  notified(): void {
    if (this.busy) return;
    this.busy = true;
    this.queue.fetch();
  }

  onChain(chain: Chain | undefined): void {
    this.chain = chain;
    this.done = 0;
    if (!chain) this.busy = false;
    else if (this.message === undefined) this.goOn(chain);
    else this.queue.read(chain, 0, Math.min(lengthOf(chain.readable), this.message), 0);
  }

  onTransfer(bytes: Uint8Array): void {
    if (!this.chain) return;
    this.done += bytes.length;
    this.take(bytes);
    // What it was may have been a reason for a reset.
    const { chain } = this;
    if (!chain) return;
    if (this.message === undefined) this.goOn(chain);
    else this.giveBack(chain);
  }

  stop(): void {
    this.busy = false;
    this.chain = undefined;
    this.done = 0;
  }

  saveHardware(): OutgoingHardware {
    const { busy, chain, done } = this;
    return { busy, chain, done };
  }

  load({ busy, chain, done }: OutgoingHardware): void {
    this.busy = busy;
    this.chain = chain;
    this.done = done;
  }

  /** Made after its type, whose queues it needs to know. */
  private get queue(): DeviceQueue {
    return this.host.queues[this.index];
  }

  private goOn(chain: Chain): void {
    const { queue, done } = this;
    const left = lengthOf(chain.readable) - done;
    if (left > 0) {
      queue.read(chain, done, Math.min(left, PIECE), 0);
    } else this.giveBack(chain);
  }

  private giveBack(chain: Chain): void {
    const { queue } = this;
    this.chain = undefined;
    queue.push(chain, 0);
    queue.flush();
    queue.fetch();
  }
}
