/**
 * Nothing escapes its domain: over random maps, unmaps and accesses of functions of several VMs, through the host's driver and its
 * IOMMU, an access goes where a plain list of pages says, or nowhere. What has been unmapped may be reached until it is invalidated.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SERVER_UNIT } from '../../src/machine/iommu/options';
import { DataSlot } from '../../src/machine/memory/data-slot';
import { Recorder } from '../../src/trace/record/recorder';
import { Host, type Site } from '../../src/vmm/host';
import { IntelIommu } from '../../src/vmm/iommu/intel-iommu';
import type { PageLevel } from '../../src/vmm/iommu/second-stage-tables';
import { costs, passTo } from '../unit/vmm/threads/world';

const PAGE = 4096;
const LARGE = 2 * 2 ** 20;
const VMS = 3;
/** Of each VM: two pages of 2 MiB. */
const MEMORY = 2 * LARGE;
const PAGES = MEMORY / PAGE;
/** Two functions of each VM. */
const requestersOf = (vm: number): number[] => [(3 + vm) * 8, 0x100 + vm];
const TABLES = 512;

type Unmap = 'strict' | 'deferred';

/** A host with VMs, and what each of them ought to reach: by page, where it leads. */
class World {
  readonly site: Site;
  readonly driver: IntelIommu;
  readonly bases: number[];
  readonly mapped: Map<number, number>[];
  /** What was mapped before, and may be known to the IOTLB. */
  readonly gone: Map<number, Set<number>>[] = Array.from(
    { length: VMS },
    () => new Map<number, Set<number>>(),
  );

  constructor(
    levels: number,
    largest: PageLevel,
    readonly unmap: Unmap,
  ) {
    const host = new Host(new Recorder(), costs, 1e9);
    this.bases = Array.from({ length: VMS }, () => host.memory.append(new DataSlot(MEMORY), LARGE));
    const base = host.memory.append(new DataSlot(TABLES * PAGE));
    // Small caches, so that entries are thrown out too.
    const unit = { ...SERVER_UNIT, iotlb: { sets: 4, ways: 2 }, pagingStructures: { sets: 2, ways: 1 } };
    this.site = host.addIsland([0, 1], { unit, remapsInterrupts: true });
    const { iommu } = this.site;
    if (!iommu) throw new Error('the host was given an IOMMU');
    const plan = { levels, largest, unmap, onDemand: undefined };
    this.driver = new IntelIommu(this.site, iommu, plan, { base, pages: TABLES });
    this.bases.forEach((from, vm) => {
      for (const requester of requestersOf(vm))
        this.driver.attach(requester, { vm, name: `vm${vm}`, base: from, size: MEMORY });
    });
    this.mapped = this.bases.map(
      (from) => new Map(Array.from({ length: PAGES }, (_, page) => [page, from + page * PAGE])),
    );
    this.pass();
  }

  /** Time goes by until everything asked for is done, but no batch becomes due. */
  pass(): void {
    passTo(this.site, this.site.island.now() + 10_000);
    if (this.unmap === 'strict') for (const each of this.gone) each.clear();
  }

  map(vm: number, page: number, target: number, count: number): void {
    const pages = Math.min(count, PAGES - page, PAGES - target);
    // A mapping is taken away before there is another, as VFIO demands.
    this.unmapPages(vm, page, pages);
    this.pass();
    const to = this.bases[vm] + target * PAGE;
    this.driver.map(requestersOf(vm)[0], page * PAGE, to, pages * PAGE);
    for (let index = 0; index < pages; index++) this.mapped[vm].set(page + index, to + index * PAGE);
  }

  unmapPages(vm: number, page: number, count: number): void {
    const pages = Math.min(count, PAGES - page);
    this.driver.unmap(requestersOf(vm)[1], page * PAGE, pages * PAGE);
    for (let index = page; index < page + pages; index++) {
      const to = this.mapped[vm].get(index);
      this.mapped[vm].delete(index);
      if (to === undefined) continue;
      const before = this.gone[vm].get(index) ?? new Set();
      this.gone[vm].set(index, before.add(to));
    }
  }

  /** Where an access of two bytes goes, which may lie on two pages. */
  access(vm: number, which: number, address: number, write: boolean): void {
    const translated = this.site.iommu?.unit.translate(requestersOf(vm)[which], address, 2, write);
    const leads = (at: number): { now: number | undefined; may: Set<number> } => {
      const page = Math.floor(at / PAGE);
      const offset = at % PAGE;
      const now = this.mapped[vm].get(page);
      const before = [...(this.gone[vm].get(page) ?? [])];
      const may = [...before, ...(now === undefined ? [] : [now])].map((to) => to + offset);
      return { now: now === undefined ? undefined : now + offset, may: new Set(may) };
    };
    const bytes = [leads(address), leads(address + 1)];
    if (!translated || 'fault' in translated) {
      expect(bytes.some(({ now }) => now === undefined)).toBe(true);
      return;
    }
    const reached = translated.pieces.flatMap(({ address: at, length }) =>
      Array.from({ length }, (_, index) => at + index),
    );
    expect(reached.length).toBe(2);
    reached.forEach((at, index) => {
      expect(bytes[index].may).toContain(at);
      // Whatever a table or a cache says, it is memory of the VM.
      expect(at >= this.bases[vm] && at < this.bases[vm] + MEMORY).toBe(true);
    });
  }
}

const vm = fc.nat(VMS - 1);
/** Few, at the beginning of memory and where one large page ends: accesses meet pages again that caches know. */
const page = fc.constantFrom(0, 1, 2, 3, 510, 511, 512, 513);
const count = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 8 }), fc.constant(LARGE / PAGE));
const operations = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('map' as const), vm, page, target: page, count }),
    fc.record({ kind: fc.constant('unmap' as const), vm, page, count }),
    fc.record({ kind: fc.constant('pass' as const) }),
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('access' as const),
        vm,
        which: fc.nat(1),
        page,
        offset: fc.constantFrom(0, 7, PAGE - 1),
        write: fc.boolean(),
      }),
    },
  ),
  { minLength: 1, maxLength: 60 },
);

describe.each([
  ['strict', 4, 2],
  ['strict', 3, 1],
  ['deferred', 5, 2],
] as const)('%s, %i levels, pages up to level %i', (unmap, levels, largest) => {
  it('nothing escapes its domain', () => {
    fc.assert(
      fc.property(operations, (all) => {
        const world = new World(levels, largest, unmap);
        for (const each of all) {
          if (each.kind === 'map') world.map(each.vm, each.page, each.target, each.count);
          else if (each.kind === 'unmap') world.unmapPages(each.vm, each.page, each.count);
          else if (each.kind === 'pass') world.pass();
          else if (each.page < PAGES - 1)
            world.access(each.vm, each.which, each.page * PAGE + each.offset, each.write);
        }
      }),
      { numRuns: 60, seed: 9 },
    );
  });

  it('what was unmapped is out of reach once the driver has had it invalidated', () => {
    const world = new World(levels, largest, unmap);
    world.access(0, 0, 0, true);
    world.unmapPages(0, 0, 1);
    // Longer than a batch waits.
    passTo(world.site, world.site.island.now() + 20_000_000);
    world.gone[0].clear();
    for (const which of [0, 1]) world.access(0, which, 0, true);
    world.access(0, 0, PAGE, true);
    world.access(1, 0, 0, true);
  });
});
