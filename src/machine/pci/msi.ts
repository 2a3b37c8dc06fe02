/**
 * Message-signalled interrupts of a function (PCI Local Bus Specification 3.0, 6.8.1): the MSI capability with a 64-bit address,
 * several messages and a mask for each.
 */
import type { MsiPort } from '../bus';
import { CapabilityId } from './config';
import type { PciFunction } from './function';

/** A function's interrupts by message, whichever capability carries them. */
export interface MessageVectors {
  /** Software has chosen this way; INTx is silent then. */
  readonly enabled: boolean;
  /** The device's condition for a vector has come true. A masked one waits, pending. */
  raise(vector: number): void;
  /** What is sent for a vector now; undefined: nothing is, as it is masked or there are no messages. */
  messageOf(vector: number): VectorMessage | undefined;
  /** Has somebody told whenever software may have changed what is sent. */
  watch(changed: () => void): void;
}

/** A message as software has programmed it. */
export interface VectorMessage {
  readonly address: number;
  readonly data: number;
}

/** Offsets in the capability: message control, address, data, mask and pending bits. */
const At = { control: 2, address: 4, addressHigh: 8, data: 12, mask: 16, pending: 20 } as const;
const BODY_BYTES = 22;
const Control = { enable: 1, capableShift: 1, enabledShift: 4, address64: 1 << 7, masking: 1 << 8 } as const;
const WRITABLE_CONTROL = 0x71;

/** The MSI capability of one function. All its state is in configuration space. */
export class MsiVectors implements MessageVectors {
  private readonly at: number;
  private readonly watchers: (() => void)[] = [];

  /**
   * @param vectors how many the device asks for: 1, 2, 4, 8, 16 or 32
   * @throws RangeError for another number
   */
  constructor(
    private readonly fn: PciFunction,
    private readonly port: MsiPort,
    private readonly vectors: number,
  ) {
    const capable = Math.log2(vectors);
    if (!Number.isInteger(capable) || vectors > 32) {
      throw new RangeError(`MSI with ${vectors} vectors: ask for 1, 2, 4, 8, 16 or 32`);
    }
    const control = (capable << Control.capableShift) | Control.address64 | Control.masking;
    const body = new Uint8Array(BODY_BYTES);
    body.set([control & 0xff, control >> 8]);
    const writable = new Uint8Array(BODY_BYTES);
    writable[0] = WRITABLE_CONTROL;
    const set = (at: number, bytes: readonly number[]): void => writable.set(bytes, at - At.control);
    set(At.address, [0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    set(At.data, [0xff, 0xff]);
    const mask = vectors === 32 ? 0xffffffff : 2 ** vectors - 1;
    set(
      At.mask,
      [0, 8, 16, 24].map((shift) => (mask >>> shift) & 0xff),
    );
    this.at = fn.addCapability(CapabilityId.msi, body, writable, () => this.changed());
    fn.silenceIntx(() => this.enabled);
  }

  get enabled(): boolean {
    return (this.control & Control.enable) !== 0;
  }

  /** Software may have given fewer vectors than were asked for: the device then shares them (6.8.1.3, modulo their number). */
  raise(vector: number): void {
    if (!this.enabled) return;
    const given = vector % this.allocated;
    this.setPending(this.pending | (1 << given));
    this.settle();
  }

  messageOf(vector: number): VectorMessage | undefined {
    const { fn, at } = this;
    const masked = (fn.read(at + At.mask, 4) & (1 << vector)) !== 0;
    if (!this.enabled || masked || vector >= this.allocated) return undefined;
    const address = fn.read(at + At.address, 4) + fn.read(at + At.addressHigh, 4) * 2 ** 32;
    const data = fn.read(at + At.data, 2);
    return { address, data: (data & ~(this.allocated - 1)) | vector };
  }

  watch(changed: () => void): void {
    this.watchers.push(changed);
  }

  /** Software has given so many vectors, of those that were asked for. */
  get allocated(): number {
    return Math.min(this.vectors, 1 << ((this.control >> Control.enabledShift) & 7));
  }

  private changed(): void {
    this.settle();
    for (const changed of this.watchers) changed();
  }

  private get control(): number {
    return this.fn.read(this.at + At.control, 2);
  }

  private get pending(): number {
    return this.fn.read(this.at + At.pending, 4);
  }

  /** Sends what is pending and not masked. */
  private settle(): void {
    if (!this.enabled) return;
    const { fn, at } = this;
    const due = this.pending & ~fn.read(at + At.mask, 4);
    if (due === 0) return;
    this.setPending(this.pending & ~due);
    for (let vector = 0; vector < this.vectors; vector++) if ((due & (1 << vector)) !== 0) this.send(vector);
  }

  /** A message is a memory write of the function: without bus mastering there is none. */
  private send(vector: number): void {
    const { fn } = this;
    const message = fn.busMaster ? this.messageOf(vector) : undefined;
    if (message) this.port.send(fn.requester, message.address, message.data);
  }

  private setPending(bits: number): void {
    for (let i = 0; i < 4; i++) this.fn.poke(this.at + At.pending + i, (bits >>> (8 * i)) & 0xff);
  }
}
