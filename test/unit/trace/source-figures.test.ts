/** Figures by function and instruction beside sums over all rows. */
import { beforeAll, describe, expect, it } from 'vitest';
import { eventTable } from '../../../src/trace/query/find';
import { registerHistory, registersAt, registerWrites } from '../../../src/trace/query/history';
import { ALL_TIME, perInstruction, sourceFigures } from '../../../src/trace/query/source-figures';
import { isExit } from '../../../src/trace/vocabulary/events';
import { Kind } from '../../../src/trace/vocabulary/events';
import { jobOf, runJob, sample, type FinishedRun } from '../../support/runs';

let run: FinishedRun;
beforeAll(async () => {
  run = runJob(await jobOf(sample('b7-e1000-emulated')));
}, 60_000);

interface Sum {
  exits: number;
  cycles: number;
  longest: number;
}

/** Exits of a stretch of time by a property of their places, by going through all rows. */
function sums(from: number, to: number, key: 'symbol' | 'rip'): Map<string, Sum> {
  const { store } = run;
  const found = new Map<string, Sum>();
  for (let row = 0; row < store.rows; row++) {
    const start = store.startOf(row);
    const name = store.placeAt(store.placeOf(row))?.[key];
    if (!isExit(store.kindOf(row)) || name === undefined || start < from || start >= to) continue;
    const duration = store.durationOf(row);
    const sum = found.get(name) ?? { exits: 0, cycles: 0, longest: 0 };
    found.set(name, {
      exits: sum.exits + 1,
      cycles: sum.cycles + duration,
      longest: Math.max(sum.longest, duration),
    });
  }
  return found;
}

const windows = (): { from: number; to: number }[] => {
  const end = run.store.endTime;
  return [ALL_TIME, { from: end / 3, to: end / 2 }, { from: end - 10, to: end }];
};

describe('figures of code', () => {
  it('are the sums over the rows of the window', () => {
    for (const span of windows()) {
      const { functions, lines } = sourceFigures(run.store, span);
      const instructions = perInstruction(run.store, 0, span);
      const plain = ({ exits, cycles, longest }: Sum): Sum => ({ exits, cycles, longest });
      expect(new Map(functions.map((each) => [each.name, plain(each)]))).toEqual(
        sums(span.from, span.to, 'symbol'),
      );
      expect(new Map(instructions.map((each) => [each.rip, plain(each)]))).toEqual(
        sums(span.from, span.to, 'rip'),
      );
      // Each exit of this guest has a line.
      const all = (rows: readonly { exits: number }[]): number =>
        rows.reduce((sum, row) => sum + row.exits, 0);
      expect(all(lines)).toBe(all(instructions.filter(({ rip }) => lineOf(rip) !== undefined)));
    }
  });

  it('have queries that find as many events', () => {
    const { store } = run;
    const { functions } = sourceFigures(store, ALL_TIME);
    const instructions = perInstruction(store, 0, ALL_TIME);
    expect(functions.length).toBeGreaterThan(3);
    for (const { query, exits } of [...functions, ...instructions]) {
      const table = eventTable(store, { from: 0, to: store.endTime, filter: query, offset: 0, limit: 0 });
      expect(table.total, query).toBe(exits);
    }
  });
});

function lineOf(rip: string): number | undefined {
  return run.store.meta.places.find((place) => place.rip === rip)?.line;
}

describe('registers by the rows', () => {
  const path = ['vm0', 'e1000', 'TDT'];

  it('hold at each write what was written', () => {
    for (const { row, value } of registerWrites(run.store, path)) {
      const nic = registersAt(run.store, row).find(({ name }) => name === 'e1000');
      expect(nic?.registers.find(({ name }) => name === 'TDT')).toMatchObject({ row, value, written: true });
    }
  });

  it('hold at any event what a search backwards through all rows finds', () => {
    const { store } = run;
    const accesses: number[] = [Kind.MmioRead, Kind.MmioWrite, Kind.PioIn, Kind.PioOut];
    for (const share of [0.1, 0.37, 0.81, 1]) {
      const row = Math.floor((store.rows - 1) * share);
      const time = store.startOf(row);
      const latest = new Map<string, number>();
      for (let at = 0; at < store.rows; at++) {
        const start = store.startOf(at);
        if (!accesses.includes(store.kindOf(at)) || start > time || (start === time && at > row)) continue;
        const { registers = {} } = store.trackAt(store.trackOf(at)) ?? {};
        const name = registers[String(store.aOf(at))];
        const key = `${store.trackOf(at)} ${name}`;
        if (name !== undefined && start >= store.startOf(latest.get(key) ?? 0)) latest.set(key, at);
      }
      const found = registersAt(store, row).flatMap(({ track, registers }) =>
        registers.map((access): [string, number] => [`${track} ${access.name}`, access.row]),
      );
      expect(new Map(found)).toEqual(latest);
    }
  });

  it('have a history in which each write follows the one before', () => {
    const writes = registerWrites(run.store, path);
    const { changes, total } = registerHistory(run.store, path);
    expect(total).toBe(writes.length);
    expect(changes.map(({ row, value }) => ({ row, value }))).toEqual(
      writes.map(({ row, value }) => ({ row, value })),
    );
    expect(changes.slice(1).map(({ before }) => before)).toEqual(
      writes.slice(0, -1).map(({ value }) => value),
    );
    for (const { place } of changes) expect(place).toMatch(/^e1000\.c:\d+$/);
  });
});
