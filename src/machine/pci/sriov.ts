/**
 * Single root I/O virtualization (PCI Express Base Specification 6.0, chapter 9): the extended capability of a physical function,
 * and the virtual functions that are on the bus while it has VF Enable set.
 *
 * All state is in the physical function's configuration space. The virtual functions exist from the beginning; what changes is
 * whether they are on the bus and where their BARs decode.
 */
import type { RegisterBlock, RequesterId } from '../bus';
import type { Checkpoint, HardwareState, RunState } from '../snapshot';
import { barBase, barMask, barType, checkBar, type BarKind, type BarSpec } from './bars';
import { addExpress } from './capabilities';
import { ExtendedCapabilityId, bytes16 } from './config';
import { PciFunction, type FunctionPart } from './function';

/** What may differ from device to device. */
export interface SriovOptions {
  /** TotalVFs, and InitialVFs, as there is no migration of VFs: 1 to 255. */
  total: number;
  /** What software takes for the device identifier of every VF, whose own register reads as FFFFH. */
  deviceId: number;
  /** The BARs that each VF has: memory ones, with the size of a single VF's. */
  bars: readonly BarKind[];
  /** `ExpressType` of the VFs, which is the physical function's. */
  type: number;
}

/** What a device says of one of its VFs. */
export interface VirtualFunctionParts {
  /** What answers in its BARs, in the order of `SriovOptions.bars`. */
  blocks: readonly RegisterBlock[];
  /** The device's part of a reset of the VF: by its own function-level reset, or because it leaves the bus. */
  onReset: () => void;
}

/** How requester IDs of VFs follow from their physical function's (9.2.1.2): both 1 or more. */
export interface SriovRouting {
  /** First VF Offset. */
  offset: number;
  /** VF Stride. */
  stride: number;
}

/** Offsets from the header (9.3.3), and of the end of the capability. */
const At = {
  control: 0x08,
  initialVfs: 0x0c,
  totalVfs: 0x0e,
  numVfs: 0x10,
  offset: 0x14,
  stride: 0x16,
  deviceId: 0x1a,
  supportedPages: 0x1c,
  page: 0x20,
  bar0: 0x24,
  end: 0x40,
} as const;
const HEADER_BYTES = 4;
const VERSION = 1;
/** 9.3.3.3. ARI Capable Hierarchy is kept and changes nothing: requester IDs do not depend on it. */
const Control = { enable: 1 << 0, memory: 1 << 3, ari: 1 << 4 } as const;
/** Every device supports these: 4 KiB (bit 0), 8 KiB, 64 KiB, 256 KiB, 1 MiB and 4 MiB (9.3.3.12). */
const SUPPORTED_PAGES = 0x553;
const SMALLEST_PAGE = 4096;
const MOST_FUNCTIONS = 255;

/** The capability of one physical function. */
export class Sriov implements FunctionPart {
  private readonly at: number;
  private readonly functions: { fn: PciFunction; onReset: () => void }[] = [];
  private requesters: SriovRouting | undefined;
  private onBus = 0;

  /** @throws RangeError when the number of VFs or their BARs do not fit */
  constructor(
    private readonly pf: PciFunction,
    private readonly options: SriovOptions,
  ) {
    const { total, bars } = options;
    if (!Number.isInteger(total) || total < 1 || total > MOST_FUNCTIONS)
      throw new RangeError(`SR-IOV with ${total} virtual functions: a device has 1 to ${MOST_FUNCTIONS}`);
    for (const bar of bars) checkBar(bar, bars);
    if (bars.some(({ kind }) => kind === 'io'))
      throw new RangeError('a virtual function has no I/O BARs: give it memory BARs only');
    this.at = this.addCapability();
    pf.keep(this);
    pf.onPowerChange(() => this.follow());
    this.follow();
    for (const bar of bars) {
      const { index, kind } = bar;
      const alignment = this.sizeOf(bar);
      pf.addAperture({
        name: `VF BAR ${index}`,
        at: this.barAt(bar),
        kind,
        size: total * alignment,
        alignment,
      });
    }
  }

  /** VFs that it can have. */
  get total(): number {
    return this.options.total;
  }

  /** VFs that are on the bus: the first so many. */
  get count(): number {
    return this.onBus;
  }

  /**
   * Makes the next VF, beginning with number 0: with the capability of PCI Express, to which the device adds what else there is,
   * and without INTx.
   * @throws RangeError when all have been made, or there is not one block for each BAR
   */
  addFunction({ blocks, onReset }: VirtualFunctionParts): PciFunction {
    const { pf, options } = this;
    const number = this.functions.length;
    if (number >= options.total || blocks.length !== options.bars.length) {
      throw new RangeError(
        `virtual function ${number} of ${options.total} with ${blocks.length} blocks for ${options.bars.length} BARs`,
      );
    }
    const bars = options.bars.map((bar, i): BarSpec => ({ ...bar, block: blocks[i] }));
    const identity = { ...pf.identity, deviceId: options.deviceId, interruptPin: 0 };
    const fn = new PciFunction(identity, bars, {
      present: () => number < this.onBus,
      decodes: () => (this.control & Control.memory) !== 0,
      barBase: (bar) => this.start(bar) + number * this.sizeOf(bar),
    });
    addExpress(fn, { type: options.type, onReset });
    // Without a power state of its own, it is in the physical function's (9.6.2).
    fn.sleepWhile(() => !pf.powered);
    this.functions.push({ fn, onReset });
    return fn;
  }

  /** Says by which requester IDs the VFs are reached. Called by whoever places the physical function. */
  route(routing: SriovRouting): void {
    this.requesters = routing;
    this.pf.addRegisters(
      this.at + At.offset,
      [...bytes16(routing.offset), ...bytes16(routing.stride)],
      [0, 0, 0, 0],
    );
  }

  /**
   * The requester ID of a VF.
   * @throws Error before the physical function is placed and its VFs are routed
   */
  requesterOf(number: number): RequesterId {
    if (!this.requesters) throw new Error('the virtual functions have no place yet: route them first');
    return this.pf.requester + this.requesters.offset + number * this.requesters.stride;
  }

  /** The bus or the physical function was reset: there are no VFs then. */
  reset(): void {
    this.changed();
  }

  save(): Checkpoint<HardwareState, RunState> {
    return { hardware: { version: 1 }, run: {} };
  }

  /** The VFs have states of their own, which are put in place later. */
  load(): void {
    this.follow();
  }

  adopt(): void {
    this.follow();
  }

  private addCapability(): number {
    const { pf, options } = this;
    const body = new Uint8Array(At.end);
    const view = new DataView(body.buffer);
    view.setUint16(At.initialVfs, options.total, true);
    view.setUint16(At.totalVfs, options.total, true);
    view.setUint16(At.deviceId, options.deviceId, true);
    view.setUint32(At.supportedPages, SUPPORTED_PAGES, true);
    view.setUint32(At.page, 1, true);
    for (const bar of options.bars) body[At.bar0 + bar.index * 4] = barType(bar);
    const writable = new Uint8Array(At.end);
    writable[At.control] = Control.enable | Control.memory | Control.ari;
    const [values, mask] = [body, writable].map((bytes) => bytes.subarray(HEADER_BYTES));
    return pf.addExtendedCapability(ExtendedCapabilityId.sriov, VERSION, values, mask, () => this.changed());
  }

  /** VFs have come onto the bus or have left it. Those that have left lose what they had (9.3.3.3.1). */
  private changed(): void {
    const before = this.onBus;
    this.follow();
    for (const { fn, onReset } of this.functions.slice(this.onBus, before)) {
      fn.reset();
      onReset();
    }
  }

  /** Has everything that follows from the registers as they are. */
  private follow(): void {
    const { pf, at, options } = this;
    const enabled = (this.control & Control.enable) !== 0;
    // More than there are, NumVFs is undefined (9.3.3.7): all of them come.
    this.onBus = enabled ? Math.min(this.registerAt(At.numVfs, 2), options.total) : 0;
    // Both are not to be changed while there are VFs (9.3.3.7, 9.3.3.13).
    pf.allow(at + At.numVfs, enabled ? [0, 0] : [0xff, 0xff]);
    pf.allow(at + At.page, enabled ? [0, 0] : bytes16(SUPPORTED_PAGES));
    for (const bar of options.bars) this.layOut(bar);
    for (const { fn } of this.functions) fn.decodingChanged();
  }

  /** A VF's addresses begin at a page of the system, whose size software chooses: smaller BARs grow to that (9.3.3.13). */
  private layOut(bar: BarKind): void {
    const { pf } = this;
    const register = this.barAt(bar);
    const mask = barMask({ kind: bar.kind, size: this.sizeOf(bar) });
    pf.allow(register, mask);
    mask.forEach((bits, i) => {
      pf.poke(register + i, (pf.peek(register + i) & bits) | (i === 0 ? barType(bar) : 0));
    });
  }

  private get control(): number {
    return this.registerAt(At.control, 2);
  }

  /** Bytes from one VF's BAR to the next one's. */
  private sizeOf({ size }: BarKind): number {
    const chosen = this.registerAt(At.page, 2) & SUPPORTED_PAGES;
    const lowest = chosen & -chosen;
    return Math.max(size, SMALLEST_PAGE * Math.max(lowest, 1));
  }

  /** Where the BAR of VF 0 begins. */
  private start(bar: BarKind): number {
    return barBase(this.pf, bar, this.barAt(bar));
  }

  private barAt({ index }: BarKind): number {
    return this.at + At.bar0 + index * 4;
  }

  private registerAt(offset: number, size: 2 | 4): number {
    return this.pf.read(this.at + offset, size);
  }
}
