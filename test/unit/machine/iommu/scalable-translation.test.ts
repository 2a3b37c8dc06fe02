/** Scalable mode: PASIDs, first stage, nesting, accessed and dirty bits (VT-d specification, 3.4.3 to 3.8). */
import { describe, expect, it } from 'vitest';
import { FaultReason } from '../../../../src/machine/iommu/fault-reasons';
import type { RemappingOptions } from '../../../../src/machine/iommu/options';
import { COSTS, G, MEMORY, R, Tables, UnitWorld } from '../../../support/vtd/world';

const NIC = 0x0388; // bus 3, device 17: the upper half of the root entry
const PASID = 65;
const DOMAIN = 9n;
const PGTT = { first: 1n, second: 2n, nested: 3n, pass: 4n } as const;
const IOVA = 0x12345000;
const TARGET = 0x200000;
const NONE = { sets: 1, ways: 0 };
/** P, R/W, U/S; A and D. */
const USER_RW = 7n;
const ACCESSED = 0x20n;
const DIRTY = 0x40n;
const QUEUE = MEMORY.base + 0x300000;

interface Entry {
  kind: keyof typeof PGTT;
  firstLevels?: number;
  secondLevels?: number;
  accessedDirty?: boolean;
}

function scalable(entry: Entry, options: Partial<RemappingOptions> = {}) {
  const { kind, firstLevels = 4, secondLevels = 4, accessedDirty = false } = entry;
  const host = new UnitWorld({
    scalableMode: true,
    firstStageFiveLevels: true,
    secondStageAccessedDirty: true,
    ...options,
  });
  const tables = new Tables(host);
  const root = tables.page();
  const [context, directory, pasids, first, second] = Array.from({ length: 5 }, () => tables.page());
  host.poke(root + 3 * 16, 0n, BigInt(context) | 1n);
  const contextEntry = context + (NIC & 0x7f) * 32;
  // PASIDs are allowed; requests without have PASID 65.
  host.poke(contextEntry, BigInt(directory) | 1n | 8n, BigInt(PASID), 0n, 0n);
  host.poke(directory + (PASID >> 6) * 8, BigInt(pasids) | 1n);
  const pasidEntry = pasids + (PASID & 63) * 64;
  const low =
    BigInt(second) | (PGTT[kind] << 6n) | (BigInt(secondLevels - 2) << 2n) | (accessedDirty ? 1n << 9n : 0n);
  const third = BigInt(first) | (BigInt(firstLevels - 4) << 2n);
  host.poke(pasidEntry, low | 1n, DOMAIN, third, 0n, 0n, 0n, 0n, 0n);
  host.turnOn(root, 1);
  const mapSecond = (address: number, to: number, rights = 3n, level = 1): void =>
    tables.map(second, secondLevels, address, BigInt(to), rights, level);
  /** Of a nested stage tables are where the second one maps them: one to one. */
  const mapFirst = (address: number, to: number, bits = USER_RW, level = 1): void => {
    let table = first;
    for (let at = firstLevels; at > level; at--)
      table = tables.below(tables.place(table, address, at), USER_RW);
    host.poke(tables.place(table, address, level), BigInt(to) | bits | (level > 1 ? 0x80n : 0n));
  };
  const translate = (iova: number, write = false, pasid?: number) =>
    host.unit.translate(NIC, iova, 4, write, pasid);
  const counts = (): [number, number][] =>
    host.walks.map((walk) => [walk.tableReferences, walk.pageReferences]);
  return {
    host,
    tables,
    root,
    contextEntry,
    pasidEntry,
    directory,
    first,
    second,
    mapFirst,
    mapSecond,
    translate,
    counts,
  };
}

/** Maps the tables themselves one to one, each in a table of its own of the second stage as far as there is room. */
function mapTables({ mapSecond }: ReturnType<typeof scalable>): void {
  for (let page = 0; page < 64; page++) mapSecond(MEMORY.base + page * 0x1000, MEMORY.base + page * 0x1000);
}

describe('the tables of scalable mode', () => {
  it.each([
    ['second', { kind: 'second' }, 4],
    ['second', { kind: 'second', secondLevels: 3 }, 3],
    ['first', { kind: 'first' }, 4],
    ['first', { kind: 'first', firstLevels: 5 }, 5],
  ] as const)('lead to the %s stage alone: %o', (_stage, entry, levels) => {
    const given = scalable(entry);
    given.mapFirst(IOVA, TARGET);
    given.mapSecond(IOVA, TARGET);
    expect(given.translate(IOVA + 8)).toEqual({
      pieces: [{ address: TARGET + 8, length: 4 }],
      // Root, context, PASID directory and PASID table entry; and each accessed bit that the walk sets.
      cycles: COSTS.lookup + (4 + levels + given.host.walks[0].updates) * COSTS.reference,
    });
    expect(given.counts()).toEqual([[4, levels]]);
    expect(given.host.walks[0].updates).toBe(entry.kind === 'first' ? levels : 0);
  });

  it('serve requests with a PASID, and those without by the one of the context entry', () => {
    const given = scalable({ kind: 'first' });
    given.mapFirst(IOVA, TARGET);
    expect(given.translate(IOVA, false, PASID)).toHaveProperty('pieces');
    expect(given.translate(IOVA)).toHaveProperty('pieces');
    expect([given.host.walks.length, given.host.hits.length]).toEqual([1, 1]);
    given.translate(IOVA, false, 64);
    given.translate(IOVA, false, 128);
    given.translate(IOVA, false, 2 ** 13);
    expect(given.host.faults.map(({ reason }) => reason)).toEqual([
      FaultReason.PasidEntryNotPresent,
      FaultReason.PasidDirectoryNotPresent,
      FaultReason.PasidTooLarge,
    ]);
    // PP and the PASID in the record.
    expect(given.host.read64(given.host.records + 8)).toBe(
      (1n << 63n) |
        (1n << 62n) |
        (64n << 40n) |
        (BigInt(FaultReason.PasidEntryNotPresent) << 32n) |
        (1n << 31n) |
        BigInt(NIC),
    );
  });

  it('pass addresses through', () => {
    const given = scalable({ kind: 'pass' });
    expect(given.translate(TARGET)).toMatchObject({ pieces: [{ address: TARGET, length: 4 }] });
    given.translate(2 ** 46);
    expect(given.host.faults[0].reason).toBe(FaultReason.ScalableAddressBeyondHost);
  });

  it('refuse a request with a PASID where the root table is one of legacy mode', () => {
    const given = scalable({ kind: 'first' });
    given.host.turnOn(given.root, 0);
    given.translate(IOVA, false, PASID);
    given.host.turnOn(given.root, 2);
    given.translate(IOVA);
    expect(given.host.faults.map(({ reason }) => reason)).toEqual([
      FaultReason.PasidInLegacyMode,
      FaultReason.TableModeReserved,
    ]);
  });

  const spoiled: [string, number, Entry, (given: ReturnType<typeof scalable>) => void][] = [
    ['no root entry', 0x39, { kind: 'first' }, (g) => g.host.poke(g.root + 48, 1n, 0n)],
    ['a reserved bit in it', 0x3a, { kind: 'first' }, (g) => g.host.poke(g.root + 56, 3n)],
    ['no context entry', 0x41, { kind: 'first' }, (g) => g.host.poke(g.contextEntry, 0n)],
    ['page requests', 0x42, { kind: 'first' }, (g) => g.host.poke(g.contextEntry, 0x11n)],
    ['a device TLB', 0x42, { kind: 'first' }, (g) => g.host.poke(g.contextEntry, 5n)],
    [
      'a PASID beyond the directory',
      0x48,
      { kind: 'first' },
      (g) => g.host.poke(g.contextEntry + 8, 0x2000n),
    ],
    ['no directory', 0x50, { kind: 'first' }, (g) => g.host.poke(g.contextEntry, 0x10000001n)],
    ['no table', 0x58, { kind: 'first' }, (g) => g.host.poke(g.directory + 8, 0x10000001n)],
    ['a reserved bit in the directory', 0x52, { kind: 'first' }, (g) => g.host.poke(g.directory + 8, 5n)],
    ['a reserved bit in the entry', 0x5a, { kind: 'first' }, (g) => g.host.poke(g.pasidEntry + 24, 1n)],
    ['a kind that there is not', 0x5b, { kind: 'first' }, (g) => g.host.poke(g.pasidEntry, 1n)],
    [
      'two levels',
      0x5b,
      { kind: 'second' },
      (g) => g.host.poke(g.pasidEntry, BigInt(g.second) | 1n | (2n << 6n)),
    ],
    ['no first-stage table', 0x73, { kind: 'first' }, (g) => g.host.poke(g.pasidEntry + 16, 0x10000000n)],
    [
      'no second-stage table',
      0x7b,
      { kind: 'second' },
      (g) => g.host.poke(g.pasidEntry, 0x10000000n | 1n | (2n << 6n) | 8n),
    ],
    ['a page that is not there', 0x71, { kind: 'first' }, (g) => g.mapFirst(IOVA, TARGET, 0n)],
    ['a page beyond the host', 0x72, { kind: 'first' }, (g) => g.mapFirst(IOVA, 2 ** 46, USER_RW)],
    ['a page of the supervisor', 0x81, { kind: 'first' }, (g) => g.mapFirst(IOVA, TARGET, 3n)],
    ['no page of the second stage', 0x79, { kind: 'second' }, (g) => g.mapSecond(IOVA, TARGET, 0n)],
    ['a page that is not to be read', 0x86, { kind: 'second' }, (g) => g.mapSecond(IOVA, TARGET, 2n)],
    [
      'a page of the second stage beyond the host',
      0x7a,
      { kind: 'second' },
      (g) => g.mapSecond(IOVA, 2 ** 46),
    ],
    ['the interrupt range', 0x87, { kind: 'second' }, (g) => g.mapSecond(IOVA, 0xfee00000)],
    ['a first-stage table that the second stage has not', 0x79, { kind: 'nested' }, () => undefined],
    ['one that it does not let read', 0x75, { kind: 'nested' }, (g) => g.mapSecond(g.first, g.first, 2n)],
  ];
  it.each(spoiled)('refuse %s: reason %i', (_name, reason, entry, spoil) => {
    const given = scalable(entry);
    if (![0x71, 0x72, 0x81].includes(reason)) given.mapFirst(IOVA, TARGET);
    if (entry.kind === 'second' && ![0x79, 0x7a, 0x86, 0x87].includes(reason)) given.mapSecond(IOVA, TARGET);
    spoil(given);
    expect(given.translate(IOVA)).toHaveProperty('fault', 'blocked');
    expect(given.host.faults.map((fault) => fault.reason)).toEqual([reason]);
  });

  it('refuse addresses that are not canonical, or wider than the second stage', () => {
    const first = scalable({ kind: 'first' });
    first.translate(2 ** 47);
    const second = scalable({ kind: 'second', secondLevels: 3 });
    second.translate(2 ** 39);
    expect([first, second].map(({ host }) => host.faults[0].reason)).toEqual([
      FaultReason.AddressNotCanonical,
      FaultReason.ScalableAddressBeyondWidth,
    ]);
  });
});

describe('a nested walk', () => {
  it('has up to 24 references', () => {
    const given = scalable({ kind: 'nested' }, { pagingStructures: NONE });
    mapTables(given);
    given.mapFirst(IOVA, 0x7000);
    given.mapSecond(0x7000, TARGET);
    expect(given.translate(IOVA + 8, true)).toMatchObject({ pieces: [{ address: TARGET + 8, length: 4 }] });
    // Each of four tables of the first stage and the page itself is found by four levels of the second one; and four entries.
    expect(given.counts()).toEqual([[4, 4 * 4 + 4 + 4]]);
    expect(given.host.walks[0].references.filter(({ what }) => what === 'first')).toHaveLength(4);
    expect(given.host.walks[0].levels).toEqual({ first: 4, second: 4 });
  });

  it.each([
    [4, 3, 5 * 3 + 4],
    [5, 4, 6 * 4 + 5],
  ])('of %i levels over %i has %i', (firstLevels, secondLevels, references) => {
    const given = scalable({ kind: 'nested', firstLevels, secondLevels }, { pagingStructures: NONE });
    mapTables(given);
    given.mapFirst(IOVA, 0x7000);
    given.mapSecond(0x7000, TARGET);
    given.translate(IOVA);
    expect(given.counts()).toEqual([[4, references]]);
  });

  it('has fewer with paging-structure caches, and fewer still when they are warm', () => {
    const given = scalable({ kind: 'nested' }, { pagingStructures: { sets: 1, ways: 64 } });
    mapTables(given);
    for (const page of [0, 1]) {
      given.mapFirst(IOVA + page * 0x1000, 0x7000 + page * 0x1000);
      given.mapSecond(0x7000 + page * 0x1000, TARGET + page * 0x5000);
    }
    given.translate(IOVA);
    given.translate(IOVA + 0x1000);
    // Cold: the first table by four levels; three more tables and the page by the lowest one, which they have in common with it;
    // and four entries. Warm: the lowest entry of the first stage and the lowest one of the second.
    expect([MEMORY.base, 0x7000].map((address) => address >> 21)).toEqual([0, 0]);
    expect(given.counts()).toEqual([
      [4, 4 + 3 * 1 + 4 + 1],
      [0, 1 + 1],
    ]);
  });

  it('is forgotten when a page of the second stage is invalidated, whichever that is', () => {
    const given = scalable({ kind: 'nested' });
    mapTables(given);
    given.mapFirst(IOVA, 0x7000);
    given.mapSecond(0x7000, TARGET);
    given.translate(IOVA);
    given.mapSecond(0x7000, TARGET + 0x1000);
    given.host.write64(given.host.iotlb - 8, 0x7000n);
    given.host.command(given.host.iotlb, (1n << 63n) | (3n << 60n) | (DOMAIN << 32n));
    expect(given.translate(IOVA)).toMatchObject({ pieces: [{ address: TARGET + 0x1000 }] });
  });

  it('maps as a whole what both stages map as a whole', () => {
    const given = scalable({ kind: 'nested' });
    mapTables(given);
    given.mapFirst(0x40000000, 0x200000, USER_RW, 2);
    given.mapSecond(0x200000, 0x600000, 3n, 2);
    given.mapFirst(0x80000000, 0x40000000, USER_RW, 3);
    given.mapSecond(0x40001000, TARGET);
    given.translate(0x40000000);
    given.translate(0x80001000);
    expect(given.host.walks.map(({ page }) => page?.size)).toEqual([2 ** 21, 2 ** 12]);
  });

  it('lets write what both stages do', () => {
    const given = scalable({ kind: 'nested' });
    mapTables(given);
    given.mapFirst(IOVA, 0x7000);
    given.mapSecond(0x7000, TARGET, 1n);
    given.mapFirst(IOVA + 0x1000, 0x8000, 5n);
    given.mapSecond(0x8000, TARGET);
    given.translate(IOVA, true);
    given.translate(IOVA + 0x1000, true);
    expect(given.host.faults.map(({ reason }) => reason)).toEqual([
      FaultReason.ScalableWriteDenied,
      FaultReason.ScalableWriteDenied,
    ]);
    expect(given.translate(IOVA)).toHaveProperty('pieces');
  });

  it('does not set bits in tables of the first stage that the second one does not let write', () => {
    const given = scalable({ kind: 'nested' });
    given.mapFirst(IOVA, 0x7000);
    mapTables(given);
    given.mapSecond(given.first, given.first, 1n);
    given.translate(IOVA);
    expect(given.host.faults[0].reason).toBe(FaultReason.FirstStageWriteDenied);
    const top = given.tables.place(given.first, IOVA, 4);
    given.host.poke(top, given.host.peek64(top) | ACCESSED);
    given.mapSecond(0x7000, TARGET);
    expect(given.translate(IOVA)).toHaveProperty('pieces');
  });
});

describe('accessed and dirty bits', () => {
  it('of the first stage are set by reads and writes, and a write sets the dirty bit also of a page that the IOTLB has', () => {
    const given = scalable({ kind: 'first' });
    given.mapFirst(IOVA, TARGET);
    const leaf = (): bigint => {
      const found = given.host.unit.peek(NIC, IOVA).references;
      return given.host.peek64(found[found.length - 1].address) & (ACCESSED | DIRTY);
    };
    expect(leaf()).toBe(0n);
    given.translate(IOVA);
    expect(leaf()).toBe(ACCESSED);
    given.translate(IOVA, true);
    expect(leaf()).toBe(ACCESSED | DIRTY);
    expect(given.host.walks.map(({ updates }) => updates)).toEqual([4, 1]);
    given.translate(IOVA, true);
    expect(given.host.walks).toHaveLength(2);
  });

  it.each([true, false])('of the second stage are set where the entry asks for them: %s', (accessedDirty) => {
    const given = scalable({ kind: 'second', accessedDirty });
    given.mapSecond(IOVA, TARGET);
    given.translate(IOVA, true);
    const bits = given.host.walks[0].references
      .filter(({ what }) => what === 'second')
      .map(({ address }) => (given.host.peek64(address) >> 8n) & 3n);
    expect(bits).toEqual(accessedDirty ? [1n, 1n, 1n, 3n] : [0n, 0n, 0n, 0n]);
  });
});

describe('invalidations by PASID', () => {
  function warm() {
    const given = scalable({ kind: 'first' });
    for (const page of [0, 1]) given.mapFirst(IOVA + page * 0x1000, TARGET + page * 0x1000);
    const cost = (page: number): [number, number] => {
      const before = given.host.walks.length;
      given.translate(IOVA + page * 0x1000);
      const walk = given.host.walks[before];
      return given.host.walks.length === before ? [0, 0] : [walk.tableReferences, walk.pageReferences];
    };
    given.host.write64(R.IQA, BigInt(QUEUE) | (1n << 11n));
    given.host.write32(R.GCMD, G.TE + G.QIE);
    let tail = 0;
    const invalidate = (low: bigint, high = 0n): void => {
      given.host.poke(QUEUE + tail, low, high, 0n, 0n);
      given.host.write32(R.IQT, (tail += 32));
      given.host.world.drain();
      expect(given.host.read32(R.FSTS)).toBe(0);
    };
    for (const page of [0, 1]) cost(page);
    return { invalidate, cost, host: given.host };
  }
  const domain = DOMAIN << 16n;
  const other = (DOMAIN + 1n) << 16n;
  const pasid = BigInt(PASID) << 32n;

  it('drop PASID entries: of all, of a domain, of a PASID', () => {
    const { invalidate, cost, host } = warm();
    for (const [what, references] of [
      [3n << 4n, 2],
      [domain, 2],
      [other, 0],
      [(1n << 4n) | domain | pasid, 2],
      [(1n << 4n) | domain | (1n << 32n), 0],
    ] as const) {
      invalidate(7n | what);
      expect(cost(0)).toEqual([references, 0]);
    }
    expect(host.invalidations.map(({ scope, dropped }) => [scope, dropped])).toEqual([
      ['global', 1],
      ['domain', 1],
      ['domain', 0],
      ['pasid', 1],
      ['pasid', 0],
    ]);
  });

  it('drop pages: all of a PASID, or some', () => {
    const { invalidate, cost } = warm();
    invalidate(6n | (2n << 4n) | domain | pasid);
    expect([cost(0), cost(1)]).toEqual([
      [0, 4],
      [0, 1],
    ]);
    invalidate(6n | (2n << 4n) | domain | (1n << 32n));
    expect(cost(0)).toEqual([0, 0]);
    invalidate(6n | (3n << 4n) | domain | pasid, BigInt(IOVA) | (1n << 6n));
    expect([cost(0), cost(1)]).toEqual([
      [0, 1],
      [0, 0],
    ]);
    invalidate(6n | (3n << 4n) | domain | pasid, BigInt(IOVA));
    expect(cost(0)).toEqual([0, 4]);
  });
});
