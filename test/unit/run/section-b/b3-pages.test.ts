/** Row B3: what is trapped is a page of 4 KiB: a harmless register costs an exit beside others, and none on a page of its own. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { between, countedRun, mark, ofKind, trackOf, type CountedRun } from '../../../support/section-a';
import { exitsOf, userExits, type Exit } from '../../../support/section-b';

const PAGE = 4096;
const Mark = { begin: 1, end: 2 } as const;

/** A run, with what its guest says. */
interface Layout {
  run: CountedRun;
  scratch: number;
  cycles: { scratch: number; liveness: number };
  reads: { scratch: number; liveness: number };
  writes: { scratch: number; liveness: number };
  exits: Exit[];
  rows: TraceEvent[];
}

async function layout(name: string): Promise<Layout> {
  const run = await countedRun(name);
  const words = run.words('b3_log');
  const at = (index: number): number => words[index] + words[index + 1] * 2 ** 32;
  const rows = between(run.rows, mark(run, Mark.begin), mark(run, Mark.end));
  const inside = new Set(rows.map(({ row }) => row));
  return {
    run,
    scratch: at(0),
    cycles: { scratch: at(2), liveness: at(4) },
    reads: { scratch: words[6], liveness: words[8] },
    writes: { scratch: words[7], liveness: words[9] },
    exits: exitsOf(run).filter(({ row, reason }) => inside.has(row.row) && reason.startsWith('EPT_')),
    rows,
  };
}

describe('B3: the page is what is trapped', () => {
  let shared: Layout;
  let own: Layout;
  const both = (): Layout[] => [shared, own];
  const accesses = ({ reads, writes }: Layout, of: 'scratch' | 'liveness'): number => reads[of] + writes[of];
  const onPage = ({ exits }: Layout, address: number): Exit[] =>
    exits.filter(({ row }) => Math.floor(row.a / PAGE) === Math.floor(address / PAGE));

  beforeAll(async () => {
    shared = await layout('b3-page-shared');
    own = await layout('b3-page-own');
  });

  it('ends well, and holds what it expects', () => {
    for (const { run } of both()) {
      expect(run.end.summary.vms[0]?.exitCode).toBe(0);
      expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    }
    expect(accesses(shared, 'scratch')).toBe(accesses(own, 'scratch'));
    expect(accesses(shared, 'scratch')).toBeGreaterThan(0);
  });

  it('has a row for each access to the scratch memory, whether it left the guest or not', () => {
    for (const { run, rows, reads, writes } of both()) {
      const edu = trackOf(run, 'edu');
      const registers = run.store.meta.tracks[edu].registers ?? {};
      const named = (kind: number): number =>
        ofKind({ ...run, rows }, kind, edu).filter(({ a }) => registers[String(a)] === 'SCRATCH').length;
      expect(named(Kind.MmioRead)).toBe(reads.scratch);
      expect(named(Kind.MmioWrite)).toBe(writes.scratch);
    }
  });

  it('exits for each access to a shared page, to QEMU', () => {
    const exits = onPage(shared, shared.scratch);
    expect(exits.length).toBe(accesses(shared, 'scratch') + accesses(shared, 'liveness'));
    expect(exits.filter(({ row }) => row.a === shared.scratch).length).toBe(accesses(shared, 'scratch'));
    for (const exit of exits) expect(userExits(exit)).toBe(1);
  });

  it('exits for none to the page of its own, and for all others as before', () => {
    expect(onPage(own, own.scratch)).toEqual([]);
    expect(own.exits.length).toBe(accesses(own, 'liveness'));
  });

  it('costs the guest as much as a register that is emulated, or next to nothing', () => {
    const spent = (exits: Exit[]): number => exits.reduce((sum, { row }) => sum + row.duration, 0);
    const saved = shared.cycles.scratch - own.cycles.scratch;
    const ofScratch = shared.exits.filter(({ row }) => row.a === shared.scratch);
    const ofLiveness = shared.exits.filter(({ row }) => row.a !== shared.scratch);
    // Beside the exits there are the guest's own instructions: fewer than anybody would care about.
    for (const [cycles, exits] of [
      [shared.cycles.scratch, ofScratch],
      [shared.cycles.liveness, ofLiveness],
    ] as const) {
      expect(cycles).toBeGreaterThan(spent(exits));
      expect(cycles).toBeLessThan(1.01 * spent(exits));
    }
    // What is saved is the time of the exits, and nothing else.
    expect(saved).toBe(spent(ofScratch));
  });
});
