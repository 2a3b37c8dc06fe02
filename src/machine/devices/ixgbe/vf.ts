/**
 * A virtual function of the 82599 (8.3): a PCI function with its own DMA, its own three MSI-X vectors and a small window of registers.
 * Its queues are the device's, whose state has them; here are its interrupts and what of its registers is its alone.
 */
import type { BusDevice, DeviceBus, DmaResult, RegisterBlock } from '../../bus';
import type { Inspectable, StateNode, StatePath } from '../../inspect';
import type { PciFunction } from '../../pci/function';
import { MsixVectors } from '../../pci/msix';
import type { Sriov } from '../../pci/sriov';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../../snapshot';
import { RegisterFile } from '../intel-nic/register-file';
import { RegisterTable, registerBranch } from '../intel-nic/register-table';
import { branches } from '../../registers';
import type { BitField } from '../../../trace/vocabulary/kind-row';
import { descriptions } from './descriptions';
import { Timers, type TimersHardware, type TimersRun } from '../intel-nic/timers';
import { queueEntry, type Direction } from './interrupts';
import { VF_VECTORS } from './offsets';
import { Vectors, type VectorsHardware } from './vectors';
import { VfReg, VF_BAR_BYTES, vfRegisterTable, type DeviceRegisters } from './vf-registers';

/** BARs of a virtual function (9.4.4.5): registers, and the table of MSI-X. */
export const VF_BARS = [
  { index: 0, kind: 'memory64', size: VF_BAR_BYTES, name: 'registers' },
  { index: 3, kind: 'memory64', size: 0x4000, name: 'MSI-X table' },
] as const;
const MSIX = { vectors: VF_VECTORS, bar: 3, table: 0, pending: 0x2000 } as const;

/** What a virtual function needs of the device. */
export interface VfHost {
  device: DeviceRegisters;
  queues(vf: number): { first: number; count: number };
  links(): number;
  readMailbox(vf: number): number;
  lookAtMailbox(vf: number): number;
  writeMailbox(vf: number, value: number): void;
  /** The function was reset: its queues are to be turned off, the physical function to be told. */
  wasReset(vf: number): void;
  /** The interval of one of its vectors is over. */
  expired(vf: number, vector: number): void;
  onDma(tag: number, result: DmaResult): void;
}

/** What the hardware has of an `IxgbeVf`. */
export interface VfHardware extends HardwareState {
  version: 1;
  registers: Uint32Array;
  vectors: VectorsHardware;
  timers: TimersHardware;
}

/** What the run has of it. */
export interface VfRun extends RunState {
  timers: TimersRun;
}

/** Entries of VTIVAR are of two bits and the valid one. */
const Entry = { VECTOR: 3, VALID: 0x80 } as const;

/** The function with its number. */
export class IxgbeVf implements BusDevice, Inspectable, Migratable<VfHardware, VfRun> {
  readonly pci: PciFunction;
  private readonly file: RegisterFile;
  private readonly timers: Timers;
  private readonly vectors: Vectors;
  private readonly table: RegisterTable;
  private readonly msix: MsixVectors;

  constructor(
    bus: DeviceBus,
    sriov: Sriov,
    private readonly number: number,
    private readonly host: VfHost,
  ) {
    this.file = new RegisterFile(bus, VF_BAR_BYTES);
    this.timers = new Timers(bus, VF_VECTORS);
    this.msix = new MsixVectors(bus.msi, MSIX);
    const { file, msix, timers } = this;
    this.vectors = new Vectors(VF_VECTORS, {
      timers,
      cycles: (nanoseconds) => file.cycles(nanoseconds),
      throttle: (vector) => file.get(VfReg.VTEITR + 4 * vector),
      apart: () => true,
      autoClear: () => file.get(VfReg.VTEIAC),
      autoMasks: () => true,
      otherCause: () => false,
      send: (vector) => msix.raise(vector),
      expired: (vector) => host.expired(number, vector),
    });
    const registers = vfRegisterTable({
      number,
      device: host.device,
      vectors: this.vectors,
      queues: () => host.queues(number),
      links: () => host.links(),
      status: () => 0,
      readMailbox: () => host.readMailbox(number),
      lookAtMailbox: () => host.lookAtMailbox(number),
      writeMailbox: (value) => host.writeMailbox(number, value),
      reset: () => this.reset(),
    });
    this.table = new RegisterTable(file, registers, VF_BAR_BYTES, descriptions);
    const blocks: RegisterBlock[] = [this.table, msix.block];
    this.pci = sriov.addFunction({ blocks, onReset: () => this.reset() });
    msix.addTo(this.pci);
  }

  /** The vector that one of its queues' direction is mapped to; undefined: none. @param queue its number within the function */
  vectorOf(queue: number, direction: Direction): number | undefined {
    const at = queueEntry(queue, direction);
    return this.mapped((this.file.get(VfReg.VTIVAR + (at & ~3)) >>> (8 * (at & 3))) & 0xff);
  }

  /** Descriptors of one of its queues were written back. */
  queueDone(queue: number, direction: Direction): void {
    const vector = this.vectorOf(queue, direction);
    if (vector !== undefined) this.vectors.set(0, 1 << vector);
  }

  /** Used descriptors wait for the end of a vector's interval. */
  whenOver(vector: number): void {
    this.vectors.whenOver(vector);
  }

  /** The physical function has something for it in the mailbox. */
  mailed(): void {
    const vector = this.mapped(this.file.get(VfReg.VTIVAR_MISC) & 0xff);
    if (vector !== undefined) this.vectors.set(0, 1 << vector);
  }

  onEvent(kind: number): void {
    this.timers.fired(kind);
    this.vectors.onTimer(kind);
  }

  onDma(tag: number, result: DmaResult): void {
    this.host.onDma(tag, result);
  }

  registerFields(): Record<string, readonly BitField[]> {
    return this.table.fields();
  }

  inspect(path: StatePath): StateNode | undefined {
    return branches('ixgbe VF', [registerBranch(this.table)], path);
  }

  registerNames(): Record<string, string> {
    return this.table.names();
  }

  /** RST# of the bus. The device resets its queues and mailboxes itself. */
  busReset(): void {
    this.clear();
  }

  save(): Checkpoint<VfHardware, VfRun> {
    return {
      hardware: {
        version: 1,
        registers: this.file.saveRegisters(),
        vectors: this.vectors.save(),
        timers: this.timers.saveHardware(),
      },
      run: { timers: this.timers.saveRun() },
    };
  }

  load({ hardware, run }: Checkpoint<VfHardware, VfRun>): void {
    this.loadParts(hardware, run);
  }

  adopt(hardware: VfHardware): void {
    this.loadParts(hardware, undefined);
  }

  private loadParts(hardware: VfHardware, run: VfRun | undefined): void {
    requireVersion('a virtual function of an 82599', hardware.version, 1);
    this.file.loadRegisters(hardware.registers);
    this.vectors.load(hardware.vectors);
    this.timers.load(hardware.timers, run?.timers);
  }

  private mapped(entry: number): number | undefined {
    const vector = entry & Entry.VECTOR;
    return (entry & Entry.VALID) === 0 || vector >= VF_VECTORS ? undefined : vector;
  }

  /** A function-level reset, or VFCTRL.RST (4.2.2). */
  private reset(): void {
    this.clear();
    this.host.wasReset(this.number);
  }

  private clear(): void {
    this.file.regs.fill(0);
    this.vectors.reset();
  }
}
