import { describe, expect, it } from 'vitest';
import type { E1000 } from '../../../../src/machine/devices/e1000/e1000';
import { Rctl, Reg, TxCmd } from '../../../../src/machine/devices/e1000/constants';
import { Link } from '../../../../src/machine/link/link';
import { EchoPeer, GeneratorPeer, SinkPeer, type GeneratorOptions } from '../../../../src/machine/link/peers';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { frameTo, MAC, Nic } from '../devices/e1000/nic';
import { CYCLES_PER_NANOSECOND, World } from '../fake-bus';

const PEER = [0x02, 0, 0, 0, 0, 7];

/** A link with a list of what comes out at end 0. */
function setUp(gigabitsPerSecond = 1, latencyNanoseconds = 500) {
  const world = new World();
  const link = new Link({
    name: 'wire',
    gigabitsPerSecond,
    latencyNanoseconds,
    cyclesPerNanosecond: CYCLES_PER_NANOSECOND,
    scheduler: world.queue,
    trace: world.trace,
  });
  world.queue.register(link);
  const arrived: { frame: Uint8Array; time: number }[] = [];
  link.attach(0, { receive: (frame) => void arrived.push({ frame, time: world.time }) });
  return { world, link, arrived };
}

describe('Link', () => {
  it('takes preamble, frame and FCS at its bandwidth, then the latency; the gap keeps the wire busy', () => {
    const { world, link } = setUp();
    const times: number[] = [];
    link.attach(1, { receive: () => void times.push(world.time) });
    for (let i = 0; i < 3; i++) link.wire(0).send(new Uint8Array(60), i);
    world.drain();
    // At 1 Gb/s a byte takes 8 ns. First: (8 + 60 + 4) * 8 + 500 ns; each next one (8 + 60 + 4 + 12) * 8 ns later.
    expect(times.map((time) => time / CYCLES_PER_NANOSECOND)).toEqual([1076, 1076 + 672, 1076 + 2 * 672]);
  });

  it('keeps the order of frames of different lengths', () => {
    const { world, link } = setUp(100, 0);
    const lengths: number[] = [];
    link.attach(1, { receive: (frame) => void lengths.push(frame.length) });
    const sent = [1514, 60, 900, 61, 60];
    sent.forEach((length, i) => link.wire(0).send(new Uint8Array(length), i));
    world.drain();
    expect(lengths).toEqual(sent);
  });

  it('says when there is room', () => {
    const { world, link } = setUp();
    const wire = link.wire(0);
    expect(wire.roomIn(0)).toBe(0);
    wire.send(new Uint8Array(1000), 0);
    wire.send(new Uint8Array(1000), 1);
    // Both take 1024 bytes with overhead; 1024 may wait, so one of them must be through: 1024 * 8 ns.
    expect(wire.roomIn(1024)).toBe(1024 * 8 * CYCLES_PER_NANOSECOND);
    world.advanceTo(2048 * 8 * CYCLES_PER_NANOSECOND);
    expect(wire.roomIn(0)).toBe(0);
  });

  it('shows each transit as a span that its arrival hangs on', () => {
    const { world, link } = setUp();
    link.attach(1, { receive: (frame) => world.trace.instant(Kind.PacketRx, frame.length, 0) });
    world.trace.instant(Kind.PacketTx, 60, 5);
    link.wire(0).send(new Uint8Array(60), 5);
    world.drain();
    const [transit] = world.ofKind(Kind.LinkTransit);
    const [received] = world.ofKind(Kind.PacketRx);
    expect([transit?.a, transit?.b, transit?.duration]).toEqual([60, 5, received?.time]);
    expect(world.chain(received).map(({ kind }) => kind)).toEqual([Kind.LinkTransit, Kind.PacketTx]);
  });

  it('refuses bandwidths and latencies that cannot be', () => {
    expect(() => setUp(0, 0)).toThrow(RangeError);
    expect(() => setUp(1, -1)).toThrow(RangeError);
  });
});

describe('peers', () => {
  it('echo swaps the addresses and turns around after its time', () => {
    const { world, link, arrived } = setUp(10, 100);
    const echo = new EchoPeer('echo', link, world.queue, 1000);
    world.queue.register(echo);
    const frame = frameTo(PEER, 60);
    link.wire(0).send(frame.slice(), 0);
    world.drain();
    const transit = Math.ceil(72 * 0.8 * CYCLES_PER_NANOSECOND) + 100 * CYCLES_PER_NANOSECOND;
    expect(arrived.map(({ time }) => time)).toEqual([transit * 2 + 1000]);
    const expected = frame.slice();
    expected.set(frame.subarray(6, 12), 0);
    expected.set(PEER, 6);
    expect(arrived[0].frame).toEqual(expected);
  });

  it('sink counts', () => {
    const { world, link } = setUp();
    const sink = new SinkPeer(link);
    link.wire(0).send(new Uint8Array(60), 0);
    link.wire(0).send(new Uint8Array(100), 1);
    world.drain();
    expect([sink.frames, sink.bytes]).toEqual([2, 160]);
  });

  const generate: GeneratorOptions = {
    count: 5,
    length: 64,
    interval: 3000,
    delay: 500,
    seed: 9,
    destination: MAC,
  };

  function withGenerator(options: GeneratorOptions) {
    const made = setUp(100, 0);
    const peer = new GeneratorPeer('generator', made.link, made.world.queue, options);
    made.world.queue.register(peer);
    return { ...made, peer };
  }

  it('generator sends its frames at fixed times, the same for the same seed', () => {
    const runs = [generate, generate, { ...generate, seed: 10 }].map((options) => {
      const { world, peer, arrived } = withGenerator(options);
      peer.start();
      world.drain();
      return arrived;
    });
    const transit = Math.ceil(76 * 0.08 * CYCLES_PER_NANOSECOND);
    expect(runs[0].map(({ time }) => time)).toEqual([0, 1, 2, 3, 4].map((i) => 500 + i * 3000 + transit));
    expect(runs[0].map(({ frame }) => [...frame.subarray(0, 6), ...frame.subarray(14, 18)])).toEqual(
      [0, 1, 2, 3, 4].map((i) => [...MAC, 0, 0, 0, i]),
    );
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).not.toEqual(runs[0]);
  });

  it('generator sends no faster than the wire carries, and nothing piles up', () => {
    const { world, peer, arrived, link } = withGenerator({ ...generate, count: 1000, interval: 0 });
    peer.start();
    let most = 0;
    for (let time = 0; time < 20_000; time += 10) {
      world.advanceTo(time);
      most = Math.max(most, link.save().inFlight[1].length);
    }
    world.drain();
    expect(arrived).toHaveLength(1000);
    // Without latency there is the frame on the wire, and the one before it whose gap is not over.
    expect(most).toBeLessThanOrEqual(2);
    const gaps = new Set(arrived.slice(1).map(({ time }, i) => time - arrived[i].time));
    expect([...gaps]).toEqual([link.occupancy(generate.length)]);
  });

  it('go on identically after save and load in the middle', () => {
    const build = () => {
      const made = withGenerator({ ...generate, count: 40, length: 1514, interval: 100 });
      return made;
    };
    const one = build();
    one.peer.start();
    one.world.advanceTo(2000);
    const two = build();
    two.world.load(structuredClone(one.world.save()));
    two.link.load(structuredClone(one.link.save()));
    two.peer.load(structuredClone(one.peer.save()));
    const before = one.arrived.length;
    one.world.drain();
    two.world.drain();
    expect(two.arrived).toEqual(one.arrived.slice(before));
    expect(before).toBeGreaterThan(0);
    expect(two.arrived.length + before).toBe(40);
  });
});

describe('e1000, link and echo together', () => {
  it('brings each packet back, and its arrival leads back to the doorbell', () => {
    const world = new World();
    const nic = new Nic({}, world);
    const link = new Link({
      name: 'wire',
      gigabitsPerSecond: 1,
      latencyNanoseconds: 500,
      cyclesPerNanosecond: CYCLES_PER_NANOSECOND,
      scheduler: world.queue,
      trace: world.trace,
    });
    const echo = new EchoPeer('echo', link, world.queue, 50);
    world.queue.register(link);
    world.queue.register(echo);
    const device: E1000 = nic.device;
    device.connect(link.wire(0));
    link.attach(0, device);
    nic.start(7, Rctl.EN | Rctl.BAM | Rctl.SECRC);
    for (let i = 0; i < 3; i++) {
      const frame = frameTo(PEER, 64 + i);
      frame.set(MAC, 6);
      nic.fill(i, frame, TxCmd.EOP | TxCmd.IFCS | TxCmd.RS);
    }
    nic.set(Reg.TDT, 3);
    world.drain();
    expect(nic.get(Reg.RDH)).toBe(3);
    const received = world.ofKind(Kind.PacketRx);
    expect(received.map(({ a, b }) => [a, b])).toEqual([
      [64, 0],
      [65, 1],
      [66, 2],
    ]);
    for (const note of received) {
      const kinds = world.chain(note).map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind === Kind.LinkTransit)).toHaveLength(2);
      expect(kinds.filter((kind) => kind === Kind.PacketTx)).toHaveLength(1);
      expect(kinds).toContain(Kind.Doorbell);
    }
  });
});
