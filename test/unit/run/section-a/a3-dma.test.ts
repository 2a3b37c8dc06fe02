/** Row A3: the device reads and writes memory while the CPU goes on. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, cpuTracks, endOf, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const Mark = { doorbell: 1, counting: 2, allSent: 3, allBack: 4 } as const;
const DESCRIPTOR = 16;
const BUFFER = 2048;
const TX_RING = 16;
const RX_RING = 32;

describe('A3: DMA without a VMM', () => {
  let run: CountedRun;
  let log: { txRing: number; txBuffers: number; rxRing: number; rxBuffers: number };
  let frames: number;
  let bytes: number;
  let counted: number;
  let marks: number;

  const within = (row: TraceEvent, base: number, length: number): boolean =>
    row.a >= base && row.a < base + length;
  const sum = (rows: readonly TraceEvent[]): number => rows.reduce((total, { b }) => total + b, 0);
  const marksOf = (id: number): TraceEvent[] => ofKind(run, Kind.Mark).filter(({ a }) => a === id);

  beforeAll(async () => {
    run = await countedRun('a3-dma');
    const [txRing, txBuffers, rxRing, rxBuffers, ...rest] = run.longs('a3_log');
    log = { txRing, txBuffers, rxRing, rxBuffers };
    [frames, bytes, counted, marks] = rest;
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('moves exactly the bytes that the guest sent and got back', () => {
    const reads = ofKind(run, Kind.DmaRead);
    const writes = ofKind(run, Kind.DmaWrite);
    expect(sum(reads.filter((row) => within(row, log.txBuffers, TX_RING * BUFFER)))).toBe(bytes);
    expect(sum(writes.filter((row) => within(row, log.rxBuffers, RX_RING * BUFFER)))).toBe(bytes);
    // Every descriptor is fetched from its ring once, and something of it is written back.
    expect(sum(reads.filter((row) => within(row, log.txRing, TX_RING * DESCRIPTOR)))).toBe(
      frames * DESCRIPTOR,
    );
    const writtenBack = writes.filter((row) => within(row, log.txRing, TX_RING * DESCRIPTOR));
    expect(writtenBack.length).toBeGreaterThan(0);
    expect(run.end.summary.packets).toEqual({ tx: frames, rx: frames, dropped: 0 });
  });

  it('overlaps DMA spans with spans of the running CPU, which retires instructions meanwhile', () => {
    const [cpu] = cpuTracks(run, 'vcpu');
    const running = ofKind(run, Kind.GuestKernel, cpu);
    const data = ofKind(run, Kind.DmaRead).filter((row) => within(row, log.txBuffers, TX_RING * BUFFER));
    for (const dma of data) {
      const beside = running.filter((span) => span.start < endOf(dma) && endOf(span) > dma.start);
      const overlap = beside.reduce(
        (total, span) => total + Math.min(endOf(span), endOf(dma)) - Math.max(span.start, dma.start),
        0,
      );
      // The CPU never leaves the guest and never sleeps: all of the DMA is beside running code.
      expect(overlap).toBe(dma.duration);
    }
    // The guest's own marks of progress: as many as it says, and some of them in the midst of a DMA span.
    const progress = marksOf(Mark.counting);
    expect(progress.length).toBe(marks);
    expect(counted).toBeGreaterThan(0);
    const amid = progress.filter(({ start }) => data.some((dma) => start > dma.start && start < endOf(dma)));
    expect(amid.length).toBeGreaterThan(0);
  });

  it('shows the CPU what a DMA has written when the DMA is done, not before', () => {
    const writes = ofKind(run, Kind.DmaWrite);
    const covers = (row: TraceEvent, address: number): boolean => row.a <= address && address < row.a + row.b;
    const batch = frames / marksOf(Mark.doorbell).length;
    for (const [round, sent] of marksOf(Mark.allSent).entries()) {
      const last = (round * batch + batch - 1) % TX_RING;
      const status = log.txRing + last * DESCRIPTOR + 12;
      const before = writes.filter((row) => covers(row, status) && endOf(row) <= sent.start);
      expect(before.length).toBeGreaterThan(round / (TX_RING / batch));
    }
  });

  it('needs one store a round', () => {
    const nic = trackOf(run, 'e1000');
    const rounds = marksOf(Mark.doorbell);
    const backs = marksOf(Mark.allBack);
    const writes = [...ofKind(run, Kind.MmioWrite, nic), ...ofKind(run, Kind.MmioRead, nic)];
    rounds.forEach((doorbell, round) => {
      const during = writes.filter(({ start }) => start >= doorbell.start && start < backs[round].start);
      expect(during.length).toBe(1);
    });
  });
});
