/** What the unit says of itself, and register-based invalidation (VT-d specification, 10.4 and 6.5.1). */
import { describe, expect, it } from 'vitest';
import { RemappingUnit } from '../../../../src/machine/iommu/remapping-unit';
import { SERVER_UNIT } from '../../../../src/machine/iommu/options';
import { COSTS, G, R, Tables, UnitWorld } from '../../../support/vtd/world';

const bits = (value: bigint, high: number, low: number): number =>
  Number((value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n));

describe('the capability registers', () => {
  it('tell of a server of 2017', () => {
    const host = new UnitWorld();
    const cap = host.read64(R.CAP);
    expect({
      domains: 2 ** (4 + 2 * bits(cap, 2, 0)),
      rwbf: bits(cap, 4, 4),
      protectedRegions: bits(cap, 6, 5),
      cachingMode: bits(cap, 7, 7),
      sagaw: bits(cap, 12, 8),
      mgaw: bits(cap, 21, 16) + 1,
      largePages: bits(cap, 37, 34),
      psi: bits(cap, 39, 39),
      records: bits(cap, 47, 40) + 1,
      drain: bits(cap, 55, 54),
      scalable: bits(cap, 63, 56),
    }).toEqual({
      domains: 65536,
      rwbf: 0,
      protectedRegions: 3,
      cachingMode: 0,
      sagaw: 0b01110, // three, four and five levels
      mgaw: SERVER_UNIT.addressWidth,
      largePages: 3,
      psi: 1,
      records: SERVER_UNIT.faultRecords,
      drain: 3,
      scalable: 0,
    });
    const ecap = host.read64(R.ECAP);
    expect([bits(ecap, 0, 0), bits(ecap, 1, 1), bits(ecap, 6, 6), bits(ecap, 7, 7)]).toEqual([1, 1, 1, 1]);
    expect([bits(ecap, 3, 2), bits(ecap, 63, 24)]).toEqual([0, 0]);
    expect(host.read32(0)).toBe(0x40);
  });

  it('tell of scalable mode, caching mode and device TLBs where a unit has them', () => {
    const host = new UnitWorld({
      scalableMode: true,
      cachingMode: true,
      deviceTlbs: true,
      firstStageFiveLevels: true,
      secondStageAccessedDirty: true,
      largePages: { twoMegabytes: true, oneGigabyte: false },
    });
    const cap = host.read64(R.CAP);
    const ecap = host.read64(R.ECAP);
    expect([bits(cap, 7, 7), bits(cap, 37, 34), bits(cap, 56, 56), bits(cap, 60, 60)]).toEqual([1, 1, 0, 1]);
    // DT; NEST; PSS; PASID; SMTS; SLADS, SLTS, FLTS, SMPWC; RPS
    expect(
      [
        [2, 2],
        [26, 26],
        [39, 35],
        [40, 40],
        [43, 43],
        [48, 45],
        [49, 49],
      ].map(([high, low]) => bits(ecap, high, low)),
    ).toEqual([1, 1, 19, 1, 1, 15, 1]);
  });

  it('point to registers that are there', () => {
    const host = new UnitWorld();
    expect([host.iotlb - 8, host.iotlb, host.records].map((at) => host.unit.registerName(at))).toEqual([
      'IVA',
      'IOTLB',
      'FRCD0_0',
    ]);
    // The interrupt-remapping table's address is a register of units that remap interrupts.
    const unnamed = Object.entries(R).filter(([, offset]) => host.unit.registerName(offset) === undefined);
    expect(unnamed.map(([name]) => name)).toEqual(['IRTA']);
  });
});

describe('a register', () => {
  it('is written in words; of narrower writes nothing comes, and they are read in parts', () => {
    const host = new UnitWorld();
    host.write64(R.RTADDR, 0x123456789000n);
    host.unit.write(R.RTADDR, 1, 0xff);
    host.unit.write(R.RTADDR + 2, 2, 0xffff);
    expect(host.read64(R.RTADDR)).toBe(0x123456789000n);
    expect([host.unit.read(R.RTADDR + 1, 1), host.unit.read(R.RTADDR + 2, 2)]).toEqual([0x90, 0x5678]);
    expect(host.unit.read(0xffc, 4)).toBe(0);
  });

  it('of commands shows what is on in the one of status', () => {
    const host = new UnitWorld();
    host.write32(R.GCMD, G.SRTP);
    expect(host.read32(R.GSTS)).toBe(G.SRTP);
    host.write32(R.GCMD, G.TE);
    host.write32(R.GCMD, G.TE + G.QIE);
    expect(host.read32(R.GSTS)).toBe(G.TE + G.SRTP + G.QIE);
    host.write32(R.GCMD, G.QIE);
    expect(host.read32(R.GSTS)).toBe(G.SRTP + G.QIE);
    // Interrupts are not remapped by this one.
    host.write32(R.GCMD, G.IRE + G.SIRTP + G.CFI);
    expect(host.read32(R.GSTS)).toBe(G.SRTP);
    host.unit.reset();
    expect(host.read32(R.GSTS)).toBe(0);
  });

  it('refuses options that no unit has', () => {
    const { unit, options } = new UnitWorld();
    expect(unit).toBeInstanceOf(RemappingUnit);
    for (const wrong of [
      { addressWidth: 57 },
      { hostAddressWidth: 36 },
      { faultRecords: 0 },
      { iotlb: { sets: 3, ways: 1 } },
    ])
      expect(() => new UnitWorld({ ...options, ...wrong })).toThrow(RangeError);
  });
});

describe('register-based invalidation', () => {
  const A = 0x0308;
  const B = 0x0309;
  const C = 0x0310;
  const IOVA = 0x200000;
  const START = 1n << 63n;

  /** Functions A and C in domain 1, B in domain 2, each with 8 pages. */
  function busy() {
    const host = new UnitWorld();
    const tables = new Tables(host);
    const root = tables.page();
    const tops = [tables.page(), tables.page()];
    for (const [requester, domain] of [
      [A, 1],
      [B, 2],
      [C, 1],
    ])
      tables.context(root, requester, BigInt(tops[domain - 1]) | 1n, (BigInt(domain) << 8n) | 2n);
    for (const top of tops)
      for (let page = 0; page < 8; page++)
        tables.map(top, 4, IOVA + page * 0x1000, BigInt(0x300000 + page * 0x1000), 3n);
    host.turnOn(root);
    /** References of an access: tables and pages. */
    const cost = (requester: number, page: number): [number, number] => {
      const before = host.walks.length;
      host.unit.translate(requester, IOVA + page * 0x1000, 4, false);
      const walk = host.walks[before];
      return host.walks.length === before ? [0, 0] : [walk.tableReferences, walk.pageReferences];
    };
    for (const requester of [A, B, C]) for (let page = 0; page < 8; page++) cost(requester, page);
    return { host, cost };
  }

  it('takes time, and tells when it is done and what was done', () => {
    const { host } = busy();
    host.write64(R.CCMD, START | (1n << 61n));
    const begin = host.world.time;
    host.world.advanceTo(begin + COSTS.command - 1);
    expect(host.read64(R.CCMD) >> 63n).toBe(1n);
    host.world.advanceTo(begin + COSTS.command);
    expect(host.read64(R.CCMD)).toBe((1n << 61n) | (1n << 59n));
    expect(host.invalidations).toMatchObject([
      { cache: 'context', scope: 'global', by: 'register', begin, end: begin + COSTS.command, dropped: 3 },
    ]);
  });

  it.each([
    ['all contexts', 1n << 61n, [true, true, true]],
    ['those of a domain', (2n << 61n) | 1n, [true, false, true]],
    ['that of a function', (3n << 61n) | (BigInt(A) << 16n) | 1n, [true, false, false]],
    [
      'those of functions 0 to 7 of a device',
      (3n << 61n) | (3n << 32n) | (BigInt(A) << 16n),
      [true, true, false],
    ],
  ])('drops %s', (_name, command, gone) => {
    const { host, cost } = busy();
    host.command(R.CCMD, START | command);
    expect([A, B, C].map((requester) => cost(requester, 0)[0] > 0)).toEqual(gone);
  });

  it('drops the IOTLB as a whole, of a domain, of pages', () => {
    const { host, cost } = busy();
    host.command(host.iotlb, START | (1n << 60n));
    expect([cost(A, 0), cost(B, 0)]).toEqual([
      [0, 4],
      [0, 4],
    ]);
    host.command(host.iotlb, START | (2n << 60n) | (2n << 32n));
    expect([cost(A, 0), cost(B, 0)]).toEqual([
      [0, 0],
      [0, 4],
    ]);
    for (let page = 0; page < 8; page++) cost(A, page);
    // Two pages from an address whose lowest bit does not count; entries that lead to tables stay.
    host.write64(host.iotlb - 8, BigInt(IOVA + 0x3000) | (1n << 6n) | 1n);
    expect(host.command(host.iotlb, START | (3n << 60n) | (1n << 32n)) >> 57n).toBe((3n << 3n) | 3n);
    expect([1, 2, 3, 4].map((page) => cost(A, page)[1])).toEqual([0, 1, 1, 0]);
    host.write64(host.iotlb - 8, BigInt(IOVA));
    host.command(host.iotlb, START | (3n << 60n) | (1n << 32n));
    expect(cost(A, 0)).toEqual([0, 4]);
  });

  it('does nothing when the granularity is none', () => {
    const { host, cost } = busy();
    expect(host.command(R.CCMD, START)).toBe(0n);
    expect([cost(A, 0), host.invalidations]).toEqual([[0, 0], []]);
  });
});
