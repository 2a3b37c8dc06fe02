/** The page tables of a vCPU as a tree, level by level (SDM vol. 3, chapter 4): entries that are present, with their bits. */
import { flag } from '../../../trace/vocabulary/bit-fields';
import type { BitField } from '../../../trace/vocabulary/kind-row';
import type { StateNode, StatePath } from '../../inspect';
import { ENTRY_ADDRESS, tableTreeAt, type ReadTable, type TableFormat } from '../../table-tree';

/** Guest-physical memory; undefined where there is none. */
export type ReadPhysical = ReadTable;

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
const executeDisable = [flag('XD', 63)];

const PRESENT = 1n;
const PAGE_SIZE = 1n << 7n;
const EXECUTE_DISABLE = 1n << 63n;
const PAE_ROOT = 0xffff_ffe0n;
const CR0_PG = 1n << 31n;
const CR4_PSE = 1n << 4n;
const CR4_PAE = 1n << 5n;
const EFER_LMA = 1n << 10n;

type Levels = Pick<TableFormat, 'tables' | 'entryBytes' | 'counts' | 'shifts' | 'signBit'>;

const LONG: Levels = {
  tables: ['PML4', 'page-directory-pointer table', 'page directory', 'page table'],
  entryBytes: 8,
  counts: [512, 512, 512, 512],
  shifts: [39, 30, 21, 12],
  signBit: 47,
};
const PAE: Levels = {
  tables: ['page-directory-pointer table', 'page directory', 'page table'],
  entryBytes: 8,
  counts: [4, 512, 512],
  shifts: [30, 21, 12],
};
const LEGACY: Levels = {
  tables: ['page directory', 'page table'],
  entryBytes: 4,
  counts: [1024, 1024],
  shifts: [22, 12],
};

/** The registers that choose the format. */
export interface PagingRegisters {
  cr0: bigint;
  cr3: bigint;
  cr4: bigint;
  efer: bigint;
}

function levelsOf({ cr4, efer }: PagingRegisters): Levels {
  if ((efer & EFER_LMA) !== 0n) return LONG;
  return (cr4 & CR4_PAE) !== 0n ? PAE : LEGACY;
}

function formatOf(levels: Levels, { cr4 }: PagingRegisters): TableFormat {
  // The topmost table of three or four levels maps no pages; with two, large pages are to be turned on.
  const largest = levels === LEGACY ? 0 : 1;
  const large = levels !== LEGACY || (cr4 & CR4_PSE) !== 0n;
  const last = levels.entryBytes === 8 ? executeDisable : [];
  return {
    ...levels,
    present: PRESENT,
    space: 'physical',
    isPage: (level, entry) => large && level >= largest && (entry & PAGE_SIZE) !== 0n,
    fields: (_level, page) => [...(page ? ofPage : ofTable), ...last],
    remark: (entry) => ((entry & EXECUTE_DISABLE) !== 0n ? ', not executable' : ''),
  };
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
  const levels = levelsOf(registers);
  const root = Number(registers.cr3 & (levels === PAE ? PAE_ROOT : ENTRY_ADDRESS));
  return tableTreeAt(name, formatOf(levels, registers), root, read, path);
}
