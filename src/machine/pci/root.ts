/**
 * The PCI root complex: the functions of all buses, and the two ways to their configuration spaces. Configuration mechanism #1
 * (PCI Local Bus Specification 3.0, 3.2.2.3.2) has CONFIG_ADDRESS at port 0xCF8 and CONFIG_DATA at 0xCFC and reaches the
 * first 256 bytes; the enhanced one (ECAM, PCI Express Base Specification, 7.2.2) is memory and reaches all 4 KiB.
 */
import type { AccessSize, RegisterBlock, RequesterId } from '../bus';
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { branches, describedNodes, wholeBranch, type Branch } from '../registers';
import {
  SnapshotError,
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';
import type { BarSpec } from './bars';
import { configPortDescriptions } from './descriptions';
import { functionAt, functionTitle } from './function-view';
import { addressName, addressOf, requesterOf, type PciAddress } from './config';
import type { PciFunction, PciFunctionHardware, PciFunctionRun } from './function';
import { hostBridge } from './host-bridge';

/** First port of configuration mechanism #1, and how many ports it takes. */
export const CONFIG_PORTS = { base: 0xcf8, size: 8 } as const;

const ECAM_BUSES = 256;
const ECAM_BUS_BYTES = 0x100000;
/** Where the enhanced mechanism answers, as on QEMU's Q35: 1 MiB for each bus. The MCFG table tells it to software. */
export const ECAM = { base: 0xb0000000, size: ECAM_BUSES * ECAM_BUS_BYTES, buses: ECAM_BUSES } as const;

/** What the platform does for the root complex. */
export interface PciPlatform {
  /** A BAR began, stopped or moved decoding: map or unmap its block. Also called, not enabled, when a function is added. */
  barChanged(slot: PciSlot, bar: BarSpec, base: number, enabled: boolean): void;
  /** Level of a function's INTx pin as it leaves the function. */
  interruptChanged(slot: PciSlot, asserted: boolean): void;
  /** A configuration access is being made, for the trace. `slot` is undefined where no function answers. */
  configAccess?(slot: PciSlot | undefined, isWrite: boolean, offset: number, value: number): void;
}

/** A function at its place. */
export interface PciSlot {
  readonly address: PciAddress;
  readonly requester: RequesterId;
  readonly fn: PciFunction;
  /** `00:03.0`. */
  readonly name: string;
}

/** What the hardware has of a `PciRoot`, with all its functions by their names. */
export interface PciRootHardware extends HardwareState {
  version: 2;
  configAddress: number;
  functions: Record<string, PciFunctionHardware>;
}

/** What the run has of it: what it has of the functions. */
export interface PciRootRun extends RunState {
  functions: Record<string, PciFunctionRun>;
}

const ENABLE = 0x80000000;
/** Enable bit, bus, device, function, register; bits 30:24 are reserved, 1:0 read as zeros. */
const ADDRESS_BITS = 0x80ffffff;
const READABLE_BITS = 0x80fffffc;
const ALL_ONES: Record<AccessSize, number> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff };

/** The root complex with a host bridge at 00:00.0. Whatever software writes, it does not throw. */
export class PciRoot implements Inspectable, Migratable<PciRootHardware, PciRootRun> {
  private readonly slots = new Map<RequesterId, PciSlot>();
  private configAddress = 0;

  /** @param bridge the function at 00:00.0 */
  constructor(
    private readonly platform: PciPlatform,
    bridge: PciFunction = hostBridge(),
  ) {
    this.add({ bus: 0, device: 0, function: 0 }, bridge);
  }

  /**
   * Puts a function at a free address (the lowest free device number of bus 0 when none is given).
   * @throws RangeError when there is no such address, Error when it is taken
   */
  add(address: PciAddress | undefined, fn: PciFunction): PciSlot {
    const at = address ?? this.firstFree();
    const requester = requesterOf(at);
    if (addressName(addressOf(requester)) !== addressName(at)) {
      throw new RangeError(`PCI address ${addressName(at)}: buses go to ff, devices to 1f, functions to 7`);
    }
    if (this.slots.has(requester)) throw new Error(`PCI address ${addressName(at)} is taken: choose another`);
    const slot: PciSlot = { address: at, requester, fn, name: addressName(at) };
    fn.place(requester, {
      barChanged: (bar, base, enabled) => this.platform.barChanged(slot, bar, base, enabled),
      interruptChanged: (asserted) => this.platform.interruptChanged(slot, asserted),
    });
    this.slots.set(requester, slot);
    if (!fn.isVirtual) this.tellOfSiblings(slot);
    // Told now, BARs are known to the platform in the order of building, whatever order a guest turns them on in.
    for (const bar of fn.bars) this.platform.barChanged(slot, bar, fn.barBase(bar), false);
    return slot;
  }

  /** All functions by ascending address, also virtual ones that are not on the bus. */
  functions(): PciSlot[] {
    return [...this.slots.values()].sort((x, y) => x.requester - y.requester);
  }

  /** The function on the bus with a requester ID. */
  at(requester: RequesterId): PciSlot | undefined {
    const slot = this.slots.get(requester);
    return slot?.fn.present ? slot : undefined;
  }

  /** The eight ports from `CONFIG_PORTS.base`. */
  readonly ports: RegisterBlock = {
    read: (offset, size) => this.readPort(offset, size),
    write: (offset, size, value) => this.writePort(offset, size, value),
    registerName: (offset) => {
      if (offset < 0 || offset >= CONFIG_PORTS.size) return undefined;
      return offset < 4 ? 'CONFIG_ADDRESS' : 'CONFIG_DATA';
    },
  };

  /** The memory from `ECAM.base`: bus in bits 27 to 20 of the offset, device in 19 to 15, function in 14 to 12. */
  readonly ecam: RegisterBlock = {
    read: (offset, size) => this.access(offset >>> 12, offset & 0xfff, size),
    write: (offset, size, value) => this.access(offset >>> 12, offset & 0xfff, size, value),
    registerName: () => undefined,
  };

  /** Reset of all buses. */
  reset(): void {
    this.configAddress = 0;
    for (const slot of this.functions()) slot.fn.reset();
  }

  /** The configuration spaces of all functions, and which of them the ports have chosen. */
  inspect(path: StatePath): StateNode | undefined {
    const ports = wholeBranch('Ports', () => ({
      name: 'Ports',
      children: describedNodes(configPortDescriptions, 32, { CONFIG_ADDRESS: this.configAddress }),
    }));
    const functions = this.functions().map(({ name, fn }): Branch => ({
      name,
      description: functionTitle(fn),
      at: (below) => functionAt(fn, below),
    }));
    return branches('pci', [ports, ...functions], path);
  }

  save(): Checkpoint<PciRootHardware, PciRootRun> {
    const saved = this.functions().map(({ name, fn }) => ({ name, ...fn.save() }));
    const functions = Object.fromEntries(saved.map(({ name, hardware }) => [name, hardware]));
    return {
      hardware: { version: 2, configAddress: this.configAddress, functions },
      run: { functions: Object.fromEntries(saved.map(({ name, run }) => [name, run])) },
    };
  }

  load({ hardware, run }: Checkpoint<PciRootHardware, PciRootRun>): void {
    this.check(hardware);
    this.configAddress = hardware.configAddress;
    for (const { name, fn } of this.functions())
      fn.load({ hardware: hardware.functions[name], run: run.functions[name] });
  }

  adopt(hardware: PciRootHardware): void {
    this.check(hardware);
    this.configAddress = hardware.configAddress;
    for (const { name, fn } of this.functions()) fn.adopt(hardware.functions[name]);
  }

  private check({ version, functions }: PciRootHardware): void {
    requireVersion('the PCI root complex', version, 2);
    const lacking = this.functions().find(({ name }) => !Object.hasOwn(functions, name));
    if (lacking) throw new SnapshotError(`snapshot of PCI has no function ${lacking.name}, this machine has`);
  }

  private readPort(offset: number, size: AccessSize): number {
    if (offset < 4)
      return offset === 0 && size === 4 ? (this.configAddress & READABLE_BITS) >>> 0 : ALL_ONES[size];
    if (this.configAddress < ENABLE) return ALL_ONES[size];
    return this.access(this.selected, this.register(offset, size), size);
  }

  private writePort(offset: number, size: AccessSize, value: number): void {
    if (offset >= 4) {
      if (this.configAddress >= ENABLE) this.access(this.selected, this.register(offset, size), size, value);
      return;
    }
    // Only a dword access is CONFIG_ADDRESS; a narrower one is an ordinary I/O access to nobody (3.2.2.3.2).
    if (offset === 0 && size === 4) this.configAddress = (value & ADDRESS_BITS) >>> 0;
  }

  private get selected(): RequesterId {
    return (this.configAddress >>> 8) & 0xffff;
  }

  /** Bits 1:0 of CONFIG_ADDRESS, which software should leave 0, choose among the bytes of a register as those of the port do (QEMU). */
  private register(offset: number, size: AccessSize): number {
    return ((this.configAddress & 0xff) | (offset - 4)) & ~(size - 1);
  }

  /** A configuration read, or a write when there is a value. Returns what was read. */
  private access(requester: RequesterId, register: number, size: AccessSize, written?: number): number {
    const slot = this.at(requester);
    if (written === undefined) {
      const value = slot ? slot.fn.read(register, size) : ALL_ONES[size];
      this.platform.configAccess?.(slot, false, register, value);
      return value;
    }
    this.platform.configAccess?.(slot, true, register, written);
    slot?.fn.write(register, size, written);
    return 0;
  }

  /** Function 0 says that there are others; virtual ones are not told of there (PCI Express Base Specification 6.0, 9.3.4.1). */
  private tellOfSiblings({ requester, address, fn }: PciSlot): void {
    const first = requester & ~7;
    if (address.function !== 0) this.slots.get(first)?.fn.setMultiFunction();
    else if ([1, 2, 3, 4, 5, 6, 7].some((each) => this.slots.get(first + each)?.fn.isVirtual === false))
      fn.setMultiFunction();
  }

  private firstFree(): PciAddress {
    for (let device = 1; device < 32; device++) {
      if (!this.slots.has(device << 3)) return { bus: 0, device, function: 0 };
    }
    throw new RangeError('all 32 device numbers of PCI bus 0 are taken');
  }
}
