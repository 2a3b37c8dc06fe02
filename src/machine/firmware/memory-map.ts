/** Where a PC with so much memory has RAM, as its firmware tells (ACPI specification, 15: system address map). */
import { ECAM } from '../pci/root';

/** A stretch of physical addresses. */
export interface MemoryRange {
  /** Physical address. */
  base: number;
  /** Bytes. */
  size: number;
  /** RAM that is free; false where the firmware keeps its tables, and where PCI configuration space answers. */
  usable: boolean;
}

/** Where the firmware's tables lie: what an operating system searches for the ACPI root pointer. */
export const FIRMWARE_AREA = { base: 0xe0000, size: 0x20000 } as const;

/** The segment at the end of it that a BIOS's code lies in, and where the MP floating pointer is searched for. */
export const BIOS_SEGMENT = { base: 0xf0000, size: 0x10000 } as const;
/** The extended BIOS data area: the last KiB below video memory, and so not conventional memory. */
export const EBDA = { base: 0x9fc00, size: 0x400 } as const;
/** Characters and attributes of the screen in text mode. */
export const TEXT_MEMORY = { base: 0xb8000, size: 0x8000 } as const;

const EXTENDED = 0x100000;

/**
 * The map of a PC with this much RAM, ascending. Between 0xA0000 and the firmware nothing is told: video memory and
 * expansion ROMs lie there. Above, of all that is no RAM only ECAM is told: an operating system uses what the MCFG table names
 * only where the map keeps it for that (PCI Firmware Specification 3.0, 4.1.2).
 * @param ramBytes more than 1 MiB, at most up to ECAM: there devices begin
 */
export function memoryMap(ramBytes: number): MemoryRange[] {
  return [
    { base: 0, size: EBDA.base, usable: true },
    { ...EBDA, usable: false },
    { ...FIRMWARE_AREA, usable: false },
    { base: EXTENDED, size: ramBytes - EXTENDED, usable: true },
    { base: ECAM.base, size: ECAM.size, usable: false },
  ];
}
