/** The control queue (5.1.6.5): one command at a time, each with its answer. */
import { lengthOf, type Chain, type DeviceQueue, type TypeHost } from '../contract';
import { Ack, NetFault } from './constants';

/** Longest command that is read: two tables of addresses of any sensible size. */
const COMMAND_MAX = 4096;
const PREFIX = 2;

/** Tags of its transfers. */
const Doing = { read: 0, answer: 1 } as const;

/** What the hardware has of a `ControlQueue`. */
export interface ControlHardware {
  busy: boolean;
  chain: Chain | undefined;
}

/** Does a command: class, command, its data; the answer is an `Ack`. */
export type CommandHandler = (commandClass: number, command: number, data: Uint8Array) => number;

/** The queue. */
export class ControlQueue {
  private busy = false;
  private chain: Chain | undefined;

  constructor(
    private readonly host: TypeHost,
    /** Of its virtqueue. */
    private readonly index: number,
    private readonly handle: CommandHandler,
  ) {}

  notified(): void {
    if (!this.busy) this.next();
  }

  onChain(chain: Chain | undefined): void {
    if (!chain) {
      this.busy = false;
      return;
    }
    this.chain = chain;
    const length = lengthOf(chain.readable);
    if (length < PREFIX || lengthOf(chain.writable) === 0) this.host.needsReset(NetFault.NoCommand);
    else if (length > COMMAND_MAX) this.answer(chain, Ack.ERROR);
    else this.queue.read(chain, 0, length, Doing.read);
  }

  onTransfer(tag: number, bytes: Uint8Array): void {
    const { chain } = this;
    if (!chain) return;
    if (tag === Doing.read) {
      this.answer(chain, this.handle(bytes[0], bytes[1], bytes.subarray(PREFIX)));
      return;
    }
    this.queue.push(chain, 1);
    this.queue.flush();
    this.chain = undefined;
    this.next();
  }

  stop(): void {
    this.busy = false;
    this.chain = undefined;
  }

  saveHardware(): ControlHardware {
    return { busy: this.busy, chain: this.chain };
  }

  load(hardware: ControlHardware): void {
    this.busy = hardware.busy;
    this.chain = hardware.chain;
  }

  /** Made after its type, whose queues it needs to know. */
  private get queue(): DeviceQueue {
    return this.host.queues[this.index];
  }

  private next(): void {
    this.busy = true;
    this.queue.fetch();
  }

  private answer(chain: Chain, ack: number): void {
    this.queue.write(chain, 0, Uint8Array.of(ack), Doing.answer);
  }
}
