/** What QEMU finds in a guest's second-stage tables, and what it has VFIO change for that. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShadowMappings, type ShadowChange } from '../../../../src/vmm/vfio/shadow-mappings';
import { addressesOf, walkRange, type ShadowedEntry } from '../../../../src/vmm/vfio/shadow-walk';

const PAGE = 4096;
const LARGE = 2 ** 21;
const LEVELS = 3;
const MEMORY = 64 * PAGE;
const [READ, WRITE, PAGE_SIZE] = [1, 2, 0x80];

/** A guest's memory with tables that are handed out from its beginning. */
class Guest {
  readonly bytes = new Uint8Array(MEMORY);
  readonly view = new DataView(this.bytes.buffer);
  readonly root = 0;
  private taken = 1;

  /** Sets the entry of a level for an address, with the tables above it. */
  set(iova: number, level: number, entry: number): void {
    let table = this.root;
    for (let at = LEVELS; at > level; at--) {
      const place = this.placeOf(table, iova, at);
      const below = this.read(place);
      if (below % 4 === 0 || (below & PAGE_SIZE) !== 0) {
        this.bytes.fill(0, this.taken * PAGE, (this.taken + 1) * PAGE);
        this.write(place, this.taken++ * PAGE + READ + WRITE);
      }
      table = Math.floor(this.read(place) / PAGE) * PAGE;
    }
    this.write(this.placeOf(table, iova, level), entry);
  }

  get full(): boolean {
    return this.taken + LEVELS > MEMORY / PAGE;
  }

  /** Where one page leads, address by address: the plain walk of the specification. */
  translate(iova: number): { address: number; writable: boolean } | undefined {
    let table = this.root;
    let rights = READ + WRITE;
    for (let level = LEVELS; level > 0; level--) {
      const entry = this.read(this.placeOf(table, iova, level));
      if (entry % 4 === 0) return undefined;
      rights &= entry;
      const size = 2 ** (12 + 9 * (level - 1));
      const at = Math.floor(entry / PAGE) * PAGE;
      if (level === 1 || (entry & PAGE_SIZE) !== 0)
        return { address: at - (at % size) + (iova % size), writable: (rights & WRITE) !== 0 };
      table = at;
    }
    return undefined;
  }

  walk(from: number, end: number, most = MEMORY / PAGE): { told: ShadowedEntry[]; count: number } {
    const told: ShadowedEntry[] = [];
    const read = (address: number, length: number): Uint8Array | undefined =>
      address + length <= MEMORY ? this.bytes.slice(address, address + length) : undefined;
    const tables = { root: this.root, levels: LEVELS, read, most };
    return { count: walkRange(tables, from, end, (entry) => told.push(entry)), told };
  }

  private placeOf(table: number, iova: number, level: number): number {
    return table + 8 * (Math.floor(iova / 2 ** (12 + 9 * (level - 1))) % 512);
  }

  private read(at: number): number {
    return Number(this.view.getBigUint64(at, true));
  }

  private write(at: number, entry: number): void {
    this.view.setBigUint64(at, BigInt(entry), true);
  }
}

const ALL = addressesOf(LEVELS);
/** Two stretches of 2 MiB, of which some pages are changed. */
const PAGES = [0, 1, 2, 511, 512, 513, 1023];

describe('a walk', () => {
  it('tells pages with their rights, and what is missing by its topmost entry', () => {
    const guest = new Guest();
    guest.set(PAGE, 1, 5 * PAGE + READ + WRITE);
    guest.set(2 * PAGE, 1, 6 * PAGE + READ);
    const { told, count } = guest.walk(0, ALL);
    expect(count).toBe(LEVELS);
    expect(told.filter(({ page }) => page)).toEqual([
      { iova: PAGE, length: PAGE, page: { address: 5 * PAGE, writable: true } },
      { iova: 2 * PAGE, length: PAGE, page: { address: 6 * PAGE, writable: false } },
    ]);
    // 511 entries of the two upper levels, 510 of the lowest; together with the pages they are all addresses.
    expect(told).toHaveLength(511 + 511 + 512);
    expect(told.reduce((sum, { length }) => sum + length, 0)).toBe(ALL);
  });

  it('looks at a range alone', () => {
    const guest = new Guest();
    guest.set(PAGE, 1, 5 * PAGE + READ);
    expect(guest.walk(PAGE, 2 * PAGE).told.map(({ iova }) => iova)).toEqual([PAGE]);
    expect(guest.walk(LARGE, LARGE + PAGE).told).toEqual([{ iova: LARGE, length: LARGE, page: undefined }]);
  });

  it('ends in tables that lead into each other', () => {
    const guest = new Guest();
    for (let index = 0; index < 512; index++)
      guest.view.setBigUint64(8 * index, BigInt(guest.root + READ + WRITE), true);
    expect(guest.walk(0, ALL).count).toBe(MEMORY / PAGE);
  });

  it('leaves tables alone that are in no memory', () => {
    const guest = new Guest();
    guest.view.setBigUint64(0, BigInt(MEMORY + READ + WRITE), true);
    expect(guest.walk(0, LARGE).told).toEqual([]);
  });
});

describe('what is mapped', () => {
  /** VFIO's side: pages, one by one. */
  class Container {
    readonly pages = new Map<number, { address: number; writable: boolean }>();

    apply(change: ShadowChange): void {
      if (!change.map) {
        for (const iova of [...this.pages.keys()])
          if (iova >= change.iova && iova < change.iova + change.length) this.pages.delete(iova);
        return;
      }
      const { iova, length, address, writable } = change;
      for (let done = 0; done < length; done += PAGE) {
        // The kernel refuses to map what is mapped (-EEXIST).
        expect(this.pages.has(iova + done)).toBe(false);
        this.pages.set(iova + done, { address: address + done, writable });
      }
    }
  }

  const edit = fc.record({
    page: fc.constantFrom(...PAGES),
    target: fc.integer({ min: 0, max: 63 }),
    rights: fc.constantFrom(0, READ, READ + WRITE),
    large: fc.boolean(),
  });

  it('is what the tables say, once each change has been invalidated', () => {
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 30 }), (edits) => {
        const guest = new Guest();
        // Large pages lead beyond 64 pages: here all of 1 GiB counts as memory.
        const mappings = new ShadowMappings(2 ** 30);
        const container = new Container();
        for (const { page, target, rights, large } of edits) {
          if (guest.full) break;
          const iova = page * PAGE;
          const first = iova - (iova % LARGE);
          if (large) guest.set(iova, 2, rights === 0 ? 0 : (target % 4) * LARGE + PAGE_SIZE + rights);
          else guest.set(iova, 1, rights === 0 ? 0 : target * PAGE + rights);
          // A range of 2 MiB is what a driver invalidates where it has put a table in place of a page.
          for (const entry of guest.walk(first, first + LARGE).told)
            for (const change of mappings.take(entry)) container.apply(change);
        }
        for (let iova = 0; iova < 2 * LARGE; iova += PAGE)
          expect(container.pages.get(iova)).toEqual(guest.translate(iova));
        // A second look finds nothing new.
        expect(guest.walk(0, ALL).told.flatMap((entry) => mappings.take(entry))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('is memory of the VM alone', () => {
    const mappings = new ShadowMappings(MEMORY);
    const at = (address: number): ShadowedEntry => ({
      iova: 0,
      length: PAGE,
      page: { address, writable: true },
    });
    expect(mappings.take(at(MEMORY))).toEqual([]);
    expect(mappings.take(at(MEMORY - PAGE))).toHaveLength(1);
    expect(mappings.take(at(MEMORY))).toEqual([{ map: false, iova: 0, length: PAGE }]);
  });

  it('is no more than VFIO keeps, and the same after it was saved', () => {
    const mappings = new ShadowMappings(MEMORY);
    const page = { address: 0, writable: false };
    let done = 0;
    for (let index = 0; index < 65_540; index++)
      done += mappings.take({ iova: index * PAGE, length: PAGE, page }).length;
    expect(done).toBe(65_535);
    const again = new ShadowMappings(MEMORY);
    again.load(mappings.save());
    expect(again.size).toBe(65_535);
    expect(again.take({ iova: 0, length: ALL, page: undefined })).toEqual([
      { map: false, iova: 0, length: ALL },
    ]);
    expect(again.size).toBe(0);
  });
});
