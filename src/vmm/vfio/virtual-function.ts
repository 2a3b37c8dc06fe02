/**
 * The PCI function that a VM sees of a device of the host which it was given (vfio_pci_config.c of Linux, hw/vfio/pci.c of QEMU): the
 * physical function's identity and BAR sizes; its command register, where what concerns decoding and bus mastering is passed on;
 * messages of its own, whose table QEMU emulates; the other capabilities as they are.
 */
import type { AccessSize, MsiPort, RegisterBlock, RequesterId } from '../../machine/bus';
import { barTraceOffset, type BarSpec } from '../../machine/pci/bars';
import { capabilitiesOf, extendedCapabilitiesOf } from '../../machine/pci/capability-list';
import { CapabilityId, Command, Config } from '../../machine/pci/config';
import { PciFunction, type PciFunctionHost } from '../../machine/pci/function';
import { MsiVectors, type MessageVectors } from '../../machine/pci/msi';
import { MsixVectors, type MsixLayout } from '../../machine/pci/msix';
import type { HostDevice } from '../host-bus/host-device';

const PAGE = 4096;
/** Bits of the guest's command register that the physical function has too. */
const PASSED_COMMAND =
  Command.IoSpace |
  Command.MemorySpace |
  Command.BusMaster |
  Command.ParityErrorResponse |
  Command.SerrEnable;

/** Bytes of capabilities that are passed on, behind identifier and next pointer, by identifier (PCI 3.0, 6.7; PCI Express, 7.5). */
const PASSED_BODY_BYTES: Readonly<Record<number, number>> = {
  [CapabilityId.powerManagement]: 6,
  [CapabilityId.express]: 0x3c - 2,
};
/** A vendor-specific capability tells its length behind identifier and next pointer. */
const VENDOR_LENGTH_AT = 2;
/** Message control behind identifier and next pointer; in that of MSI, how many vectors the function asks for, as a power of two. */
const CONTROL_AT = 2;
const MSI_CAPABLE = { shift: 1, bits: 7 } as const;
/** In the MSI-X capability (PCI 3.0, 6.8.2): offsets of its two words, in each of which the low bits are a BAR. */
const Msix = { table: 4, pending: 8, barBits: 7, sizeBits: 0x7ff, entryBytes: 16 } as const;

/**
 * Of the PCI Express capability (PCI Express, 7.5.3.3 and 7.5.3.4): the byte of the device capabilities that tells of function-level
 * reset, and that of the device control by which one is begun.
 */
const ResetCapable = { at: 7, bit: 0x10 } as const;
const InitiateReset = { at: 9, bit: 0x80 } as const;

/** What follows from what the guest does with the function. */
export interface VirtualFunctionEvents {
  /** Takes what QEMU itself sends: a vector that was masked when it came. */
  readonly port: MsiPort;
  /** A stretch of guest-physical addresses leads to no register of the device any more. */
  unmapped(base: number, size: number): void;
  /** A function-level reset: of the physical function, for which the kernel keeps what is the host's. */
  reset(): void;
}

/** What the guest's driver finds. */
export class VirtualFunction extends PciFunction {
  /** The function's message vectors, as the guest has programmed them; undefined: the device has none of the kind. */
  readonly msi: MsiVectors | undefined;
  readonly msix: MsixVectors | undefined;

  /** By BAR: where it decodes. */
  private readonly mapped = new Map<number, number>();

  constructor(
    private readonly physical: HostDevice,
    private readonly events: VirtualFunctionEvents,
  ) {
    const { port } = events;
    const msix = msixOf(physical.pci, port);
    super(
      physical.pci.identity,
      physical.pci.bars.map((bar) => ({ ...bar, block: blockOf(physical, bar, msix) })),
    );
    this.msix = msix;
    for (const { id, at } of capabilitiesOf(physical.pci)) {
      if (id === CapabilityId.msi) this.msi = new MsiVectors(this, port, msiVectorsOf(physical.pci, at));
      else if (id === CapabilityId.msix) msix?.addTo(this);
      else this.pass(id, at);
    }
    // The device has the space of PCI Express; what is in it the guest does not see (as of SR-IOV, which is the host's).
    if (extendedCapabilitiesOf(physical.pci).length > 0) this.extendSpace();
  }

  /** The vectors that the guest has turned on; undefined: it uses the pin, or polls. */
  get messages(): MessageVectors | undefined {
    return [this.msix, this.msi].find((vectors) => vectors?.enabled);
  }

  override place(requester: RequesterId, host: PciFunctionHost): void {
    super.place(requester, {
      interruptChanged: (asserted) => host.interruptChanged(asserted),
      barChanged: (bar, base, enabled) => {
        const before = this.mapped.get(bar.index);
        if (enabled) this.mapped.set(bar.index, base);
        else this.mapped.delete(bar.index);
        host.barChanged(bar, base, enabled);
        if (before !== undefined && bar.kind !== 'io') this.events.unmapped(before, bar.size);
      },
    });
  }

  override write(offset: number, size: AccessSize, value: number): void {
    super.write(offset, size, value);
    if (offset <= Config.Command && offset + size > Config.Command) this.passCommand();
  }

  /** The physical function begins nothing more, and its registers are silent: as before a reset (vfio_pci_pre_reset). */
  disconnect(): void {
    const { pci } = this.physical;
    pci.write(Config.Command, 2, pci.command & ~PASSED_COMMAND);
  }

  /** Whether the EPT map the page of an offset in a BAR, by the BAR's place in the trace: all that hold no table of MSI-X. */
  mapsPage(traceOffset: number): ((offset: number) => boolean) | undefined {
    const bar = this.bars.find((each) => barTraceOffset(each) === traceOffset);
    if (!bar || bar.kind === 'io' || bar.size < PAGE) return undefined;
    const layout = this.msix?.layout;
    if (layout?.bar !== bar.index) return () => true;
    const tables = stretchesOf(layout).map(({ first, end }) => ({
      first: Math.floor(first / PAGE) * PAGE,
      end: Math.ceil(end / PAGE) * PAGE,
    }));
    return (offset) => !tables.some(({ first, end }) => offset >= first && offset < end);
  }

  /** Decoding and bus mastering are the physical function's; whether its pin is silenced is the host's affair. */
  private passCommand(): void {
    const { pci } = this.physical;
    const passed = (pci.command & ~PASSED_COMMAND) | (this.command & PASSED_COMMAND);
    if (passed !== pci.command) pci.write(Config.Command, 2, passed);
  }

  /** A function-level reset is begun by the kernel, which puts back afterwards what is the host's (vfio_exp_config_write). */
  private passWrite(
    id: number,
    { offset, from }: { offset: number; from: number },
    size: AccessSize,
    value: number,
  ): void {
    const { pci } = this.physical;
    const place = InitiateReset.at - offset;
    const capable =
      id === CapabilityId.express && (pci.peek(from + ResetCapable.at) & ResetCapable.bit) !== 0;
    const bit = capable && place >= 0 && place < size ? (InitiateReset.bit << (8 * place)) >>> 0 : 0;
    pci.write(from + offset, size, (value & ~bit) >>> 0);
    if ((value & bit) !== 0) this.events.reset();
  }

  /** A capability whose registers are the physical function's. */
  private pass(id: number, from: number): void {
    const { pci } = this.physical;
    const length = id === CapabilityId.vendor ? pci.peek(from + VENDOR_LENGTH_AT) - 2 : PASSED_BODY_BYTES[id];
    if (length === undefined || length < 0) return;
    const body = Uint8Array.from({ length }, (_, index) => pci.peek(from + 2 + index));
    const at = this.addCapability(id, body, new Uint8Array(length), (offset, size, value) =>
      this.passWrite(id, { offset: offset - at, from }, size, value),
    );
    // A read has the effects that it has on the physical function.
    this.onReading(at + 2, at + 2 + length, (offset, size) => {
      const value = pci.read(offset - at + from, size);
      for (let i = 0; i < size; i++)
        if (offset + i >= at + 2) this.poke(offset + i, (value >>> (8 * i)) & 0xff);
    });
  }
}

function msiVectorsOf(fn: PciFunction, at: number): number {
  return 1 << ((fn.read(at + CONTROL_AT, 2) >> MSI_CAPABLE.shift) & MSI_CAPABLE.bits);
}

/** The table that QEMU has in place of the physical one: as large, and at the same place. */
function msixOf(fn: PciFunction, port: MsiPort): MsixVectors | undefined {
  const found = capabilitiesOf(fn).find(({ id }) => id === CapabilityId.msix);
  if (!found) return undefined;
  const table = fn.read(found.at + Msix.table, 4);
  const pending = fn.read(found.at + Msix.pending, 4);
  return new MsixVectors(port, {
    vectors: (fn.read(found.at + CONTROL_AT, 2) & Msix.sizeBits) + 1,
    bar: table & Msix.barBits,
    table: table - (table & Msix.barBits),
    pending: pending - (pending & Msix.barBits),
  });
}

/** Where table and pending bits lie in their BAR. */
function stretchesOf({ vectors, table, pending }: MsixLayout): { first: number; end: number }[] {
  return [
    { first: table, end: table + vectors * Msix.entryBytes },
    { first: pending, end: pending + Math.ceil(vectors / 64) * 8 },
  ];
}

/** A BAR: the device's registers, but for the tables of MSI-X. */
function blockOf(physical: HostDevice, bar: BarSpec, msix: MsixVectors | undefined): RegisterBlock {
  const registers = physical.registersOf(bar);
  if (msix?.layout.bar !== bar.index) return registers;
  const tables = stretchesOf(msix.layout);
  const at = (offset: number): RegisterBlock =>
    tables.some(({ first, end }) => offset >= first && offset < end) ? msix.block : registers;
  return {
    read: (offset, size, initiator) => at(offset).read(offset, size, initiator),
    write: (offset, size, value, initiator) => at(offset).write(offset, size, value, initiator),
    registerName: (offset) => at(offset).registerName(offset),
  };
}
