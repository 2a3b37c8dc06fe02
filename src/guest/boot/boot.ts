/**
 * What a boot loader does with a guest: what it writes into RAM, and the registers the guest starts with.
 * Pure data, so that whoever owns the RAM does the writing.
 */
import { GuestImageError } from '../errors';
import type { GuestFile } from '../file';
import { RomFile } from './rom-file';
import { planMultiboot } from './multiboot';
import type { BootParameters, BootPlan } from './plan';
import { brokenHeaderRule, findMultibootHeader } from './multiboot-header';
import { checkPlacement, pieceOf, ramEnd, type MemoryRange } from './placement';

/** The loader's page tables: PML4, one page-directory-pointer table, four page directories. */
const TABLES = 0x1000;
const PAGE = 4096;
const GIBIBYTES = 4;
/** The loader's stack grows down from here; the guest kit leaves it at once for its own. */
const STACK_TOP = 0x8000;
/** Where low memory belongs to the loader. */
const LOADER_END = 0x8000n;
/** Page-table entry bits (SDM vol. 3, 4.5): present and writable; page size. */
const PRESENT_WRITABLE = 3n;
const LARGE = 0x80n;

/**
 * Plans the start of a guest: a ROM starts by itself, a kernel by Multiboot where the file has such a header, else in 64-bit mode.
 * @param map the RAM of the VM
 * @param parameters reach a Multiboot kernel only
 * @throws GuestImageError when the image does not fit the RAM, lies where it must not, or cannot be started
 */
export function planBoot(
  file: GuestFile,
  map: readonly MemoryRange[],
  parameters: BootParameters = { cmdline: '', modules: [] },
): BootPlan {
  if (file instanceof RomFile) return { start: { mode: 'reset' }, pieces: [] };
  const header = findMultibootHeader(file.bytes, file.name);
  if (header) return planMultiboot(file, header, map, parameters);
  if (file.addressBytes === 4) {
    throw new GuestImageError(
      `${file.name} is a 32-bit file without a Multiboot header (${brokenHeaderRule(file.bytes)}), so that nothing tells how to start it: ` +
        'put a Multiboot 1 header into its first 8 KiB, or build a 64-bit ELF file (-m64).',
    );
  }
  return planLongMode(file, map);
}

function planLongMode(file: GuestFile, map: readonly MemoryRange[]): BootPlan {
  checkPlacement(file.name, file.segments, map);
  const low = file.segments.find((each) => each.address < LOADER_END);
  if (low) {
    throw new GuestImageError(
      `${file.name} has a segment at physical address 0x${low.address.toString(16)}; memory below 0x8000 belongs to the loader: ` +
        'link it to 0x100000 (1 MiB) and upward, as guest.ld does.',
    );
  }
  const { entry } = file;
  const runs = file.segments.some(
    ({ executable, virtualAddress, memorySize }) =>
      executable && entry >= virtualAddress && entry < virtualAddress + memorySize,
  );
  if (!runs) {
    throw new GuestImageError(
      `${file.name} starts at 0x${entry.toString(16)}, where it has no code: give the linker script an ENTRY.`,
    );
  }
  return {
    start: { mode: 'long', entry, stack: BigInt(STACK_TOP), cr3: TABLES, rdi: BigInt(ramEnd(map)) },
    pieces: [{ address: TABLES, bytes: identityTables() }, ...file.segments.map(pieceOf)],
  };
}

/** PML4, PDPT and four directories, one after the other, at `TABLES`. */
function identityTables(): Uint8Array {
  const bytes = new Uint8Array((2 + GIBIBYTES) * PAGE);
  const view = new DataView(bytes.buffer);
  const directories = TABLES + 2 * PAGE;
  view.setBigUint64(0, BigInt(TABLES + PAGE) | PRESENT_WRITABLE, true);
  for (let i = 0; i < GIBIBYTES; i++) {
    view.setBigUint64(PAGE + 8 * i, BigInt(directories + i * PAGE) | PRESENT_WRITABLE, true);
  }
  for (let i = 0; i < GIBIBYTES * 512; i++) {
    view.setBigUint64(2 * PAGE + 8 * i, (BigInt(i) << 21n) | LARGE | PRESENT_WRITABLE, true);
  }
  return bytes;
}
