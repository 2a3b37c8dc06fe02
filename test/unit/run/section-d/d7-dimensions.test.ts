/** Row D7: what a translation takes in one dimension, and drivers of one machine that its own IOMMU confines from each other. */
import { beforeAll, describe, expect, it } from 'vitest';
import { FaultReason } from '../../../../src/machine/iommu/fault-reasons';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { exitKind, Kind } from '../../../../src/trace/vocabulary/events';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import { between, countedRun, mark, ofKind, trackOf, type CountedRun } from '../../../support/section-a';
import { hangingOn, redone } from '../../../support/walks';

const PAGE = 4096;
const LEVELS = 4;
const REGISTERS = 0xfed90000;
/** Of the drivers: bytes of a transfer, and where a device finds its buffer. */
const BYTES = 1024;
const WINDOW = 0x8000000;
/** 00:03.0 and 00:04.0. */
const [FIRST, SECOND] = [3 << 3, 4 << 3];

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
