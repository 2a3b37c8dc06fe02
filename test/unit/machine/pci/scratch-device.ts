/**
 * A device with virtual functions that does next to nothing: each of its functions has a scratch register, writes it to memory when
 * told to, and signals by MSI-X.
 */
import type { DeviceBus, DmaResult, RegisterBlock } from '../../../../src/machine/bus';
import { addAri } from '../../../../src/machine/pci/extended-capabilities';
import { addExpress, ExpressType } from '../../../../src/machine/pci/capabilities';
import { PciFunction, type BarSpec } from '../../../../src/machine/pci/function';
import { MsixVectors } from '../../../../src/machine/pci/msix';
import { Sriov } from '../../../../src/machine/pci/sriov';
import type { PciDevice, SriovDevice } from '../../../../src/machine/platform/pci-slots';
import type { Checkpoint, HardwareState, RunState } from '../../../../src/machine/snapshot';

/** Offsets in BAR 0: a write of `dma` has the scratch register written to that address. */
export const Scratch = { value: 0, dma: 4 } as const;
export const IDS = { vendor: 0x1af4, pf: 0x10f0, vf: 0x10f1 } as const;
/** BAR 0 has the registers, BAR 2 the MSI-X table; both in 64 bits. A VF's are smaller than its physical function's. */
export const SIZES = { pf: [0x10000, 0x2000], vf: [0x4000, 0x1000] } as const;

const TYPE = ExpressType.endpoint;

interface ScratchHardware extends HardwareState {
  value: number;
}

/** What physical and virtual functions have alike. */
class ScratchFunction implements PciDevice {
  value = 0;
  /** Ends of its DMA. */
  readonly ends: DmaResult[] = [];
  readonly msix: MsixVectors;
  readonly pci: PciFunction;

  /** @param make makes the function of which these are the blocks, with a reset of the device's part */
  constructor(bus: DeviceBus, make: (blocks: readonly RegisterBlock[], onReset: () => void) => PciFunction) {
    this.msix = new MsixVectors(bus.msi, { vectors: 2, bar: 2, table: 0, pending: 0x800 });
    const registers: RegisterBlock = {
      read: (offset) => (offset === Scratch.value ? this.value : 0),
      write: (offset, _size, value) => {
        if (offset === Scratch.value) this.value = value;
        if (offset === Scratch.dma) bus.dma.write(this.pci.requester, value, Uint8Array.of(this.value), 0);
      },
      registerName: (offset) => (offset === Scratch.value ? 'SCRATCH' : undefined),
    };
    this.pci = make([registers, this.msix.block], () => this.busReset());
    this.msix.addTo(this.pci);
    addAri(this.pci);
  }

  registerNames = (): Record<string, string> => ({ '0': 'SCRATCH', '4': 'DMA' });
  onEvent = (): void => undefined;
  adopt = ({ value }: ScratchHardware): void => void (this.value = value);
  load = ({ hardware }: Checkpoint<ScratchHardware, RunState>): void => this.adopt(hardware);
  save = (): Checkpoint<ScratchHardware, RunState> => ({
    hardware: { version: 1, value: this.value },
    run: {},
  });

  busReset(): void {
    this.value = 0;
  }

  onDma(_tag: number, result: DmaResult): void {
    this.ends.push(result);
  }
}

const barsOf = (sizes: readonly number[]): Omit<BarSpec, 'block'>[] =>
  sizes.map((size, i) => ({ index: 2 * i, kind: 'memory64', size, name: i === 0 ? 'registers' : 'msix' }));

function physical(blocks: readonly RegisterBlock[], onReset: () => void): PciFunction {
  const identity = {
    vendorId: IDS.vendor,
    deviceId: IDS.pf,
    revision: 3,
    classCode: 0x020000,
    subsystemVendorId: 0x1af4,
    subsystemId: 0x1100,
    interruptPin: 1,
  };
  const fn = new PciFunction(
    identity,
    barsOf(SIZES.pf).map((bar, i) => ({ ...bar, block: blocks[i] })),
  );
  addExpress(fn, { type: TYPE, onReset });
  return fn;
}

/** The whole of it. */
export class ScratchDevice extends ScratchFunction implements SriovDevice {
  readonly sriov: Sriov | undefined;
  readonly virtualFunctions: readonly ScratchFunction[];

  constructor(bus: DeviceBus, virtual: readonly DeviceBus[]) {
    super(bus, physical);
    const total = virtual.length;
    const sriov =
      total === 0
        ? undefined
        : new Sriov(this.pci, { total, deviceId: IDS.vf, bars: barsOf(SIZES.vf), type: TYPE });
    this.sriov = sriov;
    this.virtualFunctions = sriov
      ? virtual.map(
          (each) => new ScratchFunction(each, (blocks, onReset) => sriov.addFunction({ blocks, onReset })),
        )
      : [];
  }
}
