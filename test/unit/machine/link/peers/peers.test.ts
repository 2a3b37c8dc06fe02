import { describe, expect, it } from 'vitest';
import { EchoPeer } from '../../../../../src/machine/link/peers/echo';
import { GeneratorPeer, type GeneratorOptions } from '../../../../../src/machine/link/peers/generator';
import { ScriptPeer } from '../../../../../src/machine/link/peers/script';
import { SinkPeer } from '../../../../../src/machine/link/peers/sink';
import { frameTo, MAC } from '../../devices/e1000/nic';
import { CYCLES_PER_NANOSECOND } from '../../fake-bus';
import { cableWorld } from '../cable-world';

const LENGTH = 64;
const PEER = [0x02, 0, 0, 0, 0, 7];

describe('peers', () => {
  it('echo swaps the addresses and turns around after its time', () => {
    const { world, cable, arrived } = cableWorld(10, 100);
    const echo = new EchoPeer('echo', cable.ends[1], world.queue, { turnaround: 1000, swap: true });
    world.queue.register(echo);
    const frame = frameTo(PEER, 60);
    cable.ends[0].send(frame.slice(), 0);
    world.drain();
    const transit = Math.ceil(72 * 0.8 * CYCLES_PER_NANOSECOND) + 100 * CYCLES_PER_NANOSECOND;
    expect(arrived.map(({ time }) => time)).toEqual([transit * 2 + 1000]);
    const expected = frame.slice();
    expected.set(frame.subarray(6, 12), 0);
    expected.set(PEER, 6);
    expect(arrived[0].frame).toEqual(expected);
  });

  it('sink counts', () => {
    const { world, cable } = cableWorld();
    const sink = new SinkPeer(cable.ends[1]);
    cable.ends[0].send(new Uint8Array(60), 0);
    cable.ends[0].send(new Uint8Array(100), 1);
    world.drain();
    expect([sink.frames, sink.bytes]).toEqual([2, 160]);
  });

  const generate: GeneratorOptions = {
    count: 5,
    sizes: { kind: 'fixed', length: LENGTH },
    gaps: { kind: 'fixed', pace: { interval: 3000 } },
    seed: 9,
    mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
    destination: MAC,
  };

  function withGenerator(options: GeneratorOptions) {
    const made = cableWorld(100, 0);
    const peer = new GeneratorPeer('generator', made.cable.ends[1], made.world.queue, options);
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
    expect(runs[0].map(({ time }) => time)).toEqual([0, 1, 2, 3, 4].map((i) => 3000 + i * 3000 + transit));
    expect(runs[0].map(({ frame }) => [...frame.subarray(0, 6), ...frame.subarray(14, 18)])).toEqual(
      [0, 1, 2, 3, 4].map((i) => [...MAC, 0, 0, 0, i]),
    );
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).not.toEqual(runs[0]);
  });

  it('generator sends no faster than the wire carries, and nothing piles up', () => {
    const { world, peer, arrived, cable } = withGenerator({
      ...generate,
      count: 1000,
      gaps: { kind: 'fixed', pace: { interval: 0 } },
    });
    peer.start();
    let most = 0;
    for (let time = 0; time < 20_000; time += 10) {
      world.advanceTo(time);
      most = Math.max(most, cable.save().hardware.lanes[1].inFlight.length);
    }
    world.drain();
    expect(arrived).toHaveLength(1000);
    // Without latency there is the frame on the wire, and the one before it whose gap is not over.
    expect(most).toBeLessThanOrEqual(2);
    const gaps = new Set(arrived.slice(1).map(({ time }, i) => time - arrived[i].time));
    expect([...gaps]).toEqual([cable.ends[1].occupancy(LENGTH)]);
  });

  it('go on identically after save and load in the middle', () => {
    const build = () => {
      const made = withGenerator({
        ...generate,
        count: 40,
        sizes: { kind: 'fixed', length: 1514 },
        gaps: { kind: 'fixed', pace: { interval: 100 } },
      });
      return made;
    };
    const one = build();
    one.peer.start();
    one.world.advanceTo(2000);
    const two = build();
    two.world.load(structuredClone(one.world.save()));
    two.cable.load(structuredClone(one.cable.save()));
    two.peer.load(structuredClone(one.peer.save()));
    const before = one.arrived.length;
    one.world.drain();
    two.world.drain();
    expect(two.arrived).toEqual(one.arrived.slice(before));
    expect(before).toBeGreaterThan(0);
    expect(two.arrived.length + before).toBe(40);
  });

  it('echo without swapping sends the frame back as it came', () => {
    const { world, cable, arrived } = cableWorld();
    new EchoPeer('echo', cable.ends[1], world.queue, { turnaround: 0, swap: false });
    const frame = frameTo(PEER, 60);
    cable.ends[0].send(frame.slice(), 0);
    world.drain();
    expect(arrived.map((each) => each.frame)).toEqual([frame]);
  });

  it('echo with an address of its own answers what is for it, and groups, from that address', () => {
    const { world, cable, arrived } = cableWorld();
    const mac = Uint8Array.from(PEER);
    new EchoPeer('echo', cable.ends[1], world.queue, { turnaround: 0, swap: true, mac });
    const destinations = [
      PEER,
      [0x02, 0, 0, 0, 0, 8],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
      [0x33, 0x33, 0, 0, 0, 1],
    ];
    destinations.forEach((to, i) => cable.ends[0].send(frameTo(to, 60 + i), i));
    world.drain();
    expect(arrived.map(({ frame }) => [frame.length, ...frame.subarray(0, 12)])).toEqual(
      [60, 62, 63].map((length) => [length, 0x02, 0, 0, 0, 0, 9, ...PEER]),
    );
  });

  it('given frames leave at their times, in order of time, and no two at once', () => {
    const { world, cable, arrived } = cableWorld(1, 0);
    const frames = [9000, 1000, 1001].map((at, i) => ({ at, frame: frameTo(PEER, 60 + i) }));
    const peer = new ScriptPeer('script', cable.ends[1], world.queue, frames);
    world.queue.register(peer);
    peer.start();
    world.drain();
    const cycles = (bytes: number): number => bytes * 8 * CYCLES_PER_NANOSECOND;
    // The frame of 61 bytes keeps the wire busy for 61 + 24 bytes; the one of 62 waits for that.
    expect(arrived.map(({ frame, time }) => [frame.length, time])).toEqual([
      [61, 1000 + cycles(61 + 12)],
      [62, 1000 + cycles(61 + 24) + cycles(62 + 12)],
      [60, 9000 + cycles(60 + 12)],
    ]);
  });

  it('a given frame that is too short is padded with zeros', () => {
    const { world, cable, arrived } = cableWorld();
    const peer = new ScriptPeer('script', cable.ends[1], world.queue, [{ at: 0, frame: frameTo(PEER, 20) }]);
    world.queue.register(peer);
    peer.start();
    world.drain();
    expect([...arrived[0].frame]).toEqual([...frameTo(PEER, 20), ...new Array<number>(40).fill(0)]);
  });

  it('given frames go on identically after save and load', () => {
    const build = () => {
      const made = cableWorld();
      const frames = Array.from({ length: 20 }, (_, i) => ({ at: i * 700, frame: frameTo(PEER, 60 + i) }));
      const peer = new ScriptPeer('script', made.cable.ends[1], made.world.queue, frames);
      made.world.queue.register(peer);
      return { ...made, peer };
    };
    const one = build();
    one.peer.start();
    one.world.advanceTo(6000);
    const two = build();
    two.world.load(structuredClone(one.world.save()));
    two.cable.load(structuredClone(one.cable.save()));
    two.peer.load(structuredClone(one.peer.save()));
    const before = one.arrived.length;
    one.world.drain();
    two.world.drain();
    expect(before).toBeGreaterThan(0);
    expect(two.arrived).toEqual(one.arrived.slice(before));
    expect(before + two.arrived.length).toBe(20);
  });
});
