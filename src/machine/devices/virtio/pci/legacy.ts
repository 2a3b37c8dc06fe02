/** The I/O BAR of a transitional device: the interface that legacy drivers know (4.1.4.10). */
import type { AccessSize, RegisterBlock } from '../../../bus';
import type { VirtioDevice } from '../device';
import { RegisterTable, report, type Register } from '../register-block';
import { queueVector, type Selection } from './common';
import type { PciInterrupts } from './interrupts';
import { LEGACY_CONFIG_AT, LEGACY_PAGE, Legacy } from './layout';

const SMALLEST_BAR = 32;
/** What QUEUE_NOTIFY reads as. The layout allows the read (R+W) and does not say what it gives: this is what QEMU's device gives. */
const NOTHING_TO_NOTIFY = 0xffff;

/** Bytes of the BAR: a power of two that has room for the type's configuration. */
export function legacyBarBytes(configuration: number): number {
  return Math.max(SMALLEST_BAR, 2 ** Math.ceil(Math.log2(LEGACY_CONFIG_AT.msix + configuration)));
}

/** The BAR's registers. All are little-endian, as the guest is. */
export class LegacyBlock implements RegisterBlock {
  private readonly header: RegisterTable;
  private readonly vectors: RegisterTable;

  constructor(
    private readonly device: VirtioDevice,
    private readonly interrupts: PciInterrupts,
    private readonly selected: Selection,
    private readonly traceOffset: number,
  ) {
    const { trace } = device.control;
    this.header = new RegisterTable(this.headerRegisters(), trace, traceOffset);
    this.vectors = new RegisterTable(this.vectorRegisters(), trace, traceOffset);
  }

  read(offset: number, size: AccessSize): number {
    const table = this.tableAt(offset);
    return table
      ? table.read(offset, size)
      : this.device.configuration.read(offset - this.configurationAt, size);
  }

  write(offset: number, size: AccessSize, value: number): void {
    const { device } = this;
    const table = this.tableAt(offset);
    if (table) table.write(offset, size, value);
    else {
      const outcome = device.writeLegacyConfiguration(offset - this.configurationAt, size, value);
      report(device.control.trace, outcome, this.traceOffset + offset, value);
    }
  }

  /** Of the header: what is behind it moves with MSI-X. */
  registerName(offset: number): string | undefined {
    return this.header.registerName(offset);
  }

  /** Enabling MSI-X moves the configuration. */
  private get configurationAt(): number {
    return this.interrupts.byMessage ? LEGACY_CONFIG_AT.msix : LEGACY_CONFIG_AT.intx;
  }

  private tableAt(offset: number): RegisterTable | undefined {
    if (offset < LEGACY_CONFIG_AT.intx) return this.header;
    return offset < this.configurationAt ? this.vectors : undefined;
  }

  private headerRegisters(): Register[] {
    const { device, interrupts, selected } = this;
    const slot = () => device.queues[selected.queue];
    return [
      {
        at: Legacy.DEVICE_FEATURES,
        size: 4,
        name: 'LEGACY_DEVICE_FEATURES',
        read: () => device.legacyOffered,
      },
      {
        at: Legacy.GUEST_FEATURES,
        size: 4,
        name: 'LEGACY_GUEST_FEATURES',
        read: () => device.accepted(0),
        write: (value) => device.acceptLegacy(value),
      },
      {
        at: Legacy.QUEUE_PFN,
        size: 4,
        name: 'LEGACY_QUEUE_PFN',
        read: () => slot()?.page ?? 0,
        write: (value) => device.placeQueue(selected.queue, value, LEGACY_PAGE, LEGACY_PAGE),
      },
      { at: Legacy.QUEUE_SIZE, size: 2, name: 'LEGACY_QUEUE_SIZE', read: () => slot()?.size ?? 0 },
      {
        at: Legacy.QUEUE_SELECT,
        size: 2,
        name: 'LEGACY_QUEUE_SELECT',
        read: () => selected.queue,
        write: (value) => {
          selected.queue = value;
          return 'done';
        },
      },
      {
        at: Legacy.QUEUE_NOTIFY,
        size: 2,
        name: 'LEGACY_QUEUE_NOTIFY',
        read: () => NOTHING_TO_NOTIFY,
        write: (value) => device.kicked(value, undefined),
      },
      {
        at: Legacy.DEVICE_STATUS,
        size: 1,
        name: 'LEGACY_DEVICE_STATUS',
        read: () => device.status,
        write: (value) => device.writeLegacyStatus(value),
      },
      { at: Legacy.ISR_STATUS, size: 1, name: 'LEGACY_ISR_STATUS', read: () => interrupts.readIsr() },
    ];
  }

  private vectorRegisters(): Register[] {
    const { device, interrupts, selected } = this;
    return [
      {
        at: Legacy.CONFIG_MSIX_VECTOR,
        size: 2,
        name: 'LEGACY_CONFIG_MSIX_VECTOR',
        read: () => interrupts.configuration,
        write: (value) => {
          interrupts.mapConfiguration(value);
          return 'done';
        },
      },
      {
        at: Legacy.QUEUE_MSIX_VECTOR,
        size: 2,
        name: 'LEGACY_QUEUE_MSIX_VECTOR',
        ...queueVector(device, interrupts, selected),
      },
    ];
  }
}
