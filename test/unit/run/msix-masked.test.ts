/** A vector of MSI-X that is masked while its device interrupts: who sends its message afterwards, and how often. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Bar, MSIX_TABLE } from '../../../src/machine/devices/virtio/pci/layout';
import { barTraceOffset } from '../../../src/machine/pci/bars';
import type { TraceEvent } from '../../../src/trace/query/store';
import { Kind } from '../../../src/trace/vocabulary/events';
import { countedRun, mark, ofKind, trackOf, type CountedRun } from '../../support/section-a';

/** Marks of msix-masked.c; the value is the round. */
const MASKED = 1;
const UNMASK = 2;
const DONE = 3;
const RECEIVE_QUEUE = 0;
/** In the entry of vector 0, which that queue has (PCI 3.0, 6.8.2.9). */
const ENTRY_CONTROL = 12;

/** What the guest has counted. */
function logOf(run: CountedRun) {
  const [rounds, looked, tableWrites, pendingReads, interrupts, vector] = run.words('masked_log');
  return { rounds, looked, tableWrites, pendingReads, interrupts, vector };
}

/** Rows from a row back to its first cause. */
function chainOf(run: CountedRun, row: TraceEvent): TraceEvent[] {
  const rows = new Map(run.rows.map((each) => [each.row, each]));
  const chain: TraceEvent[] = [];
  for (let at: TraceEvent | undefined = row; at; at = rows.get(at.cause)) chain.push(at);
  return chain;
}

/** Per round the row of its mark to unmask, and where it ends: the next round, or the end of all. */
function unmaskings(run: CountedRun, rounds: number): { from: number; to: number }[] {
  return Array.from({ length: rounds }, (_, round) => ({
    from: mark(run, UNMASK, round).start,
    to: (round + 1 < rounds ? mark(run, MASKED, round + 1) : mark(run, DONE)).start,
  }));
}

const samples = [
  ['e0-msix-masked-emulated', false],
  ['e0-msix-masked-vhost', true],
] as const;

describe.each(samples)('%s', (name, vhost) => {
  let run: CountedRun;
  let log: ReturnType<typeof logOf>;

  beforeAll(async () => {
    run = await countedRun(name);
    log = logOf(run);
  });

  it('holds what it expects, and what its guest has checked', () => {
    const { end } = run;
    expect(end.summary.vms[0]?.exitCode).toBe(0);
    expect(end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('interrupts while the vector is masked, and only then', () => {
    const { rounds } = log;
    expect(rounds).toBeGreaterThan(1);
    const raised = ofKind(run, Kind.VirtqInterrupt).filter(({ a }) => a === RECEIVE_QUEUE);
    expect(raised.length).toBe(rounds);
    raised.forEach(({ start }, round) => {
      expect(start).toBeGreaterThan(mark(run, MASKED, round).start);
      expect(start).toBeLessThan(mark(run, UNMASK, round).start);
    });
  });

  it('has one handler for each unmasking', () => {
    const { rounds, interrupts, vector } = log;
    const handlers = ofKind(run, Kind.Handler).filter(({ a }) => a === vector);
    expect(handlers.length).toBe(interrupts);
    for (const { from, to } of unmaskings(run, rounds))
      expect(handlers.filter(({ start }) => start > from && start < to).length).toBe(1);
  });

  it('has its message sent by who was left with it, because of the write that unmasks', () => {
    const { rounds, looked, interrupts } = log;
    const device = trackOf(run, 'virtio-net');
    const byQemu = ofKind(run, Kind.Msi, device);
    const byIrqfd = ofKind(run, Kind.Irqfd, device);
    expect(byQemu.length).toBe(vhost ? looked : rounds);
    expect(byIrqfd.length).toBe(rounds - byQemu.length);
    expect(byQemu.length + byIrqfd.length).toBe(interrupts);
    const ends = unmaskings(run, rounds);
    for (const row of [...byQemu, ...byIrqfd]) {
      expect(ends.filter(({ from, to }) => row.start > from && row.start < to).length).toBe(1);
      const kinds = chainOf(run, row).map(({ kind }) => kind);
      expect(kinds).toContain(Kind.MmioWrite);
      expect(kinds).not.toContain(Kind.VirtqInterrupt);
    }
  });

  it('shows each access of the guest to table and pending bits', () => {
    const { looked, tableWrites, pendingReads, rounds } = log;
    const from = mark(run, MASKED, 0).start;
    const device = trackOf(run, 'virtio-net');
    const bar = barTraceOffset({ index: Bar.msix, kind: 'memory32' });
    const accesses = (kind: number, at: number): TraceEvent[] =>
      ofKind(run, kind, device).filter(({ a }) => a === bar + at);
    expect(looked).toBeGreaterThan(0);
    expect(looked).toBeLessThan(rounds);
    expect(accesses(Kind.MmioRead, MSIX_TABLE.pending).length).toBe(pendingReads);
    // All but the first mask lie behind the first mark; the set-up's writes do not.
    const controls = accesses(Kind.MmioWrite, MSIX_TABLE.table + ENTRY_CONTROL).filter(
      ({ start }) => start > from,
    );
    expect(controls.length).toBe(tableWrites - 1);
  });
});
