/** A queue by which the driver receives bytes: what waits goes into its buffers, one after the other. */
import { lengthOf, type Chain, type DeviceQueue, type TypeHost } from '../contract';

/** Bytes that wait for buffers; what comes on top is lost, as at a terminal whose reader sleeps. */
const WAITING_MAX = 65536;

/** Where it is: with nothing to do, asking for a buffer, without one, or writing into it. */
type Stage = 'idle' | 'fetching' | 'starved' | 'writing';

/** What the hardware has of an `IncomingQueue`. */
export interface IncomingHardware {
  stage: Stage;
  waiting: Uint8Array[];
  chain: Chain | undefined;
  writing: number;
}

/** One such queue. */
export class IncomingQueue {
  private stage: Stage = 'idle';
  private waiting: Uint8Array[] = [];
  private chain: Chain | undefined;
  /** Bytes that are being written. */
  private writing = 0;

  /** @param whole a message is given back in one buffer, or not at all; otherwise bytes are a stream */
  constructor(
    private readonly host: TypeHost,
    private readonly index: number,
    private readonly whole: boolean,
  ) {}

  add(bytes: Uint8Array): void {
    const length = this.waiting.reduce((sum, each) => sum + each.length, 0);
    if (bytes.length === 0 || length + bytes.length > WAITING_MAX) return;
    this.waiting.push(bytes.slice());
    if (this.stage === 'idle') this.next();
  }

  /** There may be buffers. */
  notified(): void {
    if (this.stage === 'starved') this.next();
  }

  onChain(chain: Chain | undefined): void {
    this.chain = chain;
    const [first] = this.waiting;
    if (!chain || first === undefined) {
      this.stage = 'starved';
      return;
    }
    const room = lengthOf(chain.writable);
    const bytes = first.subarray(0, room);
    if (bytes.length === 0 || (this.whole && bytes.length < first.length)) {
      // The driver's buffer is too small for anything: it gets it back empty, and what waits goes into the next one.
      this.give(chain, 0);
      return;
    }
    this.writing = bytes.length;
    this.stage = 'writing';
    this.queue.write(chain, 0, bytes, 0);
  }

  /** They are in the driver's buffer, and wait no longer. */
  onTransfer(): void {
    const [first] = this.waiting;
    if (!this.chain || first === undefined) return;
    if (this.writing < first.length) this.waiting[0] = first.subarray(this.writing);
    else this.waiting.shift();
    this.give(this.chain, this.writing);
  }

  /** @param keep what waits stays: the queue alone was reset */
  stop(keep: boolean): void {
    this.chain = undefined;
    this.writing = 0;
    if (!keep) this.waiting = [];
    this.stage = this.waiting.length > 0 ? 'starved' : 'idle';
  }

  saveHardware(): IncomingHardware {
    const { stage, waiting, chain, writing } = this;
    return { stage, waiting: waiting.map((each) => each.slice()), chain, writing };
  }

  load({ stage, waiting, chain, writing }: IncomingHardware): void {
    this.stage = stage;
    this.waiting = waiting.map((each) => each.slice());
    this.chain = chain;
    this.writing = writing;
  }

  /** Made after its type, whose queues it needs to know. */
  private get queue(): DeviceQueue {
    return this.host.queues[this.index];
  }

  private give(chain: Chain, written: number): void {
    this.chain = undefined;
    this.queue.push(chain, written);
    this.queue.flush();
    this.next();
  }

  private next(): void {
    this.stage = this.waiting.length > 0 ? 'fetching' : 'idle';
    if (this.stage === 'idle') return;
    // A queue that is not at work answers nothing: what waits goes into it when it is.
    if (this.queue.running) this.queue.fetch();
    else this.stage = 'starved';
  }
}
