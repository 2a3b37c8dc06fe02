/** A guest with exitless interrupts that moves its IDT: what of it leaves, and what the shadow is by then. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { between, countedRun, mark, ofKind, type CountedRun } from '../../../support/section-a';
import { exitsOf, type Exit } from '../../../support/section-b';

/** Marks of the driver, and the words of its log. */
const Way = { Boot: 0, Moved: 1, Changed: 2, Left: 3, End: 4 } as const;
const [VECTOR, KIT_TABLE, OWN_TABLE, FIRST, SECOND, STORES, STRAYS] = [0, 1, 2, 3, 4, 5, 6];
const PAGE = 4096;
/** The driver's marks. */
const MARK = 'VMCALL';
/** Identities in the instruction information of a GDTR_IDTR exit (SDM vol. 3, table 28-10). */
const Identity = { sgdt: 0, sidt: 1, lgdt: 2, lidt: 3 } as const;
/** Qualification of a store to a page that the EPT map for loads and fetches (table 28-7). */
const GUARDED_STORE = 0b1_1010_1010;

let run: CountedRun;
let log: number[];
let exits: Exit[];

beforeAll(async () => {
  run = await countedRun('e3-eli-moving-idt');
  log = run.longs('moving_log');
  exits = exitsOf(run);
});

function exitsIn(from: number, to: number): Exit[] {
  const there = new Set<TraceEvent>(between(run.rows, mark(run, from), mark(run, to)));
  return exits.filter(({ row, reason }) => there.has(row) && reason !== MARK);
}

const ofTable = ({ reason, row }: Exit, table: number): boolean =>
  reason === 'EPT_VIOLATION' && row.a >= table && row.a < table + PAGE;
const identityOf = ({ row }: Exit): number => (row.a >>> 28) & 3;

it('every interrupt was handled, by the handler that its gate led to', () => {
  const rounds = log[STORES];
  expect(log[SECOND]).toBe(rounds / 2);
  expect(log[FIRST]).toBe(3 * rounds + rounds / 2);
  const handlers = ofKind(run, Kind.Handler);
  expect(handlers).toHaveLength(log[FIRST] + log[SECOND]);
  expect(new Set(handlers.map(({ a }) => a))).toEqual(new Set([log[VECTOR]]));
  expect(ofKind(run, Kind.IrqInject)).toEqual([]);
});

describe('what leaves', () => {
  it('is nothing while the table stands', () => {
    expect(exitsIn(Way.Moved, Way.Changed)).toEqual([]);
  });

  it('is SIDT and LIDT of the move, each with its identity', () => {
    const move = exitsIn(Way.Boot, Way.Moved);
    expect(move.map(({ reason }) => reason)).toEqual(['GDTR_IDTR', 'GDTR_IDTR']);
    expect(move.map(identityOf)).toEqual([Identity.sidt, Identity.lidt]);
  });

  it('is each store into the table, and nothing else, while the gate changes', () => {
    const changing = exitsIn(Way.Changed, Way.Left);
    expect(changing).toHaveLength(log[STORES]);
    expect(changing.filter((each) => ofTable(each, log[OWN_TABLE]))).toHaveLength(log[STORES]);
    for (const { row, legs } of changing) {
      expect(row.a).toBe(log[OWN_TABLE] + log[VECTOR] * 16);
      expect(legs[0]).toMatchObject({ kind: Kind.KvmHandle, a: GUARDED_STORE });
    }
  });

  it('is no store into the table that was left', () => {
    expect(log[STRAYS]).toBeGreaterThan(0);
    expect(exitsIn(Way.Left, Way.End)).toEqual([]);
    expect(exits.filter((each) => ofTable(each, log[KIT_TABLE]))).toEqual([]);
  });
});

describe('the shadow', () => {
  it('is built anew for each LIDT and each store, in the exit, and when a vector is assigned', () => {
    const built = ofKind(run, Kind.IdtShadow);
    const by = (each: Exit): number => built.filter(({ cause }) => cause === each.row.row).length;
    const loads = exits.filter((each) => each.reason === 'GDTR_IDTR' && identityOf(each) === Identity.lidt);
    const stores = exits.filter((each) => ofTable(each, log[OWN_TABLE]));
    expect([...loads, ...stores].map(by)).toEqual([...loads, ...stores].map(() => 1));
    expect(built).toHaveLength(loads.length + stores.length + 1);
  });

  it('has one gate from then on: that of the one vector of the NIC', () => {
    const built = ofKind(run, Kind.IdtShadow);
    expect(built[0]).toMatchObject({ a: log[KIT_TABLE], b: 0 });
    expect(built.slice(1).map(({ b }) => b)).toEqual(built.slice(1).map(() => 1));
    expect(built.at(-1)).toMatchObject({ a: log[OWN_TABLE] });
  });
});
