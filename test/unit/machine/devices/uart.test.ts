import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Uart16550 } from '../../../../src/machine/devices/uart';
import { CYCLES_PER_NANOSECOND, FakeBus, World } from '../fake-bus';

function setUp() {
  const sent: number[] = [];
  const world = new World();
  const bus = new FakeBus(world, 'uart');
  const uart = new Uart16550(bus, (byte) => sent.push(byte));
  bus.plug(uart);
  const line = {
    get asserted() {
      return bus.line;
    },
  };
  const read = (port: number): number => uart.read(port, 1);
  const write = (port: number, value: number): void => uart.write(port, 1, value);
  return { uart, sent, line, read, write, world, bus };
}

const OUT2 = 8;

describe('Uart16550', () => {
  it('hands transmitted bytes over and is always ready for more', () => {
    const { sent, read, write } = setUp();
    for (const character of 'ok\n') {
      expect(read(5) & 0x60).toBe(0x60);
      write(0, character.charCodeAt(0));
    }
    expect(String.fromCharCode(...sent)).toBe('ok\n');
  });

  it('shows the divisor behind DLAB', () => {
    const { sent, read, write } = setUp();
    write(3, 0x83);
    write(0, 0x34);
    write(1, 0x12);
    expect([read(0), read(1)]).toEqual([0x34, 0x12]);
    write(3, 0x03);
    expect([read(1), sent]).toEqual([0, []]);
    write(7, 0x5a);
    expect([read(7), read(3)]).toEqual([0x5a, 0x03]);
  });

  it('raises the transmitter interrupt when enabled and after each byte; reading IIR takes it back', () => {
    const { line, read, write } = setUp();
    write(4, OUT2);
    write(1, 2);
    expect([line.asserted, read(2), line.asserted, read(2)]).toEqual([true, 2, false, 1]);
    write(0, 65);
    expect([line.asserted, read(2), line.asserted]).toEqual([true, 2, false]);
  });

  it('signals each empty holding register by an edge, also to a driver that does not read IIR', () => {
    const { bus, write } = setUp();
    write(4, OUT2);
    write(1, 2);
    for (const byte of [65, 66]) write(0, byte);
    expect(bus.rises).toHaveLength(3); // enabled, and empty after each byte
  });

  it('keeps the last character in the one buffer register until another comes, but not in a FIFO', () => {
    const { uart, read, write } = setUp();
    uart.receive(Uint8Array.of(0x41));
    expect([read(5) & 1, read(0), read(5) & 1, read(0)]).toEqual([1, 0x41, 0, 0x41]);
    write(2, 1);
    uart.receive(Uint8Array.of(0x42));
    expect([read(0), read(0)]).toEqual([0x42, 0]);
    write(2, 0);
    expect([read(5) & 1, read(0)]).toEqual([0, 0x41]);
  });

  it('raises the receive interrupt while there is data, and loses nothing', () => {
    const { uart, line, read, write } = setUp();
    write(4, OUT2);
    write(1, 1);
    uart.receive(Uint8Array.of(1, 2, 3));
    const got: number[] = [];
    while (line.asserted) {
      expect(read(2)).toBe(4);
      expect(read(5) & 1).toBe(1);
      got.push(read(0));
    }
    expect([got, read(5) & 1]).toEqual([[1, 2, 3], 0]);
  });

  it('signals below the trigger level after four characters without another, or without a read', () => {
    const { uart, read, write, world } = setUp();
    // 8N1 at divisor 12, 9600 baud: ten bits a character, 4 of them are 4166.67 µs.
    const timeout = Math.ceil((40 / 9600) * 1e9 * CYCLES_PER_NANOSECOND);
    write(3, 3);
    write(2, 0x41);
    write(1, 1);
    uart.receive(Uint8Array.of(1, 2, 3));
    world.advanceTo(timeout - 1);
    expect(read(2)).toBe(0xc1);
    world.advanceTo(timeout);
    expect([read(2), read(0), read(2)]).toEqual([0xcc, 1, 0xc1]);
    world.advanceTo(2 * timeout);
    expect(read(2)).toBe(0xcc);
    uart.receive(Uint8Array.of(4, 5));
    expect(read(2)).toBe(0xc4);
  });

  it('gates its interrupt by OUT2', () => {
    const { uart, line, write } = setUp();
    write(1, 1);
    uart.receive(Uint8Array.of(1));
    expect(line.asserted).toBe(false);
    write(4, OUT2);
    expect(line.asserted).toBe(true);
  });

  it('loops back; a byte too many replaces the buffered one, but nothing of a full FIFO', () => {
    const { sent, read, write } = setUp();
    write(4, 0x1b);
    write(0, 0x41);
    write(0, 0x42);
    expect([read(5) & 3, read(5) & 3, read(0), read(5) & 1, sent]).toEqual([3, 1, 0x42, 0, []]);
    write(2, 1);
    for (let i = 0; i < 17; i++) write(0, i);
    expect(read(5) & 3).toBe(3);
    expect(Array.from({ length: 16 }, () => read(0))).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(read(5) & 1).toBe(0);
  });

  it('tells changes of the modem inputs once, of RI only its end', () => {
    const { read, write } = setUp();
    // DTR, RTS, OUT1, OUT2 are DSR, CTS, RI, DCD; before, CTS, DSR and DCD were there.
    write(4, 0x10);
    expect([read(6), read(6)]).toEqual([0x0b, 0x00]);
    write(4, 0x14);
    expect(read(6)).toBe(0x40);
    write(4, 0x10);
    expect(read(6)).toBe(0x04);
    write(1, 8);
    write(4, 0x12);
    expect([read(2), read(6), read(2)]).toEqual([0, 0x11, 1]);
  });

  it('loses the new byte when its FIFO is full', () => {
    const { read, write } = setUp();
    write(2, 1);
    write(4, 0x10);
    for (let byte = 0; byte < 17; byte++) write(0, byte);
    expect(read(5) & 2).toBe(2);
    expect(Array.from({ length: 16 }, () => read(0))).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(read(5) & 1).toBe(0);
  });

  it('tells which modem inputs have changed, once, and raises the modem interrupt last of all', () => {
    const { read, write } = setUp();
    write(4, 0x10); // loopback: all inputs go
    read(6);
    write(1, 8);
    write(4, 0x13); // DTR and RTS
    expect([read(2), read(6), read(2), read(6)]).toEqual([0, 0x33, 1, 0x30]);
    write(4, 0x17); // OUT1 is the ring indicator, which is told of when it ends
    expect(read(6)).toBe(0x70);
    write(4, 0x13);
    expect(read(6)).toBe(0x34);
    write(4, 0x10);
    write(0, 0x55);
    write(1, 9);
    expect(read(2)).toBe(4); // what is received goes first
    read(0);
    expect([read(2), read(6)]).toEqual([0, 0x03]);
  });

  it('goes on identically after save and load, whatever was done to it', () => {
    const access = fc.record({
      port: fc.nat(7),
      value: fc.option(fc.nat(255)),
      bytes: fc.uint8Array({ maxLength: 20 }),
      wait: fc.constantFrom(0, 1000, 20_000_000),
    });
    const perform = (
      { uart, sent, line, read, write, world }: ReturnType<typeof setUp>,
      step: { port: number; value: number | null; bytes: Uint8Array; wait: number },
    ): unknown => {
      uart.receive(step.bytes);
      const before = sent.length;
      const seen = step.value === null ? read(step.port) : write(step.port, step.value);
      world.advanceTo(world.time + step.wait);
      return [seen, line.asserted, sent.slice(before)];
    };
    fc.assert(
      fc.property(fc.array(access), fc.array(access), (first, second) => {
        const one = setUp();
        for (const step of first) perform(one, step);
        const two = setUp();
        two.world.load(structuredClone(one.world.save()));
        two.uart.load(structuredClone(one.uart.save()));
        two.bus.line = one.bus.line;
        const moved = setUp();
        moved.uart.adopt(structuredClone(one.uart.save().hardware));
        expect(moved.uart.save().hardware).toEqual(one.uart.save().hardware);
        for (const step of second) expect(perform(two, step)).toEqual(perform(one, step));
        expect(two.uart.save()).toEqual(one.uart.save());
      }),
    );
  });
});
