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

  it('leaves no exit: nobody is there to leave to', () => {
    expect(run.end.summary.exits).toEqual({});
    expect(run.end.summary.userExits).toBe(0);
  });
});
