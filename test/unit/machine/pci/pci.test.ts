import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_CPU } from '../../../../src/machine/bus';
import { Command } from '../../../../src/machine/pci/config';
import { firmwareAssign, irqOfPin } from '../../../../src/machine/pci/firmware';
import type { BarSpec } from '../../../../src/machine/pci/function';
import { at, capabilities, constant, machine, nic } from './machine';

const bars: BarSpec[] = [
  { index: 0, kind: 'memory32', size: 0x20000, block: constant(0x11), name: 'registers' },
  { index: 1, kind: 'io', size: 0x40, block: constant(0x22), name: 'io' },
  { index: 2, kind: 'memory64', size: 2 ** 33, prefetchable: true, block: constant(0x33), name: 'big' },
];

describe('configuration mechanism #1', () => {
  it('finds the host bridge and the devices by a scan, and ones where nobody is', () => {
    const m = machine();
    m.root.add(at(3), nic());
    const found = Array.from({ length: 32 }, (_, device) => m.read(device, 0)).flatMap((id, device) =>
      id === 0xffffffff ? [] : [[device, id]],
    );
    expect(found).toEqual([
      [0, 0x12378086],
      [3, 0x100e8086],
    ]);
    expect(m.read(0, 8) >>> 16).toBe(0x0600);
  });

  it('reads bytes, words and dwords', () => {
    const m = machine();
    m.root.add(at(3), nic());
    expect([m.read(3, 2, 2), m.read(3, 0x0b, 1), m.read(3, 0x0a, 2), m.read(3, 0x3d, 1)]).toEqual([
      0x100e, 2, 0x0200, 1,
    ]);
  });

  it('keeps CONFIG_ADDRESS for dword accesses only, and answers nothing while its enable bit is off', () => {
    const m = machine();
    m.ports.write(0xcf8, 4, 0xffffffff);
    expect(m.ports.read(0xcf8, 4)).toBe(0x80fffffc);
    m.ports.write(0xcf9, 1, 0);
    m.ports.write(0xcf8, 2, 0);
    expect(m.ports.read(0xcf8, 4)).toBe(0x80fffffc);
    // Bits 1:0 read as zeros and choose a byte all the same, as in QEMU.
    m.ports.write(0xcf8, 4, 0x80001802);
    expect(m.ports.read(0xcf8, 4)).toBe(0x80001800);
    const whole = m.ports.read(0xcfc, 4);
    expect([m.ports.read(0xcfc, 2), m.ports.read(0xcfe, 2)]).toEqual([whole >>> 16, whole >>> 16]);
    m.ports.write(0xcf8, 4, 0);
    expect(m.ports.read(0xcfc, 4)).toBe(0xffffffff);
  });

  it('has nobody on other buses', () => {
    const m = machine();
    m.ports.write(0xcf8, 4, 0x80010000);
    expect(m.ports.read(0xcfc, 4)).toBe(0xffffffff);
  });
});

describe('PciFunction', () => {
  it('tells BAR sizes as 6.2.5.1 says: write ones, read back, invert, add one', () => {
    const m = machine();
    m.root.add(at(1), nic(bars));
    for (const offset of [0x10, 0x14, 0x18, 0x1c, 0x20]) m.write(1, offset, 0xffffffff);
    const size32 = (offset: number, flags: number): number => (~(m.read(1, offset) & ~flags) + 1) >>> 0;
    expect([size32(0x10, 15), m.read(1, 0x10) & 15]).toEqual([0x20000, 0]);
    expect([size32(0x14, 3), m.read(1, 0x14) & 3]).toEqual([0x40, 1]);
    expect([m.read(1, 0x18), m.read(1, 0x1c)]).toEqual([0x0000000c, 0xfffffffe]);
    expect(m.read(1, 0x20)).toBe(0);
  });

  it('decodes only with the command bits, and follows its BARs', () => {
    const m = machine();
    m.root.add(at(1), nic(bars));
    m.write(1, 0x10, 0xd0000000);
    m.write(1, 0x14, 0xc000);
    m.write(1, 0x18, 0);
    m.write(1, 0x1c, 0x4);
    const seen = (): number[] => [
      m.memory.read(0xd0000000, 1),
      m.ports.read(0xc000, 1),
      m.memory.read(2 ** 34, 1),
    ];
    expect(seen()).toEqual([0xff, 0xff, 0xff]);
    m.write(1, 4, Command.MemorySpace, 2);
    expect(seen()).toEqual([0x11, 0xff, 0x33]);
    m.write(1, 4, Command.IoSpace, 2);
    expect(seen()).toEqual([0xff, 0x22, 0xff]);
    m.write(1, 4, Command.IoSpace | Command.MemorySpace, 2);
    m.write(1, 0x10, 0xe0000000);
    expect([m.memory.read(0xd0000000, 1), m.memory.read(0xe001ffff, 1)]).toEqual([0xff, 0x11]);
  });

  it('leaves read-only fields alone and clears status bits by one', () => {
    const m = machine();
    m.root.add(at(1), nic());
    for (let offset = 0; offset < 0x40; offset += 4) m.write(1, offset, 0xffffffff);
    expect([m.read(1, 0), m.read(1, 8) >>> 8, m.read(1, 0x2c), m.read(1, 0x3d, 1), m.read(1, 6, 2)]).toEqual([
      0x100e8086, 0x020000, 0x11001af4, 1, 0,
    ]);
    expect([m.read(1, 4, 2), m.read(1, 0x3c, 1)]).toEqual([0x0547, 0xff]);
  });

  it('shows INTx in the status register and keeps it inside while disabled', () => {
    const m = machine();
    const { fn } = m.root.add(at(1), nic());
    fn.setInterrupt(true);
    expect(m.read(1, 6, 2) & 8).toBe(8);
    m.write(1, 4, Command.InterruptDisable, 2);
    expect(m.read(1, 6, 2) & 8).toBe(8);
    m.write(1, 4, 0, 2);
    fn.setInterrupt(false);
    expect(m.lines).toEqual([
      ['00:01.0', true],
      ['00:01.0', false],
      ['00:01.0', true],
      ['00:01.0', false],
    ]);
  });

  it('links capabilities into a list and tells when one is written', () => {
    const m = machine();
    const { fn } = m.root.add(at(1), nic());
    let written = 0;
    fn.addCapability(
      0x05,
      new Uint8Array(8),
      Uint8Array.of(0x71, 0, 255, 255, 255, 255, 255, 255),
      () => (written += 1),
    );
    fn.addCapability(0x11, new Uint8Array(10), new Uint8Array(10));
    expect(m.read(1, 6, 2) & 0x10).toBe(0x10);
    expect([...capabilities(m, 1).keys()]).toEqual([0x05, 0x11]);
    m.write(1, 0x42, 0xffff, 2);
    expect([m.read(1, 0x42, 2), written]).toEqual([0x71, 1]);
  });

  it('refuses BARs that cannot be', () => {
    const bar = (changes: Partial<BarSpec>): BarSpec => ({ ...bars[0], ...changes });
    expect(() => nic([bar({ size: 48 })])).toThrow(RangeError);
    expect(() => nic([bar({ kind: 'memory64', index: 5 })])).toThrow(RangeError);
    expect(() => nic([bar({ kind: 'memory64' }), bar({ index: 1 })])).toThrow(RangeError);
  });
});

describe('firmwareAssign', () => {
  it('places every BAR aligned, apart from all others, decoding, and writes the interrupt line', () => {
    const m = machine();
    const some = bars.slice(0, 2);
    for (let i = 0; i < 5; i++) m.root.add(undefined, nic(some));
    firmwareAssign(m.root);
    const places = m.root
      .functions()
      .slice(1)
      .flatMap(({ fn }) => fn.bars.map((bar) => ({ bar, base: fn.barBase(bar) })));
    for (const { bar, base } of places) {
      expect(base % bar.size).toBe(0);
      expect((bar.kind === 'io' ? m.ports : m.memory).read(base, 1)).toBe(bar.block.read(0, 1, NO_CPU));
    }
    expect(new Set(places.map(({ bar, base }) => `${bar.kind} ${base}`)).size).toBe(10);
    expect([m.read(1, 4, 2), m.read(1, 0x3c, 1), m.read(3, 0x3c, 1)]).toEqual([3, 10, 11]);
  });

  it('rotates pins over the router inputs', () => {
    // PIRQA and B lead to 10, C and D to 11; device 1 INTA is PIRQA, device 3 INTA is PIRQC, device 3 INTC is PIRQA again.
    expect([irqOfPin(1, 1), irqOfPin(2, 1), irqOfPin(3, 1), irqOfPin(4, 1), irqOfPin(3, 3)]).toEqual([
      10, 10, 11, 11, 10,
    ]);
  });

  it('says when the window is too small', () => {
    const m = machine();
    m.root.add(undefined, nic([{ ...bars[0], size: 2 ** 31 }]));
    expect(() => firmwareAssign(m.root)).toThrow(/no room/);
  });
});

describe('the bus under any configuration writes', () => {
  it('never throws, and a loaded snapshot maps the same', () => {
    const access = fc.record({
      device: fc.nat(3),
      offset: fc.oneof(fc.constantFrom(4, 0x10, 0x14, 0x18, 0x1c), fc.nat(255)),
      size: fc.constantFrom(1, 2, 4),
      value: fc.oneof(
        fc.constantFrom(7, 0xffffffff, 0xd0000000, 0xd0010000, 0xc000),
        fc.integer({ min: 0, max: 0xffffffff }),
      ),
    });
    fc.assert(
      fc.property(fc.array(access, { maxLength: 40 }), (accesses) => {
        const build = (): ReturnType<typeof machine> => {
          const m = machine();
          m.root.add(at(1), nic(bars));
          m.root.add(at(2), nic(bars));
          return m;
        };
        const one = build();
        for (const { device, offset, size, value } of accesses) {
          one.write(device, offset, value, size);
          one.read(device, offset, size);
        }
        const two = build();
        two.root.load(structuredClone(one.root.save()));
        expect(two.root.save()).toEqual(one.root.save());
        const where = (m: ReturnType<typeof machine>): unknown =>
          [m.memory, m.ports].map((map) =>
            map.regions().map(({ tag, base, enabled }) => enabled && [tag, base, map.find(base)?.tag]),
          );
        expect(where(two)).toEqual(where(one));
      }),
    );
  });
});
