/** Row A4: HEAD is the device's, TAIL is the driver's, and both extremes of a ring are reached. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const Mark = { full: 1, empty: 2 } as const;
const Reg = { TDBAL: 0x3800, TDLEN: 0x3808, TDT: 0x3818 } as const;

describe('A4: a descriptor ring without a VMM', () => {
  let run: CountedRun;
  let nic: number;
  let log: {
    tailWrites: number;
    frames: number;
    full: number;
    empty: number;
    bytes: number;
    descriptors: number;
  };

  beforeAll(async () => {
    run = await countedRun('a4-rings');
    nic = trackOf(run, 'e1000');
    const [tailWrites, frames, full, empty, bytes, descriptors] = run.words('a4_log');
    log = { tailWrites, frames, full, empty, bytes, descriptors };
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    expect(run.end.summary.packets.tx).toBe(log.frames);
  });

  it('is told base and length once', () => {
    const written = (register: number): number[] =>
      ofKind(run, Kind.MmioWrite, nic)
        .filter(({ a }) => a === register)
        .map(({ b }) => b);
    const [, , , , , , base] = run.words('a4_log');
    expect(written(Reg.TDBAL)).toEqual([base]);
    expect(written(Reg.TDLEN)).toEqual([log.bytes]);
  });

  it('has a row for each step of TAIL, by the driver, and of HEAD, by the device', () => {
    const tails = ofKind(run, Kind.RingTail, nic).map(({ a }) => a);
    const stores = ofKind(run, Kind.MmioWrite, nic).filter(({ a }) => a === Reg.TDT);
    expect(tails.length).toBe(log.tailWrites);
    expect(tails).toEqual(stores.map(({ b }) => b));
    // One descriptor a frame: HEAD takes every place in turn, and none twice.
    const heads = ofKind(run, Kind.RingHead, nic).map(({ a }) => a);
    const steps = heads.map((head, i) => (head - (heads[i - 1] ?? 0) + log.descriptors) % log.descriptors);
    expect(steps.reduce((total, step) => total + step, 0)).toBe(log.frames);
    expect(steps.filter((step) => step === 0)).toEqual([]);
  });

  it('is full and empty as often as the driver says, and where it says', () => {
    const { descriptors } = log;
    const next = (place: number): number => (place + 1) % descriptors;
    const marks = (id: number): { head: number; tail: number }[] =>
      ofKind(run, Kind.Mark)
        .filter(({ a }) => a === id)
        .map(({ b }) => ({ head: b >> 8, tail: b & 0xff }));
    expect(marks(Mark.full).length).toBe(log.full);
    expect(marks(Mark.empty).length).toBe(log.empty);
    for (const { head, tail } of marks(Mark.full)) expect(next(tail)).toBe(head);
    for (const { head, tail } of marks(Mark.empty)) expect(head).toBe(tail);
    // The same from the rows, without the guest: TAIL has come up to HEAD from behind, and HEAD up to TAIL.
    const fullRows = ofKind(run, Kind.RingTail, nic).filter(({ a, b }) => next(a) === b);
    expect(fullRows.length).toBe(log.full);
    const emptyRows = ofKind(run, Kind.RingHead, nic).filter(({ a, b }) => a === b);
    expect(emptyRows.length).toBe(log.empty);
  });
});
