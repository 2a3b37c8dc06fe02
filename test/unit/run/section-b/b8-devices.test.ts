/** Row B8: what is no NIC: a UART at ports, and the teaching device with its DMA and its messages. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { between, countedRun, mark, ofKind, trackOf, type CountedRun } from '../../../support/section-a';
import { exitsOf, userExits } from '../../../support/section-b';

describe('B8: edu', () => {
  let run: CountedRun;
  let log: Record<
    'reads' | 'writes' | 'factorials' | 'transfers' | 'interrupts' | 'vector' | 'bytes',
    number
  >;
  let rows: TraceEvent[];
  let edu: number;

  beforeAll(async () => {
    run = await countedRun('b8-edu');
    const [reads, writes, factorials, transfers, interrupts, vector, low, high] = run.words('b8_log');
    log = { reads, writes, factorials, transfers, interrupts, vector, bytes: low + high * 2 ** 32 };
    rows = between(run.rows, mark(run, 1), mark(run, 3));
    edu = trackOf(run, 'edu');
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('exits to QEMU once for each register access that the guest counted', () => {
    const of = (kind: number): number => rows.filter((row) => row.kind === kind && row.track === edu).length;
    expect(of(Kind.MmioRead)).toBe(log.reads);
    expect(of(Kind.MmioWrite)).toBe(log.writes);
    const inside = new Set(rows);
    const exits = exitsOf(run).filter(({ row, reason }) => inside.has(row) && reason.startsWith('EPT_'));
    expect(exits.length).toBe(log.reads + log.writes);
    expect(exits.reduce((sum, exit) => sum + userExits(exit), 0)).toBe(log.reads + log.writes);
  });

  it('moves the bytes by DMA alone, in both directions', () => {
    const moved = (kind: number): number => ofKind(run, kind).reduce((sum, { b }) => sum + b, 0);
    expect(moved(Kind.DmaRead) + moved(Kind.DmaWrite)).toBe(log.bytes);
    expect(moved(Kind.DmaRead)).toBe(moved(Kind.DmaWrite));
    expect(ofKind(run, Kind.DmaRead).length + ofKind(run, Kind.DmaWrite).length).toBe(log.transfers);
  });

  it('interrupts by a message for each factorial and each transfer, and not by its pin', () => {
    expect(log.interrupts).toBe(log.factorials + log.transfers);
    expect(ofKind(run, Kind.Msi, edu).length).toBe(log.interrupts);
    expect(ofKind(run, Kind.IrqInject).filter(({ a }) => a === log.vector).length).toBe(log.interrupts);
    expect(ofKind(run, Kind.IoapicRoute)).toEqual([]);
  });
});

describe('B8: the UART', () => {
  let run: CountedRun;
  let log: Record<'reads' | 'writes' | 'characters' | 'interrupts' | 'bursts', number>;

  beforeAll(async () => {
    run = await countedRun('b8-uart');
    const [reads, writes, characters, interrupts, bursts] = run.words('b8_uart_log');
    log = { reads, writes, characters, interrupts, bursts };
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(run.serial.length).toBe(log.characters);
  });

  it('exits to QEMU once for each port access that the guest counted', () => {
    const inside = new Set(between(run.rows, mark(run, 1), mark(run, 2)));
    const exits = exitsOf(run).filter(({ row, reason }) => inside.has(row) && reason === 'IO_INSTRUCTION');
    expect(exits.length).toBe(log.reads + log.writes);
    for (const exit of exits) expect(userExits(exit)).toBe(1);
    // One for each character, and few beside.
    expect(log.writes).toBeGreaterThan(log.characters);
    expect(log.writes).toBeLessThan(1.2 * log.characters);
  });

  it('fills the FIFO once for each interrupt', () => {
    expect(log.bursts).toBe(log.interrupts);
    expect(ofKind(run, Kind.Handler).length).toBe(log.interrupts);
    expect(log.characters).toBeGreaterThan(8 * log.interrupts);
  });

  it('asks less often than a driver that polls', async () => {
    const polling = await countedRun('uart');
    const exits = (of: CountedRun): number => of.end.summary.exits['IO_INSTRUCTION'] / of.serial.length;
    expect(exits(run)).toBeLessThan(exits(polling));
  });
});
