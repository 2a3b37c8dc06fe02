/**
 * One PCI function: its 256 bytes of configuration space and what writing them does (PCI Local Bus Specification 3.0,
 * chapter 6). Knows nothing of the device behind it but the register blocks of its BARs.
 */
import type { AccessSize, RegisterBlock } from '../bus';
import { requireVersion } from '../snapshot';
import { Command, Config, Status } from './config';

/** A base address register (6.2.5). A 64-bit one takes this index and the next. */
export interface BarSpec {
  /** 0..5. */
  index: number;
  kind: 'memory32' | 'memory64' | 'io';
  /** Bytes; a power of two, at least 16 for memory and 4 for I/O. */
  size: number;
  prefetchable?: boolean;
  block: RegisterBlock;
  /** For the trace and messages: `registers`, `flash`. */
  name: string;
}

/** What a device says of itself to configuration software. */
export interface PciIdentity {
  vendorId: number;
  deviceId: number;
  revision: number;
  /** 24 bits: base class, sub-class, programming interface. */
  classCode: number;
  subsystemVendorId: number;
  subsystemId: number;
  /** 0: none, 1..4: INTA..INTD. */
  interruptPin: number;
  multiFunction?: boolean;
}

/** What follows from configuration writes; the bus (or whoever owns the function) installs it. */
export interface PciFunctionHost {
  /** A BAR began, stopped or moved decoding. `base` is meaningless while not enabled. */
  barChanged(bar: BarSpec, base: number, enabled: boolean): void;
  /** The INTx level that leaves the function, after the interrupt-disable bit. */
  interruptChanged(asserted: boolean): void;
}

/** Snapshot of a `PciFunction`. */
export interface PciFunctionState {
  version: 1;
  config: Uint8Array;
  interrupt: boolean;
}

const NO_HOST: PciFunctionHost = { barChanged: () => undefined, interruptChanged: () => undefined };
const COMMAND_WRITABLE =
  Command.IoSpace |
  Command.MemorySpace |
  Command.BusMaster |
  Command.ParityErrorResponse |
  Command.SerrEnable |
  Command.InterruptDisable;
const FIRST_CAPABILITY = 0x40;

/** Configuration space of one function. Reads and writes never throw, whatever a guest does. */
export class PciFunction {
  /** Installed when the function is put on a bus. */
  host: PciFunctionHost = NO_HOST;
  private readonly config = new Uint8Array(256);
  private readonly writable = new Uint8Array(256);
  private readonly clearedByOne = new Uint8Array(256);
  private readonly hooks: { first: number; end: number; after: () => void }[] = [];
  private readonly decoding = new Map<number, number>();
  private capabilityEnd = FIRST_CAPABILITY;
  private lastCapability = 0;
  private interrupt = false;
  private interruptOut = false;

  constructor(
    readonly identity: PciIdentity,
    readonly bars: readonly BarSpec[],
  ) {
    for (const bar of bars) checkBar(bar, bars);
    this.set16(Config.VendorId, identity.vendorId);
    this.set16(Config.DeviceId, identity.deviceId);
    this.config[Config.RevisionId] = identity.revision;
    this.set16(Config.ClassCode, identity.classCode & 0xffff);
    this.config[Config.ClassCode + 2] = identity.classCode >> 16;
    this.config[Config.HeaderType] = identity.multiFunction ? 0x80 : 0;
    this.set16(Config.SubsystemVendorId, identity.subsystemVendorId);
    this.set16(Config.SubsystemId, identity.subsystemId);
    this.config[Config.InterruptPin] = identity.interruptPin;
    this.writable[Config.Command] = COMMAND_WRITABLE & 0xff;
    this.writable[Config.Command + 1] = COMMAND_WRITABLE >> 8;
    this.clearedByOne[Config.Status + 1] = Status.WriteOneToClear >> 8;
    for (const at of [Config.CacheLineSize, Config.LatencyTimer, Config.InterruptLine])
      this.writable[at] = 0xff;
    for (const bar of bars) this.layOutBar(bar);
  }

  /** Reads configuration bytes; `offset + size` ≤ 256. */
  read(offset: number, size: AccessSize): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (this.config[(offset + i) & 0xff] ?? 0);
    return value;
  }

  /** Writes configuration bytes as software does: read-only bits stay, write-one-to-clear bits clear. */
  write(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) {
      const at = (offset + i) & 0xff;
      const byte = (value >>> (8 * i)) & 0xff;
      const mask = this.writable[at];
      const kept = this.config[at] & ~mask & ~(byte & this.clearedByOne[at]);
      this.config[at] = kept | (byte & mask);
    }
    if (offset < Config.Bar0 + 24) this.applyDecoding();
    this.applyInterrupt();
    for (const hook of this.hooks) if (offset < hook.end && offset + size > hook.first) hook.after();
  }

  /** The command register. */
  get command(): number {
    return this.read(Config.Command, 2);
  }

  /** Whether the function may read and write memory on its own (command register, bus master). */
  get busMaster(): boolean {
    return (this.command & Command.BusMaster) !== 0;
  }

  /**
   * Appends a capability (6.7) and links it into the list. `body` follows the two bytes of identifier and next pointer;
   * `writable` has the same length. `after` runs after each configuration write that touches the capability.
   * @returns the offset of the identifier byte
   */
  addCapability(id: number, body: Uint8Array, writable: Uint8Array, after?: () => void): number {
    const at = this.capabilityEnd;
    const end = at + 2 + body.length;
    if (end > 256)
      throw new RangeError(`capability 0x${id.toString(16)} does not fit into configuration space`);
    this.config[at] = id;
    this.config.set(body, at + 2);
    this.writable.set(writable, at + 2);
    this.config[this.lastCapability === 0 ? Config.CapabilitiesPointer : this.lastCapability + 1] = at;
    this.config[Config.Status] |= Status.CapabilitiesList;
    this.lastCapability = at;
    this.capabilityEnd = (end + 3) & ~3;
    if (after) this.hooks.push({ first: at, end, after });
    return at;
  }

  /** Sets the level of the function's INTx: shown in the status register, and outside unless software disabled it. */
  setInterrupt(asserted: boolean): void {
    this.interrupt = asserted;
    this.applyInterrupt();
  }

  /** Present base of a BAR as programmed, whether or not it decodes. */
  barBase(bar: BarSpec): number {
    const at = Config.Bar0 + bar.index * 4;
    if (bar.kind === 'io') return (this.read(at, 4) & ~3) >>> 0;
    const low = (this.read(at, 4) & ~15) >>> 0;
    return bar.kind === 'memory64' ? low + this.read(at + 4, 4) * 2 ** 32 : low;
  }

  save(): PciFunctionState {
    return { version: 1, config: this.config.slice(), interrupt: this.interrupt };
  }

  /** Maps the BARs where they are to be. Tells nobody of the interrupt: the bus behind it has a snapshot of its own. */
  load(state: PciFunctionState): void {
    requireVersion('a PCI function', state.version, 1);
    this.config.set(state.config);
    this.interrupt = state.interrupt;
    this.interruptOut = this.interruptLeaves();
    this.applyDecoding();
    for (const hook of this.hooks) hook.after();
  }

  private set16(at: number, value: number): void {
    this.config[at] = value & 0xff;
    this.config[at + 1] = value >> 8;
  }

  private layOutBar(bar: BarSpec): void {
    const at = Config.Bar0 + bar.index * 4;
    const type = bar.kind === 'io' ? 1 : (bar.kind === 'memory64' ? 4 : 0) | (bar.prefetchable ? 8 : 0);
    this.config[at] = type;
    const mask = bar.kind === 'memory64' ? 2 ** 64 - bar.size : 2 ** 32 - bar.size;
    const bytes = bar.kind === 'memory64' ? 8 : 4;
    // Numbers lose bits above 2^53, so the mask of a 64-bit BAR is taken byte by byte from the power of two itself.
    const firstBit = Math.log2(bar.size);
    for (let i = 0; i < bytes; i++) {
      const bitsBelow = Math.min(8, Math.max(0, firstBit - i * 8));
      this.writable[at + i] = mask > 0 ? (0xff << bitsBelow) & 0xff : 0;
    }
    this.writable[at] &= bar.kind === 'io' ? ~3 : ~15;
  }

  private applyDecoding(): void {
    const command = this.command;
    for (const bar of this.bars) {
      const enabled = (command & (bar.kind === 'io' ? Command.IoSpace : Command.MemorySpace)) !== 0;
      const base = this.barBase(bar);
      const before = this.decoding.get(bar.index);
      const after = enabled ? base : undefined;
      if (before === after) continue;
      if (after === undefined) this.decoding.delete(bar.index);
      else this.decoding.set(bar.index, after);
      this.host.barChanged(bar, base, enabled);
    }
  }

  private applyInterrupt(): void {
    if (this.interrupt) this.config[Config.Status] |= Status.InterruptStatus;
    else this.config[Config.Status] &= ~Status.InterruptStatus;
    const out = this.interruptLeaves();
    if (out === this.interruptOut) return;
    this.interruptOut = out;
    this.host.interruptChanged(out);
  }

  private interruptLeaves(): boolean {
    return this.interrupt && (this.command & Command.InterruptDisable) === 0;
  }
}

function checkBar(bar: BarSpec, all: readonly BarSpec[]): void {
  const smallest = bar.kind === 'io' ? 4 : 16;
  const taken = (spec: BarSpec): number[] =>
    spec.kind === 'memory64' ? [spec.index, spec.index + 1] : [spec.index];
  const clash = all.some((other) => other !== bar && taken(other).some((slot) => taken(bar).includes(slot)));
  const fits = bar.index >= 0 && Math.max(...taken(bar)) <= 5;
  const power = bar.size >= smallest && Number.isInteger(Math.log2(bar.size));
  if (!fits || clash || !power) {
    throw new RangeError(
      `BAR ${bar.index} '${bar.name}' of ${bar.size} bytes: index, size or neighbour do not fit`,
    );
  }
}
