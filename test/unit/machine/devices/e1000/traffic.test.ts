/** Random traffic by random rings, thresholds and DMA times, moved between machines in mid-flight: every byte arrives. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reg } from '../../../../../src/machine/devices/e1000/constants';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { World } from '../../fake-bus';
import { Driver, type DriverOptions, type Packet } from './driver';
import { MAC, Nic } from './nic';

type Move = 'checkpoint' | 'hardware';
type Step =
  | { do: 'send'; packet: Packet }
  | { do: 'arrive'; length: number }
  | { do: 'collect'; count: number }
  | { do: 'wait'; cycles: number }
  | { do: 'latency'; cycles: number }
  | { do: 'wire'; wait: number }
  | { do: 'move'; how: Move };

const packet: fc.Arbitrary<Packet> = fc.record({
  pieces: fc.array(fc.oneof(fc.integer({ min: 1, max: 700 }), fc.constant(0)), {
    minLength: 1,
    maxLength: 4,
  }),
  unreachable: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  extended: fc.boolean(),
});
const cycles = fc.oneof(fc.constant(0), fc.nat(300), fc.nat(20_000));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('send' as const), packet }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('arrive' as const), length: fc.integer({ min: 60, max: 1518 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('collect' as const), count: fc.nat(6) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), cycles }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('latency' as const), cycles }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wire' as const), wait: fc.nat(3000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('move' as const),
      how: fc.constantFrom<Move>('checkpoint', 'hardware'),
    }),
  },
);
const thresholds = fc
  .tuple(fc.nat(12), fc.nat(12), fc.nat(9), fc.boolean())
  .map(([p, h, w, descriptors]) => p | (h << 8) | (w << 16) | (descriptors ? 1 << 24 : 0));
const options: fc.Arbitrary<DriverOptions> = fc.record({
  txRing: fc.constantFrom(8, 16, 24),
  rxRing: fc.constantFrom(8, 16, 32),
  bufferCode: fc.nat(3),
  txdctl: thresholds,
  rxdctl: thresholds,
  tidv: fc.constant(1),
  rdtr: fc.constantFrom(0, 2),
});

/** A NIC, the driver's and the network's view of it, and the way to another machine. */
class Traffic {
  nic: Nic;
  readonly driver: Driver;
  readonly sent: number[][] = [];
  readonly arrived: number[][] = [];
  private serial = 0;
  private machine = 0;
  private lost = 0;

  constructor(options: DriverOptions) {
    this.nic = new Nic({}, new World(), 'nic0');
    this.driver = new Driver(this.nic, options);
  }

  perform(each: Step): void {
    const { nic, driver } = this;
    if (each.do === 'send') driver.send(each.packet);
    else if (each.do === 'arrive') this.arrive(each.length);
    else if (each.do === 'collect') driver.collect(each.count);
    else if (each.do === 'wait') nic.world.advanceTo(nic.world.time + each.cycles);
    else if (each.do === 'latency') nic.bus.dma.latency = each.cycles;
    else if (each.do === 'wire') nic.wire.wait = each.wait;
    else this.move(each.how);
  }

  /** Until nothing is under way any more. */
  finish(): void {
    this.nic.wire.wait = 0;
    for (let i = 0; i < 400; i++) {
      this.nic.world.drain();
      this.driver.collect(5);
    }
    this.takeFrames();
  }

  /** Frames that the NIC said it had no room for. */
  get drops(): number {
    return this.lost + this.nic.world.ofKind(Kind.PacketDrop).filter(({ b }) => b === 1).length;
  }

  private arrive(length: number): void {
    const frame = new Uint8Array(length);
    frame.set(MAC);
    for (let i = 6; i < length; i++) frame[i] = (i * 3 + this.serial * 7) & 0xff;
    frame.set([0x08, 0x00, this.serial >> 8, this.serial & 0xff], 12);
    this.serial += 1;
    // Nobody can hold it back here: it is not sent where there is no room.
    if (!this.nic.device.canReceive(length)) return;
    this.arrived.push([...frame]);
    this.nic.device.receive(frame);
  }

  private takeFrames(): void {
    this.sent.push(...this.nic.wire.frames.map((frame) => [...frame]));
    this.nic.wire.frames = [];
  }

  private move(how: Move): void {
    const from = this.nic;
    this.takeFrames();
    // A checkpoint is loaded into the same machine; a migration goes to another.
    if (how === 'hardware') this.machine += 1;
    const to = new Nic({ latency: from.bus.dma.latency }, new World(), `nic${this.machine}`);
    to.bus.memory.set(from.bus.memory);
    to.wire.wait = from.wire.wait;
    to.device.pci.load(structuredClone(from.device.pci.save()));
    if (how === 'hardware') {
      this.lost = this.drops;
      to.device.adopt(structuredClone(from.device.save().hardware));
    } else {
      to.bus.dma.pending = structuredClone(from.bus.dma.pending);
      for (const note of from.world.notes) to.world.notes.push(note);
      to.world.load(structuredClone(from.world.save()));
      to.device.load(structuredClone(from.device.save()));
    }
    this.nic = to;
    this.driver.take(to);
  }
}

describe('e1000 traffic', () => {
  it('arrives whole and in order, and nothing is written outside given buffers, whatever is moved when', () => {
    let moved = 0;
    fc.assert(
      fc.property(options, fc.array(step, { minLength: 10, maxLength: 150 }), (rings, steps) => {
        const traffic = new Traffic(rings);
        for (const each of steps) {
          if (each.do === 'move' && traffic.nic.bus.dma.pending.length > 0) moved += 1;
          traffic.perform(each);
        }
        traffic.finish();
        const { driver, sent, arrived } = traffic;
        expect(driver.wrongs).toEqual([]);
        expect(sent).toEqual(driver.expected);
        expect(driver.received).toEqual(arrived);
        expect(traffic.drops).toBe(0);
        expect(traffic.nic.get(Reg.TDH)).toBe(traffic.nic.get(Reg.TDT));
      }),
      { numRuns: 300, seed: 7002 },
    );
    // The moves were in mid-flight often enough.
    expect(moved).toBeGreaterThan(100);
  });

  it('loses the frames whose data meets a fault, and no other', () => {
    fc.assert(
      fc.property(
        options,
        fc.array(fc.record({ refuse: fc.boolean(), length: fc.integer({ min: 60, max: 1518 }), cycles }), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.constantFrom(0, 40, 2000),
        (rings, frames, latency) => {
          const traffic = new Traffic({ ...rings, bufferCode: 0 });
          traffic.nic.bus.dma.latency = latency;
          for (const { refuse, length, cycles: wait } of frames) {
            if (refuse) traffic.driver.refusals += 1;
            traffic.perform({ do: 'arrive', length });
            traffic.perform({ do: 'wait', cycles: wait });
            traffic.perform({ do: 'collect', count: 4 });
          }
          traffic.finish();
          const { received, refused, wrongs } = traffic.driver;
          expect(wrongs).toEqual([]);
          expect(received).toHaveLength(traffic.arrived.length - refused);
          // What came arrives in order: each frame is found behind the one before.
          let at = -1;
          for (const frame of received) {
            at = traffic.arrived.findIndex((each, i) => i > at && String(each) === String(frame));
            expect(at).toBeGreaterThanOrEqual(0);
          }
        },
      ),
      { numRuns: 100, seed: 7003 },
    );
  });
});
