/**
 * The ACPI tables by which an operating system finds processors, interrupt controllers and the power-management registers of
 * a PC (ACPI specification 6.4, chapter 5). Nothing is switched on or off by them: the machine is in ACPI mode from the start.
 */
import { ACPI_PM, AcpiPmRegister } from '../devices/acpi-pm';
import { HPET, HPET_BLOCK_ID } from '../devices/hpet';
import { IOAPIC_BASE } from '../interrupts/ioapic';
import { LAPIC_BASE } from '../interrupts/lapic-registers';
import { dmarTable, type DmarFacts } from './dmar';
import { definitionBlock, type MmioDeviceFacts } from './dsdt';
import { Fields, sign, table, type FirmwareTable } from './fields';
import { FIRMWARE_AREA } from './memory-map';

/** Interrupt of ACPI's own events. */
const SCI = 9;
/** Inputs of the I/O APIC that are level-triggered: the SCI's, and those that pins of PCI functions are wired to. */
export const LEVEL_INPUTS = [5, SCI, 10, 11];
/** The reset control register: port 0xCF9, and the value that resets everything. */
export const RESET_CONTROL = { port: 0xcf9, reset: 0x06 } as const;

/** FADT flags (table 5.10): WBINVD works; C1 is there; no power or sleep button; RESET_REG is there. */
const FADT_FLAGS = (1 << 0) | (1 << 2) | (1 << 4) | (1 << 5) | (1 << 10);
/** IAPC_BOOT_ARCH (table 5.11): devices of the ISA bus exist; that there is no VGA is not said, for there is one. */
const BOOT_ARCH = 1 << 0;
/** MPS INTI flags (table 5.26): active high and level-triggered; as the bus has it. */
const LEVEL_HIGH = 0x0d;
const AS_THE_BUS = 0;
const PM_EVENT_BYTES = 4;
const PM_CONTROL_BYTES = 2;
const PM_TIMER_BYTES = 4;
/** The shortest period of its periodic timers, in ticks: 1 us. */
const HPET_LEAST_TICKS = 100;
/** Register of the CMOS that holds the century. */
const RTC_CENTURY = 0x32;

const PCI_SEGMENT = 0;

/** Configuration space as memory: 1 MiB for each bus from an address on. */
export interface EcamFacts {
  base: number;
  buses: number;
}

/** What the tables tell of a machine. */
export interface AcpiFacts {
  cpus: number;
  ecam: EcamFacts;
  mmioDevices: readonly MmioDeviceFacts[];
  /** Undefined: there is no remapping unit. */
  dmar?: DmarFacts | undefined;
}

/** Multiple APIC description (5.2.12): a local APIC for each CPU, whose ids count from 0, one I/O APIC, the ISA bus's wiring. */
function madt(cpus: number): Uint8Array {
  const body = new Fields().add(4, LAPIC_BASE, 1); // 1: the PICs are there, too
  for (let id = 0; id < cpus; id++) body.add(1, 0, 8, id, id).add(4, 1);
  body.add(1, 1, 12, 0, 0).add(4, IOAPIC_BASE, 0);
  const override = (irq: number, input: number, flags: number): void => {
    body.add(1, 2, 10, 0, irq).add(4, input).add(2, flags);
  };
  override(0, 2, AS_THE_BUS);
  for (const irq of LEVEL_INPUTS) override(irq, irq, LEVEL_HIGH);
  body.add(1, 4, 6, 0xff).add(2, AS_THE_BUS).add(1, 1); // NMI at LINT1 of all
  return table('APIC', 3, body.done());
}

/** Fixed ACPI description (5.2.9), revision 3. @param base port of the power-management registers */
function fadt(facs: number, dsdt: number, base: number): Uint8Array {
  const control = base + AcpiPmRegister.Control;
  const timer = base + AcpiPmRegister.Timer;
  const body = new Fields()
    .add(4, facs, dsdt)
    .add(1, 0, 0)
    .add(2, SCI)
    .zeros(8) // no SMI_CMD: nothing has to be enabled
    .add(4, base, 0, control, 0, 0, timer, 0, 0)
    .add(1, PM_EVENT_BYTES, PM_CONTROL_BYTES, 0, PM_TIMER_BYTES, 0, 0, 0, 0)
    .add(2, 0xfff, 0xfff) // no C2, no C3
    .zeros(4)
    .add(1, 0, 0, 0, 0, RTC_CENTURY)
    .add(2, BOOT_ARCH)
    .zeros(1)
    .add(4, FADT_FLAGS)
    .port(RESET_CONTROL.port, 1)
    .add(1, RESET_CONTROL.reset)
    .zeros(3)
    .add(8, facs, dsdt)
    .port(base, PM_EVENT_BYTES)
    .zeros(12)
    .port(control, PM_CONTROL_BYTES)
    .zeros(12)
    .zeros(12)
    .port(timer, PM_TIMER_BYTES)
    .zeros(24);
  return table('FACP', 3, body.done());
}

/** HPET description (IA-PC HPET Specification 1.0a, 3.2.4). */
function hpet(): Uint8Array {
  const body = new Fields()
    .add(4, HPET_BLOCK_ID)
    .add(1, 0, 64, 0, 0) // an address of memory, registers of 64 bits
    .add(8, HPET.base)
    .add(1, 0) // the first and only one
    .add(2, HPET_LEAST_TICKS)
    .add(1, 0); // nothing is promised of what else lies in its page
  return table('HPET', 1, body.done());
}

/** Firmware ACPI control structure (5.2.10): no header of the usual kind, no checksum. */
function facs(): Uint8Array {
  return new Fields().text('FACS').add(4, 64).zeros(56).done();
}

/** Root pointer (5.2.5.3), revision 2. */
function rsdp(rsdt: number, xsdt: number): Uint8Array {
  const bytes = new Fields()
    .text('RSD PTR ')
    .zeros(1)
    .text('TRAPLN')
    .add(1, 2)
    .add(4, rsdt, 36)
    .add(8, xsdt)
    .zeros(4)
    .done();
  sign(bytes, 8, 0, 20);
  sign(bytes, 32);
  return bytes;
}

/** Where the enhanced configuration mechanism answers (PCI Firmware Specification 3.0, table 4-3): one segment, buses from 0. */
function mcfg({ base, buses }: EcamFacts): Uint8Array {
  const body = new Fields()
    .zeros(8)
    .add(8, base)
    .add(2, PCI_SEGMENT)
    .add(1, 0, buses - 1)
    .zeros(4);
  return table('MCFG', 1, body.done());
}

/** Where the tables are to be, and what they tell of. */
export interface AcpiPlaces {
  /** Address of the root pointer. */
  root: number;
  /** Address of the first of the others, a multiple of 64. */
  tables: number;
  /** First port of the power-management registers. */
  pm: number;
}

/** Those of a BIOS: the root pointer lies where operating systems search for it. */
const PLACES: AcpiPlaces = { root: FIRMWARE_AREA.base, tables: FIRMWARE_AREA.base + 64, pm: ACPI_PM.base };

/** All tables of a machine, at their addresses, the root pointer first. */
export function acpiTables({ cpus, ecam, mmioDevices, dmar }: AcpiFacts, places = PLACES): FirmwareTable[] {
  const root = new Uint8Array(36);
  const tables: FirmwareTable[] = [{ address: places.root, bytes: root }];
  let next = places.tables;
  const place = (bytes: Uint8Array): number => {
    const address = next;
    tables.push({ address, bytes });
    next += Math.ceil(bytes.length / 64) * 64; // the FACS has to lie at a multiple of 64
    return address;
  };
  const dsdt = place(table('DSDT', 2, definitionBlock(mmioDevices)));
  const all = [
    place(fadt(place(facs()), dsdt, places.pm)),
    place(madt(cpus)),
    place(mcfg(ecam)),
    place(hpet()),
    ...(dmar ? [place(dmarTable(dmar))] : []),
  ];
  const rsdt = place(table('RSDT', 1, new Fields().add(4, ...all).done()));
  const xsdt = place(table('XSDT', 1, new Fields().add(8, ...all).done()));
  root.set(rsdp(rsdt, xsdt));
  return tables;
}
