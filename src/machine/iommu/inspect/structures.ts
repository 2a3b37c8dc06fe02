/** Root, context and PASID tables of a unit as trees, by who requests, down to the tables of both stages (VT-d specification, 3.4). */
import {
  entryFields,
  stageEntries,
  tableEntries,
  type EntryField,
} from '../../../trace/vocabulary/table-entries';
import type { RequesterId } from '../../bus';
import type { StateNode, StatePath } from '../../inspect';
import { addressName, addressOf } from '../../pci/config';
import { branches, type Branch } from '../../registers';
import { hex, numberNode, textNode } from '../../state-nodes';
import { tableTreeAt, type ReadTable, type TableFormat } from '../../table-tree';
import { coveredBits } from '../caches';
import { TableMode, type RootTable } from '../context-tables';
import type { RemappingUnit } from '../remapping-unit';
import { secondStage } from '../second-stage';
import { lookAt, TableReader } from '../table-reader';
import {
  decodeLegacyContext,
  decodePasidEntry,
  decodeScalableContext,
  type ScalableContext,
  type StageTables,
  type Translation,
} from '../translation';
import { isSet, pageAddress, wordsOf, type Words } from '../words';

/** A unit, and the memory that its tables are in. */
export interface UnitView {
  readonly unit: RemappingUnit;
  readonly space: 'physical' | 'host';
  /** The root table as the unit has taken it; undefined: it has taken none. */
  readonly root: RootTable | undefined;
}

/** Bytes of entries, and how many functions a bus has. */
const ROOT_BYTES = 16;
const FUNCTIONS = 256;
/** Word at which the half of a root entry begins that is for devices 16 to 31. */
const UPPER_HALF = 2;
const CONTEXT_BYTES = { legacy: 16, scalable: 32 } as const;
const DIRECTORY_BYTES = 8;
const PASID_BYTES = 64;
const TABLE_PASIDS = 64;
const PAGE = 4096;

/** An entry and where it stands. */
interface Entry {
  readonly address: number;
  readonly words: Words;
}

function entryAt({ unit }: UnitView, address: number, length: number): Entry | undefined {
  const bytes = lookAt(unit.tables, address, length);
  return bytes && { address, words: wordsOf(bytes) };
}

/** The parts of an entry that have a meaning of their own, each a register of 64 bits. */
function entryNodes(view: UnitView, fields: readonly EntryField[], { address, words }: Entry): StateNode[] {
  return fields.map(({ key, word }) => {
    const { name, what, fields: bits } = tableEntries[key];
    const value = (BigInt(words[word + 1]) << 32n) + BigInt(words[word]);
    return {
      name,
      description: `The IOMMU reads ${what}.`,
      value: { kind: 'register', value, bits: 64, fields: bits },
      memory: { space: view.space, address: address + 4 * word, length: 8 },
    };
  });
}

const LARGE = 1n << 7n;
/** Levels whose entries may map a page themselves: 2 MiB, 1 GiB. */
const MOST_LARGE_LEVEL = 3;

function formatOf(view: UnitView, stage: 'first' | 'second', levels: number): TableFormat {
  const order = Array.from({ length: levels }, (_, at) => levels - at);
  const keys = order.map((level) => stageEntries[stage][level - 1]);
  return {
    tables: order.map((level) => `${stage}-stage table of level ${level}`),
    entryBytes: 8,
    counts: order.map(() => PAGE / 8),
    shifts: order.map(coveredBits),
    ...(stage === 'first' && { signBit: coveredBits(levels) + 8 }),
    present: stage === 'first' ? 1n : 3n,
    isPage: (at, entry) => order[at] <= MOST_LARGE_LEVEL && (entry & LARGE) !== 0n,
    fields: (at) => tableEntries[keys[at]].fields,
    space: view.space,
  };
}

/** Reads tables of a nested first stage, whose addresses are the second stage's. */
function nestedRead(view: UnitView, translation: Translation, second: StageTables): ReadTable {
  const { tables, options } = view.unit;
  return (address, length) => {
    const reader = new TableReader(tables, false);
    const walk = { reader, options, translation, pasid: 0, caches: undefined };
    const page = secondStage(walk, second, address, false, 'first-table');
    return 'fault' in page ? undefined : lookAt(tables, page.address, length);
  };
}

function stageBranches(view: UnitView, translation: Translation): Branch[] {
  const { first, second } = translation;
  const read: ReadTable = (address, length) => lookAt(view.unit.tables, address, length);
  const of = (stage: 'first' | 'second', { root, levels }: StageTables, reads: ReadTable): Branch => {
    const name = `${stage === 'first' ? 'First' : 'Second'}-stage tables`;
    return { name, at: (path) => tableTreeAt(name, formatOf(view, stage, levels), root, reads, path) };
  };
  return [
    ...(first ? [of('first', first, second ? nestedRead(view, translation, second) : read)] : []),
    ...(second ? [of('second', second, read)] : []),
  ];
}

/** Some nodes, and branches beside them. */
function mixed(
  name: string,
  nodes: readonly StateNode[],
  below: readonly Branch[],
  path: StatePath,
): StateNode | undefined {
  const [first] = path;
  const node = nodes.find((each) => each.name === first);
  if (node) return path.length === 1 ? node : undefined;
  const found = branches(name, below, path);
  return path.length > 0 || !found ? found : { ...found, children: [...nodes, ...(found.children ?? [])] };
}

function translationNodes({ domain, kind }: Translation): StateNode[] {
  return [numberNode('domain', domain), textNode('translation', kind)];
}

function pasidBranch(view: UnitView, pasid: number, entry: Entry): Branch {
  const name = `PASID ${pasid}`;
  return {
    name,
    at: (path) => {
      const decoded = decodePasidEntry(entry.words, view.unit.options);
      const nodes = entryNodes(view, entryFields.pasid, entry);
      if ('fault' in decoded) return mixed(name, nodes, [], path);
      const { translation } = decoded;
      return mixed(
        name,
        [...nodes, ...translationNodes(translation)],
        stageBranches(view, translation),
        path,
      );
    },
  };
}

function directoryBranches(view: UnitView, { directory, directoryEntries }: ScalableContext): Branch[] {
  const all = entryAt(view, directory, directoryEntries * DIRECTORY_BYTES);
  if (!all) return [];
  const found: Branch[] = [];
  for (let index = 0; index < directoryEntries; index++) {
    const words = all.words.subarray(index * 2, index * 2 + 2);
    if (!isSet(words[0], 0)) continue;
    const entry = { address: directory + index * DIRECTORY_BYTES, words };
    const first = index * TABLE_PASIDS;
    const name = `PASIDs ${first} to ${first + TABLE_PASIDS - 1}`;
    const nodes = entryNodes(view, entryFields.pasidDirectory, entry);
    found.push({ name, at: (path) => mixed(name, nodes, pasidsOf(view, first, pageAddress(words)), path) });
  }
  return found;
}

function pasidsOf(view: UnitView, first: number, table: number): Branch[] {
  const entries = presentEntries(view, table, PASID_BYTES);
  return [...entries].map(([index, entry]) => pasidBranch(view, first + index, entry));
}

/** A function that has a context entry. */
interface Requester {
  readonly requester: RequesterId;
  readonly root: Entry;
  readonly upper: boolean;
  readonly context: Entry;
}

function requesterBranch(view: UnitView, scalable: boolean, found: Requester): Branch {
  const { requester, root, upper, context } = found;
  const { options } = view.unit;
  const name = addressName(addressOf(requester));
  return {
    name,
    at: (path) => {
      const nodes = [
        ...entryNodes(view, upper ? entryFields.upperRoot : entryFields.root, root),
        ...entryNodes(view, scalable ? entryFields.scalableContext : entryFields.context, context),
      ];
      if (scalable) {
        const decoded = decodeScalableContext(context.words, options);
        if ('fault' in decoded) return mixed(name, nodes, [], path);
        const own = numberNode('PASID of requests without one', decoded.requesterPasid);
        return mixed(name, [...nodes, own], directoryBranches(view, decoded), path);
      }
      const decoded = decodeLegacyContext(context.words, options);
      if ('fault' in decoded) return mixed(name, nodes, [], path);
      const { translation } = decoded;
      return mixed(
        name,
        [...nodes, ...translationNodes(translation)],
        stageBranches(view, translation),
        path,
      );
    },
  };
}

/** The entries of a table whose first word says that they are present. */
function presentEntries(view: UnitView, table: number, bytes: number, half = 0): Map<number, Entry> {
  const all = entryAt(view, table, PAGE);
  const found = new Map<number, Entry>();
  for (let index = 0; all && index < PAGE / bytes; index++) {
    const words = all.words.subarray((index * bytes) / 4, ((index + 1) * bytes) / 4);
    if (isSet(words[half], 0)) found.set(index, { address: table + index * bytes, words });
  }
  return found;
}

/** All functions that have a context entry which is present. */
function requesters(view: UnitView, root: RootTable, scalable: boolean): Requester[] {
  const bytes = CONTEXT_BYTES[scalable ? 'scalable' : 'legacy'];
  const found: Requester[] = [];
  for (const upper of scalable ? [false, true] : [false]) {
    const half = upper ? UPPER_HALF : 0;
    for (const [bus, entry] of presentEntries(view, root.address, ROOT_BYTES, half)) {
      const first = bus * FUNCTIONS + (upper ? FUNCTIONS / 2 : 0);
      for (const [index, context] of presentEntries(view, pageAddress(entry.words, half), bytes))
        found.push({ requester: first + index, root: entry, upper, context });
    }
  }
  return found.sort((x, y) => x.requester - y.requester);
}

/** What is at a path below the tables of a unit: by requester that has a context entry. */
export function structuresAt(view: UnitView, path: StatePath): StateNode | undefined {
  const { root } = view;
  if (!root) return branches('Tables', [], path, 'No root table has been set.');
  const scalable = root.mode === TableMode.scalable && view.unit.options.scalableMode;
  const all = requesters(view, root, scalable).map((each) => requesterBranch(view, scalable, each));
  const where = `${scalable ? 'Scalable' : 'Legacy'} mode, root table at ${hex(root.address)}.`;
  return branches('Tables', all, path, where);
}
