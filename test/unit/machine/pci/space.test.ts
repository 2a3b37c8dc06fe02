/** The two ways to configuration space, and what stands in it: PCI 3.0 chapter 6, PCI Express Base Specification chapter 7. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addExpress, addPowerManagement, ExpressType } from '../../../../src/machine/pci/capabilities';
import { Command, addressName, addressOf, requesterOf } from '../../../../src/machine/pci/config';
import { firmwareAssign } from '../../../../src/machine/pci/firmware';
import type { BarSpec } from '../../../../src/machine/pci/function';
import { ECAM } from '../../../../src/machine/pci/root';
import { at, capabilities, constant, machine, nic } from './machine';

const MEMORY: BarSpec = { index: 0, kind: 'memory32', size: 0x1000, block: constant(0x11), name: 'memory' };

describe('a place in the hierarchy', () => {
  it('is a requester ID of bus, device and function', () => {
    // PCI Express Base Specification, figure 2-9: 8 bits of bus, 5 of device, 3 of function.
    expect(requesterOf({ bus: 0x12, device: 0x1f, function: 5 })).toBe(0x12fd);
    expect(addressOf(0x12fd)).toEqual({ bus: 0x12, device: 0x1f, function: 5 });
    expect(addressName({ bus: 0xff, device: 3, function: 7 })).toBe('ff:03.7');
  });

  it('is known to the function once it is there', () => {
    const m = machine();
    const fn = nic();
    expect(fn.requester).toBe(0);
    const slot = m.root.add({ bus: 2, device: 4, function: 0 }, fn);
    expect([fn.requester, slot.name, m.root.at(0x220)?.fn]).toEqual([0x220, '02:04.0', fn]);
  });

  it('has to exist and be free', () => {
    const m = machine();
    m.root.add(at(3), nic());
    expect(() => m.root.add(at(3), nic())).toThrow(/taken/);
    expect(() => m.root.add(at(32), nic())).toThrow(RangeError);
    expect(() => m.root.add(at(3, 8), nic())).toThrow(RangeError);
    expect(() => m.root.add({ bus: 256, device: 0, function: 0 }, nic())).toThrow(RangeError);
  });

  it('of a second function makes the first one tell of it, whichever comes first', () => {
    const m = machine();
    m.root.add(at(3), nic());
    expect(m.read(3, 0x0e, 1)).toBe(0);
    m.root.add(at(3, 2), nic());
    m.root.add(at(4, 1), nic());
    m.root.add(at(4), nic());
    expect([m.read(3, 0x0e, 1), m.read(4, 0x0e, 1)]).toEqual([0x80, 0x80]);
    m.root.reset();
    expect(m.read(3, 0x0e, 1)).toBe(0x80);
  });
});

describe('configuration mechanism #1 and ECAM', () => {
  it('show the same, in every width', () => {
    const m = machine();
    m.root.add(at(3), nic([MEMORY]));
    firmwareAssign(m.root);
    for (const size of [1, 2, 4])
      for (let offset = 0; offset < 256; offset += size)
        expect(m.ecam.read(3, offset, size)).toBe(m.read(3, offset, size));
  });

  it('write the same', () => {
    const access = fc.record({
      offset: fc.oneof(fc.constantFrom(4, 6, 0x0c, 0x10, 0x3c), fc.nat(255)),
      size: fc.constantFrom(1, 2, 4),
      value: fc.integer({ min: 0, max: 0xffffffff }),
    });
    fc.assert(
      fc.property(fc.array(access, { maxLength: 30 }), (accesses) => {
        const [one, two] = [machine(), machine()];
        for (const m of [one, two]) m.root.add(at(1), nic([MEMORY]));
        for (const { offset, size, value } of accesses) {
          const aligned = offset - (offset % size);
          one.write(1, aligned, value, size);
          two.ecam.write(1, aligned, value, size);
        }
        expect(two.root.save().hardware.functions).toEqual(one.root.save().hardware.functions);
      }),
      { seed: 1 },
    );
  });

  it('reach every bus, and say ones where nobody is', () => {
    const m = machine();
    m.root.add({ bus: 7, device: 2, function: 3 }, nic());
    m.ports.write(0xcf8, 4, 0x80071300);
    const memory = (bus: number): number =>
      m.memory.read(ECAM.base + bus * 0x100000 + 2 * 0x8000 + 3 * 0x1000, 4);
    expect([m.ports.read(0xcfc, 4), memory(7), memory(8)]).toEqual([0x100e8086, 0x100e8086, 0xffffffff]);
    expect(m.memory.read(ECAM.base + 256 * 0x100000 - 4, 4)).toBe(0xffffffff);
  });

  it('differ above 256 bytes: there is only ECAM, and only for PCI Express', () => {
    const m = machine();
    const conventional = nic();
    const express = nic();
    addExpress(express, { type: ExpressType.rootIntegratedEndpoint });
    m.root.add(at(1), conventional);
    m.root.add(at(2), express);
    expect([m.ecam.read(1, 0x100), m.ecam.read(2, 0x100), m.ecam.read(2, 0xffc)]).toEqual([0xffffffff, 0, 0]);
    // AMD's extended register number in bits 27 to 24 of CONFIG_ADDRESS is not there: the bits are reserved.
    m.ports.write(0xcf8, 4, 0x81001000);
    expect([m.ports.read(0xcf8, 4), m.ports.read(0xcfc, 4)]).toEqual([0x80001000, 0x100e8086]);
  });
});

describe('capabilities', () => {
  it('stand in one list, extended ones in another', () => {
    const m = machine();
    const fn = nic();
    const power = addPowerManagement(fn);
    const express = addExpress(fn, { type: ExpressType.endpoint });
    const first = fn.addExtendedCapability(0x0010, 1, new Uint8Array(60), new Uint8Array(60));
    const second = fn.addExtendedCapability(0x000e, 2, [1, 2, 3, 4], [0xff, 0, 0, 0]);
    m.root.add(at(1), fn);
    expect([...capabilities(m, 1)]).toEqual([
      [0x01, power],
      [0x10, express],
    ]);
    const headers: [number, number, number][] = [];
    for (let where = 0x100; where !== 0; where = m.ecam.read(1, where) >>> 20) {
      const header = m.ecam.read(1, where);
      headers.push([where, header & 0xffff, (header >>> 16) & 15]);
    }
    expect(headers).toEqual([
      [first, 0x10, 1],
      [second, 0x0e, 2],
    ]);
    m.ecam.write(1, second + 4, 0xaabbccdd);
    expect(m.ecam.read(1, second + 4)).toBe(0x040302dd);
  });

  it('have to fit', () => {
    const fn = nic();
    expect(() => fn.addCapability(9, new Uint8Array(191), new Uint8Array(191))).toThrow(/does not fit/);
    expect(() => fn.addExtendedCapability(9, 1, new Uint8Array(3837), new Uint8Array(3837))).toThrow(
      /does not fit/,
    );
  });

  it('of PCI Express: a function-level reset brings back configuration space and device', () => {
    const m = machine();
    let resets = 0;
    const fn = nic([MEMORY]);
    const where = addExpress(fn, { type: ExpressType.endpoint, onReset: () => (resets += 1) });
    m.root.add(at(1), fn);
    firmwareAssign(m.root);
    expect(m.read(1, where + 4) & (1 << 28)).not.toBe(0);
    const before = m.read(1, where + 8, 2);
    m.write(1, where + 8, 0x0000, 2);
    expect([m.memory.read(fn.barBase(MEMORY), 1), resets]).toEqual([0x11, 0]);
    m.write(1, where + 9, 0x80, 1);
    // 6.6.2: the function is as after a reset, and the bit reads as zero.
    expect([resets, m.read(1, 4, 2), m.read(1, 0x10), m.read(1, where + 8, 2)]).toEqual([1, 0, 0, before]);
    expect(m.memory.read(0xc0000000, 1)).toBe(0xff);
  });

  it('of power management: in D3 the function answers configuration accesses alone, and comes back as it was', () => {
    const m = machine();
    const fn = nic([MEMORY]);
    const where = addPowerManagement(fn);
    m.root.add(at(1), fn);
    firmwareAssign(m.root);
    m.write(1, 4, Command.MemorySpace | Command.BusMaster, 2);
    const seen = (): unknown[] => [m.memory.read(0xc0000000, 1), fn.busMaster, m.read(1, where + 4) & 3];
    expect(seen()).toEqual([0x11, true, 0]);
    m.write(1, where + 4, 1, 2); // D1 is not there
    expect(seen()).toEqual([0x11, true, 0]);
    m.write(1, where + 4, 3, 2);
    expect(seen()).toEqual([0xff, false, 3]);
    fn.setInterrupt(true);
    expect(m.lines).toEqual([]);
    m.write(1, where + 4, 0, 2);
    expect(seen()).toEqual([0x11, true, 0]);
    expect(m.lines).toEqual([['00:01.0', true]]);
  });
});

describe('64-bit BARs', () => {
  const big = (size: number): BarSpec => ({
    index: 2,
    kind: 'memory64',
    size,
    prefetchable: true,
    block: constant(0x33),
    name: 'big',
  });

  it('are sized over both registers', () => {
    for (const power of [12, 20, 31, 32, 36, 40]) {
      const m = machine();
      m.root.add(at(1), nic([big(2 ** power)]));
      for (const offset of [0x18, 0x1c]) m.write(1, offset, 0xffffffff);
      const read = (BigInt(m.read(1, 0x1c)) << 32n) | BigInt(m.read(1, 0x18) & ~15 & 0xffffffff);
      expect(BigInt.asUintN(64, -BigInt.asUintN(64, read & ~15n))).toBe(2n ** BigInt(power));
      expect(m.read(1, 0x18) & 15).toBe(0xc);
    }
  });

  it('go above 4 GiB where there is no room below', () => {
    const m = machine();
    m.root.add(at(1), nic([big(2 ** 33)]));
    m.root.add(at(2), nic([big(2 ** 20)]));
    m.root.add(at(3), nic([big(2 ** 31)]));
    firmwareAssign(m.root);
    const base = (device: number): number =>
      m.read(device, 0x1c) * 2 ** 32 + (m.read(device, 0x18) & ~15) + 0;
    const at4 = 2 ** 32;
    expect([base(1) >= at4, base(1) % 2 ** 33, base(3) >= at4, base(3) % 2 ** 31]).toEqual([
      true,
      0,
      true,
      0,
    ]);
    expect(m.read(2, 0x1c)).toBe(0);
    for (const device of [1, 3]) {
      expect(m.memory.read(base(device), 1)).toBe(0x33);
      expect(m.memory.find(base(device) + 2 ** 20)?.tag).toBe(`00:0${device}.0/big`);
    }
  });

  it('can be put anywhere without harm', () => {
    const m = machine();
    m.root.add(at(1), nic([big(2 ** 20)]));
    m.write(1, 4, Command.MemorySpace, 2);
    m.write(1, 0x18, 0xfff00000);
    m.write(1, 0x1c, 0xffffffff);
    expect(
      m.memory
        .regions()
        .some((region) => region.enabled && m.memory.find(region.base) === region && region.base > 2 ** 52),
    ).toBe(false);
    m.write(1, 0x1c, 0x10);
    expect(m.memory.read(0x10fff00000, 1)).toBe(0x33);
  });
});

describe('a reset of the buses', () => {
  it('leaves what is there after power-on, and nothing decodes', () => {
    const m = machine();
    const fresh = machine();
    for (const each of [m, fresh]) each.root.add(at(1), nic([MEMORY]));
    firmwareAssign(m.root);
    m.write(1, 0x0c, 0xffff, 2);
    m.write(0, 0x3c, 0x55, 1);
    expect(m.memory.read(0xc0000000, 1)).toBe(0x11);
    m.root.reset();
    expect(m.root.save()).toEqual(fresh.root.save());
    expect(m.memory.read(0xc0000000, 1)).toBe(0xff);
  });
});

describe('BARs under any configuration writes', () => {
  it('answer where the one added first of those that overlap stands, and nowhere else', () => {
    const bars = (value: number): BarSpec[] => [
      { index: 0, kind: 'memory32', size: 0x1000, block: constant(value), name: 'a' },
      { index: 1, kind: 'memory32', size: 0x10000, block: constant(value + 1), name: 'b' },
      { index: 2, kind: 'memory64', size: 0x2000, block: constant(value + 2), name: 'c' },
    ];
    const write = fc.record({
      device: fc.integer({ min: 1, max: 2 }),
      offset: fc.constantFrom(4, 4, 0x10, 0x14, 0x18, 0x1c),
      value: fc.oneof(
        fc.constantFrom(0, 2, 7),
        fc.nat(0x2f).map((page) => 0xd0000000 + page * 0x1000),
      ),
    });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 30 }), (writes) => {
        const m = machine();
        const all: { bar: BarSpec; device: number }[] = [];
        for (const device of [1, 2]) {
          const specs = bars(device * 0x10);
          m.root.add(at(device), nic(specs));
          all.push(...specs.map((bar) => ({ bar, device })));
        }
        for (const { device, offset, value } of writes) m.write(device, offset, value);
        const active: { base: number; end: number; value: number }[] = [];
        for (const { bar, device } of all) {
          if ((m.read(device, 4) & 2) === 0) continue;
          const where = 0x10 + bar.index * 4;
          const high = bar.kind === 'memory64' ? m.read(device, where + 4) * 2 ** 32 : 0;
          const base = high + ((m.read(device, where) & ~15) >>> 0);
          const end = base + bar.size;
          const ecam = base < ECAM.base + ECAM.size && end > ECAM.base;
          if (active.some((other) => base < other.end && other.base < end) || ecam) continue;
          active.push({ base, end, value: bar.block.read(0, 1, 0) });
        }
        for (let page = 0; page < 0x48; page++) {
          const address = 0xd0000000 + page * 0x1000 + 0x7ff;
          const owner = active.find(({ base, end }) => address >= base && address < end);
          expect(m.memory.read(address, 1)).toBe(owner?.value ?? 0xff);
        }
      }),
      { seed: 2, numRuns: 300 },
    );
  });
});
