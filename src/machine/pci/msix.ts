/**
 * MSI-X of a function (PCI Local Bus Specification 3.0, 6.8.2): a table of messages and an array of pending bits in memory of
 * one of its BARs, and the capability that tells where they are.
 */
import type { AccessSize, MsiPort, RegisterBlock } from '../bus';
import type { StateNode } from '../inspect';
import { listAt, type Branch } from '../registers';
import { addressNode, flagNode, numberNode } from '../state-nodes';
import { requireVersion, type Checkpoint, type HardwareState, type RunState } from '../snapshot';
import { CapabilityId } from './config';
import type { FunctionPart, PciFunction } from './function';
import type { MessageVectors, VectorMessage } from './msi';

/** Where table and pending bits lie. */
export interface MsixLayout {
  /** 1..2048. */
  vectors: number;
  /** Index of the BAR that holds both. */
  bar: number;
  /** Offsets in it; multiples of 8. */
  table: number;
  pending: number;
}

/** What the hardware has: table and pending bits. */
export interface MsixHardware extends HardwareState {
  version: 2;
  table: Uint32Array;
  pending: Uint32Array;
}

/** What the run has: which of the pending bits wait with the other port. */
export interface MsixRun extends RunState {
  elsewhere: Uint32Array;
}

/** Name of the table in the tree of a machine's inside. */
const MSIX_TABLE = 'MSI-X table';
const ENTRY_BYTES = 16;
/** Words of a table entry. */
const Entry = { address: 0, addressHigh: 1, data: 2, control: 3 } as const;
const NAMES = ['MSIX_ADDR', 'MSIX_ADDR_HIGH', 'MSIX_DATA', 'MSIX_CONTROL'] as const;
const ENTRY_MASKED = 1;
const ADDRESS_BITS = 0xfffffffc;
/** In the capability: message control behind identifier and next pointer, table, pending bits. */
const CONTROL_AT = 2;
const BODY_BYTES = 10;
const Control = { functionMask: 1 << 14, enable: 1 << 15 } as const;
const MOST_VECTORS = 2048;
const NO_FUNCTION = 'MSI-X belongs to no function yet: add it with addTo';

/**
 * The MSI-X vectors of one function. Made before the function, whose BAR has `block` in it: as the whole of the BAR, or where
 * the device's own block hands accesses on.
 */
export class MsixVectors implements MessageVectors, FunctionPart {
  private readonly table: Uint32Array;
  private readonly pending: Uint32Array;
  /** Pending bits whose message goes out by the other port, unless software has read them before. */
  private readonly elsewhere: Uint32Array;
  private fn: PciFunction | undefined;
  private at = 0;
  private readonly watchers: (() => void)[] = [];

  /**
   * @param port of whoever serves the function's registers
   * @param other of somebody else who raises vectors too, if there is one: a worker of the kernel (vhost)
   */
  constructor(
    private readonly port: MsiPort,
    readonly layout: MsixLayout,
    private readonly other: MsiPort = port,
  ) {
    const { vectors, table, pending } = layout;
    const tableEnd = table + vectors * ENTRY_BYTES;
    const pendingEnd = pending + this.pendingBytes;
    const apart = pending >= tableEnd || table >= pendingEnd;
    if (vectors < 1 || vectors > MOST_VECTORS || table % 8 !== 0 || pending % 8 !== 0 || !apart) {
      throw new RangeError(`MSI-X with ${vectors} vectors: table at ${table}, pending bits at ${pending}`);
    }
    this.table = new Uint32Array(vectors * 4);
    this.pending = new Uint32Array(this.pendingBytes / 4);
    this.elsewhere = new Uint32Array(this.pendingBytes / 4);
    this.reset();
  }

  /** Table and pending bits as they lie in the BAR; zeros between. Narrow writes are undefined and do nothing (6.8.2). */
  readonly block: RegisterBlock = {
    read: (offset, size) => {
      this.takeOver(offset);
      return this.read(offset, size);
    },
    write: (offset, size, value) => {
      if (size === 4) this.writeTable(offset, value);
    },
    registerName: (offset) => this.nameAt(offset),
  };

  /** The vectors for a reader, with their pending bits. */
  readonly view: Branch = {
    name: MSIX_TABLE,
    at: (path) =>
      listAt({ name: MSIX_TABLE }, this.layout.vectors, (vector) => this.vectorNode(vector), path),
  };

  /** Adds the capability to the function whose BAR holds the table. */
  addTo(fn: PciFunction): void {
    const { vectors, bar, table, pending } = this.layout;
    const body = new Uint8Array(BODY_BYTES);
    const view = new DataView(body.buffer);
    view.setUint16(0, vectors - 1, true);
    view.setUint32(2, table | bar, true);
    view.setUint32(6, pending | bar, true);
    const writable = new Uint8Array(BODY_BYTES);
    writable[1] = (Control.functionMask | Control.enable) >> 8;
    this.fn = fn;
    this.at = fn.addCapability(CapabilityId.msix, body, writable, () => this.settle());
    fn.silenceIntx(() => this.enabled);
    fn.keep(this);
  }

  get enabled(): boolean {
    return (this.control & Control.enable) !== 0;
  }

  /** @param via one of the two ports: who carries the message */
  raise(vector: number, via: MsiPort = this.port): void {
    if (!this.enabled || vector >= this.layout.vectors) return;
    if (this.masked(vector)) this.wait(vector, via);
    else this.send(vector, (...message) => via.send(...message));
  }

  messageOf(vector: number): VectorMessage | undefined {
    if (!this.enabled || vector >= this.layout.vectors || this.masked(vector)) return undefined;
    const { table } = this;
    const at = vector * 4;
    const address = table[at + Entry.address] + table[at + Entry.addressHigh] * 2 ** 32;
    return { address, data: table[at + Entry.data] };
  }

  watch(changed: () => void): void {
    this.watchers.push(changed);
  }

  /** Every vector masked, nothing pending. */
  reset(): void {
    this.table.fill(0);
    this.pending.fill(0);
    this.elsewhere.fill(0);
    for (let vector = 0; vector < this.layout.vectors; vector++)
      this.table[vector * 4 + Entry.control] = ENTRY_MASKED;
  }

  save(): Checkpoint<MsixHardware, MsixRun> {
    return {
      hardware: { version: 2, table: this.table.slice(), pending: this.pending.slice() },
      run: { elsewhere: this.elsewhere.slice() },
    };
  }

  load({ hardware, run }: Checkpoint<MsixHardware, MsixRun>): void {
    this.adopt(hardware);
    this.elsewhere.set(run.elsewhere);
  }

  /** What is pending waits here as it did there, with whoever serves the registers: nothing has changed that would let it go. */
  adopt(hardware: MsixHardware): void {
    requireVersion('MSI-X', hardware.version, 2);
    this.table.set(hardware.table);
    this.pending.set(hardware.pending);
    this.elsewhere.fill(0);
  }

  private vectorNode(vector: number): StateNode {
    const [address, high, data, control] = this.table.subarray(vector * 4);
    return {
      name: String(vector),
      children: [
        addressNode('address', high * 2 ** 32 + address),
        numberNode('data', data),
        flagNode('masked', (control & ENTRY_MASKED) !== 0),
        flagNode('pending', ((this.pending[vector >> 5] >>> (vector & 31)) & 1) !== 0),
      ],
    };
  }

  private get control(): number {
    if (!this.fn) throw new Error(NO_FUNCTION);
    return this.fn.read(this.at + CONTROL_AT, 2);
  }

  private get pendingBytes(): number {
    return Math.ceil(this.layout.vectors / 64) * 8;
  }

  private masked(vector: number): boolean {
    const { control } = this;
    return (
      (control & Control.functionMask) !== 0 || (this.table[vector * 4 + Entry.control] & ENTRY_MASKED) !== 0
    );
  }

  private read(offset: number, size: AccessSize): number {
    const word = this.wordAt(offset & ~3);
    return size === 4 ? word : (word >>> (8 * (offset & 3))) & (size === 1 ? 0xff : 0xffff);
  }

  private wordAt(offset: number): number {
    const { layout } = this;
    return this.table[(offset - layout.table) / 4] ?? this.pending[(offset - layout.pending) / 4] ?? 0;
  }

  private writeTable(offset: number, value: number): void {
    const index = (offset - this.layout.table) / 4;
    if (index < 0 || index >= this.table.length) return;
    const word = index & 3;
    if (word === Entry.address) this.table[index] = value & ADDRESS_BITS;
    else if (word === Entry.control) this.table[index] = value & ENTRY_MASKED;
    else this.table[index] = value;
    if (word === Entry.control) this.release(index >> 2);
    this.tell();
  }

  private nameAt(offset: number): string | undefined {
    const { layout, table, pending } = this;
    const index = (offset - layout.table) / 4;
    if (index >= 0 && index < table.length) return `${NAMES[index & 3]}${index >> 2}`;
    const word = (offset - layout.pending) / 4;
    return word >= 0 && word < pending.length ? `MSIX_PENDING${word}` : undefined;
  }

  /** A masked vector's bit is set. One that is pending already stays as it is: its one message is on its way. */
  private wait(vector: number, via: MsiPort): void {
    const word = vector >> 5;
    const bit = 1 << (vector & 31);
    if (via !== this.port && (this.pending[word] & bit) === 0) this.elsewhere[word] |= bit;
    this.pending[word] |= bit;
  }

  /**
   * Software reads pending bits. To show them, whoever serves the registers takes what others have counted meanwhile: it is its own
   * to send then (QEMU's msix_pba_mmio_read and virtio_pci_vector_poll).
   */
  private takeOver(offset: number): void {
    const word = (offset - this.layout.pending) >> 2;
    if (word >= 0 && word < this.elsewhere.length) this.elsewhere[word] = 0;
  }

  private settle(): void {
    for (let vector = 0; vector < this.layout.vectors; vector++) this.release(vector);
    this.tell();
  }

  private tell(): void {
    for (const changed of this.watchers) changed();
  }

  /** Sends a vector that waits, if it may go now. */
  private release(vector: number): void {
    const bit = 1 << (vector & 31);
    if ((this.pending[vector >> 5] & bit) === 0 || !this.enabled || this.masked(vector)) return;
    const via = (this.elsewhere[vector >> 5] & bit) === 0 ? this.port : this.other;
    this.pending[vector >> 5] &= ~bit;
    this.elsewhere[vector >> 5] &= ~bit;
    this.send(vector, (...message) =>
      via.sendUnmasked ? via.sendUnmasked(...message) : via.send(...message),
    );
  }

  /** A message is a memory write of the function: without bus mastering there is none. */
  private send(vector: number, carry: MsiPort['send']): void {
    const { fn } = this;
    const message = fn?.busMaster ? this.messageOf(vector) : undefined;
    if (fn && message) carry(fn.requester, message.address, message.data);
  }
}
