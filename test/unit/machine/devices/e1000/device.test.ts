import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reg, Stat } from '../../../../../src/machine/devices/e1000/constants';
import type { E1000State } from '../../../../../src/machine/devices/e1000/e1000';
import { frameTo, MAC, Nic } from './nic';

const EECD = { SK: 1, CS: 2, DI: 4, DO: 8, REQ: 0x40, GNT: 0x80 };

/** Reads a word by the Microwire pins as a driver bangs them. */
function microwireRead(nic: Nic, address: number): number {
  const pins = (value: number): void => nic.set(Reg.EECD, EECD.REQ | value);
  const clock = (bit: number): void => {
    pins(EECD.CS | (bit ? EECD.DI : 0));
    pins(EECD.CS | EECD.SK | (bit ? EECD.DI : 0));
    pins(EECD.CS | (bit ? EECD.DI : 0));
  };
  pins(0);
  pins(EECD.CS);
  for (const bit of [1, 1, 0, ...[5, 4, 3, 2, 1, 0].map((i) => (address >> i) & 1)]) clock(bit);
  let value = 0;
  for (let i = 0; i < 16; i++) {
    clock(0);
    value = value * 2 + ((nic.get(Reg.EECD) & EECD.DO) !== 0 ? 1 : 0);
  }
  pins(0);
  return value;
}

function eerdRead(nic: Nic, address: number): number {
  nic.set(Reg.EERD, 1 | (address << 8));
  const answer = nic.get(Reg.EERD);
  expect(answer & 0x10).toBe(0x10);
  return answer >>> 16;
}

describe('e1000 registers', () => {
  it('has an EEPROM with the address and the checksum, by EERD and by Microwire alike', () => {
    const nic = new Nic();
    const words = Array.from({ length: 64 }, (_, i) => eerdRead(nic, i));
    expect(words.slice(0, 3)).toEqual([0x5452, 0x1200, 0x5634]);
    expect(words.reduce((sum, word) => (sum + word) & 0xffff, 0)).toBe(0xbaba);
    expect(Array.from({ length: 64 }, (_, i) => microwireRead(nic, i))).toEqual(words);
    nic.set(Reg.EECD, EECD.REQ);
    expect(nic.get(Reg.EECD) & EECD.GNT).toBe(EECD.GNT);
  });

  it('answers the PHY through MDIC', () => {
    const nic = new Nic();
    const read = (phy: number, register: number): number => {
      nic.set(Reg.MDIC, (2 << 26) | (phy << 21) | (register << 16));
      return nic.get(Reg.MDIC);
    };
    expect([read(1, 2) & 0xffff, read(1, 3) & 0xfff0]).toEqual([0x0141, 0x0c20]);
    expect(read(1, 1) & 0x24).toBe(0x24);
    expect((read(1, 1) >>> 28) & 1).toBe(1);
    expect((read(2, 1) >>> 30) & 1).toBe(1);
  });

  it('reaches registers through IOADDR and IODATA', () => {
    const nic = new Nic();
    nic.device.ioBlock.write(0, 4, Reg.TDBAL);
    nic.device.ioBlock.write(4, 4, 0x12345678);
    expect([nic.device.ioBlock.read(4, 4), nic.get(Reg.TDBAL)]).toEqual([0x12345670, 0x12345670]);
  });

  it('has no interrupt cause when the machine is turned on', () => {
    expect(new Nic().get(Reg.ICR)).toBe(0);
  });

  it('names its registers', () => {
    const nic = new Nic();
    expect([0x3818, 0xc0, 0x5200, 0x5400, 0x4074].map((at) => nic.device.registerName(at))).toEqual([
      'TDT',
      'ICR',
      'MTA0',
      'RAL0',
      'GPRC',
    ]);
    expect(nic.device.registerName(0x4)).toBeUndefined();
    expect(nic.device.registerNames()[String(0x2818)]).toBe('RDT');
  });

  it('is found as 8086:100E, an Ethernet controller with two BARs', () => {
    const { pci } = new Nic().device;
    expect([pci.read(0, 4), pci.read(8, 4) >>> 8, pci.read(0x3d, 1)]).toEqual([0x100e8086, 0x020000, 1]);
    pci.write(0x10, 4, 0xffffffff);
    pci.write(0x14, 4, 0xffffffff);
    expect([pci.read(0x10, 4), pci.read(0x14, 4)]).toEqual([0xfffe0000, 0xffffffc1]);
  });

  it('counts 64-bit octets over two registers and clears both with the high one', () => {
    const nic = new Nic().start();
    nic.device.receive(frameTo(MAC, 60));
    nic.device.receive(frameTo(MAC, 60));
    expect([nic.get(Stat.GORCL), nic.get(Stat.GORCL), nic.get(Stat.GORCH), nic.get(Stat.GORCL)]).toEqual([
      128, 128, 0, 0,
    ]);
  });
});

/** What a guest and the network may do to the device. */
type Step =
  | { do: 'write'; offset: number; size: 1 | 2 | 4; value: number }
  | { do: 'read'; offset: number; size: 1 | 2 | 4 }
  | { do: 'frame'; length: number; to: number }
  | { do: 'wait'; cycles: number };

const known = Object.values(Reg) as number[];
const offset = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...known) },
  { weight: 1, arbitrary: fc.nat(0x1ffff) },
);
const size = fc.constantFrom<1 | 2 | 4>(4, 4, 4, 4, 1, 2);
const value = fc.oneof(
  fc.nat(0xff),
  fc.constantFrom(0, 0xffffffff, 0x1000, 0x2000, 0x40000, 128, 2, 0x8002),
  fc.integer({ min: 0, max: 0xffffffff }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), offset, size, value }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('read' as const), offset, size }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('frame' as const), length: fc.nat(3000), to: fc.nat(2) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), cycles: fc.nat(1_000_000) }) },
);
const steps = fc.array(step, { minLength: 1, maxLength: 60 });
const timing = fc.constantFrom(
  { transmitNanoseconds: 0, receiveNanoseconds: 0 },
  { transmitNanoseconds: 300, receiveNanoseconds: 200 },
);

/** Does one step and gives what could be seen of it. */
function perform(nic: Nic, each: Step): unknown {
  const sent = nic.wire.frames.length;
  let seen = 0;
  if (each.do === 'write') nic.device.write(each.offset, each.size, each.value % 2 ** (8 * each.size));
  else if (each.do === 'read') seen = nic.device.read(each.offset, each.size);
  else if (each.do === 'frame') {
    nic.device.receive(
      frameTo([MAC, [255, 255, 255, 255, 255, 255], [1, 2, 3, 4, 5, 6]][each.to], Math.max(14, each.length)),
    );
  } else nic.world.advanceTo(nic.world.time + each.cycles);
  if (each.do === 'read') {
    expect(seen).toBeGreaterThanOrEqual(0);
    expect(seen).toBeLessThan(2 ** (8 * each.size));
  }
  return [seen, nic.bus.line, nic.wire.frames.length - sent, nic.world.queue.nextTime()];
}

describe('e1000 under any programming', () => {
  it('never throws, and goes on identically after save and load', () => {
    fc.assert(
      fc.property(steps, steps, timing, fc.boolean(), (before, after, times, started) => {
        const nic = new Nic({ timing: times });
        if (started) nic.start();
        for (const each of before) perform(nic, each);
        const state: E1000State = structuredClone(nic.device.save());
        const copy = new Nic({ timing: times });
        copy.bus.memory.set(nic.bus.memory);
        copy.bus.line = nic.bus.line;
        for (const note of nic.world.notes) copy.world.notes.push(note);
        copy.world.load(structuredClone(nic.world.save()));
        copy.device.load(state);
        expect(copy.device.save()).toEqual(nic.device.save());
        for (const each of after) expect(perform(copy, each)).toEqual(perform(nic, each));
        expect(copy.device.save()).toEqual(nic.device.save());
        expect(copy.world.queue.save()).toEqual(nic.world.queue.save());
        expect(Buffer.from(copy.bus.memory).equals(Buffer.from(nic.bus.memory))).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});
