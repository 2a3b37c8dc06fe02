/**
 * The ACPI tables as files for a firmware that is to put them into memory itself, with the script that tells how (QEMU,
 * hw/acpi/bios-linker-loader.c, "BIOS linker/loader"): allocate a file's memory, add its address to pointers, sum up.
 */
import { acpiTables, type AcpiFacts, type AcpiPlaces } from './acpi';
import { Fields, type FirmwareTable } from './fields';

const FILES = { root: 'etc/acpi/rsdp', tables: 'etc/acpi/tables', script: 'etc/table-loader' } as const;
const COMMAND_BYTES = 128;
const NAME_BYTES = 56;
const Command = { allocate: 1, addPointer: 2, addChecksum: 3 } as const;
/** Where memory is allocated: anywhere below 4 GiB, or in F0000H to FFFFFH. */
const Zone = { high: 1, fSegment: 2 } as const;
const ROOT_ALIGNMENT = 16;
const TABLES_ALIGNMENT = 64;

const HEADER_BYTES = 36;
const LENGTH_OFFSET = 4;
const CHECKSUM_OFFSET = 9;
/** Root pointer (ACPI specification 6.4, 5.2.5.3): pointers to RSDT and XSDT, and its two checksums. */
const ROOT = {
  pointers: [
    { offset: 16, size: 4 },
    { offset: 24, size: 8 },
  ],
  sums: [
    { offset: 8, length: 20 },
    { offset: 32, length: 36 },
  ],
} as const;
/** FADT (table 5.9): FIRMWARE_CTRL and DSDT, and the same of 64 bits. */
const FADT_POINTERS = [
  { offset: 36, size: 4 },
  { offset: 40, size: 4 },
  { offset: 132, size: 8 },
  { offset: 140, size: 8 },
] as const;

/** A file of the firmware configuration device. */
export interface AcpiFile {
  name: string;
  bytes: Uint8Array;
}

interface Pointer {
  offset: number;
  size: number;
}

/** Pointers of a table, from its beginning. */
function pointersOf(bytes: Uint8Array): readonly Pointer[] {
  const signature = String.fromCharCode(...bytes.subarray(0, 4));
  if (signature === 'FACP') return FADT_POINTERS;
  const size = { RSDT: 4, XSDT: 8 }[signature];
  if (size === undefined) return [];
  const count = (bytes.length - HEADER_BYTES) / size;
  return Array.from({ length: count }, (_, index) => ({ offset: HEADER_BYTES + index * size, size }));
}

/** The names, also where nobody asks for the contents. */
export const acpiFileNames: readonly string[] = [FILES.root, FILES.tables, FILES.script];

/** The three files, in the order of `acpiFileNames`. Pointers hold offsets in the file of tables. @param pm as `AcpiPlaces` has it */
export function acpiFiles(facts: AcpiFacts, pm: AcpiPlaces['pm']): AcpiFile[] {
  const [root, ...tables] = acpiTables(facts, { root: 0, tables: 0, pm }) as [
    FirmwareTable,
    ...FirmwareTable[],
  ];
  const end = tables.reduce((most, { address, bytes }) => Math.max(most, address + bytes.length), 0);
  const all = new Uint8Array(end);
  for (const { address, bytes } of tables) all.set(bytes, address);
  const script: Fields[] = [
    allocate(FILES.root, ROOT_ALIGNMENT, Zone.fSegment),
    allocate(FILES.tables, TABLES_ALIGNMENT, Zone.high),
  ];
  for (const { address, bytes } of tables) {
    const pointers = pointersOf(bytes);
    if (pointers.length === 0) continue;
    for (const { offset, size } of pointers)
      script.push(addPointer(FILES.tables, { offset: address + offset, size }));
    const length = new DataView(all.buffer).getUint32(address + LENGTH_OFFSET, true);
    all[address + CHECKSUM_OFFSET] = 0;
    script.push(addChecksum(FILES.tables, address + CHECKSUM_OFFSET, address, length));
  }
  for (const pointer of ROOT.pointers) script.push(addPointer(FILES.root, pointer));
  for (const { offset, length } of ROOT.sums) {
    root.bytes[offset] = 0;
    script.push(addChecksum(FILES.root, offset, 0, length));
  }
  const commands = new Uint8Array(script.length * COMMAND_BYTES);
  script.forEach((each, index) => commands.set(each.done(), index * COMMAND_BYTES));
  return [
    { name: FILES.root, bytes: root.bytes },
    { name: FILES.tables, bytes: all },
    { name: FILES.script, bytes: commands },
  ];
}

function name(file: string): Uint8Array {
  const bytes = new Uint8Array(NAME_BYTES);
  bytes.set(new TextEncoder().encode(file));
  return bytes;
}

function allocate(file: string, alignment: number, zone: number): Fields {
  return new Fields()
    .add(4, Command.allocate)
    .add(1, ...name(file))
    .add(4, alignment)
    .add(1, zone);
}

function addPointer(file: string, { offset, size }: Pointer): Fields {
  return new Fields()
    .add(4, Command.addPointer)
    .add(1, ...name(file), ...name(FILES.tables))
    .add(4, offset)
    .add(1, size);
}

function addChecksum(file: string, offset: number, start: number, length: number): Fields {
  return new Fields()
    .add(4, Command.addChecksum)
    .add(1, ...name(file))
    .add(4, offset, start, length);
}
