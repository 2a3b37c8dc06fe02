/** SR-IOV by the registers of its extended capability (PCI Express Base Specification 6.0, 9.3.3 and 9.3.4). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addExpress, addPowerManagement, ExpressType } from '../../../../src/machine/pci/capabilities';
import { addAri, addAts } from '../../../../src/machine/pci/extended-capabilities';
import { firmwareAssign } from '../../../../src/machine/pci/firmware';
import { ECAM } from '../../../../src/machine/pci/root';
import { Sriov } from '../../../../src/machine/pci/sriov';
import { FakeBus, World } from '../fake-bus';
import { comparable } from '../platform/fake-environment';
import { at, constant, machine, nic } from './machine';
import { IDS, SIZES, ScratchDevice } from './scratch-device';

/** Offsets from the capability's header, and bits of its control register. */
const R = {
  control: 8,
  initialVfs: 0x0c,
  totalVfs: 0x0e,
  numVfs: 0x10,
  link: 0x12,
  offset: 0x14,
  stride: 0x16,
  deviceId: 0x1a,
  supportedPages: 0x1c,
  page: 0x20,
  bar0: 0x24,
} as const;
const VF_ENABLE = 1;
const VF_MSE = 8;
const ON = VF_ENABLE | VF_MSE;
/** Where the tests put the VFs' BARs. */
const BASE = 0xd000_0000;
const PF = 3;
const ROUTING = { offset: 0xe8, stride: 2 };

/** A machine with the device at 00:03.0, whose VFs have the requester IDs 100H, 102H and so on. */
function withVfs(total = 4) {
  const m = machine();
  const world = new World();
  const bus = (name: string): FakeBus => new FakeBus(world, name);
  const device = new ScratchDevice(
    bus('pf'),
    Array.from({ length: total }, (_, i) => bus(`vf${i}`)),
  );
  m.root.add(at(PF), device.pci);
  const power = addPowerManagement(device.pci);
  const { sriov, virtualFunctions } = device;
  if (!sriov) throw new Error('the device has no virtual functions');
  sriov.route(ROUTING);
  virtualFunctions.forEach(({ pci }, i) => {
    const requester = PF * 8 + ROUTING.offset + i * ROUTING.stride;
    m.root.add({ bus: requester >> 8, device: (requester >> 3) & 31, function: requester & 7 }, pci);
  });
  const capability = findExtended(m, 0x10);
  return {
    ...m,
    device,
    capability,
    power,
    get: (offset: number, size = 2): number => m.ecam.read(PF, capability + offset, size),
    set: (offset: number, value: number, size = 2): void =>
      m.ecam.write(PF, capability + offset, value, size),
    /** A register of a VF's configuration space, by its requester ID. */
    vf: (number: number, offset: number, size = 4, value?: number): number => {
      const place = ECAM.base + (0x100 + number * ROUTING.stride) * 0x1000 + offset;
      if (value !== undefined) m.memory.write(place, size, value);
      return m.memory.read(place, size);
    },
  };
}

function findExtended(m: ReturnType<typeof machine>, id: number, device = PF): number {
  for (let where = 0x100; where !== 0; where = m.ecam.read(device, where) >>> 20)
    if ((m.ecam.read(device, where) & 0xffff) === id) return where;
  throw new Error('no such capability');
}

/** Turns VFs on, with their BARs at `BASE` and 1 MiB above it. */
function turnOn(m: ReturnType<typeof withVfs>, count: number, control = ON): void {
  m.set(R.bar0, BASE, 4);
  m.set(R.bar0 + 8, BASE + 0x10_0000, 4);
  m.set(R.numVfs, count);
  m.set(R.control, control);
}

describe('the capability', () => {
  it('tells of the VFs that could be', () => {
    const m = withVfs(4);
    expect(m.ecam.read(PF, m.capability) & 0xfffff).toBe(0x1_0010);
    expect([R.initialVfs, R.totalVfs, R.numVfs, R.offset, R.stride].map((each) => m.get(each))).toEqual([
      4,
      4,
      0,
      ROUTING.offset,
      ROUTING.stride,
    ]);
    expect([m.get(R.deviceId), m.get(R.link, 1), m.get(R.page, 4)]).toEqual([IDS.vf, 0, 1]);
    // Page sizes that every device supports (9.3.3.12), each a bit of its power of two above 4 KiB.
    const pages = [4, 8, 64, 256, 1024, 4096].map((kib) => Math.log2(kib / 4));
    expect(m.get(R.supportedPages, 4)).toBe(pages.reduce((bits, bit) => bits | (1 << bit), 0));
  });

  it('sizes a VF BAR as that of one VF, and no smaller than a page of the system', () => {
    for (const bit of [0, 1, 4, 6, 8, 10]) {
      const m = withVfs();
      m.set(R.page, 1 << bit, 4);
      for (const [i, size] of SIZES.vf.entries()) {
        const register = R.bar0 + 8 * i;
        m.set(register, 0xffffffff, 4);
        m.set(register + 4, 0xffffffff, 4);
        const low = m.get(register, 4);
        expect(low & 15).toBe(4);
        expect(2 ** 32 - ((low & ~15) >>> 0)).toBe(Math.max(size, 4096 * 2 ** bit));
        expect(m.get(register + 4, 4)).toBe(0xffffffff);
      }
    }
  });

  it('takes a page size that is supported only, and keeps bases at multiples of it', () => {
    const m = withVfs();
    m.set(R.bar0, BASE + 0x4000, 4);
    m.set(R.page, 1 << 4, 4);
    expect(m.get(R.bar0, 4)).toBe(BASE + 4);
    m.set(R.page, 1 << 2, 4);
    expect(m.get(R.page, 4)).toBe(0);
  });

  it('keeps number and page size as they are while VFs are enabled', () => {
    const m = withVfs();
    m.set(R.numVfs, 3);
    m.set(R.control, VF_ENABLE);
    m.set(R.numVfs, 2);
    m.set(R.page, 2, 4);
    expect([m.get(R.numVfs), m.get(R.page, 4)]).toEqual([3, 1]);
    m.set(R.control, 0);
    m.set(R.numVfs, 2);
    m.set(R.page, 2, 4);
    expect([m.get(R.numVfs), m.get(R.page, 4)]).toEqual([2, 2]);
  });

  it('has to fit', () => {
    const options = { total: 4, deviceId: 1, type: ExpressType.endpoint };
    const bar = { index: 0, kind: 'memory32', size: 4096, name: 'b' } as const;
    for (const total of [0, 256, 1.5])
      expect(() => new Sriov(nic(), { ...options, total, bars: [bar] })).toThrow(RangeError);
    expect(() => new Sriov(nic(), { ...options, bars: [{ ...bar, kind: 'io', size: 4 }] })).toThrow(/I\/O/);
    expect(() => new Sriov(nic(), { ...options, bars: [{ ...bar, size: 5000 }] })).toThrow(RangeError);
    const sriov = new Sriov(nic(), { ...options, total: 1, bars: [bar] });
    const onReset = (): void => undefined;
    expect(() => sriov.addFunction({ blocks: [], onReset })).toThrow(RangeError);
    sriov.addFunction({ blocks: [constant(1)], onReset });
    expect(() => sriov.addFunction({ blocks: [constant(1)], onReset })).toThrow(RangeError);
    expect(() => sriov.requesterOf(0)).toThrow(/route/);
  });
});

describe('virtual functions', () => {
  it('are on the bus while VF Enable is set, as many as NumVFs', () => {
    const m = withVfs(4);
    const there = (): boolean[] => [0, 1, 2, 3].map((i) => m.vf(i, 8) !== 0xffffffff);
    expect(there()).toEqual([false, false, false, false]);
    m.set(R.numVfs, 3);
    expect(there()).toEqual([false, false, false, false]);
    m.set(R.control, VF_ENABLE);
    expect([there(), m.device.sriov?.count]).toEqual([[true, true, true, false], 3]);
    expect(m.root.at(0x104)?.fn).toBe(m.device.virtualFunctions[2].pci);
    m.set(R.control, 0);
    expect([there(), m.root.at(0x104)]).toEqual([[false, false, false, false], undefined]);
    // A number that is too large is undefined (9.3.3.7): all of them come.
    m.set(R.numVfs, 0xffff);
    m.set(R.control, VF_ENABLE);
    expect(there()).toEqual([true, true, true, true]);
    expect(m.read(PF, 0x0e, 1)).toBe(0);
  });

  it('have no identifiers, no BARs, no pin and only bus mastering to turn on', () => {
    const m = withVfs();
    turnOn(m, 4);
    expect(m.vf(1, 0)).toBe(0xffffffff);
    expect(m.vf(1, 8)).toBe(0x02000003);
    for (let offset = 4; offset < 0x40; offset += 4) m.vf(1, offset, 4, 0xffffffff);
    expect(m.vf(1, 4, 2)).toBe(4);
    expect([0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30, 0x3c].map((offset) => m.vf(1, offset))).toEqual(
      Array(8).fill(0),
    );
    expect([m.vf(1, 0x2c, 2), m.vf(1, 0x0e, 1)]).toEqual([0x1af4, 0]);
  });

  it('can be reset by themselves, which leaves the others as they are', () => {
    const m = withVfs();
    turnOn(m, 4);
    for (const i of [0, 1, 2]) {
      m.vf(i, 4, 2, 4);
      m.memory.write(BASE + i * SIZES.vf[0], 4, 0x50 + i);
    }
    const express = 0x40;
    expect(m.vf(1, express, 1)).toBe(0x10);
    expect(m.vf(1, express + 4) & (1 << 28)).not.toBe(0);
    m.vf(1, express + 8, 2, 0x8000);
    const seen = [0, 1, 2].map((i) => [m.vf(i, 4, 2), m.memory.read(BASE + i * SIZES.vf[0], 4)]);
    // The base is the physical function's, and stays (9.3.3.14): the VF still decodes there.
    expect(seen).toEqual([
      [4, 0x50],
      [0, 0],
      [4, 0x52],
    ]);
  });

  it('lose what they have when they leave the bus', () => {
    const m = withVfs();
    turnOn(m, 2);
    m.vf(1, 4, 2, 4);
    m.memory.write(BASE + SIZES.vf[0], 4, 0x77);
    m.memory.write(BASE + 0x10_0000 + SIZES.vf[1] + 8, 4, 0x41);
    m.set(R.control, 0);
    expect(m.device.virtualFunctions[1].pci.busMaster).toBe(false);
    m.set(R.control, ON);
    const table = m.memory.read(BASE + 0x10_0000 + SIZES.vf[1] + 8, 4);
    expect([m.vf(1, 4, 2), m.memory.read(BASE + SIZES.vf[0], 4), table]).toEqual([0, 0, 0]);
  });

  it('are gone after a reset of their physical function, or of the bus', () => {
    for (const reset of ['function', 'bus']) {
      const m = withVfs();
      const fresh = withVfs();
      turnOn(m, 4);
      m.memory.write(BASE, 4, 0x77);
      if (reset === 'bus') m.root.reset();
      else m.ecam.write(PF, 0x48, 0x8000, 2);
      expect([m.vf(0, 8), m.memory.read(BASE, 4)]).toEqual([0xffffffff, 0xffffffff]);
      expect(comparable(m.root.save())).toEqual(comparable(fresh.root.save()));
      expect(m.device.virtualFunctions[0].value).toBe(0);
    }
  });
});

describe('the power state of the physical function', () => {
  it('is that of its virtual functions', () => {
    const m = withVfs();
    turnOn(m, 2);
    m.vf(1, 4, 2, 4);
    const { pci } = m.device.virtualFunctions[1];
    const seen = (): unknown[] => [m.memory.read(BASE + SIZES.vf[0], 4), pci.busMaster, m.vf(1, 4, 2)];
    expect(seen()).toEqual([0, true, 4]);
    m.ecam.write(PF, m.power + 4, 3, 2);
    expect(seen()).toEqual([0xffffffff, false, 4]);
    m.ecam.write(PF, m.power + 4, 0, 2);
    expect(seen()).toEqual([0, true, 4]);
  });
});

describe('the BARs of virtual functions', () => {
  it('stand one behind the other while VF MSE is set, whatever the physical function decodes', () => {
    const m = withVfs();
    turnOn(m, 3, VF_ENABLE);
    expect(m.memory.find(BASE)).toBeUndefined();
    m.set(R.control, ON);
    for (const i of [0, 1, 2]) m.memory.write(BASE + i * SIZES.vf[0], 4, 0x60 + i);
    expect(m.device.virtualFunctions.map(({ value }) => value)).toEqual([0x60, 0x61, 0x62, 0]);
    expect([m.memory.find(BASE + 2 * SIZES.vf[0])?.tag, m.memory.find(BASE + 3 * SIZES.vf[0])]).toEqual([
      '01:00.4/registers',
      undefined,
    ]);
    m.write(PF, 4, 2, 2);
    m.write(PF, 4, 0, 2);
    expect(m.memory.read(BASE + SIZES.vf[0], 4)).toBe(0x61);
    m.set(R.bar0 + 4, 1, 4);
    expect([m.memory.find(BASE), m.memory.read(2 ** 32 + BASE + SIZES.vf[0], 4)]).toEqual([undefined, 0x61]);
  });

  it('are apart by the page size of the system', () => {
    const m = withVfs();
    m.set(R.page, 1 << 4, 4);
    turnOn(m, 2);
    m.memory.write(BASE + 0x1_0000, 4, 0x99);
    expect(m.device.virtualFunctions.map(({ value }) => value)).toEqual([0, 0x99, 0, 0]);
    expect(m.memory.find(BASE + SIZES.vf[0])).toBeUndefined();
  });

  it('are given room by the firmware, for all that could be', () => {
    const m = withVfs(63);
    m.root.add(at(4), nic([{ index: 0, kind: 'memory32', size: 0x1000, block: constant(1), name: 'next' }]));
    firmwareAssign(m.root);
    expect([m.get(R.control), m.get(R.numVfs)]).toEqual([0, 0]);
    m.set(R.numVfs, 63);
    m.set(R.control, ON);
    m.device.virtualFunctions.forEach(({ pci }, i) => {
      SIZES.vf.forEach((size, bar) => {
        const region = m.memory.find(m.get(R.bar0 + 8 * bar, 4) - 4 + i * size);
        expect(region?.tag).toBe(`${m.root.at(pci.requester)?.name}/${pci.bars[bar].name}`);
        expect((region?.base ?? 1) % size).toBe(0);
      });
    });
    expect(m.memory.read(m.read(4, 0x10), 1)).toBe(1);
  });
});

describe('under any configuration writes', () => {
  const write = fc.oneof(
    fc.record({
      where: fc.constant('capability' as const),
      offset: fc.constantFrom(8, 8, 8, 0x10, 0x20, 0x24, 0x28, 0x2c),
      value: fc.oneof(
        fc.constantFrom(0, 1, 2, 3, 4, 8, 9, 0x10, 0x8000_0000),
        fc.nat(0xff).map((page) => BASE + page * 0x1000),
      ),
    }),
    fc.record({
      where: fc.nat(3),
      offset: fc.constantFrom(4, 0x48, 0x7c),
      value: fc.constantFrom(0, 4, 0x8000, 0xffff_ffff),
    }),
    fc.record({ where: fc.constant('pf' as const), offset: fc.constant(0x48), value: fc.constant(0x8000) }),
  );
  type Write = typeof write extends fc.Arbitrary<infer W> ? W : never;

  const apply = (m: ReturnType<typeof withVfs>, writes: readonly Write[]): void => {
    for (const { where, offset, value } of writes) {
      if (where === 'capability') m.set(offset, value, 4);
      else if (where === 'pf') m.write(PF, offset, value);
      else m.vf(where, offset, 4, value);
    }
  };
  /** By address, who answers. */
  const map = (m: ReturnType<typeof withVfs>): string[] =>
    m.memory
      .regions()
      .filter(
        ({ base, enabled, tag }) => enabled && tag.startsWith('01:') && m.memory.find(base)?.tag === tag,
      )
      .map(({ base, tag }) => `${base} ${tag}`)
      .sort();

  it('VFs are where the registers say, as an independent reading of them has it', () => {
    fc.assert(
      fc.property(fc.array(write, { maxLength: 25 }), (writes) => {
        const m = withVfs(4);
        apply(m, writes);
        const control = m.get(R.control);
        const count = control & VF_ENABLE ? Math.min(4, m.get(R.numVfs)) : 0;
        for (let i = 0; i < 4; i++) expect(m.vf(i, 8) !== 0xffffffff).toBe(i < count);
        const bits = m.get(R.page, 4);
        let page = 4096;
        while (bits !== 0 && (bits & (page / 4096)) === 0) page *= 2;
        if ((control & VF_MSE) === 0) expect(map(m)).toEqual([]);
        else if (count > 0) {
          const base = m.get(R.bar0, 4) - 4 + m.get(R.bar0 + 4, 4) * 2 ** 32;
          const stride = Math.max(page, SIZES.vf[0]);
          const enabled = m.memory
            .regions()
            .filter(({ enabled: decodes, tag }) => decodes && tag.endsWith('registers'));
          expect(enabled.map(({ base: start }) => start)).toEqual(
            Array.from({ length: count }, (_, i) => base + i * stride),
          );
        }
      }),
      { seed: 9, numRuns: 300 },
    );
  });

  it('a loaded snapshot and an adopted one go on alike', () => {
    fc.assert(
      fc.property(
        fc.array(write, { maxLength: 15 }),
        fc.array(write, { maxLength: 15 }),
        fc.array(write, { maxLength: 10 }),
        (before, other, after) => {
          const [m, loaded, adopted] = [withVfs(4), withVfs(4), withVfs(4)];
          apply(m, before);
          for (const each of [loaded, adopted]) apply(each, other);
          loaded.root.load(structuredClone(m.root.save()));
          adopted.root.adopt(structuredClone(m.root.save().hardware));
          for (const each of [m, loaded, adopted]) {
            expect(map(each)).toEqual(map(m));
            apply(each, after);
          }
          for (const each of [loaded, adopted]) {
            expect(comparable(each.root.save())).toEqual(comparable(m.root.save()));
            expect(map(each)).toEqual(map(m));
          }
        },
      ),
      { seed: 10, numRuns: 150 },
    );
  });
});

describe('other extended capabilities', () => {
  const withFunction = () => {
    const m = machine();
    const fn = nic();
    addExpress(fn, { type: ExpressType.endpoint });
    return { m, fn };
  };

  it('of ARI tell of no next function and no groups', () => {
    const { m, fn } = withFunction();
    const where = addAri(fn);
    m.root.add(at(1), fn);
    m.ecam.write(1, where + 4, 0xffffffff);
    expect([m.ecam.read(1, where) & 0xfffff, m.ecam.read(1, where + 4)]).toEqual([0x1_000e, 0]);
  });

  it('of ATS say what software has chosen', () => {
    for (const [queueDepth, told] of [
      [1, 1],
      [31, 31],
      [32, 0],
    ]) {
      const { m, fn } = withFunction();
      const ats = addAts(fn, { queueDepth });
      m.root.add(at(1), fn);
      expect([m.ecam.read(1, 0x104, 2) & 0x1f, ats.enabled, ats.smallestUnit]).toEqual([told, false, 4096]);
      m.ecam.write(1, 0x106, 0x8000 | 9, 2);
      expect([ats.enabled, ats.smallestUnit]).toEqual([true, 2 ** (12 + 9)]);
    }
    for (const queueDepth of [0, 33, 2.5]) expect(() => addAts(nic(), { queueDepth })).toThrow(RangeError);
  });

  it('of ATS in a virtual function take the smallest unit from the physical one', () => {
    const { m, fn } = withFunction();
    const other = nic();
    const physical = addAts(fn, { queueDepth: 8 });
    const ats = addAts(other, { queueDepth: 8, physical });
    m.root.add(at(1), fn);
    m.root.add(at(2), other);
    m.ecam.write(1, 0x106, 3, 2);
    m.ecam.write(2, 0x106, 0xffff, 2);
    expect([m.ecam.read(2, 0x106, 2), ats.enabled, ats.smallestUnit, physical.enabled]).toEqual([
      0x8000,
      true,
      2 ** 15,
      false,
    ]);
  });
});
