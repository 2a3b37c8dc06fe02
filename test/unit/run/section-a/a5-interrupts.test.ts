/** Row A5: one interrupt from all sides, as the guest has seen it and as the trace has. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, cpuTracks, endOf, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const Mark = { pending: 1, inService: 2, masked: 3, unmasked: 4 } as const;

describe('A5: interrupts without a VMM', () => {
  let run: CountedRun;
  let seen: { ring0: number; cpl3: number; pending: number; inService: number; masked: number };
  let vectors: { self: number; timer: number; nic: number };

  const marks = (id: number): TraceEvent[] => ofKind(run, Kind.Mark).filter(({ a }) => a === id);
  const of = (kind: number, vector: number): TraceEvent[] =>
    ofKind(run, kind).filter(({ a }) => a === vector);

  beforeAll(async () => {
    run = await countedRun('a5-interrupts');
    const [ring0, cpl3, pending, inService, masked, self, timer, nic] = run.words('a5_log');
    seen = { ring0, cpl3, pending, inService, masked };
    vectors = { self, timer, nic };
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('accepts, delivers, handles and ends each interrupt once, as often as the guest has counted', () => {
    const all = seen.ring0 + seen.cpl3;
    expect(seen.inService).toBe(all);
    for (const kind of [Kind.IrqAccept, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi]) {
      const expected = {
        [vectors.self]: seen.pending,
        [vectors.nic]: seen.masked,
        [vectors.timer]: seen.cpl3,
      };
      for (const [vector, count] of Object.entries(expected))
        expect(of(kind, Number(vector)).length, `kind ${kind}, vector ${vector}`).toBe(count);
      expect(ofKind(run, kind).length).toBe(all);
    }
  });

  it('shows each in the order pending, in service, ended', () => {
    for (const vector of Object.values(vectors)) {
      const accepted = of(Kind.IrqAccept, vector);
      const delivered = of(Kind.IrqDeliver, vector);
      const handled = of(Kind.Handler, vector);
      of(Kind.IrqEoi, vector).forEach((eoi, i) => {
        expect(accepted[i].start).toBeLessThanOrEqual(delivered[i].start);
        expect(delivered[i].start).toBeLessThanOrEqual(handled[i].start);
        expect(handled[i].start).toBeLessThan(eoi.start);
        expect(eoi.start).toBeLessThan(endOf(handled[i]));
        // The handler's own look at the ISR lies between delivery and end.
        const looks = marks(Mark.inService).filter(({ b, start }) => b === vector && start < eoi.start);
        expect(looks[i].start).toBeGreaterThan(delivered[i].start);
      });
    }
  });

  it('leaves it pending while IF is 0', () => {
    const accepted = of(Kind.IrqAccept, vectors.self);
    const delivered = of(Kind.IrqDeliver, vectors.self);
    marks(Mark.pending).forEach((look, i) => {
      expect(look.start).toBeGreaterThan(accepted[i].start);
      expect(look.start).toBeLessThan(delivered[i].start);
    });
    expect(marks(Mark.pending).length).toBe(seen.pending);
  });

  it('keeps a masked one in the device until the input is unmasked', () => {
    const raised = ofKind(run, Kind.IrqRaise, trackOf(run, 'e1000'));
    const accepted = of(Kind.IrqAccept, vectors.nic);
    const unmasked = marks(Mark.unmasked);
    expect(raised.length).toBe(seen.masked);
    marks(Mark.masked).forEach((look, i) => {
      expect(raised[i].start).toBeLessThanOrEqual(look.start);
      expect(accepted[i].start).toBeGreaterThan(look.start);
      expect(accepted[i].start).toBeLessThan(unmasked[i].start);
    });
  });

  it('takes the timer at CPL 3 and its handler at CPL 0', () => {
    const [cpu] = cpuTracks(run, 'vcpu');
    const modeAt = (time: number): number | undefined =>
      run.rows.find(
        ({ track, kind, start, duration }) =>
          track === cpu &&
          (kind === Kind.GuestKernel || kind === Kind.GuestUser) &&
          start <= time &&
          time < start + duration,
      )?.kind;
    const delivered = of(Kind.IrqDeliver, vectors.timer);
    expect(delivered.filter(({ start }) => modeAt(start - 1) === Kind.GuestUser).length).toBe(seen.cpl3);
    for (const eoi of of(Kind.IrqEoi, vectors.timer)) expect(modeAt(eoi.start)).toBe(Kind.GuestKernel);
    for (const handler of of(Kind.Handler, vectors.timer))
      expect(modeAt(endOf(handler) + 1)).toBe(Kind.GuestUser);
    expect(
      of(Kind.IrqDeliver, vectors.self).filter(({ start }) => modeAt(start - 1) === Kind.GuestUser),
    ).toEqual([]);
  });
});
