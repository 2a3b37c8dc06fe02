/** What a board has whose firmware is in a ROM: an interrupt router (82371SB (PIIX3) data sheet) that leads INTx where 60H to 63H say, and empty IDE channels. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RomShadow } from '../../../../src/machine/memory/rom-shadow';
import { comparable, makeBoard, statesOf } from './fake-environment';

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const NICS = 4;
const NAMES = ['e1000', 'e1000.1', 'e1000.2', 'e1000.3'];
/** PIRQA is 0. NICs stand at 00:03 to 00:06: INTA of device 3 is PIRQC, and each next device's is the next one's. */
const PIRQ_OF = [2, 3, 0, 1];
const OFF = 0x80;
/** IRQ 0, 1, 2, 8 and 13 are the board's own; the data sheet reserves their numbers. */
const RESERVED = [0, 1, 2, 8, 13];

function poweredOn() {
  const m = makeBoard({ rom: new RomShadow(2 << 20, 0x10000) });
  for (const name of NAMES) m.board.addDevice({ model: 'e1000', name, mac: MAC, coalesced: false });
  m.board.powerOn();
  const { board } = m;
  const { ports, fabric } = board;
  return {
    ...m,
    route: (pirq: number, value: number): void => {
      ports.write(0xcf8, 4, 0x80000860);
      ports.write(0xcfc + pirq, 1, value);
    },
    /** Level of a NIC's own pin. */
    pin: (nic: number, asserted: boolean): void => m.sockets.get(NAMES[nic])?.bus.irq.set(asserted),
    /** Interrupts whose inputs of the IOAPIC are asserted; those of the 8259s have to be the same. */
    asserted: (): number[] => {
      const inputs = Array.from({ length: 24 }, (_, input) => input);
      const pins = inputs.filter((input) => fabric.ioapic.pinAsserted(input));
      const [master, slave] = fabric.pic.save().hardware.chips;
      const lines = master.lines | (slave.lines << 8);
      expect(inputs.filter((line) => line < 16 && line !== 2 && ((lines >> line) & 1) !== 0)).toEqual(pins);
      return pins;
    },
  };
}

describe('PIRQ routes', () => {
  it('are off at first, and are followed when they are programmed', () => {
    const { pin, route, asserted } = poweredOn();
    pin(0, true);
    expect(asserted()).toEqual([]);
    route(2, 5);
    expect(asserted()).toEqual([5]);
    route(2, 11);
    expect(asserted()).toEqual([11]);
    route(2, OFF | 11);
    expect(asserted()).toEqual([]);
    for (const irq of RESERVED) {
      route(2, irq);
      expect(asserted()).toEqual([]);
    }
    route(2, 10);
    expect(asserted()).toEqual([10]);
    pin(0, false);
    expect(asserted()).toEqual([]);
  });

  it('join the inputs that lead to the same interrupt: it stays until the last of them is low', () => {
    const { pin, route, asserted } = poweredOn();
    route(2, 9);
    route(3, 9);
    pin(0, true);
    pin(1, true);
    expect(asserted()).toEqual([9]);
    route(2, 7);
    expect(asserted()).toEqual([7, 9]);
    route(2, 9);
    pin(1, false);
    expect(asserted()).toEqual([9]);
    pin(0, false);
    expect(asserted()).toEqual([]);
  });

  it('lead each asserted pin to its interrupt, whatever came before', () => {
    const step = fc.oneof(
      fc.record({ nic: fc.nat(NICS - 1), asserted: fc.boolean() }),
      fc.record({ pirq: fc.nat(3), value: fc.oneof(fc.nat(15), fc.nat(255)) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const m = poweredOn();
        const pins = PIRQ_OF.map(() => false);
        const routes = [OFF, OFF, OFF, OFF];
        for (const each of steps) {
          if ('nic' in each) {
            pins[each.nic] = each.asserted;
            m.pin(each.nic, each.asserted);
          } else {
            routes[each.pirq] = each.value;
            m.route(each.pirq, each.value);
          }
          const irqs = PIRQ_OF.filter((_, nic) => pins[nic])
            .map((pirq) => routes[pirq])
            .filter((value) => value < OFF && !RESERVED.includes(value & 15))
            .map((value) => value & 15);
          expect(m.asserted()).toEqual([...new Set(irqs)].sort((a, b) => a - b));
        }
      }),
      { numRuns: 25 },
    );
  });

  it('are off again after a reset', () => {
    const { board, pin, route, asserted } = poweredOn();
    route(2, 5);
    pin(0, true);
    board.reset();
    board.powerOn();
    expect(asserted()).toEqual([]);
    pin(0, true);
    expect(asserted()).toEqual([]);
    route(2, 10);
    expect(asserted()).toEqual([10]);
  });

  it('are in a snapshot: what was asserted goes low where it was', () => {
    const one = poweredOn();
    one.route(2, 5);
    one.pin(0, true);
    const two = poweredOn();
    const states = statesOf(one.kept);
    for (const [name, unit] of two.kept) unit.load(states[name]);
    expect(two.asserted()).toEqual([5]);
    expect(comparable(statesOf(two.kept))).toEqual(comparable(states));
    expect(two.log.filter((line) => line.startsWith('e1000'))).toEqual([]);
    two.route(2, 11);
    expect(two.asserted()).toEqual([11]);
  });

  it('come to another host before the pins that they lead', () => {
    const one = poweredOn();
    one.board.memory.write(0xfee000f0, 4, 0x1ff, 0, 0);
    one.route(2, 5);
    one.pin(0, true);
    const two = poweredOn();
    two.board.adopt(structuredClone(one.board.hardware()));
    expect(two.log.filter((line) => line.startsWith('e1000'))).toEqual(['e1000 raises 5']);
    expect(two.asserted()).toEqual([5]);
  });
});

describe('IDE channels without drives', () => {
  /** Status and alternate status of both channels. */
  const STATUS = [0x1f7, 0x3f6, 0x177, 0x376];
  const BUSY = 0x80;

  it('are never busy, whatever is written to them: line 7 of the data bus is pulled down', () => {
    const { ports } = poweredOn().board;
    for (const [port, value] of [...STATUS.map((status) => [status, 0xff]), [0x1f6, 0xe0], [0x176, 0xe0]])
      ports.write(port, 1, value);
    for (const port of STATUS) expect(ports.read(port, 1)).toBe(0xff & ~BUSY);
    expect(ports.read(0x1f0, 2)).toBe(0xffff & ~BUSY);
    expect(ports.read(0x170, 4)).toBe(0xff7fff7f);
    expect(ports.read(0x1f6, 2)).toBe(0x7f7f);
  });

  it('stand on no other board', () => {
    const { board } = makeBoard();
    board.powerOn();
    for (const port of STATUS) expect(board.ports.read(port, 1)).toBe(0xff);
  });
});
