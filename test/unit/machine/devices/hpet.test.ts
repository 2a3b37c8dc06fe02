/** The HPET by its specification (IA-PC HPET 1.0a): counter, one-shot and periodic timers, levels, routes, snapshots. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { HPET_HZ, Hpet } from '../../../../src/machine/devices/hpet';
import { World } from '../fake-bus';

const CYCLES_PER_SECOND = 3_000_000_000;
/** Cycles of a tick of 10 ns. */
const TICK = CYCLES_PER_SECOND / HPET_HZ;
const Reg = { capabilities: 0, configuration: 0x10, status: 0x20, counter: 0xf0 } as const;
const timerReg = (timer: number): { configuration: number; comparator: number } => ({
  configuration: 0x100 + 0x20 * timer,
  comparator: 0x108 + 0x20 * timer,
});
const ENABLE = 1;
const LEGACY = 2;
const Conf = { level: 2, enable: 4, periodic: 8, setValue: 0x40, narrow: 0x100, route: 20 << 9 } as const;

function hpet(saved?: { state: ReturnType<Hpet['save']>; world: ReturnType<World['save']> }) {
  const world = new World();
  const edges: string[] = [];
  const legacy: boolean[] = [];
  const device = new Hpet('hpet', {
    now: () => world.time,
    cyclesPerSecond: CYCLES_PER_SECOND,
    schedule: (time, target) => world.queue.schedule(time, target, 0),
    cancel: (handle) => world.queue.cancel(handle),
    line: (input, timer) => ({
      set: (level) => void edges.push(`${world.time / TICK}: ${timer} at ${input} ${level ? 'up' : 'down'}`),
    }),
    replacesLegacy: (on) => legacy.push(on),
  });
  world.queue.register(device);
  if (saved) {
    world.load(saved.world);
    device.load(saved.state);
  }
  const write = (offset: number, value: number): void => device.write(offset, 4, value >>> 0);
  const read = (offset: number): number => device.read(offset, 4);
  return {
    device,
    world,
    edges,
    legacy,
    write,
    read,
    wide: (offset: number): bigint => (BigInt(read(offset + 4)) << 32n) | BigInt(read(offset)),
    to: (tick: number): void => world.advanceTo(tick * TICK),
    /** Ticks at which a line went up. */
    raised: (): number[] => edges.filter((edge) => edge.endsWith('up')).map((edge) => parseFloat(edge)),
  };
}

describe('the counter', () => {
  it('has a period of 10 ns, 64 bits, three timers and legacy replacement', () => {
    const { wide } = hpet();
    expect(wide(Reg.capabilities)).toBe((10_000_000n << 32n) | 0x8086_a201n);
  });

  it('goes while it is enabled, from where it was halted', () => {
    const { write, read, to } = hpet();
    to(100);
    expect(read(Reg.counter)).toBe(0);
    write(Reg.configuration, ENABLE);
    to(350);
    expect(read(Reg.counter)).toBe(250);
    write(Reg.configuration, 0);
    to(1000);
    expect(read(Reg.counter)).toBe(250);
    write(Reg.configuration, ENABLE);
    to(1001);
    expect(read(Reg.counter)).toBe(251);
  });

  it('is written while it is halted, and carries into its upper half', () => {
    const { write, wide, to } = hpet();
    write(Reg.counter, 0xffff_fff0);
    write(Reg.counter + 4, 7);
    write(Reg.configuration, ENABLE);
    write(Reg.counter, 5); // does nothing while it runs
    to(0x20);
    expect(wide(Reg.counter)).toBe(0x8_0000_0010n);
  });

  it('is read in parts, and written in no narrower ones than 32 bits', () => {
    const { device, write, to } = hpet();
    device.write(Reg.configuration, 1, ENABLE);
    expect(device.read(Reg.configuration, 1)).toBe(0);
    write(Reg.configuration, ENABLE);
    to(0x1234);
    expect([
      device.read(Reg.counter, 1),
      device.read(Reg.counter + 1, 1),
      device.read(Reg.counter, 2),
    ]).toEqual([0x34, 0x12, 0x1234]);
  });
});

describe('a timer', () => {
  const { configuration, comparator } = timerReg(2);

  it('interrupts once, by an edge, at the tick where the counter meets the comparator', () => {
    const { write, to, edges } = hpet();
    write(comparator, 500);
    write(comparator + 4, 0);
    write(configuration, Conf.enable | Conf.route);
    write(Reg.configuration, ENABLE);
    to(499);
    expect(edges).toEqual([]);
    to(100_000);
    expect(edges).toEqual(['500: 2 at 20 up', '500: 2 at 20 down']);
  });

  it('interrupts nobody while the counter is halted, without its enable bit, or without a route', () => {
    for (const [conf, general] of [
      [Conf.enable | Conf.route, 0],
      [Conf.route, ENABLE],
      [Conf.enable, ENABLE],
    ]) {
      const { write, to, edges } = hpet();
      write(comparator, 500);
      write(comparator + 4, 0);
      write(configuration, conf);
      write(Reg.configuration, general);
      to(10_000);
      expect(edges).toEqual([]);
    }
  });

  it('takes those routes only that its capabilities name', () => {
    const { write, read } = hpet();
    const able = read(configuration + 4);
    for (let input = 0; input < 32; input++) {
      write(configuration, input << 9);
      expect(((read(configuration) >> 9) & 31) === input).toBe(input === 0 || ((able >> input) & 1) === 1);
      if (input === 0) expect(able & 0xffff).toBe(0); // none of ISA's
    }
  });

  it('is periodic from an accumulator that "value set" lets be written, by as much as is written next', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 1000 }), (first, period) => {
        const { write, to, raised, read } = hpet();
        write(configuration, Conf.enable | Conf.periodic | Conf.setValue | Conf.route);
        write(comparator, first);
        write(comparator, period);
        write(Reg.configuration, ENABLE);
        // The upper half of the accumulator was all ones at reset: one of 32 bits does not look at it.
        write(configuration, Conf.enable | Conf.periodic | Conf.narrow | Conf.route);
        const end = 3500;
        to(end);
        const expected = [];
        for (let tick = first; tick <= end; tick += period) expected.push(tick);
        expect(raised()).toEqual(expected);
        expect(read(comparator)).toBe(first + expected.length * period);
      }),
      { numRuns: 40 },
    );
  });

  it('takes both halves of one write of 64 bits for accumulator and period', () => {
    const { write, wide } = hpet();
    write(configuration, Conf.periodic | Conf.setValue);
    write(comparator, 5);
    write(comparator + 4, 1);
    expect(wide(comparator)).toBe(0x1_0000_0005n);
    write(comparator, 9); // the period
    write(comparator + 4, 2);
    expect(wide(comparator)).toBe(0x1_0000_0005n);
  });

  it('holds a level until its flag is cleared', () => {
    const { write, read, to, edges } = hpet();
    write(comparator, 500);
    write(comparator + 4, 0);
    write(configuration, Conf.level | Conf.enable | Conf.route);
    write(Reg.configuration, ENABLE);
    to(600);
    write(Reg.status, 3); // other timers' flags
    expect([read(Reg.status), edges.at(-1)]).toEqual([4, '600: 2 at 20 up']);
    expect(edges).toContain('500: 2 at 20 up');
    write(Reg.status, 4);
    expect([read(Reg.status), edges.at(-1)]).toEqual([0, '600: 2 at 20 down']);
  });

  it('with 32 bits meets the comparator each time that the counter wraps', () => {
    const { write, to, raised } = hpet();
    write(Reg.counter, 0xffff_fff0);
    write(comparator, 0x10);
    write(configuration, Conf.enable | Conf.narrow | Conf.route);
    write(Reg.configuration, ENABLE);
    to(2 ** 32 + 0x100);
    expect(raised()).toEqual([0x20, 2 ** 32 + 0x20]);
  });
});

describe('legacy replacement', () => {
  it('brings timers 0 and 1 to the inputs of IRQ 0 and IRQ 8, whatever their routes', () => {
    const { write, to, edges, legacy } = hpet();
    for (const timer of [0, 1, 2]) {
      write(timerReg(timer).comparator, 100 * (timer + 1));
      write(timerReg(timer).comparator + 4, 0);
      write(timerReg(timer).configuration, Conf.enable | Conf.route);
    }
    write(Reg.configuration, ENABLE | LEGACY);
    to(1000);
    expect(edges.filter((edge) => edge.endsWith('up'))).toEqual([
      '100: 0 at 2 up',
      '200: 1 at 8 up',
      '300: 2 at 20 up',
    ]);
    write(Reg.configuration, ENABLE);
    expect(legacy).toEqual([true, false]);
  });
});

describe('reset and snapshots', () => {
  it('goes on from a snapshot as if it had not been interrupted', () => {
    const whole = hpet();
    const { configuration, comparator } = timerReg(0);
    whole.write(configuration, Conf.enable | Conf.periodic | Conf.narrow | Conf.setValue | Conf.route);
    whole.write(comparator, 300);
    whole.write(comparator, 70);
    whole.write(Reg.configuration, ENABLE);
    whole.to(444);
    const saved = structuredClone({ state: whole.device.save(), world: whole.world.save() });
    whole.edges.length = 0;
    const second = hpet(saved);
    for (const each of [whole, second]) each.to(2000);
    expect(second.edges).toEqual(whole.edges);
    expect(second.edges.length).toBeGreaterThan(20);
    expect(second.device.save()).toEqual(whole.device.save());
  });

  it('is after a reset as at first', () => {
    const { device, write, to, edges } = hpet();
    const first = device.save();
    write(timerReg(0).comparator, 100);
    write(timerReg(0).comparator + 4, 0);
    write(timerReg(0).configuration, Conf.enable | Conf.route);
    write(Reg.configuration, ENABLE | LEGACY);
    device.reset();
    expect(device.save()).toEqual(first);
    to(1000);
    expect(edges.filter((edge) => edge.endsWith('up'))).toEqual([]);
  });
});
