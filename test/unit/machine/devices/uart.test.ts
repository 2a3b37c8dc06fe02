import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Uart16550 } from '../../../../src/machine/devices/uart';

function setUp() {
  const sent: number[] = [];
  const line = { asserted: false };
  const irq = { set: (asserted: boolean) => void (line.asserted = asserted) };
  const uart = new Uart16550(irq, (byte) => sent.push(byte));
  const read = (port: number): number => uart.read(port, 1);
  const write = (port: number, value: number): void => uart.write(port, 1, value);
  return { uart, sent, line, read, write };
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
    const levels: boolean[] = [];
    const irq = { set: (asserted: boolean) => void levels.push(asserted) };
    const uart = new Uart16550(irq, () => undefined);
    uart.write(4, 1, OUT2);
    uart.write(1, 1, 2);
    for (const byte of [65, 66]) uart.write(0, 1, byte);
    const edges = levels.filter((level, i) => level && levels[i - 1] !== true).length;
    expect(edges).toBe(3); // enabled, and empty after each byte
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

  it('tells the trigger level from the timeout with FIFOs on', () => {
    const { uart, read, write } = setUp();
    write(2, 0x41);
    write(1, 1);
    uart.receive(Uint8Array.of(1, 2, 3));
    expect(read(2)).toBe(0xcc);
    uart.receive(Uint8Array.of(4));
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

  it('loops back, with an overrun where there is no room', () => {
    const { sent, read, write } = setUp();
    write(4, 0x1b);
    write(0, 0x41);
    write(0, 0x42);
    // Of one register the new byte stays; RTS, DTR and OUT2 come back as CTS, DSR and DCD.
    expect([read(5) & 3, read(5) & 3, read(0), read(5) & 1, sent, read(6) & 0xf0]).toEqual([
      3,
      1,
      0x42,
      0,
      [],
      0xb0,
    ]);
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
    });
    const perform = (
      { uart, sent, line, read, write }: ReturnType<typeof setUp>,
      step: { port: number; value: number | null; bytes: Uint8Array },
    ): unknown => {
      uart.receive(step.bytes);
      const before = sent.length;
      const seen = step.value === null ? read(step.port) : write(step.port, step.value);
      return [seen, line.asserted, sent.slice(before)];
    };
    fc.assert(
      fc.property(fc.array(access), fc.array(access), (first, second) => {
        const one = setUp();
        for (const step of first) perform(one, step);
        const two = setUp();
        two.uart.load(structuredClone(one.uart.save()));
        two.line.asserted = one.line.asserted;
        for (const step of second) expect(perform(two, step)).toEqual(perform(one, step));
        expect(two.uart.save()).toEqual(one.uart.save());
      }),
    );
  });
});
