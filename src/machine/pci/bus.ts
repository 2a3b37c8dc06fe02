/**
 * PCI bus 0 with its host bridge, reached by configuration mechanism #1 (PCI Local Bus Specification 3.0, 3.2.2.3.2):
 * CONFIG_ADDRESS at port 0xCF8, CONFIG_DATA at 0xCFC.
 */
import type { AccessSize, RegisterBlock } from '../bus';
import { SnapshotError, requireVersion } from '../snapshot';
import { addressName, type PciAddress } from './config';
import { PciFunction, type BarSpec, type PciFunctionState } from './function';

/** First port of configuration mechanism #1, and how many ports it takes. */
export const CONFIG_PORT_BASE = 0xcf8;
export const CONFIG_PORT_COUNT = 8;

/** What the platform does for the bus. */
export interface PciPlatform {
  /** A BAR began, stopped or moved decoding: map or unmap its block. Also called, not enabled, when a function is added. */
  barChanged(slot: PciSlot, bar: BarSpec, base: number, enabled: boolean): void;
  /** Level of a function's INTx pin as it leaves the function. */
  interruptChanged(slot: PciSlot, asserted: boolean): void;
  /** A configuration access has been made, for the trace. `slot` is undefined where no function answers. */
  configAccess?(slot: PciSlot | undefined, isWrite: boolean, offset: number, value: number): void;
}

/** A function at its place. */
export interface PciSlot {
  readonly address: PciAddress;
  readonly fn: PciFunction;
  /** `00:03.0`. */
  readonly name: string;
}

/** Snapshot of a `PciBus` with all its functions. */
export interface PciBusState {
  version: 1;
  configAddress: number;
  functions: Record<string, PciFunctionState>;
}

const ENABLE = 0x80000000;
const ALL_ONES: Record<AccessSize, number> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff };

/** The 440FX host bridge's identity: what guests expect at 00:00.0 of such a machine. */
function hostBridge(): PciFunction {
  const identity = {
    vendorId: 0x8086,
    deviceId: 0x1237,
    revision: 2,
    classCode: 0x060000,
    subsystemVendorId: 0x1af4,
    subsystemId: 0x1100,
    interruptPin: 0,
  };
  return new PciFunction(identity, []);
}

/** Bus 0. Its register block is the eight ports from `CONFIG_PORT_BASE`. */
export class PciBus implements RegisterBlock {
  private readonly slots = new Map<number, PciSlot>();
  private configAddress = 0;

  constructor(private readonly platform: PciPlatform) {
    this.add({ device: 0, function: 0 }, hostBridge());
  }

  /** Puts a function at a free address (the lowest free device number when none is given). */
  add(address: PciAddress | undefined, fn: PciFunction): PciSlot {
    const at = address ?? this.firstFree();
    if (at.device < 0 || at.device > 31 || at.function < 0 || at.function > 7) {
      throw new RangeError(`PCI address ${addressName(at)}: devices go to 1f, functions to 7`);
    }
    const key = at.device * 8 + at.function;
    if (this.slots.has(key)) throw new Error(`PCI address ${addressName(at)} is taken: choose another`);
    const slot: PciSlot = { address: at, fn, name: addressName(at) };
    fn.host = {
      barChanged: (bar, base, enabled) => this.platform.barChanged(slot, bar, base, enabled),
      interruptChanged: (asserted) => this.platform.interruptChanged(slot, asserted),
    };
    this.slots.set(key, slot);
    // Told now, BARs are known to the platform in the order of building, whatever order a guest turns them on in.
    for (const bar of fn.bars) this.platform.barChanged(slot, bar, fn.barBase(bar), false);
    return slot;
  }

  /** All functions by ascending address. */
  functions(): PciSlot[] {
    return [...this.slots.entries()].sort(([x], [y]) => x - y).map(([, slot]) => slot);
  }

  read(offset: number, size: AccessSize): number {
    if (offset < 4) return offset === 0 && size === 4 ? this.configAddress : ALL_ONES[size];
    if (this.configAddress < ENABLE) return ALL_ONES[size];
    const register = (this.configAddress & 0xfc) + (offset - 4);
    const slot = this.selected();
    const value = slot ? slot.fn.read(register, size) : ALL_ONES[size];
    this.platform.configAccess?.(slot, false, register, value);
    return value;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset < 4) {
      // Only a dword access is CONFIG_ADDRESS; a narrower one is an ordinary I/O access to nobody (3.2.2.3.2).
      if (offset === 0 && size === 4) this.configAddress = (value & 0x80fffffc) >>> 0;
      return;
    }
    if (this.configAddress < ENABLE) return;
    const register = (this.configAddress & 0xfc) + (offset - 4);
    const slot = this.selected();
    this.platform.configAccess?.(slot, true, register, value);
    slot?.fn.write(register, size, value);
  }

  registerName(offset: number): string | undefined {
    if (offset < 0 || offset >= CONFIG_PORT_COUNT) return undefined;
    return offset < 4 ? 'CONFIG_ADDRESS' : 'CONFIG_DATA';
  }

  save(): PciBusState {
    const functions = Object.fromEntries(this.functions().map((slot) => [slot.name, slot.fn.save()]));
    return { version: 1, configAddress: this.configAddress, functions };
  }

  load(state: PciBusState): void {
    requireVersion('the PCI bus', state.version, 1);
    this.configAddress = state.configAddress;
    for (const slot of this.functions()) {
      const saved = state.functions[slot.name];
      if (!saved) {
        throw new SnapshotError(`snapshot of the PCI bus has no function ${slot.name}, this machine has`);
      }
      slot.fn.load(saved);
    }
  }

  private selected(): PciSlot | undefined {
    if ((this.configAddress & 0x00ff0000) !== 0) return undefined;
    return this.slots.get((this.configAddress >>> 8) & 0xff);
  }

  private firstFree(): PciAddress {
    for (let device = 1; device < 32; device++) {
      if (!this.slots.has(device * 8)) return { device, function: 0 };
    }
    throw new RangeError('all 32 device numbers of PCI bus 0 are taken');
  }
}
