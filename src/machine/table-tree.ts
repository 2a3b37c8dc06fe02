/** Tables of several levels in memory as a tree: page tables of a CPU, tables of a stage of an IOMMU. */
import type { BitField } from '../trace/vocabulary/kind-row';
import type { StateNode, StatePath } from './inspect';
import { hex } from './state-nodes';

/** Memory by the addresses that entries have; undefined where there is none. */
export type ReadTable = (address: number, length: number) => Uint8Array | undefined;

/** One format of tables. Arrays go from the root down. */
export interface TableFormat {
  readonly tables: readonly string[];
  readonly entryBytes: 4 | 8;
  /** Entries of each table, and the lowest bit of the address that each takes its index from. */
  readonly counts: readonly number[];
  readonly shifts: readonly number[];
  /** Addresses are sign-extended from this bit; undefined: they are not. */
  readonly signBit?: number | undefined;
  /** An entry that is there has one of these bits set. */
  readonly present: bigint;
  /** Whether an entry of a table that is not the last maps a page itself. */
  isPage(level: number, entry: bigint): boolean;
  /** What the bits of an entry mean. */
  fields(level: number, page: boolean): readonly BitField[];
  /** What is to be said of an entry beside where it leads; '': nothing. */
  remark?(entry: bigint): string;
  readonly space: 'physical' | 'host';
}

/** The address in an entry of 64 bits: bits 51 to 12. */
export const ENTRY_ADDRESS = 0x000f_ffff_ffff_f000n;

/** An entry, and the table that it leads to; undefined: it maps a page. */
interface NamedEntry {
  readonly node: StateNode;
  readonly below: TableView | undefined;
}

/** One table: where it is, which addresses it covers. */
class TableView {
  constructor(
    private readonly format: TableFormat,
    private readonly read: ReadTable,
    private readonly level: number,
    private readonly address: number,
    private readonly first: bigint,
  ) {}

  /** Its entries that are present; their names are the addresses at which what they map begins. */
  get entries(): StateNode[] {
    const bytes = this.bytes();
    if (!bytes) {
      const description = `There is no memory at ${hex(this.address)}.`;
      return [{ name: 'cannot be read', description }];
    }
    const nodes: StateNode[] = [];
    for (let index = 0; index < this.count; index++) {
      const entry = this.entryAt(bytes, index);
      if (this.isPresent(entry)) nodes.push(this.nodeOf(index, entry));
    }
    return nodes;
  }

  /** The entry of a name, if there is one that is present, and the table below it, if it leads to one. */
  named(name: string): NamedEntry | undefined {
    const { format, level, read, count } = this;
    const bytes = this.bytes();
    if (!bytes) return undefined;
    const index = Array.from({ length: count }, (_, i) => i).find((each) => hex(this.covered(each)) === name);
    if (index === undefined) return undefined;
    const entry = this.entryAt(bytes, index);
    if (!this.isPresent(entry)) return undefined;
    const node = this.nodeOf(index, entry);
    if (this.isPage(entry)) return { node, below: undefined };
    const below = Number(entry & ENTRY_ADDRESS);
    return { node, below: new TableView(format, read, level + 1, below, this.covered(index)) };
  }

  private get count(): number {
    return this.format.counts[this.level];
  }

  private bytes(): Uint8Array | undefined {
    return this.read(this.address, this.count * this.format.entryBytes);
  }

  private entryAt(bytes: Uint8Array, index: number): bigint {
    const { entryBytes } = this.format;
    const view = new DataView(bytes.buffer, bytes.byteOffset + index * entryBytes, entryBytes);
    return entryBytes === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
  }

  /** Where what an entry maps begins. */
  private covered(index: number): bigint {
    const { shifts, signBit } = this.format;
    const address = this.first + (BigInt(index) << BigInt(shifts[this.level]));
    if (signBit === undefined) return address;
    return BigInt.asUintN(64, BigInt.asIntN(signBit + 1, address));
  }

  private isPresent(entry: bigint): boolean {
    return (entry & this.format.present) !== 0n;
  }

  private isPage(entry: bigint): boolean {
    const { format, level } = this;
    return level === format.tables.length - 1 || format.isPage(level, entry);
  }

  private nodeOf(index: number, entry: bigint): StateNode {
    const { format, level, address } = this;
    const { entryBytes, shifts, tables, space } = format;
    const page = this.isPage(entry);
    const size = 1n << BigInt(shifts[level]);
    const target = hex(entry & ENTRY_ADDRESS & (page ? ~(size - 1n) : ~0n));
    const what = page ? `page of ${sizeText(size)} at ${target}` : `${tables[level + 1]} at ${target}`;
    const remark = format.remark?.(entry) ?? '';
    return {
      name: hex(this.covered(index)),
      description: `Entry ${index} of the ${tables[level]}: ${what}${remark}.`,
      value: { kind: 'register', value: entry, bits: entryBytes * 8, fields: format.fields(level, page) },
      memory: { space, address: address + index * entryBytes, length: entryBytes },
      ...(!page && { more: true }),
    };
  }
}

function sizeText(bytes: bigint): string {
  if (bytes >= 1n << 30n) return `${bytes >> 30n} GiB`;
  return bytes >= 1n << 20n ? `${bytes >> 20n} MiB` : `${bytes >> 10n} KiB`;
}

/**
 * What is at a path below tables, whose steps are addresses at which what an entry maps begins.
 * @param root the address of the topmost table
 */
export function tableTreeAt(
  name: string,
  format: TableFormat,
  root: number,
  read: ReadTable,
  path: StatePath,
): StateNode | undefined {
  let table: TableView | undefined = new TableView(format, read, 0, root, 0n);
  let node: StateNode = { name, description: `The ${format.tables[0]} at ${hex(root)}.` };
  for (const step of path) {
    const found: NamedEntry | undefined = table?.named(step);
    // What maps a page has nothing below it.
    if (!found) return undefined;
    ({ node, below: table } = found);
  }
  if (!table) return node;
  const { more: _more, ...rest } = node;
  return { ...rest, children: table.entries };
}
