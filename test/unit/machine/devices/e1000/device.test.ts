import { describe, expect, it } from 'vitest';
import { Cause, Ctrl, Reg, Stat, WAKE_UP_TABLES } from '../../../../../src/machine/devices/e1000/constants';
import { E1000 } from '../../../../../src/machine/devices/e1000/e1000';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { frameTo, io, MAC, Nic } from './nic';

const EECD = { SK: 1, CS: 2, DI: 4, DO: 8, REQ: 0x40, GNT: 0x80 };

/** The Microwire pins as a driver bangs them. */
function microwire(nic: Nic): { pins: (value: number) => void; clock: (bit: number) => void } {
  const pins = (value: number): void => nic.set(Reg.EECD, EECD.REQ | value);
  const clock = (bit: number): void => {
    const data = EECD.CS | (bit ? EECD.DI : 0);
    for (const value of [data, data | EECD.SK, data]) pins(value);
  };
  return { pins, clock };
}

/** Bits of a number, the highest first. */
function bitsOf(value: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => (value >> (count - 1 - i)) & 1);
}

/** Selects the chip and gives it a command: start bit, two bits of opcode, address. */
function command(nic: Nic, opcode: number, address: number): void {
  const { pins, clock } = microwire(nic);
  pins(0);
  pins(EECD.CS);
  for (const bit of [1, ...bitsOf(opcode, 2), ...bitsOf(address, 6)]) clock(bit);
}

/** Reads a word by the Microwire pins. */
function microwireRead(nic: Nic, address: number): number {
  const { pins, clock } = microwire(nic);
  command(nic, 0b10, address);
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

  it('leaves a row for each command to its EEPROM that is no read, and carries none out', () => {
    const nic = new Nic();
    const word = microwireRead(nic, 3);
    const { pins, clock } = microwire(nic);
    // Writes have to be enabled first (opcode 00, address 11xxxx); a word of data follows the command to write.
    command(nic, 0b00, 0b110000);
    command(nic, 0b01, 3);
    for (const bit of bitsOf(~word & 0xffff, 16)) clock(bit);
    pins(0);
    expect(microwireRead(nic, 3)).toBe(word);
    // The last bit of either address: a rising edge, with the address bit at DI.
    const edge = EECD.REQ | EECD.CS | EECD.SK;
    expect(nic.world.ofKind(Kind.DeviceIgnored).map(({ a, b }) => [a, b])).toEqual([
      [Reg.EECD, edge],
      [Reg.EECD, edge | EECD.DI],
    ]);
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

  it('shows the causes in ICS without clearing them', () => {
    const nic = new Nic();
    nic.set(Reg.ICS, Cause.LSC | Cause.RXT0);
    expect([nic.get(Reg.ICS), nic.get(Reg.ICS)]).toEqual(Array(2).fill(Cause.LSC | Cause.RXT0));
    expect([nic.get(Reg.ICR), nic.get(Reg.ICS)]).toEqual([Cause.LSC | Cause.RXT0, 0]);
  });

  it('keeps the registers of wake-up filters and of the FIFOs, as many bits as they have', () => {
    const nic = new Nic();
    for (const { at, step, entries, bits } of Object.values(WAKE_UP_TABLES)) {
      const last = at + step * (entries - 1);
      nic.set(last, 0xffffffff);
      expect([nic.get(at), nic.get(last)]).toEqual([0, bits]);
    }
    nic.set(Reg.TDFH, 0xffffffff);
    nic.set(Reg.RDFT, 0xffffffff);
    expect([nic.get(Reg.TDFH), nic.get(Reg.RDFT)]).toEqual([0x7ff, 0x1fff]);
  });

  it('reaches registers through IOADDR and IODATA', () => {
    const nic = new Nic();
    const ports = io(nic);
    ports.write(0, 4, Reg.TDBAL);
    ports.write(4, 4, 0x12345678);
    expect([ports.read(4, 4), nic.get(Reg.TDBAL)]).toEqual([0x12345670, 0x12345670]);
    ports.write(0, 4, 0xfff00000 + Reg.TDBAH);
    expect(ports.read(0, 4)).toBe(Reg.TDBAH);
  });

  it('ignores narrow writes and writes to nothing, with a note; a narrow read reads the whole register', () => {
    const nic = new Nic();
    const ports = io(nic);
    nic.device.write(Reg.ITR, 2, 0x1234);
    nic.device.write(Reg.RAL0 + 1, 1, 0x99);
    nic.device.write(Reg.STATUS, 4, 5);
    nic.device.write(0x1fffc, 4, 6);
    ports.write(0, 2, 0x100);
    expect([nic.get(Reg.ITR), nic.get(Reg.RAL0), ports.read(0, 4)]).toEqual([0, 0x12005452, 0]);
    expect(nic.world.ofKind(Kind.DeviceIgnored).map(({ a, b }) => [a, b])).toEqual([
      [Reg.ITR, 0x1234],
      [Reg.RAL0 + 1, 0x99],
      [Reg.STATUS, 5],
      [0x1fffc, 6],
      [0, 0x100],
    ]);
    nic.set(Reg.ICS, Cause.LSC | Cause.RXT0);
    expect([nic.device.read(Reg.ICR, 1), nic.get(Reg.ICR)]).toEqual([0x84, 0]);
    expect(nic.device.read(Reg.RAL0 + 2, 2)).toBe(0x1200);
    expect(nic.device.read(Reg.RAL0 + 2, 4)).toBe(0x56341200);
  });

  it('notes a tail outside the ring, and a head, base or length written while the direction is on', () => {
    const nic = new Nic().start();
    nic.setAndWait(Reg.RDT, 9);
    nic.setAndWait(Reg.TDH, 3);
    nic.setAndWait(Reg.TCTL, 0);
    nic.setAndWait(Reg.TDH, 0);
    expect(nic.world.ofKind(Kind.DeviceMisused).map(({ a, b }) => [a, b])).toEqual([
      [Reg.RDT, 9],
      [Reg.TDH, 3],
    ]);
  });

  it("has QEMU's STATUS after reset", () => {
    const nic = new Nic();
    expect(nic.get(Reg.STATUS)).toBe(0x80080783);
    nic.set(Reg.CTRL, Ctrl.RST);
    expect(nic.get(Reg.STATUS)).toBe(0x80080783);
  });

  it('keeps what the run has apart from what the hardware has, by their types', () => {
    const { device } = new Nic();
    const { hardware, run } = device.save();
    expect(() => device.adopt(hardware)).not.toThrow();
    // @ts-expect-error What the run has cannot move to another machine.
    expect(() => device.adopt(run)).toThrow();
    // @ts-expect-error What the hardware has is no checkpoint of a run.
    expect(() => device.load({ hardware, run: hardware })).toThrow();
  });

  it("tells which writes QEMU's device coalesces", () => {
    const acting = [Reg.MDIC, Reg.ICR, Reg.ICS, Reg.IMS, Reg.IMC, Reg.TCTL, Reg.TDT];
    const not = Array.from({ length: 0x20000 / 4 }, (_, i) => i * 4).filter((at) => !E1000.coalesces(at));
    expect(not).toEqual(acting);
    expect([-4, 0x20000, Reg.TDT + 3].map((at) => E1000.coalesces(at))).toEqual([false, false, false]);
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
    nic.receive(frameTo(MAC, 60));
    nic.receive(frameTo(MAC, 60));
    expect([nic.get(Stat.GORCL), nic.get(Stat.GORCL), nic.get(Stat.GORCH), nic.get(Stat.GORCL)]).toEqual([
      128, 128, 0, 0,
    ]);
  });
});
