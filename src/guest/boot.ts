/**
 * What a boot loader does with a guest: its segments and the first page tables into RAM, and the registers it starts with.
 * Pure data, so that whoever owns the RAM does the writing.
 */
import type { ElfFile } from './elf';
import { GuestImageError } from './errors';

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

/** How a vCPU starts a guest. */
export interface BootPlan {
  /** RIP. */
  entry: bigint;
  /** RSP: 16-byte aligned. */
  stack: bigint;
  /** CR3: identity map of 0..4 GiB in 2 MiB pages. */
  cr3: number;
  /** RDI: bytes of RAM. */
  rdi: bigint;
  /** What to write into RAM, which is zero elsewhere. Addresses are physical. */
  pieces: { address: number; bytes: Uint8Array }[];
}

/**
 * Plans the start of a guest.
 * @param ramBytes bytes of RAM from physical address 0
 * @throws GuestImageError when the image does not fit the RAM, or lies where the loader's tables are
 */
export function planBoot(elf: ElfFile, ramBytes: number): BootPlan {
  elf.checkFits(ramBytes);
  const low = elf.segments.find((each) => each.address < LOADER_END);
  if (low) {
    throw new GuestImageError(
      `${elf.name} has a segment at physical address 0x${low.address.toString(16)}; memory below 0x8000 belongs to the loader: ` +
        'link it to 0x100000 (1 MiB) and upward, as guest.ld does.',
    );
  }
  return {
    entry: elf.entry,
    stack: BigInt(STACK_TOP),
    cr3: TABLES,
    rdi: BigInt(ramBytes),
    pieces: [
      { address: TABLES, bytes: identityTables() },
      ...elf.segments.map((each) => ({ address: Number(each.address), bytes: each.bytes })),
    ],
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
