/** Translation in legacy mode: walks, their references, caches, rights, widths, pass-through (VT-d specification, chapter 3). */
import { describe, expect, it } from 'vitest';
import { FaultReason } from '../../../../src/machine/iommu/fault-reasons';
import type { RemappingOptions } from '../../../../src/machine/iommu/options';
import { COSTS, R, Tables, UnitWorld } from '../../../support/vtd/world';

const NIC = 0x0308; // bus 3, device 1, function 0
const DOMAIN = 7n;
const RW = 3n;
const IOVA = 0x12345000;
const TARGET = 0x200000n;

/** AW in the upper half of a context entry: levels - 2. */
function legacy(options: Partial<RemappingOptions> = {}, levels = 4) {
  const host = new UnitWorld(options);
  const tables = new Tables(host);
  const root = tables.page();
  const top = tables.page();
  tables.context(root, NIC, BigInt(top) | 1n, (DOMAIN << 8n) | BigInt(levels - 2));
  host.turnOn(root);
  const translate = (iova: number, length: number, write = false) =>
    host.unit.translate(NIC, iova, length, write);
  return { host, tables, root, top, translate, map: tables.map.bind(tables, top, levels) };
}

describe('a walk', () => {
  it.each([3, 4, 5])('of %i levels reads one entry of each, and root and context entry before', (levels) => {
    const { host, map, translate } = legacy({}, levels);
    map(IOVA, TARGET, RW);
    const result = translate(IOVA + 0x123, 8);
    const [walk] = host.walks;
    expect([walk.tableReferences, walk.pageReferences]).toEqual([2, levels]);
    expect(walk.references.map(({ what, level }) => [what, level])).toEqual([
      ['root', 0],
      ['context', 0],
      ...Array.from({ length: levels }, (_, at) => ['second', levels - at]),
    ]);
    expect(result).toEqual({
      pieces: [{ address: Number(TARGET) + 0x123, length: 8 }],
      cycles: COSTS.lookup + (2 + levels) * COSTS.reference,
    });
    expect(walk.domain).toBe(Number(DOMAIN));
    for (const { address, words } of walk.references.filter(({ what }) => what === 'second'))
      expect((BigInt(words[1]) << 32n) | BigInt(words[0])).toBe(host.peek64(address));
  });

  it('is spared by the IOTLB, and shortened by paging-structure caches', () => {
    const { host, map, translate } = legacy();
    map(IOVA, TARGET, RW);
    map(IOVA + 0x1000, TARGET + 0x5000n, RW);
    map(IOVA + 0x200000, TARGET + 0x6000n, RW);
    translate(IOVA, 4);
    expect(translate(IOVA + 4, 4)).toEqual({
      pieces: [{ address: Number(TARGET) + 4, length: 4 }],
      cycles: COSTS.lookup,
    });
    expect(host.hits).toHaveLength(1);
    translate(IOVA + 0x1000, 4); // the same table of the lowest level
    translate(IOVA + 0x200000, 4); // the same table of the one above
    expect(host.walks.map((walk) => [walk.tableReferences, walk.pageReferences, walk.structureHits])).toEqual(
      [
        [2, 4, 0],
        [0, 1, 1],
        [0, 2, 1],
      ],
    );
  });

  it('that finds large pages is shorter, and one entry of the IOTLB serves all of a page', () => {
    const { host, map, translate } = legacy();
    map(0x40000000, 0x4000000000n, RW, 3);
    map(0x00200000, 0x5000200000n, RW, 2);
    translate(0x40000000, 4);
    translate(0x7ffff000, 4);
    translate(0x00200000, 4);
    translate(0x003ff000, 4);
    expect(host.walks.map((walk) => [walk.pageReferences, walk.page?.size])).toEqual([
      [2, 2 ** 30],
      // The topmost entry is cached.
      [2, 2 ** 21],
    ]);
    expect(host.hits.map(({ address }) => address)).toEqual([0x403ffff000, 0x50003ff000]);
  });
});

describe('an access', () => {
  it('across pages is done in pieces, those that meet are one', () => {
    const { host, map, translate } = legacy();
    map(IOVA, TARGET, RW);
    map(IOVA + 0x1000, TARGET + 0x1000n, RW);
    map(IOVA + 0x2000, TARGET + 0x9000n, RW);
    const result = translate(IOVA + 0xff0, 0x2000);
    expect(result).toMatchObject({
      pieces: [
        { address: Number(TARGET) + 0xff0, length: 0x1010 },
        { address: Number(TARGET) + 0x9000, length: 0xff0 },
      ],
    });
    expect(host.walks).toHaveLength(3);
  });

  it('is refused as a whole when one of its pages is', () => {
    const { host, map, translate } = legacy();
    map(IOVA, TARGET, RW);
    expect(translate(IOVA + 0xff0, 0x20)).toMatchObject({ fault: 'blocked' });
    expect(host.faults).toMatchObject([
      { request: { iova: IOVA + 0x1000 }, reason: FaultReason.ReadDenied, recorded: true },
    ]);
  });

  it('needs the right in each entry of the walk', () => {
    const { host, map, translate } = legacy();
    map(IOVA, TARGET, 1n);
    map(IOVA + 0x1000, TARGET, 2n);
    expect(translate(IOVA, 4)).toHaveProperty('pieces');
    expect(translate(IOVA, 4, true)).toHaveProperty('fault');
    expect(translate(IOVA + 0x1000, 4, true)).toHaveProperty('pieces');
    expect(translate(IOVA + 0x1000, 4)).toHaveProperty('fault');
    expect(host.faults.map(({ reason }) => reason)).toEqual([
      FaultReason.WriteDenied,
      FaultReason.ReadDenied,
    ]);
  });

  it('of a page that has got more rights since is allowed without an invalidation', () => {
    const { tables, host, top, map, translate } = legacy();
    map(IOVA, TARGET, 1n);
    translate(IOVA, 4);
    map(IOVA, TARGET, 3n);
    expect(translate(IOVA, 4, true)).toHaveProperty('pieces');
    expect(host.peek64(tables.place(top, IOVA, 4)) & 3n).toBe(3n);
  });

  it('of a page that is no longer mapped goes on until the IOTLB is invalidated', () => {
    const { host, map, translate } = legacy();
    map(IOVA, TARGET, RW);
    translate(IOVA, 4);
    map(IOVA, 0n, 0n);
    expect(translate(IOVA, 4)).toHaveProperty('pieces');
    host.invalidateAll();
    expect(translate(IOVA, 4)).toHaveProperty('fault');
  });

  it('to where interrupts are written reaches no memory', () => {
    const { host, map, translate } = legacy();
    map(0xfee00000, TARGET, RW);
    expect(translate(0xfee00000, 4, true)).toEqual({ fault: 'master-abort', cycles: 0 });
    expect(host.walks).toEqual([]);
    map(IOVA, 0xfee00000n, RW);
    expect(translate(IOVA, 4)).toHaveProperty('fault', 'blocked');
    expect(host.faults[0].reason).toBe(FaultReason.InterruptRange);
  });

  it('passes the unit as it is while translation is off', () => {
    const host = new UnitWorld();
    expect(host.unit.translate(NIC, 0x1000, 16, true)).toEqual({
      pieces: [{ address: 0x1000, length: 16 }],
      cycles: 0,
    });
  });
});

describe('entries that are refused', () => {
  const P = 1n;
  const cases: [string, number, (given: ReturnType<typeof legacy>) => void][] = [
    ['no root entry', FaultReason.RootNotPresent, ({ host, root }) => host.poke(root + 3 * 16, 0n, 0n)],
    [
      'a root entry with reserved bits',
      FaultReason.RootReserved,
      ({ host, root }) => host.poke(root + 48, P | 2n, 0n),
    ],
    [
      'a root entry with an upper half',
      FaultReason.RootReserved,
      ({ host, root }) => host.poke(root + 48, P, 1n),
    ],
    [
      'a root entry that leads nowhere',
      FaultReason.ContextAccess,
      ({ host, root }) => host.poke(root + 48, P | 0x10000000n, 0n),
    ],
    [
      'no context entry',
      FaultReason.ContextNotPresent,
      ({ tables, root }) => tables.context(root, NIC, 0n, 0n),
    ],
    [
      'reserved bits',
      FaultReason.ContextReserved,
      ({ tables, root, top }) => tables.context(root, NIC, BigInt(top) | P | 0x10n, 2n),
    ],
    [
      'two levels',
      FaultReason.ContextInvalid,
      ({ tables, root, top }) => tables.context(root, NIC, BigInt(top) | P, 0n),
    ],
    [
      'a reserved type',
      FaultReason.ContextInvalid,
      ({ tables, root, top }) => tables.context(root, NIC, BigInt(top) | P | 0xcn, 2n),
    ],
    [
      'device TLBs that the unit has not',
      FaultReason.ContextInvalid,
      ({ tables, root, top }) => tables.context(root, NIC, BigInt(top) | P | 4n, 2n),
    ],
    [
      'a table that is nowhere',
      FaultReason.SecondStageAccess,
      ({ tables, root }) => tables.context(root, NIC, 0x10000000n | P, 2n),
    ],
    ['a page beyond the host', FaultReason.SecondStageReserved, ({ map }) => map(IOVA, 1n << 46n, RW)],
    [
      'a large page off its boundary',
      FaultReason.SecondStageReserved,
      ({ map }) => map(IOVA, 0x1000n, RW, 2),
    ],
    ['no page', FaultReason.ReadDenied, ({ map }) => map(IOVA, TARGET, 0n)],
  ];
  it.each(cases)('%s: reason %i', (_name, reason, spoil) => {
    const given = legacy();
    if (reason !== FaultReason.SecondStageReserved) given.map(IOVA, TARGET, RW);
    spoil(given);
    expect(given.translate(IOVA, 4)).toHaveProperty('fault', 'blocked');
    expect(given.host.faults.map((fault) => fault.reason)).toEqual([reason]);
  });

  it('are those of addresses wider than the domain or the unit', () => {
    const narrow = legacy({ addressWidth: 48 }, 3);
    narrow.translate(2 ** 39, 4);
    const wide = legacy({ addressWidth: 48 }, 5);
    wide.translate(2 ** 48, 4);
    for (const { host } of [narrow, wide]) expect(host.faults[0].reason).toBe(FaultReason.AddressBeyondWidth);
  });

  it('may ask for silence', () => {
    const { host, tables, root, top, translate } = legacy();
    tables.context(root, NIC, BigInt(top) | 3n, (DOMAIN << 8n) | 2n);
    translate(IOVA, 4);
    expect(host.faults).toMatchObject([{ reason: FaultReason.ReadDenied, recorded: false }]);
    expect(host.read32(R.FSTS)).toBe(0);
  });
});

describe('pass-through', () => {
  it('takes addresses as the host has them', () => {
    const { host, tables, root, translate } = legacy();
    tables.context(root, NIC, 1n | 8n, (DOMAIN << 8n) | 2n);
    expect(translate(0x3fffff00, 0x200, true)).toMatchObject({
      pieces: [{ address: 0x3fffff00, length: 0x200 }],
    });
    expect(translate(2 ** 46, 4)).toHaveProperty('fault', 'blocked');
    expect(host.faults[0].reason).toBe(FaultReason.AddressBeyondWidth);
  });

  it('does not reach protected memory, which no fault tells of', () => {
    const { host, tables, root, translate } = legacy();
    tables.context(root, NIC, 1n | 8n, (DOMAIN << 8n) | 2n);
    host.write32(R.PLMBASE, 0xffffffff);
    const granularity = 2 ** 32 - host.read32(R.PLMBASE);
    host.write32(R.PLMBASE, 0x40000000);
    host.write32(R.PLMLIMIT, 0x40000000);
    host.write64(R.PHMBASE, 0x200000000n);
    host.write64(R.PHMLIMIT, 0x200000000n);
    host.write32(R.PMEN, 2 ** 31);
    expect(host.read32(R.PMEN)).toBe(2 ** 31 + 1);
    const reaches = (address: number): boolean => 'pieces' in translate(address, 4);
    expect(
      [-4, 0, granularity - 4, granularity].flatMap((at) => [
        reaches(0x40000000 + at),
        reaches(0x200000000 + at),
      ]),
    ).toEqual([true, true, false, false, false, false, true, true]);
    expect(host.faults).toEqual([]);
    host.write32(R.GCMD, 0);
    expect(host.unit.translate(NIC, 0x40000000, 4, false)).toEqual({ fault: 'blocked', cycles: 0 });
  });
});

describe('peek', () => {
  it('reads what a walk would read, and leaves everything as it is', () => {
    const { host, map, translate } = legacy();
    map(IOVA, TARGET, RW);
    const before = host.unit.save();
    const peeked = host.unit.peek(NIC, IOVA + 0x10);
    expect(peeked).toMatchObject({
      domain: Number(DOMAIN),
      result: { address: Number(TARGET) + 0x10, size: 4096 },
    });
    expect(host.unit.peek(NIC, 0x1000).result).toEqual({ fault: FaultReason.ReadDenied });
    expect([host.walks, host.faults, host.hits]).toEqual([[], [], []]);
    expect(host.unit.save()).toEqual(before);
    translate(IOVA + 0x10, 4);
    expect(host.walks[0].references).toEqual(peeked.references);
  });
});
