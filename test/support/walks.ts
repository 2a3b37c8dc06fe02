/** Walks of an IOMMU as a trace shows them, done again by what each entry says. */
import type { TraceEvent } from '../../src/trace/query/store';
import { entryKinds, Kind } from '../../src/trace/vocabulary/events';
import type { CountedRun } from './section-a';

const PAGE = 4096;
const pointerOf = (entry: number): number => entry - (entry % PAGE);
const LARGE = 0x80;

/** Second-stage entries by level. */
const secondStage = [entryKinds.ss1, entryKinds.ss2, entryKinds.ss3, entryKinds.ss4, entryKinds.ss5];

/** What a walk came to, told by its entries alone. */
export interface RedoneWalk {
  /** Entries of the second stage that were read. */
  references: number;
  /** Root and context entries. */
  others: number;
  /** Level of the page; 0: none was found. */
  level: number;
  /** Host-physical address; undefined likewise. */
  to: number | undefined;
  /** Where the topmost table is, when the context entry was read. */
  topmost: number | undefined;
}

/** Rows that hang on a row directly. */
export function hangingOn(run: CountedRun, row: TraceEvent): TraceEvent[] {
  return run.rows.filter(({ cause }) => cause === row.row);
}

/**
 * Does the walk again. Each entry has to stand where the one before leads, at the index that the address has on its level.
 * @param iova of the access
 * @throws Error where an entry stands somewhere else
 */
export function redone(run: CountedRun, walk: TraceEvent, requester: number, iova: number): RedoneWalk {
  const entries = hangingOn(run, walk).filter(({ kind }) => kind !== Kind.IommuTranslation);
  const done: RedoneWalk = { references: 0, others: 0, level: 0, to: undefined, topmost: undefined };
  let table: number | undefined;
  const stands = (at: number, index: number, bytes: number): void => {
    if (table !== undefined && at !== table + index * bytes)
      throw new Error(`an entry was read at ${at}, not at ${table} + ${index} * ${bytes}`);
  };
  for (const { kind, a: at, b: entry } of entries) {
    const level = secondStage.indexOf(kind) + 1;
    if (kind === entryKinds.root) {
      done.others += 1;
      table = pointerOf(entry);
    } else if (kind === entryKinds.context) {
      stands(at, requester % 256, 16);
      done.others += 1;
      table = done.topmost = pointerOf(entry);
    } else if (level > 0) {
      stands(at, Math.floor(iova / 2 ** (12 + 9 * (level - 1))) % 512, 8);
      done.references += 1;
      if (entry % 4 === 0) break;
      if (level === 1 || (entry & LARGE) !== 0) {
        const size = 2 ** (12 + 9 * (level - 1));
        done.level = level;
        done.to = pointerOf(entry) + (iova % size);
      }
      table = pointerOf(entry);
    }
  }
  return done;
}
