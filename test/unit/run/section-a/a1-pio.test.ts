/** Row A1: port accesses reach the bus where the privilege level, IOPL or the bitmap of the TSS allows them, and only there. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, cpuTracks, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const PORTS = [0x3fe, 0x3ff];
/** The same as offsets of the UART. */
const REGISTERS = [6, 7];

describe('A1: port I/O without a VMM', () => {
  let run: CountedRun;
  let counts: { reads: number; writes: number; refusedReads: number; refusedWrites: number; stays: number };

  beforeAll(async () => {
    run = await countedRun('a1-pio');
    const [reads, writes, refusedReads, refusedWrites, stays] = run.words('a1_counts');
    counts = { reads, writes, refusedReads, refusedWrites, stays };
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('has a row for each access that the guest was allowed, and none for one that ended in #GP', () => {
    const uart = trackOf(run, 'UART');
    const onPorts = (kind: number): number =>
      ofKind(run, kind, uart).filter(({ a }) => REGISTERS.includes(a)).length;
    expect(onPorts(Kind.PioIn)).toBe(counts.reads);
    expect(onPorts(Kind.PioOut)).toBe(counts.writes);
    // The kit counts an access right before its instruction: also the ones that were refused.
    const entries = run.log.entries.filter(({ isPort, address }) => isPort && PORTS.includes(address));
    const logged = (of: 'reads' | 'writes'): number => entries.reduce((sum, entry) => sum + entry[of], 0);
    expect(logged('reads')).toBe(counts.reads + counts.refusedReads);
    expect(logged('writes')).toBe(counts.writes + counts.refusedWrites);
    expect(counts.refusedReads).toBeGreaterThan(0);
    expect(counts.refusedWrites).toBeGreaterThan(0);
  });

  it('gives each read of the scratch register what was written last', () => {
    const uart = trackOf(run, 'UART');
    let last = 0;
    for (const { kind, track, a, b } of run.rows) {
      if (track !== uart || a !== REGISTERS[1]) continue;
      if (kind === Kind.PioOut) last = b;
      if (kind === Kind.PioIn) expect(b).toBe(last);
    }
  });

  it('has a span at CPL 3 for each stay there, however it ended', () => {
    const [cpu] = cpuTracks(run, 'vcpu');
    expect(ofKind(run, Kind.GuestUser, cpu).length).toBe(counts.stays);
  });

  it('shows CPL 0 and CPL 3 in turns, without a gap, from the first instruction to the last', () => {
    const [cpu] = cpuTracks(run, 'vcpu');
    const modes = run.rows.filter(
      ({ kind, track }) => track === cpu && (kind === Kind.GuestUser || kind === Kind.GuestKernel),
    );
    expect(modes.map(({ kind }) => kind)).toEqual(
      Array.from({ length: 2 * counts.stays + 1 }, (_, i) => (i % 2 ? Kind.GuestUser : Kind.GuestKernel)),
    );
    expect(modes[0].start).toBe(0);
    for (const [i, { start }] of modes.entries()) {
      if (i > 0) expect(start).toBe(modes[i - 1].start + modes[i - 1].duration);
    }
    // The kit's marks are made in ring 0, an allowed access between two of them in either.
    const at = (time: number): number | undefined =>
      modes.find(({ start, duration }) => start <= time && time < start + duration)?.kind;
    for (const { start } of ofKind(run, Kind.Mark)) expect(at(start)).toBe(Kind.GuestKernel);
    const [firstUser] = modes.filter(({ kind }) => kind === Kind.GuestUser);
    const uart = trackOf(run, 'UART');
    const beyond = run.rows.filter(
      ({ kind, track, a, start }) =>
        (kind === Kind.PioIn || kind === Kind.PioOut) &&
        track === uart &&
        REGISTERS.includes(a) &&
        start > firstUser.start,
    );
    expect(beyond.length).toBeGreaterThan(0);
    for (const { start } of beyond) expect(at(start)).toBe(Kind.GuestUser);
  });

  it('leaves no exit: nobody is there to leave to', () => {
    expect(run.end.summary.exits).toEqual({});
    expect(run.end.summary.userExits).toBe(0);
  });
});
