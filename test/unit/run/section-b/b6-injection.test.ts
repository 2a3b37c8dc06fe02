/** Row B6: how an interrupt gets into a guest, by where the vCPU is; and what its end costs. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { between, countedRun, endOf, mark, ofKind, type CountedRun } from '../../../support/section-a';
import { causedBy, exitsOf, KERNEL_LEGS, type Exit } from '../../../support/section-b';

const ways = ['in the hypervisor', 'in the guest', 'with interrupts off', 'asleep'] as const;
const Way = { InHost: 0, InGuest: 1, InterruptsOff: 2, Asleep: 3 } as const;
const EOI = 0xb0;
const IRQ_RAISE = 0x60;

describe('B6: injection', () => {
  let run: CountedRun;
  let vector: number;
  let handled: number[];
  let looks: number;
  let all: Exit[];
  const rowsOf = (way: number): TraceEvent[] => between(run.rows, mark(run, way), mark(run, way + 1));
  const exitsIn = (way: number): Exit[] => {
    const rows = new Set(rowsOf(way));
    return all.filter(({ row }) => rows.has(row));
  };
  const count = (way: number, reason: string): number =>
    exitsIn(way).filter((exit) => exit.reason === reason).length;

  beforeAll(async () => {
    run = await countedRun('b6-injection');
    const [first, ...rest] = run.words('b6_log');
    vector = first;
    handled = rest.slice(0, ways.length);
    looks = rest[ways.length];
    all = exitsOf(run);
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    for (const each of handled) expect(each).toBeGreaterThan(0);
  });

  it.each(ways.map((name, way) => [name, way] as const))(
    '%s: each is taken, injected and handled once',
    (_, way) => {
      const rows = rowsOf(way);
      for (const kind of [Kind.IrqAccept, Kind.IrqInject, Kind.IrqDeliver, Kind.Handler]) {
        const found = rows.filter((row) => row.kind === kind && row.a === vector);
        expect(found.length).toBe(handled[way]);
      }
    },
  );

  it('kicks a vCPU only where it runs guest code, and by an IPI that came to its physical CPU', () => {
    expect(ways.map((_, way) => count(way, 'EXTERNAL_INTERRUPT'))).toEqual([0, handled[Way.InGuest], 0, 0]);
    const pcpus = run.store.meta.tracks.filter(
      ({ type, name }) => type === 'interrupts' && name.startsWith('pCPU'),
    );
    for (const { row } of exitsIn(Way.InGuest).filter(({ reason }) => reason === 'EXTERNAL_INTERRUPT')) {
      const cause = run.rows[row.cause];
      expect(cause.kind).toBe(Kind.IrqAccept);
      expect(pcpus.map(({ id }) => id)).toContain(cause.track);
      // The vector of the exit is the host's own.
      expect(row.a).toBe(cause.a);
      expect(row.a).not.toBe(vector);
    }
  });

  it('asks for the interrupt window once while IF is 0, and exits behind STI', () => {
    const windows = ways.map((_, way) => count(way, 'INTERRUPT_WINDOW'));
    expect(windows).toEqual([0, 0, handled[Way.InterruptsOff], 0]);
    const asked = rowsOf(Way.InterruptsOff).filter(({ kind }) => kind === Kind.IrqWindow);
    expect(asked.length).toBe(handled[Way.InterruptsOff]);
    // There was an exit in between, at which nothing could be injected.
    expect(looks).toBe(handled[Way.InterruptsOff]);
  });

  it('sleeps and is woken in the last way only', () => {
    expect(ways.map((_, way) => count(way, 'HLT'))).toEqual([0, 0, 0, handled[Way.Asleep]]);
    for (const { row } of exitsIn(Way.Asleep).filter(({ reason }) => reason === 'HLT')) {
      const inside = run.rows.filter(
        ({ start, kind }) => kind === Kind.IrqInject && row.start < start && start <= endOf(row),
      );
      expect(inside.map(({ a }) => a)).toEqual([vector]);
    }
  });

  it('injects at the end of the very exit that raised it, where the vCPU was in the host for that', () => {
    const raising = exitsIn(Way.InHost).filter(
      ({ row, reason }) => reason === 'EPT_MISCONFIG' && row.a % 0x1000 === IRQ_RAISE,
    );
    expect(raising.length).toBeGreaterThanOrEqual(handled[Way.InHost] - 1);
    for (const { row } of raising) {
      const injected = run.rows.filter(
        ({ kind, start }) => kind === Kind.IrqInject && start > row.start && start < endOf(row),
      );
      expect(injected.map(({ a }) => a)).toEqual([vector]);
    }
  });

  it('ends each by an exit for EOI, which the kernel serves, and lets the IOAPIC deliver the next', () => {
    const total = handled.reduce((sum, each) => sum + each, 0);
    const ends = all.filter(({ row, reason }) => reason === 'APIC_ACCESS' && row.a === EOI);
    expect(ends.length).toBe(total);
    for (const exit of ends) {
      expect(exit.legs.map(({ kind }) => kind)).toEqual(KERNEL_LEGS);
      const [write] = causedBy(run, exit).filter(({ kind }) => kind === Kind.MmioWrite);
      expect(ofKind(run, Kind.IrqEoi).some(({ cause, a }) => cause === write.row && a === vector)).toBe(true);
    }
    // The line is low before: the end of interrupt delivers nothing anew.
    const raised = ofKind(run, Kind.IoapicRoute).filter(({ b }) => b === vector);
    expect(raised.length).toBe(total);
    expect(ofKind(run, Kind.IrqRaise).length).toBe(total);
    expect(ofKind(run, Kind.IrqLower).length).toBe(total);
  });
});
