/** The 8259A pair by its data sheet: initialisation, priorities, end of interrupt, cascade, triggers. */
import { describe, expect, it } from 'vitest';
import { NO_CPU } from '../../../../src/machine/bus';
import { PicPair } from '../../../../src/machine/interrupts/pic';

const SPECIFIC_EOI = 0x60;
const EOI = 0x20;

function setUp(options: { icw4?: number; masks?: [number, number] } = {}) {
  const levels: boolean[] = [];
  const pic = new PicPair((asserted) => levels.push(asserted));
  const command = (chip: 1 | 2, value: number): void =>
    (chip === 1 ? pic.masterPorts : pic.slavePorts).write(0, 1, value, NO_CPU);
  const data = (chip: 1 | 2, value: number): void =>
    (chip === 1 ? pic.masterPorts : pic.slavePorts).write(1, 1, value, NO_CPU);
  const read = (chip: 1 | 2, offset = 0): number =>
    (chip === 1 ? pic.masterPorts : pic.slavePorts).read(offset, 1, NO_CPU);
  // The order that every PC's start-up code has: ICW1, vectors, cascade, ICW4.
  for (const chip of [1, 2] as const) {
    command(chip, 0x11);
    data(chip, chip === 1 ? 0x20 : 0x28);
    data(chip, chip === 1 ? 4 : 2);
    data(chip, options.icw4 ?? 1);
  }
  const [first, second] = options.masks ?? [0, 0];
  data(1, first);
  data(2, second);
  return { pic, levels, command, data, read };
}

describe('PicPair', () => {
  it('gives the vector of an input and holds lower ones back until the end of interrupt', () => {
    const { pic, command } = setUp();
    pic.setLine(4, true);
    pic.setLine(6, true);
    expect(pic.asserted).toBe(true);
    expect(pic.acknowledge()).toBe(0x24);
    expect(pic.asserted).toBe(false); // 6 is below 4, which is in service
    pic.setLine(1, true);
    expect(pic.asserted).toBe(true); // 1 is above it
    expect(pic.acknowledge()).toBe(0x21);
    command(1, EOI);
    expect(pic.asserted).toBe(false);
    command(1, EOI);
    expect([pic.asserted, pic.acknowledge()]).toEqual([true, 0x26]);
  });

  it('answers a poll at either port, once', () => {
    for (const port of [0, 1]) {
      const { pic, command, read } = setUp({ masks: [0x40, 0] });
      pic.setLine(4, true);
      command(1, 0x0c); // OCW3: poll
      expect(read(1, port)).toBe(0x80 | 4);
      expect(read(1, 1)).toBe(0x40); // the mask again
      command(1, 0x0b); // OCW3: the ISR
      expect(read(1)).toBe(1 << 4);
    }
  });

  it('awaits no ICW3 where ICW1 says that it is alone, and no ICW4 where it says so', () => {
    for (const [icw1, following] of [
      [0x10, [0x20, 4]],
      [0x11, [0x20, 4, 1]],
      [0x12, [0x20]],
      [0x13, [0x20, 1]],
    ] as const) {
      const { command, data, read } = setUp();
      command(1, icw1);
      for (const word of following) data(1, word);
      data(1, 0x5a);
      expect(read(1, 1), icw1.toString(16)).toBe(0x5a);
    }
  });

  it('takes the slave by input 2, and both need their end of interrupt', () => {
    const { pic, command } = setUp();
    pic.setLine(12, true);
    pic.setLine(9, true);
    expect(pic.acknowledge()).toBe(0x29);
    expect(pic.asserted).toBe(false);
    command(2, EOI);
    command(1, EOI);
    expect([pic.asserted, pic.acknowledge()]).toEqual([true, 0x2c]);
  });

  it('does not let a higher input of the slave through while one of the slave is in service, but special nesting does', () => {
    for (const [icw4, through] of [
      [0x01, false],
      [0x11, true],
    ] as const) {
      const { pic } = setUp({ icw4 });
      pic.setLine(12, true);
      expect(pic.acknowledge()).toBe(0x2c);
      pic.setLine(8, true);
      expect(pic.asserted).toBe(through);
    }
  });

  it('masks, and remembers an edge that came meanwhile', () => {
    const { pic, data, read } = setUp({ masks: [0xff, 0xff] });
    pic.setLine(3, true);
    pic.setLine(3, false);
    expect([pic.asserted, read(1), read(1, 1)]).toEqual([false, 8, 0xff]);
    data(1, 0xf7);
    expect([pic.asserted, pic.acknowledge()]).toEqual([true, 0x23]);
  });

  it('asks once per edge, and as long as the level holds where ELCR says so', () => {
    const { pic, command } = setUp();
    pic.setLine(5, true);
    expect(pic.acknowledge()).toBe(0x25);
    command(1, SPECIFIC_EOI | 5);
    expect(pic.asserted).toBe(false);
    pic.setLine(5, false);
    pic.edgeLevelPorts.write(0, 1, 0xff, NO_CPU);
    expect(pic.edgeLevelPorts.read(0, 1, NO_CPU)).toBe(0xf8); // 0 to 2 are edge for good
    pic.setLine(5, true);
    pic.acknowledge();
    command(1, EOI);
    expect(pic.asserted).toBe(true);
    pic.setLine(5, false);
    expect(pic.asserted).toBe(false);
  });

  it('answers 7 when the request is gone', () => {
    const { pic } = setUp();
    pic.edgeLevelPorts.write(0, 1, 0x20, NO_CPU);
    pic.setLine(5, true);
    pic.setLine(5, false);
    expect(pic.acknowledge()).toBe(0x27);
  });

  it('shows in-service and requests, and can be polled', () => {
    const { pic, command, read } = setUp();
    pic.setLine(3, true);
    pic.acknowledge();
    pic.setLine(1, true);
    expect(read(1)).toBe(2);
    command(1, 0x0b);
    expect(read(1)).toBe(8);
    command(1, 0x0c);
    expect(read(1)).toBe(0x81);
    expect(read(1)).toBe(0x0a); // ISR again: 1 and 3
  });

  it('ends interrupts by itself in automatic mode', () => {
    const { pic } = setUp({ icw4: 3 });
    pic.setLine(0, true);
    expect(pic.acknowledge()).toBe(0x20);
    pic.setLine(7, true);
    expect([pic.asserted, pic.acknowledge()]).toEqual([true, 0x27]);
  });

  it('rotates priorities', () => {
    const { pic, command } = setUp();
    pic.setLine(3, true);
    pic.acknowledge();
    command(1, 0xa0); // rotate on non-specific EOI: 3 is lowest now, 4 highest
    pic.setLine(3, false);
    pic.setLine(3, true);
    pic.setLine(5, true);
    expect(pic.acknowledge()).toBe(0x25);
  });

  it('goes on from a snapshot', () => {
    const one = setUp();
    one.pic.setLine(4, true);
    one.pic.acknowledge();
    one.pic.setLine(10, true);
    const other = setUp();
    other.pic.load(one.pic.save());
    one.command(1, EOI);
    other.command(1, EOI);
    expect(other.pic.save()).toEqual(one.pic.save());
    expect([other.pic.asserted, other.pic.acknowledge()]).toEqual([true, 0x2a]);
  });
});
