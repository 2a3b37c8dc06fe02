/**
 * The one vocabulary of what a run shows. A kind is one row of a table; explorer, statistics, exporters and documentation
 * read it. Ids are part of the file format: never renumber, only add.
 */
import { exitId, kindRowsOf, type ExitTable } from './exit-table';
import { ForeignKind, foreignKindRows } from './foreign-kinds';
import { entryKinds, Kind, kindRows } from './kind-rows';
import type { KindRow } from './kind-row';
import { svmExits } from './svm-exit-codes';
import { vmxExits } from './vmx-exit-reasons';

export { entryKinds, ForeignKind, Kind };
export type { ArgFormat, ArgSpec, BitField, ColourRole, KindGroup, KindRow, ModeRole } from './kind-row';

/** Every table of VM exits. */
export const exitTables: readonly ExitTable[] = [vmxExits, svmExits];

/** One more than the highest kind id that the column of a trace can hold. */
export const KIND_LIMIT = 0x1_0000;

/** Kind id of a VM exit by its VMX basic exit reason. */
export function exitKind(reason: number): number {
  return exitId(vmxExits, reason);
}

/** All kinds, by id. */
export const kinds: ReadonlyMap<number, KindRow> = new Map(
  [...kindRows, ...foreignKindRows, ...exitTables.flatMap(kindRowsOf)].map((row) => [row.id, row]),
);

/** What is known of an id without a row: that of an exit's range is an exit. */
function unknownRow(id: number): KindRow {
  const table = exitTables.find(({ base, size }) => id >= base && id < base + size);
  const common = {
    id,
    shape: 'span',
    a: { name: 'a', format: 'hex' },
    b: { name: 'b', format: 'hex' },
  } as const;
  if (table === undefined) {
    const sentence = 'A kind of event that this version does not know.';
    return { ...common, name: `kind.${id}`, group: 'record', role: 'mark', sentence };
  }
  const reason = String(id - table.base);
  const sentence = `${table.name} ${reason}, which has no name: from leaving the guest to entering it again.`;
  return { ...common, name: `exit.${reason}`, group: 'exit', role: 'exit', reason, sentence };
}

/** The row of a kind; an id that this version does not know (a newer trace) gets a neutral row. */
export function kindRow(id: number): KindRow {
  return kinds.get(id) ?? unknownRow(id);
}

/** Kinds of rows that carry what did not fit another row: recorded always, and no events themselves. */
export const bookkeeping: ReadonlySet<number> = new Set([Kind.SpanOverflow, Kind.ArgsHigh]);

/** All kinds, by name. */
export const kindsByName: ReadonlyMap<string, KindRow> = new Map(
  [...kinds.values()].map((row) => [row.name, row]),
);

/** A number for every id that a column can hold, for loops over rows that would ask for a row each time. */
export function byKind(figure: (row: KindRow) => number): Int16Array {
  const table = new Int16Array(KIND_LIMIT).fill(figure(unknownRow(0)));
  for (const { base, size } of exitTables) table.fill(figure(unknownRow(base)), base, base + size);
  for (const row of kinds.values()) table[row.id] = figure(row);
  return table;
}

const exitKinds = byKind(({ group }) => (group === 'exit' ? 1 : 0));

/** Whether events of a kind are VM exits. */
export function isExit(kind: number): boolean {
  return exitKinds[kind] === 1;
}
