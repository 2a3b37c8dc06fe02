/** A whole board moves: the hardware of one, as one object, is another's, which goes on as the first would have. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reg } from '../../src/machine/devices/e1000/constants';
import { EduRegister } from '../../src/machine/devices/edu';
import { Uart16550 } from '../../src/machine/devices/uart';
import { LapicTimer, type LapicTimerHardware } from '../../src/machine/interrupts/lapic-timer';
import { LAPIC_BASE, Lapic } from '../../src/machine/interrupts/lapic-registers';
import type { PendingEventRun } from '../../src/machine/time/pending-event';
import { ECAM } from '../../src/machine/pci/root';
import type { BoardHardware } from '../../src/machine/platform/board-state';
import { FakeBus, World } from '../unit/machine/fake-bus';
import { comparable, makeBoard, statesOf } from '../unit/machine/platform/fake-environment';

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const IOAPIC = 0xfec00000;
const NIC = 0xc0000000;
const EDU = 0xc0100000;

/** A board with two NICs and the teaching device, switched on at a time of its own. */
function poweredOn(name: string, time: number) {
  const m = makeBoard({ name });
  m.world.time = time;
  for (const nic of ['e1000', 'e1000.1'])
    m.board.addDevice({ model: 'e1000', name: nic, mac: MAC, coalesced: false });
  m.board.addDevice({ model: 'edu', name: 'edu' });
  m.board.powerOn();
  return m;
}

type Board = ReturnType<typeof poweredOn>;

/** One access by a CPU. */
interface Step {
  port: boolean;
  address: number;
  size: number;
  value: number | undefined;
  cpu: number;
  wait: number;
}

const any = fc.oneof(fc.nat(0xff), fc.constantFrom(0x1ff, 0x20070, 0x8041, 0x80001804), fc.nat(0x7fffffff));
const value = fc.option(any, { nil: undefined });
const wait = fc.oneof(fc.constant(0), fc.nat(20_000), fc.nat(5_000_000));
const at = (port: boolean, addresses: readonly number[], sizes = [4], values = value) =>
  fc.record({
    port: fc.constant(port),
    address: fc.constantFrom(...addresses),
    size: fc.constantFrom(...sizes),
    value: values,
    cpu: fc.nat(1),
    wait,
  });
const range = (first: number, count: number, step: number): number[] =>
  Array.from({ length: count }, (_, i) => first + i * step);

const step: fc.Arbitrary<Step> = fc.oneof(
  at(true, [0x20, 0x21, 0xa0, 0xa1, 0x4d0], [1]),
  at(
    true,
    [0x40, 0x42, 0x43, 0x61],
    [1],
    fc.option(fc.constantFrom(0x34, 0xb0, 0x10, 0x01, 0x36), { nil: undefined }),
  ),
  at(true, [0x70, 0x71], [1], fc.option(fc.constantFrom(0x0a, 0x0b, 0x0c, 0x42, 0x26), { nil: undefined })),
  at(true, [0x92, 0x510, 0x511, 0x608, 0x604, 0x3c2, 0x3d4, 0x3da], [1, 2]),
  at(true, range(0x3f8, 8, 1), [1]),
  at(true, [0x2000 + 5, 0x2000 + 9, 0xe0], [1], fc.option(fc.nat(1), { nil: undefined })),
  at(true, [0xcf8, 0xcfc], [4]),
  at(
    false,
    [IOAPIC, IOAPIC + 0x10],
    [4],
    fc.option(fc.constantFrom(0x10, 0x14, 0x1a, 0x26, 0x30, 0x8041, 0x51), { nil: undefined }),
  ),
  at(false, range(LAPIC_BASE, 64, 16)),
  at(false, [LAPIC_BASE + Lapic.LvtTimer, LAPIC_BASE + Lapic.InitialCount, LAPIC_BASE + Lapic.Eoi]),
  at(
    false,
    [Reg.ICR, Reg.ICS, Reg.IMS, Reg.IMC, Reg.ITR, Reg.RCTL].map((register) => NIC + register),
  ),
  at(
    false,
    Object.values(EduRegister).map((register) => EDU + register),
  ),
  at(false, range(ECAM.base + 3 * 0x8000, 16, 4)),
  at(false, range(ECAM.base + 5 * 0x8000, 24, 4)),
);

/** Does the steps; tells what was read, what happened, and when the next thing would. */
function perform({ board, world, log }: Board, steps: readonly Step[]): unknown[] {
  return steps.map(({ port, address, size, value: written, cpu, wait: cycles }) => {
    world.advanceTo(world.time + cycles);
    const from = log.length;
    const map = port ? board.ports : board.memory;
    const seen =
      written === undefined
        ? map.read(address, size, cpu)
        : map.write(address, size, written % 2 ** (8 * size), 0, cpu);
    world.advanceTo(world.time); // what DMA and messages bring about takes no time here
    for (const each of [0, 1]) {
      const lapic = board.fabric.lapic(each);
      if (lapic.highestPending() < 0) continue;
      log.push(`cpu ${each} serves ${lapic.acknowledge()}`);
      lapic.eoi();
    }
    return [seen, log.slice(from), world.queue.nextTime() - world.time];
  });
}

/** What is in memory, of the machine and of each of its sockets, goes before the board. */
function moveMemory(from: Board, to: Board): void {
  to.memory.bytes.set(from.memory.bytes);
  for (const [name, { bus }] of from.sockets) to.sockets.get(name)?.bus.memory.set(bus.memory);
}

/** The hardware but for the order in which wires were first driven, which each board finds out for itself. */
function known({ units }: BoardHardware): unknown {
  return comparable({ ...units, interrupts: { ...units.interrupts, sources: {} } });
}

describe('a board', () => {
  it('goes on from a checkpoint, and from its hardware as another board at another time', () => {
    let interrupts = 0;
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.array(step, { maxLength: 60 }),
        fc.array(step, { maxLength: 5 }),
        fc.integer({ min: 0, max: 1e12 }),
        (first, second, before, time) => {
          const one = poweredOn('pc', 0);
          // Something is on its way to a CPU: the interval timer, the clock, a NIC, the teaching device.
          for (const [pin, entry] of [
            [2, 0x30],
            [8, 0x38],
            [10, 0x803a],
            [11, 0x803b],
          ]) {
            one.board.memory.write(IOAPIC, 4, 0x10 + 2 * pin);
            one.board.memory.write(IOAPIC + 0x10, 4, entry);
          }
          for (const cpu of [0, 1]) one.board.memory.write(LAPIC_BASE + Lapic.Svr, 4, 0x1ff, 0, cpu);
          for (const [port, byte] of [
            ...[
              [0x43, 0x34],
              [0x40, 0],
              [0x40, 0x10],
            ], // the interval timer every 4096 ticks
            ...[
              [0x70, 0x0b],
              [0x71, 0x42],
            ], // the clock 1024 times a second
          ])
            one.board.ports.write(port, 1, byte);
          one.board.memory.write(LAPIC_BASE + Lapic.LvtTimer, 4, 0x20040, 0, 1);
          one.board.memory.write(LAPIC_BASE + Lapic.InitialCount, 4, 100_000, 0, 1);
          perform(one, first);
          const hardware: BoardHardware = structuredClone(one.board.hardware());

          const two = poweredOn('pc', 0);
          moveMemory(one, two);
          two.world.load(structuredClone(one.world.save()));
          const states = statesOf(one.kept);
          for (const [name, unit] of two.kept) unit.load(states[name]);

          const moved = poweredOn('vm7', time);
          perform(moved, before);
          moveMemory(one, moved);
          moved.board.adopt(hardware);
          expect(known(moved.board.hardware())).toEqual(known(hardware));

          const seen = perform(one, second);
          interrupts += one.log.filter((line) => line.startsWith('accepted')).length;
          expect(perform(moved, second)).toEqual(seen);
          expect(perform(two, second)).toEqual(seen);
          expect(known(moved.board.hardware())).toEqual(known(one.board.hardware()));
        },
      ),
      { seed: 20261129, numRuns: 100 },
    );
    // It was no quiet life.
    expect(interrupts).toBeGreaterThan(100);
  });

  it('is refused where another stands', () => {
    const one = makeBoard();
    one.board.powerOn();
    const two = makeBoard();
    two.board.addDevice({ model: 'edu', name: 'edu' });
    two.board.powerOn();
    const before = comparable(two.board.hardware());
    expect(() => two.board.adopt(one.board.hardware())).toThrow(/lacks 'edu'/);
    expect(() => one.board.adopt(two.board.hardware())).toThrow(/has 'edu'/);
    expect(comparable(two.board.hardware())).toEqual(before);
  });
});

describe('the kinds of state', () => {
  it('are not taken for one another', () => {
    const world = new World();
    const uart = new Uart16550(new FakeBus(world), () => undefined);
    const timer = new LapicTimer('timer', world.queue, 1, () => undefined);
    const checkpoint = uart.save();
    const { hardware, run } = checkpoint;
    const nothing: PendingEventRun = { event: 0, due: 0 };
    const count: LapicTimerHardware = timer.save().hardware;
    const { board } = makeBoard();
    uart.adopt(hardware);
    uart.load({ hardware, run: nothing });
    // What must not compile; what it would do matters to nobody.
    const wrong = [
      // @ts-expect-error A checkpoint is of this run: it does not move.
      () => uart.adopt(checkpoint),
      // @ts-expect-error Nor does what the run has.
      () => uart.adopt(run),
      // @ts-expect-error Hardware alone is no checkpoint.
      () => uart.load(hardware),
      // @ts-expect-error Nor is it with hardware in the place of the run.
      () => uart.load({ hardware, run: hardware }),
      // @ts-expect-error Nor the two the wrong way round.
      () => uart.load({ hardware: run, run: hardware }),
      // @ts-expect-error The hardware of one unit is not another's.
      () => uart.adopt(count),
      // @ts-expect-error A unit of a board is no board.
      () => board.adopt(hardware),
      // @ts-expect-error Of a board too there is no going on from a checkpoint elsewhere.
      () => board.adopt({ version: 1, units: { UART: checkpoint } }),
      // @ts-expect-error Nor from what the run has.
      () => board.adopt({ version: 1, units: { UART: run } }),
    ];
    expect(wrong).toHaveLength(9);
  });
});
