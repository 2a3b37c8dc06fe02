/** Where a PC with so much memory has RAM, as its firmware tells (ACPI specification, 15: system address map). */

/** A stretch of RAM. */
export interface MemoryRange {
  /** Physical address. */
  base: number;
  /** Bytes. */
  size: number;
  /** False where the firmware keeps its tables. */
  usable: boolean;
}

/** Where the firmware's tables lie: what an operating system searches for the ACPI root pointer. */
export const FIRMWARE_AREA = { base: 0xe0000, size: 0x20000 } as const;

/** End of conventional memory: the last KiB below video memory is the firmware's by tradition. */
const CONVENTIONAL_END = 0x9fc00;
const VIDEO = 0xa0000;
const EXTENDED = 0x100000;

/**
 * The map of a PC with this much RAM, ascending. Between 0xA0000 and the firmware nothing is told: video memory and
 * expansion ROMs lie there.
 * @param ramBytes more than 1 MiB, less than 3 GiB: above, devices begin
 */
export function memoryMap(ramBytes: number): MemoryRange[] {
  return [
    { base: 0, size: CONVENTIONAL_END, usable: true },
    { base: CONVENTIONAL_END, size: VIDEO - CONVENTIONAL_END, usable: false },
    { ...FIRMWARE_AREA, usable: false },
    { base: EXTENDED, size: ramBytes - EXTENDED, usable: true },
  ];
}
