/** Row D7 by shadowing: a guest in caching mode tells of each change of its tables, and the host maps and unmaps what has changed. */
import { beforeAll, describe, expect, it } from 'vitest';
import { FaultReason } from '../../../../src/machine/iommu/fault-reasons';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { between, countedRun, endOf, mark, ofKind, type CountedRun } from '../../../support/section-a';
import { exitsOf } from '../../../support/section-b';
import { hangingOn, redone } from '../../../support/walks';

/** Marks of the driver, and the words of its log. */
const [BEFORE, STARTED, GROWN, MOVED, LINGERING, GONE, OFF, END] = [0, 1, 2, 3, 4, 5, 6, 7];
const PAGE = 4096;
const LEVELS = 4;
const REQUESTER = 3 << 3;
const [READ, READ_WRITE] = [1, 3];

interface Log {
  window: number;
  memory: number;
  other: number;
  pages: number;
  faults: number;
}

/** What VFIO is asked for: to map a page of the window to guest-physical memory, or to unmap a range. */
type Ioctl =
  [what: 'map', iova: number, length: number, to: number, rights: number] | ['unmap', number, number];

let run: CountedRun;
let log: Log;
/** Where the VM's memory stands in the host's, and its bytes. */
let base: number;
let size: number;

beforeAll(async () => {
  run = await countedRun('d7-shadowed');
  const [window, memory, other, , pages, faults] = run.longs('shadowed_log');
  log = { window, memory, other, pages, faults };
  const [slot] = ofKind(run, Kind.MemorySlot);
  base = slot.b;
  size = hangingOn(run, slot).find(({ kind }) => kind === Kind.MapExtent)!.a;
});

const phase = (from: number, to: number): TraceEvent[] => between(run.rows, mark(run, from), mark(run, to));

/** Each ioctl with what the host's kernel has done for it. */
function ioctlsOf(rows: readonly TraceEvent[]): Ioctl[] {
  return rows.flatMap((row): Ioctl[] => {
    if (row.kind === Kind.VfioUnmap) return [['unmap', row.a, row.b]];
    if (row.kind !== Kind.VfioMap) return [];
    const done = hangingOn(run, row).find(({ kind }) => kind === Kind.IommuMap)!;
    const extent = hangingOn(run, done).find(({ kind }) => kind === Kind.MapExtent)!;
    expect([done.a, extent.a]).toEqual([row.a, row.b]);
    return [['map', row.a, row.b, done.b - base, extent.b]];
  });
}

/** Pages of the window from one on, as the driver maps them. */
const pagesOf = (first: number, count: number, rights = READ_WRITE): Ioctl[] =>
  Array.from({ length: count }, (_, index) => {
    const offset = (first + index) * PAGE;
    return ['map', log.window + offset, PAGE, log.memory + offset, rights];
  });

it('ends well: every address led where the driver’s tables said', () => {
  expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
});

describe('what is mapped', () => {
  it('is all of the memory before the unit is on, and again when it is off', () => {
    expect(ofKind(run, Kind.VfioMap)[0]).toMatchObject({ a: 0, b: size });
    const off = ioctlsOf(phase(OFF, END));
    expect(off.map(([what]) => what)).toEqual(['unmap', 'map']);
    expect(off[1]).toEqual(['map', 0, size, 0, READ_WRITE]);
    const [, from, length] = off[0];
    expect(from).toBe(0);
    expect(length).toBeGreaterThanOrEqual(log.window + 2 * log.pages * PAGE);
  });

  it('is what the tables say when the unit is turned on, page by page', () => {
    expect(ioctlsOf(phase(BEFORE, STARTED))).toEqual([['unmap', 0, size], ...pagesOf(0, log.pages)]);
  });

  it('grows by what becomes present, with its rights', () => {
    const { pages } = log;
    expect(ioctlsOf(phase(GROWN, MOVED))).toEqual([
      ...pagesOf(pages, pages - 1),
      ...pagesOf(2 * pages - 1, 1, READ),
    ]);
  });

  it('follows a page that leads elsewhere', () => {
    expect(ioctlsOf(phase(MOVED, LINGERING))).toEqual([
      ['unmap', log.window, PAGE],
      ['map', log.window, PAGE, log.other, READ_WRITE],
    ]);
  });

  it('stays while nothing is invalidated, and goes with the invalidation', () => {
    expect(ioctlsOf(phase(LINGERING, GONE))).toEqual([]);
    expect(ioctlsOf(phase(GONE, OFF))).toEqual([['unmap', log.window + PAGE, PAGE]]);
  });
});

describe('the device', () => {
  it('reaches a page that was taken away without an invalidation, in one dimension', () => {
    const rows = phase(LINGERING, GONE);
    const writes = rows.filter(({ kind }) => kind === Kind.DmaWrite);
    expect(writes.map(({ a }) => a)).toEqual([log.window + PAGE]);
    expect(rows.filter(({ kind }) => kind === Kind.IommuFault)).toEqual([]);
  });

  it('is refused after it, by the host’s unit, of which the guest’s knows nothing', () => {
    const faults = ofKind(run, Kind.IommuFault);
    expect(faults.map(({ a, b }) => [a, b])).toEqual([[log.window + PAGE, FaultReason.WriteDenied]]);
    expect(phase(GONE, OFF)).toContain(faults[0]);
    expect(phase(GONE, OFF).filter(({ kind }) => kind === Kind.DmaWrite)).toEqual([]);
    expect(log.faults).toBe(0);
  });

  it('is translated by four entries, which lead from the driver’s addresses to the host’s', () => {
    const walks = phase(STARTED, GROWN).filter(({ kind }) => kind === Kind.IommuWalk);
    expect(walks.length).toBe(log.pages);
    for (const [page, walk] of walks.entries()) {
      const again = redone(run, walk, REQUESTER, log.window + page * PAGE);
      expect(again).toMatchObject({ references: LEVELS, to: base + log.memory + page * PAGE });
    }
  });
});

describe('what it takes', () => {
  it('is the walk of the guest’s tables and an ioctl for each page, in the exit of the register', () => {
    const { costs } = run.end.meta;
    const maps = phase(BEFORE, STARTED).filter(({ kind }) => kind === Kind.VfioMap);
    const exit = exitsOf(run).find(
      ({ row }) => row.start < maps[0].start && endOf(row) > maps[0].start && row.a < 0xff000000,
    )!;
    const leg = exit.legs.find(({ kind }) => kind === Kind.QemuHandle)!;
    // A table of each level: the window is in one of the lowest.
    expect(leg.duration).toBe(
      costs['qemu.dispatch'] +
        costs['vfio.unmap'] +
        2 * costs['iommu.invalidate'] +
        LEVELS * costs['device.dmaSetup'] +
        log.pages * costs['vfio.map'],
    );
  });

  it('is over when the driver is told that its invalidation is done', () => {
    for (const [from, to] of [
      [GROWN, MOVED],
      [MOVED, LINGERING],
      [GONE, OFF],
    ]) {
      const rows = phase(from, to);
      const guest = run.store.meta.tracks.find(({ name, vm }) => name === 'IOMMU' && vm === 0)!.id;
      const waits = rows.filter(({ kind, track }) => kind === Kind.IommuWait && track === guest);
      const changes = rows.filter(({ kind }) => kind === Kind.VfioMap || kind === Kind.VfioUnmap);
      // The driver waits once for each of its calls, and each changes something last.
      expect(endOf(waits.at(-1)!)).toBeGreaterThanOrEqual(changes.at(-1)!.start + cyclesOf(changes.at(-1)!));
    }
  });
});

/** What goes by from the beginning of an ioctl to its end. */
function cyclesOf({ kind }: TraceEvent): number {
  const { costs } = run.end.meta;
  return kind === Kind.VfioMap ? costs['vfio.map'] : costs['vfio.unmap'] + 2 * costs['iommu.invalidate'];
}
