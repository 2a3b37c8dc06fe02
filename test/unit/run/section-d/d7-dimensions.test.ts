/** Row D7: what a translation takes in one dimension, and drivers of one machine that its own IOMMU confines from each other. */
import { beforeAll, describe, expect, it } from 'vitest';
import { FaultReason } from '../../../../src/machine/iommu/fault-reasons';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { entryKinds, exitKind, Kind } from '../../../../src/trace/vocabulary/events';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import {
  between,
  countedRun,
  endOf,
  mark,
  ofKind,
  trackOf,
  type CountedRun,
} from '../../../support/section-a';
import { hangingOn, redone } from '../../../support/walks';

const PAGE = 4096;
const LEVELS = 4;
const REGISTERS = 0xfed90000;
/** Of the drivers: bytes of a transfer, and where a device finds its buffer. */
const BYTES = 1024;
const WINDOW = 0x8000000;
/** 00:03.0 and 00:04.0. */
const [FIRST, SECOND] = [3 << 3, 4 << 3];

const pageOf = (address: number): number => address - (address % PAGE);
const firstStage: readonly number[] = [entryKinds.fs1, entryKinds.fs2, entryKinds.fs3, entryKinds.fs4];
const secondStage: readonly number[] = [entryKinds.ss1, entryKinds.ss2, entryKinds.ss3, entryKinds.ss4];

const dmaOf = (rows: readonly TraceEvent[]): TraceEvent[] =>
  rows.filter(({ kind }) => kind === Kind.DmaRead || kind === Kind.DmaWrite);
const walksOf = (rows: readonly TraceEvent[]): TraceEvent[] =>
  rows.filter(({ kind }) => kind === Kind.IommuWalk);

/** Paging entries that are read for each access, with an IOTLB and paging-structure caches that never run full; 0: a hit. */
function referencesOf(addresses: readonly number[]): number[] {
  const known = new Set<string>();
  return addresses.map((address) => {
    const prefix = (level: number): string => `${level}:${Math.floor(address / 2 ** (12 + 9 * (level - 1)))}`;
    let from = 1;
    while (from <= LEVELS && !known.has(prefix(from))) from += 1;
    for (let level = 1; level <= LEVELS; level++) known.add(prefix(level));
    return from - 1;
  });
}

/** What the guest has counted of accesses to the unit's registers. */
function registerAccesses({ log }: CountedRun): { reads: number; writes: number } {
  const page = log.entries.find(({ address }) => address === REGISTERS);
  return { reads: page?.reads ?? 0, writes: page?.writes ?? 0 };
}

const memoryExits = [exitKind(VmxExit.EPT_MISCONFIG), exitKind(VmxExit.EPT_VIOLATION)];
const exitsOf = (run: CountedRun): TraceEvent[] => run.rows.filter(({ kind }) => memoryExits.includes(kind));

const inVm = (text: string): string => text.replace('"vmm": "none",', '');
const withoutIommu = (text: string): string => text.replace('"vt-d"', '"none"');

describe('D7: the driver of a machine owns its IOMMU', () => {
  const PAGES = 4;
  const ROUNDS = 2;
  let bare: CountedRun;
  let virtual: CountedRun;

  beforeAll(async () => {
    bare = await countedRun('d7-no-vm');
    virtual = await countedRun('d7-no-vm', inVm);
  });

  it('ends well on both, having moved the same', () => {
    for (const run of [bare, virtual]) {
      expect(run.end.meta.message).toBeUndefined();
      expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
      // In the last transfer, which is refused, nothing moves.
      const [translated, transfers, bytes, faults] = run.words('d7_log');
      expect([translated, transfers, bytes, faults]).toEqual([
        1,
        2 * PAGES * ROUNDS + 1,
        (2 * PAGES * ROUNDS + 1) * BYTES,
        1,
      ]);
      expect(dmaOf(run.rows).length).toBe(transfers - faults);
    }
  });

  it('walks four levels for the first page, one for its neighbours, and none for what the IOTLB knows', () => {
    const accesses = Array.from({ length: ROUNDS }, () =>
      Array.from({ length: PAGES }, (_, page) => [WINDOW + page * PAGE, WINDOW + page * PAGE + BYTES]).flat(),
    ).flat();
    const expected = referencesOf(accesses).filter((references) => references > 0);
    expect(expected).toEqual([LEVELS, ...Array.from({ length: PAGES - 1 }, () => 1)]);
    for (const run of [bare, virtual]) {
      const rows = between(run.rows, mark(run, 1), mark(run, 2));
      expect(dmaOf(rows).map(({ a }) => a)).toEqual(accesses);
      expect(walksOf(rows).map(({ a, b }) => [a, b])).toEqual(expected.map((each) => [each, LEVELS]));
      const hits = rows.filter(({ kind }) => kind === Kind.IommuHit);
      expect(hits.length).toBe(accesses.length - expected.length);
    }
  });

  it('reads the entries that the driver has written, which lead to its buffer', () => {
    for (const run of [bare, virtual]) {
      const memory = run.longs('d7_log')[3];
      const [first] = walksOf(run.rows);
      const again = redone(run, first, FIRST, WINDOW);
      expect(again).toMatchObject({ references: LEVELS, others: 2, level: 1, to: memory });
      const found = hangingOn(run, first).find(({ kind }) => kind === Kind.IommuTranslation);
      expect([found?.a, found?.b]).toEqual([WINDOW, memory]);
    }
  });

  it('takes the time of its references from the transfer on the bus, and that of a copy in QEMU', () => {
    const { costs } = bare.end.meta;
    const [first] = walksOf(bare.rows);
    expect(first.duration).toBe(costs['iommu.lookup'] + (LEVELS + 2) * costs['iommu.reference']);
    const transfers = dmaOf(bare.rows);
    const plain = transfers[1].duration - costs['iommu.lookup'];
    expect(transfers[0].cause).toBe(first.row);
    expect(transfers[0].duration - plain).toBe(first.duration);
    const [copied] = walksOf(virtual.rows);
    expect(copied.duration).toBe((1 + LEVELS + 2) * costs['device.dmaSetup']);
    const copies = dmaOf(virtual.rows);
    expect(copies[0].cause).toBe(copied.row);
    expect(copies[0].duration - copies[1].duration).toBe(copied.duration - costs['device.dmaSetup']);
  });

  it('refuses what was unmapped, from the first level on, as the invalidation has taken every cached entry of the page', () => {
    for (const run of [bare, virtual]) {
      const [fault, ...others] = ofKind(run, Kind.IommuFault);
      expect(others).toEqual([]);
      expect([fault.a, fault.b]).toEqual([WINDOW, FaultReason.WriteDenied]);
      expect(run.rows[fault.cause]).toMatchObject({ kind: Kind.IommuWalk, a: LEVELS });
      const waits = between(ofKind(run, Kind.IommuWait), mark(run, 2), mark(run, 3));
      expect(waits.length).toBe(1);
      expect(waits[0].start).toBeLessThan(fault.start);
    }
  });

  it('is reached by an exit to QEMU for each register access in a VM, and by none without one', () => {
    const { reads, writes } = registerAccesses(virtual);
    expect(reads).toBeGreaterThan(0);
    expect(writes).toBe(registerAccesses(bare).writes);
    const iommu = trackOf(virtual, 'IOMMU');
    const reaching = exitsOf(virtual).filter((exit) =>
      hangingOn(virtual, exit).some(({ track }) => track === iommu),
    );
    expect(reaching.length).toBe(reads + writes);
    // KVM finds out at the first access to the page that it is no memory.
    const missed = reaching.map(({ kind }) => kind === exitKind(VmxExit.EPT_VIOLATION));
    expect(missed).toEqual(reaching.map((_, index) => index === 0));
    expect(exitsOf(bare)).toEqual([]);
  });

  it('finds no IOMMU where the machine has none, and does its work by physical addresses', async () => {
    const run = await countedRun('d7-no-vm', withoutIommu);
    const [translated, transfers, , faults] = run.words('d7_log');
    expect([translated, transfers, faults]).toEqual([0, 2 * PAGES * ROUNDS, 0]);
    expect(walksOf(run.rows)).toEqual([]);
  });
});

describe('D7: one dimension in a VM', () => {
  const PAGES = 4;
  const ROUNDS = 2;
  let run: CountedRun;

  beforeAll(async () => {
    run = await countedRun('d7-1d');
  });

  it('takes the four references of the second stage for a page that no cache knows, at addresses that the guest takes for physical', () => {
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    const [translated, transfers, , faults] = run.words('d7_log');
    expect([translated, transfers, faults]).toEqual([0, 2 * PAGES * ROUNDS, 0]);
    const [window] = run.longs('d7_log').slice(2);
    const walks = walksOf(run.rows);
    expect(walks.map(({ a, b }) => [a, b])).toEqual(Array.from({ length: PAGES }, () => [LEVELS, LEVELS]));
    // The context cache knows the function from the first walk on.
    for (const [page, walk] of walks.entries()) {
      const others = page === 0 ? 2 : 0;
      expect(redone(run, walk, FIRST, window + page * PAGE)).toMatchObject({ references: LEVELS, others });
    }
    const read = walks
      .flatMap((walk) => hangingOn(run, walk))
      .filter(({ kind }) => secondStage.includes(kind));
    expect(read.length).toBe(LEVELS * PAGES);
    expect(ofKind(run, Kind.IommuHit).length).toBe(transfers - PAGES);
  });
});

describe('D7: two dimensions', () => {
  const PAGES = 4;
  const ROUNDS = 2;
  /** Accesses of each page in a round: one reads, one writes. */
  const each = PAGES * ROUNDS;
  /** Each table of the first stage, and what its last entry says, is found by a walk of the second. */
  const NESTED = (LEVELS + 1) * LEVELS + LEVELS;
  let nested: CountedRun;
  let remembering: CountedRun;

  beforeAll(async () => {
    nested = await countedRun('d7-2d');
    remembering = await countedRun('d7-2d', (text) => text.replace(', "pagingStructureEntries": 0', ''));
  });

  const isOfFirst = ({ kind }: TraceEvent): boolean => firstStage.includes(kind);
  const isOfSecond = ({ kind }: TraceEvent): boolean => secondStage.includes(kind);

  it('does for the driver what its IOMMU does on a bare machine', () => {
    for (const run of [nested, remembering]) {
      expect(run.end.meta.message).toBeUndefined();
      expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
      const [translated, transfers, , faults] = run.words('d7_log');
      // The fault is the host's: its guest is not told.
      expect([translated, transfers, faults]).toEqual([1, 2 * each + 1, 0]);
      expect(dmaOf(run.rows).length).toBe(2 * each);
    }
  });

  it('takes 24 references for a page that no cache knows', () => {
    expect(NESTED).toBe(24);
    const rows = between(nested.rows, mark(nested, 1), mark(nested, 2));
    const walks = walksOf(rows);
    // A page is walked for once more when it is first written to, as its dirty bit has to be set (3.6.2).
    expect(walks.map(({ a, b }) => [a, b])).toEqual(
      Array.from({ length: 2 * PAGES }, () => [NESTED, 2 * LEVELS]),
    );
    expect(rows.filter(({ kind }) => kind === Kind.IommuHit).length).toBe(2 * each - walks.length);
  });

  it('reads the entries of the guest at guest-physical addresses, each found by the tables of its VM', () => {
    const base = ofKind(nested, Kind.MemorySlot)[0].b;
    const [given] = ofKind(nested, Kind.VfioNested);
    const [, , , memory] = nested.longs('d7_log');
    const entries = hangingOn(nested, walksOf(nested.rows)[0]);
    const first = entries.filter(isOfFirst);
    expect(first.length).toBe(LEVELS);
    let table = given.a;
    for (const [index, entry] of first.entries()) {
      const level = LEVELS - index;
      const at = table + 8 * (Math.floor(WINDOW / 2 ** (12 + 9 * (level - 1))) % 512);
      expect(entry.a).toBe(base + at);
      const before = entries.slice(0, entries.indexOf(entry)).filter(isOfSecond).slice(-LEVELS);
      expect(before.length).toBe(LEVELS);
      expect(pageOf(before[LEVELS - 1].b)).toBe(base + pageOf(at));
      table = pageOf(entry.b);
    }
    expect(table).toBe(memory);
    const found = entries.find(({ kind }) => kind === Kind.IommuTranslation);
    expect([found?.a, found?.b]).toEqual([WINDOW, base + memory]);
  });

  it('takes half of them when upper tables are remembered, though each page is found only once', () => {
    // The second stage's upper three entries serve all of the guest's tables, which lie near each other.
    const [first, ...others] = walksOf(between(remembering.rows, mark(remembering, 1), mark(remembering, 2)));
    expect(first.a).toBe(LEVELS + LEVELS + LEVELS);
    // The last level of each stage: the table of the guest's is known by where it stands.
    expect(others.map(({ a }) => a)).toEqual(Array.from({ length: 2 * PAGES - 1 }, () => 2));
  });

  it('has the device within what the guest has mapped: after the unmapping its access is refused, and the host told', () => {
    for (const run of [nested, remembering]) {
      const [fault, ...others] = ofKind(run, Kind.IommuFault);
      expect(others).toEqual([]);
      expect([fault.a, fault.b]).toEqual([WINDOW, FaultReason.FirstStageNotPresent]);
      expect(fault.start).toBeGreaterThan(mark(run, 2).start);
      const units = [...new Set(ofKind(run, Kind.IommuWait).map(({ track }) => track))];
      expect(units.length).toBe(2);
      // What the guest has waited for the host's unit had done.
      const after = mark(run, 2).start;
      const [host, guest] = units.map((unit) =>
        ofKind(run, Kind.IommuWait, unit).filter((row) => row.start > after),
      );
      expect(guest.length).toBe(1);
      for (const wait of host) expect(endOf(wait)).toBeLessThanOrEqual(endOf(guest[0]));
    }
  });
});

describe('D7: two drivers of one VM', () => {
  const ATTACKS = 3;
  let run: CountedRun;
  let open: CountedRun;

  beforeAll(async () => {
    run = await countedRun('d7-confined');
    open = await countedRun('d7-confined', withoutIommu);
  });

  it('reach each its own buffer by the same address', () => {
    const rows = between(run.rows, mark(run, 1), mark(run, 2));
    const found = rows.filter(({ kind, a }) => kind === Kind.IommuTranslation && a === WINDOW);
    expect(found.length).toBe(2);
    expect(found[0].b).not.toBe(found[1].b);
    const walks = found.map(({ cause }) => run.rows[cause]);
    expect(walks.map(({ a }) => a)).toEqual([LEVELS, LEVELS]);
    for (const [index, requester] of [FIRST, SECOND].entries())
      expect(redone(run, walks[index], requester, WINDOW).to).toBe(found[index].b);
  });

  it('cannot have their devices reach any other: the IOMMU tells who has tried', () => {
    const [confined, , attacks, overwritten, faults, offender] = run.words('confined_log');
    expect([confined, attacks, overwritten, faults, offender]).toEqual([1, ATTACKS, 0, ATTACKS, SECOND]);
    const [goodBuffer] = ofKind(run, Kind.IommuTranslation).map(({ b }) => b);
    const told = ofKind(run, Kind.IommuFault);
    expect(told.map(({ a, b }) => [a, b])).toEqual(
      Array.from({ length: ATTACKS }, () => [goodBuffer, FaultReason.WriteDenied]),
    );
    for (const fault of told) expect(dmaOf(hangingOn(run, fault))).toEqual([]);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('could, without the IOMMU', () => {
    const [confined, , attacks, overwritten, faults] = open.words('confined_log');
    expect([confined, attacks, overwritten, faults]).toEqual([0, ATTACKS, ATTACKS, 0]);
  });
});
