import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mappingsAt } from '../../../src/trace/query/mappings';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';
import { Recorder } from '../../../src/trace/record/recorder';
import { Kind } from '../../../src/trace/vocabulary/events';

const PAGE = 4096;

class Story {
  readonly recorder = new Recorder();
  readonly domain = this.recorder.addTrack({ type: 'domain', name: 'domain', group: 'vm0', vm: 0 });

  map(time: number, iova: number, to: number, bytes: number, access = 3, kind: number = Kind.IommuMap): void {
    this.recorder.cause = this.recorder.instant(time, this.domain, kind, iova, to);
    this.recorder.instant(time, this.domain, Kind.MapExtent, bytes, access);
    this.recorder.cause = 0;
  }

  unmap(time: number, iova: number, bytes: number): void {
    this.recorder.instant(time, this.domain, Kind.IommuUnmap, iova, bytes);
  }

  store(): TraceStore {
    this.recorder.finish(1e6);
    const store = new TraceStore(emptyMeta('mappings', 1e9));
    store.append(this.recorder.takeDelta());
    return store;
  }
}

describe('mappings of a domain', () => {
  it('are those of the time, and lead to guest-physical memory where a slot of the VM is', () => {
    const story = new Story();
    story.map(0, 0, 0x1_0000_0000, 16 * PAGE, 3, Kind.MemorySlot);
    story.map(10, 0x8000_0000, 0x1_0000_2000, 2 * PAGE, 1);
    story.map(20, 0x9000_0000, 0x7000, PAGE);
    story.unmap(30, 0x8000_0000, PAGE);
    const store = story.store();
    const at = (time: number, address?: number) => mappingsAt(store, story.domain, time, address);
    expect(at(9)).toEqual({ total: 0, bytes: 0, mappings: [] });
    expect(at(10).mappings).toMatchObject([
      { iova: 0x8000_0000, bytes: 2 * PAGE, guestPhysical: 0x2000, hostPhysical: 0x1_0000_2000 },
    ]);
    expect(at(10).mappings[0]).toMatchObject({ readable: true, writable: false });
    expect(at(25)).toMatchObject({ total: 2, bytes: 3 * PAGE });
    expect(at(25).mappings[1]).not.toHaveProperty('guestPhysical');
    expect(at(30).mappings[0]).toMatchObject({ iova: 0x8000_1000, bytes: PAGE, hostPhysical: 0x1_0000_3000 });
  });

  it('of one address say where that leads', () => {
    const story = new Story();
    story.map(0, 0, 0x10_0000, 16 * PAGE, 3, Kind.MemorySlot);
    story.map(0, 0x4_0000, 0x10_0000, 16 * PAGE);
    const found = mappingsAt(story.store(), story.domain, 5, 0x4_1234);
    expect(found.mappings).toMatchObject([
      { iova: 0x4_1234, guestPhysical: 0x1234, hostPhysical: 0x10_1234, bytes: 16 * PAGE - 0x1234 },
    ]);
  });

  it('equal a table of pages, whatever is mapped and unmapped in whichever order', () => {
    const step = fc.record({
      map: fc.boolean(),
      page: fc.nat(15),
      pages: fc.integer({ min: 1, max: 6 }),
      to: fc.nat(50),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), fc.nat(20), (steps, time) => {
        const story = new Story();
        const pages = new Map<number, number>();
        steps.forEach(({ map, page, pages: count, to }, i) => {
          if (map) story.map(i, page * PAGE, to * PAGE, count * PAGE);
          else story.unmap(i, page * PAGE, count * PAGE);
          if (i > time) return;
          for (let k = 0; k < count; k++)
            if (map) pages.set(page + k, to + k);
            else pages.delete(page + k);
        });
        const { mappings } = mappingsAt(story.store(), story.domain, time);
        const told = mappings.flatMap(({ iova, bytes, hostPhysical }) =>
          Array.from({ length: bytes / PAGE }, (_, k) => [iova / PAGE + k, hostPhysical / PAGE + k]),
        );
        expect(told).toEqual([...pages].sort(([x], [y]) => x - y));
      }),
      { numRuns: 200 },
    );
  });
});
