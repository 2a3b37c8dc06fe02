/**
 * One PCI function: its configuration space and what writing it does (PCI Local Bus Specification 3.0, chapter 6). Knows
 * nothing of the device behind it but the register blocks of its BARs.
 */
import type { AccessSize, RequesterId } from '../bus';
import type { Branch } from '../registers';
import {
  SnapshotError,
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';
import { barBase, barOffset, checkBar, type BarKind, type BarSpec } from './bars';
import { Command, Config, MULTI_FUNCTION, Status } from './config';
import { ConfigSpace, type CapabilityReading, type CapabilityWritten } from './config-space';
import { layOutHeader, layOutVirtualHeader, type PciIdentity } from './header';

export type { BarSpec } from './bars';
export type { PciIdentity } from './header';

/** What follows from configuration writes; whoever places the function provides it. */
export interface PciFunctionHost {
  /** A BAR began, stopped or moved decoding. `base` is meaningless while not enabled. */
  barChanged(bar: BarSpec, base: number, enabled: boolean): void;
  /** The INTx level that leaves the function, after the interrupt-disable bit. */
  interruptChanged(asserted: boolean): void;
}

/**
 * What a virtual function (PCI Express Base Specification 6.0, 9.3.4) depends on beside itself: registers of its physical
 * function's SR-IOV capability. Whoever changes them tells it by `decodingChanged`.
 */
export interface VirtualPlace {
  /** Whether it is on the bus. */
  present(): boolean;
  /** Whether its BARs decode, while it is on the bus: it has no memory space bit of its own. */
  decodes(): boolean;
  barBase(bar: BarSpec): number;
}

/** Addresses that software has to find room for: a BAR, or the BARs of all virtual functions together. */
export interface Aperture {
  /** For messages: `BAR 0`. */
  name: string;
  /** Offset of the register with its base in configuration space. */
  at: number;
  kind: BarSpec['kind'];
  /** Bytes, and what its base is a multiple of. */
  size: number;
  alignment: number;
}

/** State of a function besides its configuration space: a table of MSI-X. */
export interface FunctionPart extends Migratable {
  reset(): void;
  /** Absent: configuration space shows all of it. */
  readonly view?: Branch;
}

/** What the hardware has of a `PciFunction`. */
export interface PciFunctionHardware extends HardwareState {
  version: 3;
  config: Uint8Array;
  interrupt: boolean;
  parts: HardwareState[];
}

/** What the run has of it: what it has of its parts. */
export interface PciFunctionRun extends RunState {
  parts: RunState[];
}

/** A part without a state of its own: it follows from configuration space, which is in place before it. */
class Follower implements FunctionPart {
  constructor(private readonly follow: () => void) {}

  save(): Checkpoint<HardwareState, RunState> {
    return { hardware: { version: 1 }, run: {} };
  }

  load(): void {
    this.follow();
  }

  adopt(): void {
    this.follow();
  }

  reset(): void {
    this.follow();
  }
}

const NO_HOST: PciFunctionHost = { barChanged: () => undefined, interruptChanged: () => undefined };

function apertureOf(bar: BarKind): Aperture {
  const { index, kind, size } = bar;
  return { name: `BAR ${index}`, at: barOffset(bar), kind, size, alignment: size };
}

/** One function. Reads and writes of its configuration space never throw, whatever a guest does. */
export class PciFunction implements Migratable<PciFunctionHardware, PciFunctionRun> {
  private readonly config = new ConfigSpace();
  private readonly parts: FunctionPart[] = [];
  private readonly decoding = new Map<number, number>();
  private readonly inhibitors: { intx: () => boolean; power: () => boolean }[] = [];
  private readonly powerFollowers: (() => void)[] = [];
  private readonly ranges: Aperture[] = [];
  private host = NO_HOST;
  private placed: RequesterId = 0;
  private interrupt = false;
  private interruptOut = false;

  /** @param virtual absent: it is a physical function */
  constructor(
    readonly identity: PciIdentity,
    readonly bars: readonly BarSpec[],
    private readonly virtual?: VirtualPlace,
  ) {
    for (const bar of bars) checkBar(bar, bars);
    if (virtual) {
      layOutVirtualHeader(this.config, identity);
      return;
    }
    layOutHeader(this.config, identity, bars);
    this.ranges.push(...bars.map((bar) => apertureOf(bar)));
  }

  /** By what its transactions are known: 0 until it is placed. */
  get requester(): RequesterId {
    return this.placed;
  }

  /** Puts the function somewhere; called by the root complex. */
  place(requester: RequesterId, host: PciFunctionHost): void {
    this.placed = requester;
    this.host = host;
  }

  /** Whether it is a virtual function of another one. */
  get isVirtual(): boolean {
    return this.virtual !== undefined;
  }

  /** Whether it is on the bus: a virtual one is while its physical function says so. */
  get present(): boolean {
    return this.virtual?.present() ?? true;
  }

  /** What software has to place in the address spaces. */
  get apertures(): readonly Aperture[] {
    return this.ranges;
  }

  /** Adds one whose register is in a capability. */
  addAperture(aperture: Aperture): void {
    this.ranges.push(aperture);
  }

  /** The device has several functions: software then looks for the others. */
  setMultiFunction(): void {
    this.config.define(Config.HeaderType, [MULTI_FUNCTION]);
  }

  /** Reads configuration bytes, naturally aligned. */
  read(offset: number, size: AccessSize): number {
    this.config.announce(offset, size);
    return this.config.read(offset, size);
  }

  /** Writes configuration bytes as software does, naturally aligned. */
  write(offset: number, size: AccessSize, value: number): void {
    this.config.write(offset, size, value);
    if (offset < Config.Bar0 + 24) this.applyDecoding();
    this.config.notify(offset, size, value);
    this.applyInterrupt();
  }

  /** The command register. */
  get command(): number {
    return this.config.read(Config.Command, 2);
  }

  /** Whether the function may read and write memory on its own (command register, bus master; power state). */
  get busMaster(): boolean {
    return (this.command & Command.BusMaster) !== 0 && this.powered;
  }

  /** As `ConfigSpace.addCapability`. */
  addCapability(
    id: number,
    body: ArrayLike<number>,
    writable: ArrayLike<number>,
    written?: CapabilityWritten,
  ): number {
    return this.config.addCapability(id, body, writable, written);
  }

  /** As `ConfigSpace.addExtendedCapability`. */
  addExtendedCapability(
    id: number,
    version: number,
    body: ArrayLike<number>,
    writable: ArrayLike<number>,
    written?: CapabilityWritten,
  ): number {
    return this.config.addExtendedCapability(id, version, body, writable, written);
  }

  /**
   * Registers of the device's own, somewhere between the header and the capabilities' end (6.1). `writable` has the length of
   * `values`. `follow` is called when they may have changed: by software, or in another way (a reset, a snapshot put in place).
   */
  addRegisters(
    offset: number,
    values: ArrayLike<number>,
    writable: ArrayLike<number>,
    follow?: (bySoftware: boolean) => void,
  ): void {
    this.config.define(offset, values);
    this.config.allow(offset, writable);
    if (!follow) return;
    this.config.watch(offset, values.length, () => follow(true));
    this.keep(new Follower(() => follow(false)));
  }

  /** Gives the function the extended configuration space of PCI Express, also while nothing is in it. */
  extendSpace(): void {
    this.config.extended = true;
  }

  /** Has `reading` called before each read of the bytes from `first` to `end`: for a register whose reads have effects. */
  onReading(first: number, end: number, reading: CapabilityReading): void {
    this.config.onReading(first, end, reading);
  }

  /** A byte as it is, without what a read by software does. */
  peek(offset: number): number {
    return this.config.read(offset, 1);
  }

  /** Where a BAR answers now; undefined: it does not decode. */
  decodedAt({ index }: BarSpec): number | undefined {
    return this.decoding.get(index);
  }

  /** What its parts show of themselves. */
  get views(): readonly Branch[] {
    return this.parts.flatMap(({ view }) => view ?? []);
  }

  /** Changes a byte that software may not: what a capability has computed. */
  poke(offset: number, byte: number): void {
    this.config.poke(offset, byte);
  }

  /** Changes which bits software may change from now on. It is no state: whoever does it does it again after a load. */
  allow(offset: number, writable: ArrayLike<number>): void {
    this.config.allow(offset, writable);
  }

  /** Makes a part of the function's state belong to its snapshots and resets. */
  keep(part: FunctionPart): void {
    this.parts.push(part);
  }

  /** Has INTx silent while `enabled`: the function then signals by messages (6.8.1.3, 6.8.2.3). */
  silenceIntx(enabled: () => boolean): void {
    this.inhibitors.push({ intx: enabled, power: () => false });
  }

  /** Has the function answer configuration accesses alone while `off`; `powerChanged` tells of each change. */
  sleepWhile(off: () => boolean): void {
    this.inhibitors.push({ intx: off, power: off });
  }

  /** What `sleepWhile` asks may have changed. */
  powerChanged(): void {
    this.applyDecoding();
    for (const follow of this.powerFollowers) follow();
  }

  /** Has `follow` called after each change of power. */
  onPowerChange(follow: () => void): void {
    this.powerFollowers.push(follow);
  }

  /** What `VirtualPlace` says may have changed. */
  decodingChanged(): void {
    this.applyDecoding();
  }

  /** Whether it does anything beside answering configuration accesses. */
  get powered(): boolean {
    return this.present && !this.inhibitors.some(({ power }) => power());
  }

  /** Sets the level of the function's INTx: shown in the status register, and outside unless software disabled it. */
  setInterrupt(asserted: boolean): void {
    if (asserted === this.interrupt) return;
    this.interrupt = asserted;
    this.applyInterrupt();
  }

  /** Level of INTx that leaves the function. */
  get interruptAsserted(): boolean {
    return this.interruptOut;
  }

  /** Present base of a BAR as programmed, whether or not it decodes. */
  barBase(bar: BarSpec): number {
    return this.virtual ? this.virtual.barBase(bar) : barBase(this.config, bar);
  }

  /** Reset of the bus, or of the function: everything as after power-on but the level of the device's own pin. */
  reset(): void {
    this.config.reset();
    for (const part of this.parts) part.reset();
    this.applyDecoding();
    this.applyInterrupt();
  }

  save(): Checkpoint<PciFunctionHardware, PciFunctionRun> {
    const { config, interrupt } = this;
    const parts = this.parts.map((part) => part.save());
    return {
      hardware: {
        version: 3,
        config: config.save(),
        interrupt,
        parts: parts.map(({ hardware }) => hardware),
      },
      run: { parts: parts.map(({ run }) => run) },
    };
  }

  /** Maps the BARs where they are to be. Tells nobody of the interrupt: the bus behind it has a snapshot of its own. */
  load({ hardware, run }: Checkpoint<PciFunctionHardware, PciFunctionRun>): void {
    this.loadSpace(hardware);
    this.parts.forEach((part, index) =>
      part.load({ hardware: hardware.parts[index], run: run.parts[index] }),
    );
    this.interruptOut = this.interruptLeaves();
    this.applyDecoding();
  }

  /** Maps the BARs where they are to be, and has the pin at its level. */
  adopt(hardware: PciFunctionHardware): void {
    this.loadSpace(hardware);
    this.parts.forEach((part, index) => part.adopt(hardware.parts[index]));
    this.applyDecoding();
    this.applyInterrupt();
  }

  private loadSpace(hardware: PciFunctionHardware): void {
    requireVersion('a PCI function', hardware.version, 3);
    if (hardware.parts.length !== this.parts.length) {
      throw new SnapshotError('snapshot of a PCI function has other capabilities than this function has');
    }
    this.config.load(hardware.config);
    this.interrupt = hardware.interrupt;
  }

  private decodes({ kind }: BarSpec): boolean {
    if (!this.powered) return false;
    if (this.virtual) return this.virtual.decodes();
    return (this.command & (kind === 'io' ? Command.IoSpace : Command.MemorySpace)) !== 0;
  }

  private applyDecoding(): void {
    for (const bar of this.bars) {
      const enabled = this.decodes(bar);
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
    const status = this.config.read(Config.Status, 1) & ~Status.InterruptStatus;
    this.config.poke(Config.Status, this.interrupt ? status | Status.InterruptStatus : status);
    const out = this.interruptLeaves();
    if (out === this.interruptOut) return;
    this.interruptOut = out;
    this.host.interruptChanged(out);
  }

  private interruptLeaves(): boolean {
    if (!this.interrupt || (this.command & Command.InterruptDisable) !== 0) return false;
    return !this.inhibitors.some(({ intx }) => intx());
  }
}
