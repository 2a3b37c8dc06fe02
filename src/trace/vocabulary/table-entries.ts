/**
 * What the entries of an IOMMU's tables are made of, field by field (VT-d specification, chapter 9), so that a walk can be read
 * entry by entry. An argument of an event has 53 bits: of an entry these are bits 51 to 0, which lack nothing that decides
 * about reads and writes.
 */
import { choice, flag, number, pointer } from './bit-fields';
import type { BitField } from './kind-row';

/** A kind of entry. */
export interface TableEntry {
  /** As the specification abbreviates it; ends the name of the kind of event. */
  name: string;
  /** What it is for: completes "The IOMMU reads ". */
  what: string;
  fields: readonly BitField[];
}

const address = (name: string): BitField => pointer(name, 12, 51);

export const present = flag('present (P)', 0);
export const quiet = flag('faults not recorded (FPD)', 1);
const widths = ['2-level', '3-level', '4-level', '5-level'];

const secondStage: readonly BitField[] = [
  flag('read (R)', 0),
  flag('write (W)', 1),
  flag('execute (X)', 2),
  flag('page (PS)', 7),
  flag('accessed (A)', 8),
  flag('dirty (D)', 9),
  address('address'),
];
const firstStage: readonly BitField[] = [
  present,
  flag('write (R/W)', 1),
  flag('user (U/S)', 2),
  flag('accessed (A)', 5),
  flag('dirty (D)', 6),
  flag('page (PS)', 7),
  address('address'),
];

/** By a short key. */
export const tableEntries = {
  root: {
    name: 'root',
    what: 'the root entry of the bus, which says where the context table is',
    fields: [present, address('context table')],
  },
  context: {
    name: 'context',
    what: "the function's context entry, which says which tables translate for it",
    fields: [
      present,
      quiet,
      choice('translation type (TT)', 2, 3, ['by the tables', 'by the tables, and ATS', 'pass-through']),
      address('second-stage tables'),
    ],
  },
  contextDomain: {
    name: 'context.domain',
    what: "the other half of the function's context entry",
    fields: [choice('address width (AW)', 0, 2, widths), number('domain (DID)', 8, 23)],
  },
  scalableContext: {
    name: 'context.scalable',
    what: "the function's context entry, which says where its PASID directory is",
    fields: [
      present,
      quiet,
      flag('device TLB (DTE)', 2),
      flag('PASIDs (PASIDE)', 3),
      number('directory size (PDTS)', 9, 11),
      address('PASID directory'),
    ],
  },
  pasidDirectory: {
    name: 'pasid.directory',
    what: 'the entry of the PASID directory',
    fields: [present, quiet, address('PASID table')],
  },
  pasid: {
    name: 'pasid',
    what: 'the entry of the PASID table, which says how addresses of this PASID are translated',
    fields: [
      present,
      quiet,
      choice('address width (AW)', 2, 4, widths),
      choice('translation type (PGTT)', 6, 8, [
        'reserved',
        'first stage',
        'second stage',
        'nested',
        'pass-through',
      ]),
      address('second-stage tables'),
    ],
  },
  pasidDomain: {
    name: 'pasid.domain',
    what: 'the second quarter of the entry of the PASID table',
    fields: [number('domain (DID)', 0, 15)],
  },
  pasidFirst: {
    name: 'pasid.first',
    what: 'the third quarter of the entry of the PASID table',
    fields: [
      choice('first-stage levels (FSPM)', 2, 3, ['4-level', '5-level']),
      address('first-stage tables'),
    ],
  },
  ss5: { name: 'SS-PML5E', what: 'a second-stage entry of level 5', fields: secondStage },
  ss4: { name: 'SS-PML4E', what: 'a second-stage entry of level 4', fields: secondStage },
  ss3: { name: 'SS-PDPE', what: 'a second-stage entry of level 3', fields: secondStage },
  ss2: { name: 'SS-PDE', what: 'a second-stage entry of level 2', fields: secondStage },
  ss1: { name: 'SS-PTE', what: 'a second-stage entry of level 1', fields: secondStage },
  fs5: { name: 'FS-PML5E', what: 'a first-stage entry of level 5', fields: firstStage },
  fs4: { name: 'FS-PML4E', what: 'a first-stage entry of level 4', fields: firstStage },
  fs3: { name: 'FS-PDPE', what: 'a first-stage entry of level 3', fields: firstStage },
  fs2: { name: 'FS-PDE', what: 'a first-stage entry of level 2', fields: firstStage },
  fs1: { name: 'FS-PTE', what: 'a first-stage entry of level 1', fields: firstStage },
} as const satisfies Record<string, TableEntry>;

/** Key of a kind of entry. */
export type TableEntryKey = keyof typeof tableEntries;

/** A field of 64 bits of an entry that is longer. */
export interface EntryField {
  key: TableEntryKey;
  /** Index of its lower word of 32 bits in the entry. */
  word: number;
}

/** The fields that have a meaning of their own, of each kind of entry that is longer than 64 bits or leads to tables. */
export const entryFields = {
  root: [{ key: 'root', word: 0 }],
  /** In scalable mode the upper half of a root entry is for devices 16 to 31 (9.2). */
  upperRoot: [{ key: 'root', word: 2 }],
  context: [
    { key: 'context', word: 0 },
    { key: 'contextDomain', word: 2 },
  ],
  scalableContext: [{ key: 'scalableContext', word: 0 }],
  pasidDirectory: [{ key: 'pasidDirectory', word: 0 }],
  pasid: [
    { key: 'pasid', word: 0 },
    { key: 'pasidDomain', word: 2 },
    { key: 'pasidFirst', word: 4 },
  ],
} as const satisfies Record<string, readonly EntryField[]>;

/** Keys of the entries of both stages, from level 1 up. */
export const stageEntries = {
  first: ['fs1', 'fs2', 'fs3', 'fs4', 'fs5'],
  second: ['ss1', 'ss2', 'ss3', 'ss4', 'ss5'],
} as const;
