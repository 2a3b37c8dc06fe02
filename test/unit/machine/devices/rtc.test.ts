/** The clock of a PC by its data sheet (MC146818): calendar, setting, interrupts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Rtc } from '../../../../src/machine/devices/rtc';
import { World } from '../fake-bus';

const MIB = 1 << 20;
const CYCLES_PER_SECOND = 2_900_000_000;

function at(start: string, cycles = 0) {
  const world = new World();
  const edges: { cycle: number; level: boolean }[] = [];
  const rtc = new Rtc('rtc', {
    now: () => world.time,
    cyclesPerSecond: CYCLES_PER_SECOND,
    startSeconds: Date.parse(start) / 1000,
    ramBytes: 64 * MIB,
    cpus: 2,
    schedule: (time, target) => world.queue.schedule(time, target, 0),
    cancel: (handle) => world.queue.cancel(handle),
    setLine: (level) => edges.push({ cycle: world.time, level }),
  });
  world.queue.register(rtc);
  world.advanceTo(cycles);
  const read = (index: number): number => {
    rtc.write(0, 1, index);
    return rtc.read(1, 1);
  };
  const write = (index: number, value: number): void => {
    rtc.write(0, 1, index);
    rtc.write(1, 1, value);
  };
  const to = (seconds: number): void => world.advanceTo(Math.ceil(seconds * CYCLES_PER_SECOND));
  return { rtc, read, write, world, edges, to };
}

/** Registers of date and time, from the century to the second; the day of the week is apart. */
const FIELDS = [0x32, 9, 8, 7, 4, 2, 0];

describe('Rtc', () => {
  it('shows any date as the calendar has it', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1970-01-01'), max: new Date('2199-12-31'), noInvalidDate: true }),
        (date) => {
          const { rtc, read } = at(`${date.toISOString().slice(0, 19)}Z`);
          rtc.write(0, 1, 0x0b);
          rtc.write(1, 1, 6); // binary, 24 hours
          expect([0x32, 9, 8, 7, 4, 2, 0].map(read)).toEqual([
            Math.floor(date.getUTCFullYear() / 100),
            date.getUTCFullYear() % 100,
            date.getUTCMonth() + 1,
            date.getUTCDate(),
            date.getUTCHours(),
            date.getUTCMinutes(),
            date.getUTCSeconds(),
          ]);
          expect(read(6)).toBe(date.getUTCDay() + 1);
        },
      ),
    );
  });

  it('counts in BCD and goes with simulated time', () => {
    const { read } = at('2024-12-31T23:59:58Z', 3 * CYCLES_PER_SECOND);
    expect([0x32, 9, 8, 7, 4, 2, 0].map(read)).toEqual([0x20, 0x25, 1, 1, 0, 0, 1]);
  });

  it('has hours to 12 with a bit for the afternoon when asked', () => {
    const hours = (time: string): number => {
      const { rtc, read } = at(`2024-01-01T${time}:00:00Z`);
      rtc.write(0, 1, 0x0b);
      rtc.write(1, 1, 0);
      return read(4);
    };
    expect(['00', '11', '12', '23'].map(hours)).toEqual([0x12, 0x11, 0x92, 0x91]);
  });

  it('tells of memory and processors', () => {
    const { read } = at('2024-01-01T00:00:00Z');
    expect(read(0x15) + 256 * read(0x16)).toBe(640);
    expect(read(0x30) + 256 * read(0x31)).toBe(63 * 1024);
    expect(read(0x34) + 256 * read(0x35)).toBe((48 * MIB) / 65_536);
    expect(read(0x5f)).toBe(1);
  });

  it('says that an update is near just before a second ends', () => {
    const near = CYCLES_PER_SECOND - 100_000; // 34 us before
    expect(at('2024-01-01T00:00:00Z', near).read(0x0a) & 0x80).toBe(0x80);
    expect(at('2024-01-01T00:00:00Z', CYCLES_PER_SECOND / 2).read(0x0a) & 0x80).toBe(0);
  });

  it('can be set while it stands still, to any date, and goes on from there', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1970-01-01'), max: new Date('2199-12-30'), noInvalidDate: true }),
        fc.nat(6),
        (date, day) => {
          const { read, write, to } = at('2024-01-01T00:00:00Z', 12_345_678);
          write(0x0b, 0x86); // stand still; binary, 24 hours
          const fields = [
            Math.floor(date.getUTCFullYear() / 100),
            date.getUTCFullYear() % 100,
            date.getUTCMonth() + 1,
            date.getUTCDate(),
            date.getUTCHours(),
            date.getUTCMinutes(),
            date.getUTCSeconds(),
          ];
          FIELDS.forEach((index, position) => write(index, fields[position]));
          write(6, day + 1);
          expect(FIELDS.map(read)).toEqual(fields);
          write(0x0b, 0x06);
          expect([...FIELDS.map(read), read(6)]).toEqual([...fields, day + 1]);
          to(1.1);
          const next = new Date(date.getTime() + 1000);
          expect([read(7), read(4), read(0)]).toEqual([
            next.getUTCDate(),
            next.getUTCHours(),
            next.getUTCSeconds(),
          ]);
          expect(read(6)).toBe(((day + (next.getUTCDate() === date.getUTCDate() ? 0 : 1)) % 7) + 1);
        },
      ),
      { seed: 5 },
    );
  });

  it('stands still while it is set, and takes fields in BCD and 12 hours', () => {
    const { read, write, to } = at('2024-01-01T00:00:00Z');
    write(0x0b, 0x80);
    to(5);
    expect([read(0), read(0x0a) & 0x80]).toEqual([0, 0]);
    write(4, 0x92); // noon
    write(2, 0x59);
    write(0, 0x58);
    write(0x0b, 0x00);
    to(7.5);
    expect([read(4), read(2), read(0)]).toEqual([0x81, 0x00, 0x00]); // 1 in the afternoon
  });

  it('interrupts at each second, until register C is read', () => {
    const { read, write, edges, to } = at('2024-01-01T00:00:00Z');
    write(0x0b, 0x12);
    to(2.5);
    expect(edges).toEqual([{ cycle: CYCLES_PER_SECOND, level: true }]);
    expect(read(0x0c) & 0x90).toBe(0x90);
    expect(edges.at(-1)?.level).toBe(false);
    expect(read(0x0c)).toBe(0);
    to(3);
    expect(edges.at(-1)).toEqual({ cycle: 3 * CYCLES_PER_SECOND, level: true });
  });

  it('interrupts periodically, at the rate of register A', () => {
    const rates = [
      [6, 1024],
      [15, 2],
      [3, 8192],
      [1, 256],
      [2, 128],
    ] as const; // table 5, at 32.768 kHz
    for (const [rate, hertz] of rates) {
      const { read, write, edges, world } = at('2024-01-01T00:00:00Z');
      write(0x0a, 0x20 | rate);
      write(0x0b, 0x42);
      for (let tick = 1; tick <= 3; tick++) {
        world.advanceTo(Math.ceil((tick * CYCLES_PER_SECOND) / hertz));
        expect(edges.at(-1)).toEqual({ cycle: world.time, level: true });
        expect(read(0x0c) & 0xc0).toBe(0xc0);
      }
      write(0x0a, 0x20);
      world.advanceTo(world.time + CYCLES_PER_SECOND / 2);
      expect(read(0x0c) & 0xc0).toBe(0);
    }
  });

  it('interrupts at its alarm, of which bytes may fit anything', () => {
    const { read, write, edges, to } = at('2024-01-01T08:59:58Z');
    write(1, 0x01);
    write(3, 0xc0);
    write(5, 0x09);
    write(0x0b, 0x22);
    to(10);
    expect(edges).toEqual([{ cycle: 3 * CYCLES_PER_SECOND, level: true }]); // 09:00:01
    expect(read(0x0c) & 0xb0).toBe(0xb0); // and a second has passed
  });

  it('raises flags without interrupts, which say nothing to the line', () => {
    const { read, edges, to } = at('2024-01-01T00:00:00Z');
    to(1.01);
    expect(read(0x0c)).toBe(0x50);
    expect(edges).toEqual([]);
  });

  it('survives any accesses at any times, and goes on identically after save and load', () => {
    const step = fc.record({
      index: fc.nat(0x3f),
      value: fc.option(fc.nat(255)),
      cycles: fc.integer({ min: 0, max: 2 * CYCLES_PER_SECOND }),
    });
    type Step = { index: number; value: number | null; cycles: number };
    const perform = ({ read, write, world, edges }: ReturnType<typeof at>, steps: Step[]): unknown[] => {
      const first = edges.length;
      const seen = steps.map(({ index, value, cycles }) => {
        world.advanceTo(world.time + cycles);
        return value === null ? read(index) : write(index, value);
      });
      return [seen, edges.slice(first)];
    };
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.array(step, { maxLength: 30 }),
        (before: Step[], after: Step[]) => {
          const one = at('2024-02-28T23:59:50Z');
          perform(one, before);
          const other = at('2000-01-01T00:00:00Z');
          other.world.time = one.world.time;
          other.world.queue.load(structuredClone(one.world.queue.save()));
          other.rtc.load(structuredClone(one.rtc.save()));
          expect(perform(other, after)).toEqual(perform(one, after));
        },
      ),
      { seed: 11 },
    );
  });
});
