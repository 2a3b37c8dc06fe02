/** Row A9: configuration space by ports and by memory, and interrupts by pin, by MSI and by MSI-X. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { between, countedRun, mark, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const Mark = { configRead: 1, byIntx: 3, byMsi: 4, byMsix: 5, end: 6 } as const;
const EDU_RAISE = 0x60;
/** BAR 0 of `edu` (QEMU, docs/specs/edu): 1 MiB. */
const EDU_BAR_BYTES = 2 ** 20;
/** Registers of 32 bits in a conventional configuration space. */
const REGISTERS = 64;
const FIRST_MSI_ADDRESS = 0xfee0_0000;
/** Of a row of configuration space: the requester ID stands above 4 KiB. */
const SPACE_BYTES = 0x1000;

interface Way {
  vector: number;
  handled: number;
  cycles: number;
  rows: TraceEvent[];
}

describe('A9: PCI Express without a VMM', () => {
  let run: CountedRun;
  let found: { functions: number; compared: number; ecamReads: number; fromMcfg: number; eduBar: number };
  let intx: Way;
  let msi: Way;
  let msix: Way;

  beforeAll(async () => {
    run = await countedRun('a9-pcie');
    const words = run.words('a9_log');
    const [functions, compared, , , , ecamReads, fromMcfg] = words;
    found = { functions, compared, ecamReads, fromMcfg, eduBar: words[8] };
    const way = (index: number, from: number, to: number): Way => {
      const at = 10 + 4 * index;
      return {
        vector: words[at],
        handled: words[at + 1],
        cycles: words[at + 2] + words[at + 3] * 2 ** 32,
        rows: between(run.rows, mark(run, from), mark(run, to)),
      };
    };
    intx = way(0, Mark.byIntx, Mark.byMsi);
    msi = way(1, Mark.byMsi, Mark.byMsix);
    msix = way(2, Mark.byMsix, Mark.end);
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('reads each register of each function by ports and by memory, and both times the same', () => {
    expect(found.compared).toBe(found.functions * REGISTERS);
    const reads = run.rows.filter(
      ({ kind, start }) => kind === Kind.CfgRead && start < mark(run, Mark.configRead).start,
    );
    // Functions that exist: the host bridge at 00:00.0 and the devices of the scenario.
    const requesters = new Set(
      reads.filter(({ b }) => (b & 0xffff) !== 0xffff).map(({ a }) => Math.floor(a / SPACE_BYTES)),
    );
    expect(requesters.size).toBeGreaterThanOrEqual(found.functions);
    const ecam = run.log.entries.filter(
      ({ isPort, address }) => !isPort && address >= 0xb000_0000 && address < 0xc000_0000,
    );
    expect(ecam.length).toBe(found.functions);
    expect(found.fromMcfg).toBe(1);
    expect(ecam.reduce((sum, each) => sum + each.reads, 0)).toBe(found.ecamReads);
  });

  it('finds the size of a BAR by writing ones', () => {
    expect(found.eduBar).toBe(EDU_BAR_BYTES);
  });

  it('handles each interrupt of each way once', () => {
    for (const { rows, vector, handled } of [intx, msi, msix]) {
      const raised = rows.filter(({ kind, a }) => kind === Kind.MmioWrite && a === EDU_RAISE);
      expect(handled).toBe(raised.length);
      expect(handled).toBeGreaterThan(0);
      for (const kind of [Kind.IrqAccept, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi])
        expect(rows.filter((row) => row.kind === kind && row.a === vector).length).toBe(handled);
    }
  });

  it('goes by the IOAPIC with a pin, and past it with a message', () => {
    const count = (rows: TraceEvent[], kind: number): number =>
      rows.filter((row) => row.kind === kind).length;
    expect(count(intx.rows, Kind.IoapicRoute)).toBe(intx.handled);
    expect(count(intx.rows, Kind.Msi)).toBe(0);
    for (const { rows, handled, vector } of [msi, msix]) {
      expect(count(rows, Kind.IoapicRoute)).toBe(0);
      expect(count(rows, Kind.IrqRaise)).toBe(0);
      const messages = rows.filter(({ kind }) => kind === Kind.Msi);
      expect(messages.map(({ a, b }) => [a, b])).toEqual(
        new Array(handled).fill([FIRST_MSI_ADDRESS, vector]),
      );
    }
  });

  it('is at the local APIC earlier by a message than by a pin', () => {
    const nic = trackOf(run, 'edu');
    const toLapic = ({ rows, vector }: Way): number[] => {
      const raised = ofKind(run, Kind.MmioWrite, nic).filter(
        (row) => row.a === EDU_RAISE && rows.includes(row),
      );
      const accepted = rows.filter(({ kind, a }) => kind === Kind.IrqAccept && a === vector);
      return accepted.map(({ start }, i) => start - raised[i].start);
    };
    const slowestMessage = Math.max(...toLapic(msi), ...toLapic(msix));
    expect(slowestMessage).toBeLessThan(Math.min(...toLapic(intx)));
    expect(msi.cycles).toBeLessThan(intx.cycles);
    expect(msix.cycles).toBeLessThan(intx.cycles);
  });
});
