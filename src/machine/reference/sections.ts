/** What the documentation of registers consists of: for each device the table that its trace and its view read too. */
import { irteFields } from '../../trace/vocabulary/irte-fields';
import type { BitField } from '../../trace/vocabulary/kind-row';
import { tableEntries } from '../../trace/vocabulary/table-entries';
import { Edu } from '../devices/edu';
import { eduDescriptions } from '../devices/edu-descriptions';
import { descriptions as e1000Descriptions } from '../devices/e1000/descriptions';
import { E1000 } from '../devices/e1000/e1000';
import { hpetRegisters } from '../devices/hpet';
import { hpetDescriptions } from '../devices/hpet-descriptions';
import { descriptions as ixgbeDescriptions } from '../devices/ixgbe/descriptions';
import { Ixgbe } from '../devices/ixgbe/ixgbe';
import { keyboardDescriptions, keyboardRegisters } from '../devices/keyboard-controller';
import { completionStatus, descriptions as nvmeDescriptions } from '../devices/nvme/descriptions';
import { Nvme } from '../devices/nvme/nvme';
import { virtioInterfaces } from '../devices/virtio/descriptions';
import { pitDescriptions, pitRegisters } from '../devices/pit';
import { rtcDescriptions, rtcRegisters } from '../devices/rtc-registers';
import { uartDescriptions, uartRegisters } from '../devices/uart-descriptions';
import { lapicDescriptions, redirectionFields } from '../interrupts/apic-descriptions';
import { lapicRegisterNames } from '../interrupts/lapic-registers';
import { postedControlFields } from '../interrupts/posted-view';
import { InterruptRemapping } from '../iommu/interrupts/interrupt-remapping';
import { amdDescriptions } from '../iommu/amd/inspect/descriptions';
import { amdRegisterNames } from '../iommu/amd/layout';
import { iommuDescriptions } from '../iommu/inspect/descriptions';
import { SERVER_UNIT } from '../iommu/options';
import { RemappingUnit } from '../iommu/remapping-unit';
import {
  capabilityDescriptions,
  configPortDescriptions,
  extendedCapabilityDescriptions,
  headerRegisters,
  type CapabilityDescription,
  type ConfigRegister,
} from '../pci/descriptions';
import type { RegisterDescriptions, RegisterPlace } from '../registers';
import { registerFields } from '../x86/inspect/register-fields';
import { idleBus, idleRemapping } from './idle';

/** A device with a table of registers. */
export interface DeviceReference {
  readonly title: string;
  readonly manual: string;
  /** What offsets count from. */
  readonly where: string;
  readonly registers: readonly RegisterPlace[];
  readonly descriptions: RegisterDescriptions;
}

/** What has fields, and is no register with an offset of its own: an entry of a table in memory, a register of a CPU. */
export interface EntryReference {
  readonly name: string;
  readonly offset?: number;
  readonly meaning?: string;
  readonly fields: readonly BitField[];
}

/** A list of such. */
export interface EntriesReference {
  readonly title: string;
  readonly manual: string;
  readonly entries: readonly EntryReference[];
}

const MAC = Uint8Array.of(0x02, 0, 0, 0, 0, 1);
const NVME = { size: 2 ** 20, blockSize: 512, queues: 2, serial: 'reference' } as const;
const FREE = {
  lookup: 0,
  reference: 0,
  command: 0,
  descriptor: 0,
  deviceInvalidation: 0,
  deviceTimeout: 0,
} as const;
/** Of a numbered device beside the others: its virtual function. */
const ONE_VIRTUAL = [idleBus];

function places(names: Readonly<Record<string, string>>): RegisterPlace[] {
  return Object.entries(names).map(([offset, name]): RegisterPlace => [name, Number(offset)]);
}

function remappingUnit(): RemappingUnit {
  const remapper = new InterruptRemapping({
    memory: idleRemapping.memory,
    posting: true,
    x2apic: true,
    hostAddressWidth: SERVER_UNIT.hostAddressWidth,
    cacheEntries: 0,
    costs: { cacheHit: 0, tableRead: 0, descriptorUpdate: 0 },
    fault: () => undefined,
  });
  const interrupts = { remapper, extendedMode: true, posting: true };
  return new RemappingUnit({ ...idleRemapping, interrupts }, { ...SERVER_UNIT, costs: FREE });
}

const BAR0 = 'BAR 0';
const PORTS = 'the first I/O port';
const ixgbe = new Ixgbe(idleBus, { mac: MAC, virtual: ONE_VIRTUAL });

/** All devices, in the order of the documentation. */
export const deviceReferences: readonly DeviceReference[] = [
  {
    title: 'e1000: Intel 82540EM Gigabit Ethernet controller',
    manual: "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual, revision 4.0",
    where: BAR0,
    registers: places(new E1000(idleBus, { mac: MAC }).registerNames()),
    descriptions: e1000Descriptions,
  },
  {
    title: 'ixgbe: Intel 82599 10 Gigabit Ethernet controller, and its virtual functions',
    manual: 'Intel 82599 10 GbE Controller Datasheet',
    where: `${BAR0} of the physical function, and of a virtual one where only that has the register`,
    registers: [
      ...places(ixgbe.registerNames()),
      ...ixgbe.virtualFunctions.flatMap((each) => places(each.registerNames())),
    ],
    descriptions: ixgbeDescriptions,
  },
  {
    title: 'nvme: NVM Express controller',
    manual: 'NVM Express Base Specification 1.4',
    where: BAR0,
    registers: places(new Nvme(idleBus, NVME).registerNames()),
    descriptions: nvmeDescriptions,
  },
  ...virtioInterfaces.map(({ title, ...rest }): DeviceReference => ({
    title: `virtio: ${title}`,
    manual: 'Virtual I/O Device (VIRTIO) Version 1.2',
    ...rest,
  })),
  {
    title: 'edu: the teaching device of QEMU',
    manual: 'docs/specs/edu of QEMU',
    where: BAR0,
    registers: places(new Edu(idleBus, 'beside').registerNames()),
    descriptions: eduDescriptions,
  },
  {
    title: 'UART: 16550, COM1',
    manual: 'National Semiconductor PC16550D data sheet',
    where: PORTS,
    registers: uartRegisters,
    descriptions: uartDescriptions,
  },
  {
    title: 'PIT: Intel 8254',
    manual: 'Intel 8254 data sheet (231164)',
    where: 'port 0',
    registers: pitRegisters,
    descriptions: pitDescriptions,
  },
  {
    title: 'HPET',
    manual: 'IA-PC HPET Specification 1.0a',
    where: 'its block of registers',
    registers: hpetRegisters,
    descriptions: hpetDescriptions,
  },
  {
    title: 'CMOS: MC146818 and the memory behind it',
    manual: 'Motorola MC146818 data sheet',
    where: 'index 0 (port 70H)',
    registers: [['CMOS_INDEX', 0], ...rtcRegisters],
    descriptions: rtcDescriptions,
  },
  {
    title: 'Keyboard controller: Intel 8042',
    manual: 'IBM PS/2 Hardware Technical Reference',
    where: 'port 0',
    registers: keyboardRegisters,
    descriptions: keyboardDescriptions,
  },
  {
    title: 'Local APIC',
    manual: "Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3, chapter 10",
    where: 'its page',
    registers: [...lapicRegisterNames].map(([offset, name]): RegisterPlace => [name, offset]),
    descriptions: lapicDescriptions,
  },
  {
    title: 'IOMMU: a remapping unit for directed I/O',
    manual: 'Intel Virtualization Technology for Directed I/O, architecture specification',
    where: 'its block of registers',
    registers: remappingUnit()
      .registers()
      .map(({ name, offset }): RegisterPlace => [name, offset]),
    descriptions: iommuDescriptions,
  },
  {
    title: 'IOMMU of AMD: its part about interrupts',
    manual: 'AMD I/O Virtualization Technology (IOMMU) Specification, 48882',
    where: 'its block of registers',
    registers: [...amdRegisterNames].map(([offset, name]): RegisterPlace => [name, offset]),
    descriptions: amdDescriptions,
  },
  {
    title: 'PCI configuration ports',
    manual: 'PCI Local Bus Specification 3.0',
    where: 'port CF8H',
    registers: [['CONFIG_ADDRESS', 0]],
    descriptions: configPortDescriptions,
  },
];

const configEntries = (registers: readonly ConfigRegister[]): EntryReference[] =>
  registers.map(({ name, at, meaning, fields = [] }) => ({ name, offset: at, meaning, fields }));

function capabilityEntries(
  kind: string,
  all: Readonly<Record<number, CapabilityDescription | undefined>>,
): EntriesReference[] {
  return Object.values(all).flatMap((each) =>
    each
      ? [{ title: `PCI ${kind}: ${each.name}`, manual: PCI_MANUALS, entries: configEntries(each.registers) }]
      : [],
  );
}

const PCI_MANUALS = 'PCI Local Bus Specification 3.0; PCI Express Base Specification 6.0';
const VTD = 'Intel Virtualization Technology for Directed I/O, architecture specification, chapter 9';

/** Everything else that has fields. */
export const entryReferences: readonly EntriesReference[] = [
  { title: 'PCI configuration header', manual: PCI_MANUALS, entries: configEntries(headerRegisters) },
  ...capabilityEntries('capability', capabilityDescriptions),
  ...capabilityEntries('extended capability', extendedCapabilityDescriptions),
  {
    title: 'I/O APIC',
    manual: 'Intel 82093AA data sheet, 3.2.4',
    entries: [{ name: 'redirection table entry', fields: redirectionFields }],
  },
  {
    title: 'IOMMU tables',
    manual: VTD,
    entries: Object.values(tableEntries).map(({ name, what, fields }) => ({
      name,
      meaning: `The IOMMU reads ${what}.`,
      fields,
    })),
  },
  {
    title: 'Interrupt-remapping table entries',
    manual: VTD,
    entries: Object.entries(irteFields).flatMap(([format, [low, high]]) => [
      { name: `${format}, lower word`, fields: low },
      { name: `${format}, upper word`, fields: high },
    ]),
  },
  {
    title: 'Posted-interrupt descriptor',
    manual: 'Intel Virtualization Technology for Directed I/O, 9.12',
    entries: [{ name: 'bits 319 to 256', fields: postedControlFields }],
  },
  {
    title: 'NVMe completion',
    manual: 'NVM Express Base Specification 1.4, 4.6.1',
    entries: [{ name: 'status', fields: completionStatus }],
  },
  {
    title: 'Registers of a CPU',
    manual: "Intel 64 and IA-32 Architectures Software Developer's Manual",
    entries: Object.entries(registerFields).map(([name, fields]) => ({ name, fields })),
  },
];
