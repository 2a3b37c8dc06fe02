/** The page tables of a vCPU as a tree, level by level (SDM vol. 3, chapter 4): entries that are present, with their bits. */
import { flag } from '../../../trace/vocabulary/bit-fields';
import type { BitField } from '../../../trace/vocabulary/kind-row';
import type { StateNode, StatePath } from '../../inspect';

/** Guest-physical memory; undefined where there is none. */
export type ReadPhysical = (address: number, length: number) => Uint8Array | undefined;

/** One format of paging. */
interface Format {
  /** Names of the tables, from the root down. */
  readonly tables: readonly string[];
  readonly entryBytes: 4 | 8;
  /** Entries of each table, and the lowest bit of the address that each takes its index from. */
  readonly counts: readonly number[];
  readonly shifts: readonly number[];
  /** Tables whose entries may map a page themselves: by position. */
  readonly large: readonly boolean[];
  /** Addresses are sign-extended from this bit. */
  readonly signBit: number | undefined;
}

const LONG: Format = {
  tables: ['PML4', 'page-directory-pointer table', 'page directory', 'page table'],
  entryBytes: 8,
  counts: [512, 512, 512, 512],
  shifts: [39, 30, 21, 12],
  large: [false, true, true, true],
  signBit: 47,
};
const PAE: Format = {
  tables: ['page-directory-pointer table', 'page directory', 'page table'],
  entryBytes: 8,
  counts: [4, 512, 512],
  shifts: [30, 21, 12],
  large: [false, true, true],
  signBit: undefined,
};
const LEGACY: Format = {
  tables: ['page directory', 'page table'],
  entryBytes: 4,
  counts: [1024, 1024],
  shifts: [22, 12],
  large: [true, true],
  signBit: undefined,
};

const common: readonly BitField[] = [
  flag('P', 0),
  flag('R/W', 1),
  flag('U/S', 2),
  flag('PWT', 3),
  flag('PCD', 4),
  flag('A', 5),
];
const ofTable: readonly BitField[] = [...common, flag('PS', 7)];
const ofPage: readonly BitField[] = [...common, flag('D', 6), flag('G', 8)];

const PRESENT = 1n;
const PAGE_SIZE = 1n << 7n;
const EXECUTE_DISABLE = 1n << 63n;
const ADDRESS = 0x000f_ffff_ffff_f000n;
const CR0_PG = 1n << 31n;
const CR4_PSE = 1n << 4n;
const CR4_PAE = 1n << 5n;
const EFER_LMA = 1n << 10n;

/** The registers that choose the format. */
export interface PagingRegisters {
  cr0: bigint;
  cr3: bigint;
  cr4: bigint;
  efer: bigint;
}

function formatOf({ cr4, efer }: PagingRegisters): Format {
  if ((efer & EFER_LMA) !== 0n) return LONG;
  return (cr4 & CR4_PAE) !== 0n ? PAE : LEGACY;
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

function entryOf(format: Format, bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return format.entryBytes === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
}

/** One table: where it is, which addresses it covers. */
class TableView {
  constructor(
    private readonly format: Format,
    private readonly registers: PagingRegisters,
    private readonly read: ReadPhysical,
    private readonly level: number,
    private readonly address: number,
    private readonly first: bigint,
  ) {}

  /** Its entries that are present; their names are the addresses at which what they map begins. */
  get entries(): StateNode[] {
    const { format, level, address } = this;
    const bytes = this.read(address, format.counts[level] * format.entryBytes);
    if (!bytes)
      return [{ name: 'cannot be read', description: `There is no RAM at ${hex(BigInt(address))}.` }];
    const nodes: StateNode[] = [];
    for (let index = 0; index < format.counts[level]; index++) {
      const entry = this.entryAt(bytes, index);
      if ((entry & PRESENT) !== 0n) nodes.push(this.nodeOf(index, entry));
    }
    return nodes;
  }

  /** The table below the entry of that name; undefined where there is none. */
  below(name: string): TableView | undefined {
    const { format, level, registers, read } = this;
    const bytes = this.read(this.address, format.counts[level] * format.entryBytes);
    if (!bytes) return undefined;
    const index = Array.from({ length: format.counts[level] }, (_, i) => i).find(
      (each) => hex(this.linear(each)) === name,
    );
    if (index === undefined) return undefined;
    const entry = this.entryAt(bytes, index);
    if ((entry & PRESENT) === 0n || this.isPage(entry)) return undefined;
    return new TableView(format, registers, read, level + 1, Number(entry & ADDRESS), this.linear(index));
  }

  private entryAt(bytes: Uint8Array, index: number): bigint {
    const { entryBytes } = this.format;
    return entryOf(this.format, bytes.subarray(index * entryBytes, (index + 1) * entryBytes));
  }

  private linear(index: number): bigint {
    const { shifts, signBit } = this.format;
    const address = this.first + (BigInt(index) << BigInt(shifts[this.level]));
    if (signBit === undefined) return address;
    return BigInt.asUintN(64, BigInt.asIntN(signBit + 1, address));
  }

  private isPage(entry: bigint): boolean {
    const { format, level, registers } = this;
    if (level === format.tables.length - 1) return true;
    if (!format.large[level] || (entry & PAGE_SIZE) === 0n) return false;
    return format !== LEGACY || (registers.cr4 & CR4_PSE) !== 0n;
  }

  private nodeOf(index: number, entry: bigint): StateNode {
    const { format, level, address } = this;
    const page = this.isPage(entry);
    const bits = format.entryBytes * 8;
    const size = 1n << BigInt(format.shifts[level]);
    const target = hex(entry & ADDRESS & (page ? ~(size - 1n) : ~0n));
    const what = page ? `page of ${sizeText(size)} at ${target}` : `${format.tables[level + 1]} at ${target}`;
    const fields = [...(page ? ofPage : ofTable), ...(bits === 64 ? [flag('XD', 63)] : [])];
    const execute = (entry & EXECUTE_DISABLE) !== 0n ? ', not executable' : '';
    return {
      name: hex(this.linear(index)),
      description: `Entry ${index} of the ${format.tables[level]}: ${what}${execute}.`,
      value: { kind: 'register', value: entry, bits, fields },
      memory: { space: 'physical', address: address + index * format.entryBytes, length: format.entryBytes },
      ...(!page && { more: true }),
    };
  }
}

function sizeText(bytes: bigint): string {
  if (bytes >= 1n << 30n) return `${bytes >> 30n} GiB`;
  return bytes >= 1n << 20n ? `${bytes >> 20n} MiB` : `${bytes >> 10n} KiB`;
}

/** What is at a path below the page tables of a vCPU. */
export function pageTablesAt(
  registers: PagingRegisters,
  read: ReadPhysical,
  path: StatePath,
): StateNode | undefined {
  const name = 'Page tables';
  if ((registers.cr0 & CR0_PG) === 0n) {
    if (path.length > 0) return undefined;
    return {
      name,
      value: { kind: 'text', value: 'off' },
      description: 'Linear addresses are physical ones.',
    };
  }
  const format = formatOf(registers);
  const root = Number(registers.cr3 & (format === PAE ? 0xffff_ffe0n : ADDRESS));
  let table = new TableView(format, registers, read, 0, root, 0n);
  let node: StateNode = { name, description: `The ${format.tables[0]} at ${hex(BigInt(root))}.` };
  for (const step of path) {
    const entry = table.entries.find((each) => each.name === step);
    if (!entry) return undefined;
    node = entry;
    const below = table.below(step);
    if (!below) return node;
    table = below;
  }
  const { more: _more, ...rest } = node;
  return { ...rest, children: table.entries };
}
