/** Row A2: every load and store to the BAR is one row, and a load of ICR takes away what it shows. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, ofKind, trackOf, type CountedRun } from '../../../support/section-a';

const ICR = 0xc0;
const ICS = 0xc8;
const BAR_BYTES = 0x20000;
const PAGE = 4096;

describe('A2: memory-mapped registers without a VMM', () => {
  let run: CountedRun;
  let nic: number;
  let counts: number[];

  beforeAll(async () => {
    run = await countedRun('a2-mmio');
    nic = trackOf(run, 'e1000');
    counts = run.words('a2_counts');
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('has as many rows as the guest has executed loads and stores, page by page', () => {
    const [loads, stores] = counts;
    const reads = ofKind(run, Kind.MmioRead, nic);
    const writes = ofKind(run, Kind.MmioWrite, nic);
    expect(reads.length).toBe(loads);
    expect(writes.length).toBe(stores);
    const pages = run.log.entries.filter(({ isPort }) => !isPort);
    const bar = Math.min(...pages.map(({ address }) => address));
    for (const { address, reads: logged, writes: stored } of pages) {
      expect(address - bar).toBeLessThan(BAR_BYTES);
      const here = ({ a }: { a: number }): boolean => Math.floor(a / PAGE) * PAGE === address - bar;
      expect(reads.filter(here).length).toBe(logged);
      expect(writes.filter(here).length).toBe(stored);
    }
  });

  it('clears ICR by reading it', () => {
    const [, , icrLoads, withCauses] = counts;
    const loads = ofKind(run, Kind.MmioRead, nic).filter(({ a }) => a === ICR);
    expect(loads.length).toBe(icrLoads);
    expect(loads.filter(({ b }) => b !== 0).length).toBe(withCauses);
    let causes = 0;
    for (const { kind, track, a, b } of run.rows) {
      if (track !== nic) continue;
      if (kind === Kind.MmioWrite && a === ICS) causes |= b;
      if (kind !== Kind.MmioRead || a !== ICR || causes === 0) continue;
      expect(b & causes).toBe(causes);
      causes = 0;
    }
    expect(causes).toBe(0);
  });

  it('lets a load wait for its answer, and posts a store', () => {
    const cycles = run.longs('a2_counts').slice(2);
    const [loadCycles, storeCycles] = cycles;
    expect(loadCycles).toBeGreaterThan(storeCycles);
    expect(run.end.summary.exits).toEqual({});
  });
});
