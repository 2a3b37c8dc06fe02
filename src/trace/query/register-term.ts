/** `reg:` of a query: accesses to a register, and the exits that were about it. */
import { Kind, byKind, isExit } from '../vocabulary/events';
import { textTest } from './query';
import type { QueryRows } from './query-rows';

/** Rows behind an exit among which that of its register is: its legs, and what other tracks record meanwhile. */
const REACH = 256;

const ACCESSES = byKind(({ id, group }) => (group === 'register' || id === Kind.Doorbell ? 1 : 0));

/**
 * Whether a row accesses one of some registers, by name or number, both ways a reader may write them.
 * @param exits whether an exit counts that was about one of them
 */
export function registerTest(
  rows: QueryRows,
  texts: readonly string[],
  exits: boolean,
): (row: number) => boolean {
  const wanted = texts.map((text) => textTest(text));
  const numbers = new Set(texts.map(Number).filter((value) => !Number.isNaN(value)));
  const named = new Map<number, ReadonlySet<number>>();
  const offsetsOn = (track: number): ReadonlySet<number> => {
    let offsets = named.get(track);
    if (!offsets) {
      const names = Object.entries(rows.trackAt(track)?.registers ?? {});
      offsets = new Set(
        names.filter(([, name]) => wanted.some((test) => test(name))).map(([offset]) => Number(offset)),
      );
      named.set(track, offsets);
    }
    return offsets;
  };
  const accesses = (row: number): boolean => {
    const a = rows.aOf(row);
    return numbers.has(a) || offsetsOn(rows.trackOf(row)).has(a);
  };
  return (row) => {
    const kind = rows.kindOf(row);
    if (ACCESSES[kind] === 1) return accesses(row);
    return exits && isExit(kind) && isAbout(rows, row, accesses);
  };
}

/** Whether an exit was about a register: an access to it within the span of the exit goes back to it and to no other access. */
function isAbout(rows: QueryRows, exit: number, accesses: (row: number) => boolean): boolean {
  const end = rows.startOf(exit) + rows.durationOf(exit);
  const track = rows.trackOf(exit);
  const last = Math.min(rows.rows, exit + 1 + REACH);
  for (let row = exit + 1; row < last; row++) {
    if (rows.startOf(row) >= end) {
      // The vCPU itself is further on; other tracks may be ahead of it.
      if (rows.trackOf(row) === track) return false;
      continue;
    }
    if (ACCESSES[rows.kindOf(row)] === 1 && goesBackTo(rows, row, exit) && accesses(row)) return true;
  }
  return false;
}

function goesBackTo(rows: QueryRows, access: number, exit: number): boolean {
  let cause = rows.causeOf(access);
  while (cause > exit && ACCESSES[rows.kindOf(cause)] !== 1) cause = rows.causeOf(cause);
  return cause === exit;
}
