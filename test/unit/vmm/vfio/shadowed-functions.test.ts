/** What of a device is mapped anew, by what its guest invalidates; without a thread that serves it all is done at once. */
import { describe, expect, it } from 'vitest';
import type { Invalidation } from '../../../../src/machine/iommu/descriptors';
import { NO_OBSERVER, type InvalidationReport } from '../../../../src/machine/iommu/observer';
import type { Translation } from '../../../../src/machine/iommu/translation';
import type { BoardIommu } from '../../../../src/machine/platform/board-iommu';
import type { HostDevice } from '../../../../src/vmm/host-bus/host-device';
import { QemuProcess } from '../../../../src/vmm/qemu/process';
import { ShadowedFunctions } from '../../../../src/vmm/vfio/shadowed-functions';
import { iommuWorld } from '../iommu/world';

const PAGE = 4096;
const SIZE = 64 * PAGE;
const WIDTH = 48;
const [FIRST, SECOND] = [0x18, 0x20];
const DOMAIN = 7;
const PRESENT = 3;

type Call = ['map', iova: number, to: number, length: number] | ['unmap', iova: number, length: number];

/** A guest with two devices of the host, each with tables of its own that have one page at first. */
class World {
  readonly memory = new Uint8Array(SIZE);
  readonly calls = new Map<number, Call[]>([
    [FIRST, []],
    [SECOND, []],
  ]);
  /** By requester: how it is translated. */
  readonly translations = new Map<number, Translation | 'off' | undefined>([
    [FIRST, 'off'],
    [SECOND, 'off'],
  ]);
  readonly functions: ShadowedFunctions;
  private readonly tell: (what: Invalidation) => void;

  constructor() {
    const { site } = iommuWorld();
    const memory = {
      size: SIZE,
      contains: (address: number, length: number) => address + length <= SIZE,
      read: (address: number, length: number) => this.memory.slice(address, address + length),
      write: () => undefined,
    };
    const unit = {
      options: { addressWidth: WIDTH },
      translationOf: (requester: number) => this.translations.get(requester),
    };
    const iommu = { unit } as unknown as BoardIommu;
    this.functions = new ShadowedFunctions(
      'vm0',
      new QemuProcess(site, { index: 0, name: 'vm0' }),
      memory,
      () => iommu,
    );
    for (const [requester, calls] of this.calls) {
      const host = {
        lane: { track: 0 },
        invalidationCycles: 0,
        mapAt: (...[iova, from, length]: [number, number, number]) => calls.push(['map', iova, from, length]),
        unmap: (...range: [number, number]) => calls.push(['unmap', ...range]),
      } as unknown as HostDevice;
      this.functions.add({ host, requester: () => requester });
    }
    const observer = this.functions.observing(NO_OBSERVER);
    this.tell = (what) => observer.invalidated({} as InvalidationReport, what);
  }

  /** Tables of three levels from a page on; the lowest one's entry `index` leads to a page. */
  tables(first: number, index: number, to: number): void {
    const view = new DataView(this.memory.buffer);
    for (const level of [0, 1])
      view.setBigUint64((first + level) * PAGE, BigInt((first + level + 1) * PAGE + PRESENT), true);
    view.setBigUint64((first + 2) * PAGE + 8 * index, BigInt(to === 0 ? 0 : to + PRESENT), true);
  }

  translated(requester: number, first: number, domain: number): void {
    this.translations.set(requester, {
      domain,
      kind: 'second',
      first: undefined,
      second: { root: first * PAGE, levels: 3 },
      secondAccessedDirty: false,
      scalable: false,
    });
  }

  invalidate(what: Invalidation): [first: Call[], second: Call[]] {
    this.tell(what);
    return this.taken();
  }

  taken(): [first: Call[], second: Call[]] {
    return [this.calls.get(FIRST)!.splice(0), this.calls.get(SECOND)!.splice(0)];
  }
}

function translating(): World {
  const world = new World();
  world.tables(1, 0, 20 * PAGE);
  world.tables(4, 0, 30 * PAGE);
  world.translated(FIRST, 1, DOMAIN);
  world.translated(SECOND, 4, DOMAIN + 1);
  world.functions.switched();
  return world;
}

const iotlb = (what: { scope: 'domain'; domain: number } | { scope: 'global' }): Invalidation => ({
  cache: 'iotlb',
  ...what,
});
const page = (domain: number, address: number, mask: number): Invalidation => ({
  cache: 'iotlb',
  scope: 'page',
  domain,
  range: { address, mask },
  leavesOnly: false,
});

it('turned on, the memory of the VM goes and what the tables have comes', () => {
  expect(translating().taken()).toEqual([
    [
      ['unmap', 0, SIZE],
      ['map', 0, 20 * PAGE, PAGE],
    ],
    [
      ['unmap', 0, SIZE],
      ['map', 0, 30 * PAGE, PAGE],
    ],
  ]);
});

describe('translations that are invalidated', () => {
  function changed(): World {
    const world = translating();
    world.taken();
    world.tables(1, 2, 21 * PAGE);
    world.tables(1, 5, 22 * PAGE);
    return world;
  }
  const both: Call[] = [
    ['map', 2 * PAGE, 21 * PAGE, PAGE],
    ['map', 5 * PAGE, 22 * PAGE, PAGE],
  ];

  it('all, or those of a domain, have all of its tables looked at', () => {
    expect(changed().invalidate(iotlb({ scope: 'global' }))).toEqual([both, []]);
    expect(changed().invalidate(iotlb({ scope: 'domain', domain: DOMAIN }))).toEqual([both, []]);
    expect(changed().invalidate(iotlb({ scope: 'domain', domain: DOMAIN + 1 }))).toEqual([[], []]);
  });

  it('by page, have that range looked at, which is aligned', () => {
    expect(changed().invalidate(page(DOMAIN, 2 * PAGE, 0))).toEqual([[both[0]], []]);
    expect(changed().invalidate(page(DOMAIN, 5 * PAGE, 1))).toEqual([[both[1]], []]);
    expect(changed().invalidate(page(DOMAIN, 7 * PAGE, 3))).toEqual([both, []]);
    expect(changed().invalidate(page(DOMAIN, 3 * PAGE, 0))).toEqual([[], []]);
    expect(changed().invalidate(page(DOMAIN + 1, 2 * PAGE, 0))).toEqual([[], []]);
  });

  it('mean nothing while the unit is off', () => {
    const world = new World();
    expect(world.invalidate(iotlb({ scope: 'global' }))).toEqual([[], []]);
  });
});

describe('contexts that are invalidated', () => {
  const device = (requester: number, functionMask = 0): Invalidation => ({
    cache: 'context',
    scope: 'device',
    domain: DOMAIN,
    requester,
    functionMask,
  });
  /** Both functions are to have the tables of the first. */
  function swapped(): World {
    const world = translating();
    world.taken();
    world.translated(SECOND, 1, DOMAIN);
    return world;
  }
  const moved: Call[] = [
    ['unmap', 0, PAGE],
    ['map', 0, 20 * PAGE, PAGE],
  ];

  it('are those of a function, or of all', () => {
    expect(swapped().invalidate(device(SECOND))).toEqual([[], moved]);
    expect(swapped().invalidate(device(SECOND + 7, 3))).toEqual([[], moved]);
    expect(swapped().invalidate(device(FIRST))).toEqual([[], []]);
    expect(swapped().invalidate({ cache: 'context', scope: 'global' })).toEqual([[], moved]);
  });

  it('that are none take everything away, and pass-through is as without the unit', () => {
    const world = translating();
    world.taken();
    world.translations.set(FIRST, undefined);
    expect(world.invalidate(device(FIRST))).toEqual([[['unmap', 0, 2 ** WIDTH]], []]);
    expect(world.invalidate(device(FIRST))).toEqual([[], []]);
    world.translations.set(SECOND, {
      domain: DOMAIN,
      kind: 'pass-through',
      first: undefined,
      second: undefined,
      secondAccessedDirty: false,
      scalable: false,
    });
    expect(world.invalidate(device(SECOND))).toEqual([
      [],
      [
        ['unmap', 0, 2 ** WIDTH],
        ['map', 0, 0, SIZE],
      ],
    ]);
  });
});

it('what was mapped is known after a checkpoint', () => {
  const [one, other] = [translating(), translating()];
  one.tables(1, 0, 0);
  one.invalidate(page(DOMAIN, 0, 0));
  other.taken();
  other.functions.load(one.functions.save());
  expect(other.invalidate(iotlb({ scope: 'global' }))).toEqual([[['map', 0, 20 * PAGE, PAGE]], []]);
});
