/** The 8254 by its data sheet: what the modes put out and count, latches and read-back, and port 0x61. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_CPU } from '../../../../src/machine/bus';
import { PIT_HZ, Pit } from '../../../../src/machine/devices/pit';
import { cyclesOf, ticksAt } from '../../../../src/machine/time/rate';
import { World } from '../fake-bus';

const CYCLES_PER_SECOND = 2_900_000_000;

function setUp() {
  const world = new World();
  const edges: { tick: number; level: boolean }[] = [];
  const tick = (): number => ticksAt(world.time, PIT_HZ, CYCLES_PER_SECOND);
  const pit = new Pit('pit', {
    now: () => world.time,
    cyclesPerSecond: CYCLES_PER_SECOND,
    schedule: (time, target) => world.queue.schedule(time, target, 0),
    cancel: (handle) => world.queue.cancel(handle),
    setOutput: (level) => edges.push({ tick: tick(), level }),
  });
  world.queue.register(pit);
  const toTick = (ticks: number): void => world.advanceTo(cyclesOf(ticks, PIT_HZ, CYCLES_PER_SECOND));
  const load = (channel: number, mode: number, count: number): void => {
    pit.write(3, 1, (channel << 6) | 0x30 | (mode << 1));
    pit.write(channel, 1, count & 0xff);
    pit.write(channel, 1, count >> 8);
  };
  const counter = (channel: number): number => {
    pit.write(3, 1, channel << 6);
    return pit.read(channel, 1) | (pit.read(channel, 1) << 8);
  };
  return { world, pit, edges, toTick, load, counter };
}

describe('Pit', () => {
  it('interrupts once on terminal count (mode 0)', () => {
    const { edges, toTick, load, counter } = setUp();
    load(0, 0, 1000);
    expect(edges).toEqual([{ tick: 0, level: false }]);
    toTick(400);
    expect(counter(0)).toBe(600);
    toTick(5000);
    expect(edges.slice(1)).toEqual([{ tick: 1000, level: true }]);
    expect(counter(0)).toBe(0x10000 - 4000); // goes on counting from 0xFFFF
  });

  it('rises once a period as rate generator (mode 2)', () => {
    const { edges, toTick, load, counter } = setUp();
    load(0, 2, 500);
    toTick(1700);
    expect(edges).toEqual(
      [499, 500, 999, 1000, 1499, 1500].map((tick, index) => ({ tick, level: index % 2 === 1 })),
    );
    expect(counter(0)).toBe(500 - 200);
  });

  it('is high for half of the period in square wave mode (mode 3), the longer half of an odd one', () => {
    const { edges, toTick, load } = setUp();
    load(0, 3, 101);
    toTick(210);
    expect(edges).toEqual([
      { tick: 51, level: false },
      { tick: 101, level: true },
      { tick: 152, level: false },
      { tick: 202, level: true },
    ]);
  });

  it('takes 0 as 65536', () => {
    const { edges, toTick, load } = setUp();
    load(0, 0, 0);
    toTick(70_000);
    expect(edges.at(-1)).toEqual({ tick: 65_536, level: true });
  });

  it('counts in decimal', () => {
    const { pit, toTick } = setUp();
    pit.write(3, 1, 0x31);
    pit.write(0, 1, 0x00);
    pit.write(0, 1, 0x12);
    toTick(1);
    expect([pit.read(0, 1), pit.read(0, 1)]).toEqual([0x99, 0x11]);
  });

  it('keeps a latched count until it is read', () => {
    const { pit, toTick, load } = setUp();
    load(0, 2, 0x1234);
    toTick(0x34);
    pit.write(3, 1, 0x00);
    toTick(0x80);
    expect([pit.read(0, 1), pit.read(0, 1)]).toEqual([0x00, 0x12]);
    expect(pit.read(0, 1)).toBe(0x1234 - 0x80 - 0x1100);
  });

  it('reads back status and count of several counters', () => {
    const { pit, toTick, load } = setUp();
    load(0, 2, 100);
    toTick(30);
    pit.write(3, 1, 0xc2); // count and status of counter 0
    toTick(50);
    expect(pit.read(0, 1)).toBe(0x80 | 0x30 | (2 << 1));
    expect([pit.read(0, 1), pit.read(0, 1)]).toEqual([70, 0]);
  });

  it('lets channel 2 count while its gate at port 0x61 is open, and shows its output there', () => {
    const { pit, toTick, load, counter } = setUp();
    const port = pit.portBBlock;
    load(2, 0, 300);
    toTick(1000);
    expect(counter(2)).toBe(300);
    port.write(0, 1, 1, NO_CPU);
    toTick(1299);
    expect(port.read(0, 1, NO_CPU) & 0x21).toBe(0x01);
    toTick(1300);
    expect(port.read(0, 1, NO_CPU) & 0x21).toBe(0x21);
    expect(
      new Set([0, 18, 36, 54].map((more) => (toTick(1310 + more), port.read(0, 1, NO_CPU) & 0x10))).size,
    ).toBe(2);
  });

  it('does nothing that nobody asked for', () => {
    const { world, edges } = setUp();
    expect([world.queue.nextTime(), edges]).toEqual([Infinity, []]);
  });

  it('goes on from a snapshot', () => {
    const one = setUp();
    one.load(0, 2, 700);
    one.toTick(1000);
    const other = setUp();
    other.world.load(one.world.save());
    other.pit.load(one.pit.save());
    one.edges.length = 0;
    one.toTick(4000);
    other.toTick(4000);
    expect(one.edges.length).toBeGreaterThan(6);
    expect(other.edges).toEqual(one.edges);
  });
});

describe('ticks and cycles', () => {
  it('agree with exact arithmetic', () => {
    const hertz = fc.constantFrom(PIT_HZ, 3_579_545, 1);
    const second = fc.integer({ min: 100_000_000, max: 10_000_000_000 });
    fc.assert(
      fc.property(fc.nat(2 ** 47), hertz, second, (value, rate, cycles) => {
        const ticks = ticksAt(value, rate, cycles);
        expect(BigInt(ticks)).toBe((BigInt(value) * BigInt(rate)) / BigInt(cycles));
        const first = cyclesOf(ticks, rate, cycles);
        expect(first).toBeLessThanOrEqual(value);
        expect(ticksAt(first, rate, cycles)).toBe(ticks);
        if (first > 0) expect(ticksAt(first - 1, rate, cycles)).toBe(ticks - 1);
      }),
    );
  });

  it('counts from the beginning at the rate a BIOS leaves, and drives its line only for whom it may concern', () => {
    const { pit, edges, toTick, counter } = setUp();
    toTick(1000);
    expect(counter(0)).toBe(65_536 - 1000);
    toTick(3 * 65_536 + 10);
    expect(edges).toEqual([]);
    pit.setListened(true);
    toTick(5 * 65_536 + 10);
    expect(edges).toEqual(
      [4, 5].flatMap((period) => [
        { tick: period * 65_536 - 1, level: false },
        { tick: period * 65_536, level: true },
      ]),
    );
    pit.setListened(false);
    toTick(9 * 65_536);
    expect(edges).toHaveLength(4);
  });

  it('reads a mode back as it was written, also 6 and 7', () => {
    for (let mode = 0; mode < 8; mode++) {
      const { pit, load } = setUp();
      load(0, mode, 100);
      pit.write(3, 1, 0xe2); // status of counter 0
      expect((pit.read(0, 1) >> 1) & 7).toBe(mode);
    }
  });
});
