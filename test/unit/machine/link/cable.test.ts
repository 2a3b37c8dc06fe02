import { describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { CYCLES_PER_NANOSECOND } from '../fake-bus';
import { cableWorld, receiver } from './cable-world';

describe('Cable', () => {
  it('takes preamble, frame and FCS at its bandwidth, then the latency; the gap keeps the wire busy', () => {
    const { world, cable } = cableWorld();
    const times: number[] = [];
    cable.ends[1].attach(receiver(() => void times.push(world.time)));
    for (let i = 0; i < 3; i++) cable.ends[0].send(new Uint8Array(60), i);
    world.drain();
    // At 1 Gb/s a byte takes 8 ns. First: (8 + 60 + 4) * 8 + 500 ns; each next one (8 + 60 + 4 + 12) * 8 ns later.
    expect(times.map((time) => time / CYCLES_PER_NANOSECOND)).toEqual([1076, 1076 + 672, 1076 + 2 * 672]);
  });

  it('keeps the order of frames of different lengths', () => {
    const { world, cable } = cableWorld(100, 0);
    const lengths: number[] = [];
    cable.ends[1].attach(receiver((frame) => void lengths.push(frame.length)));
    const sent = [1514, 60, 900, 61, 60];
    sent.forEach((length, i) => cable.ends[0].send(new Uint8Array(length), i));
    world.drain();
    expect(lengths).toEqual(sent);
  });

  it('says when there is room', () => {
    const { world, cable } = cableWorld();
    const wire = cable.ends[0];
    expect(wire.roomIn(0)).toBe(0);
    wire.send(new Uint8Array(1000), 0);
    wire.send(new Uint8Array(1000), 1);
    // Both take 1024 bytes with overhead; 1024 may wait, so one of them must be through: 1024 * 8 ns.
    expect(wire.roomIn(1024)).toBe(1024 * 8 * CYCLES_PER_NANOSECOND);
    world.advanceTo(2048 * 8 * CYCLES_PER_NANOSECOND);
    expect(wire.roomIn(0)).toBe(0);
  });

  it('shows each transit as a span that its arrival hangs on', () => {
    const { world, cable } = cableWorld();
    cable.ends[1].attach(receiver((frame) => world.trace.instant(Kind.PacketRx, frame.length, 0)));
    world.trace.instant(Kind.PacketTx, 60, 5);
    cable.ends[0].send(new Uint8Array(60), 5);
    world.drain();
    const [transit] = world.ofKind(Kind.LinkTransit);
    const [received] = world.ofKind(Kind.PacketRx);
    expect([transit?.a, transit?.b, transit?.duration]).toEqual([60, 5, received?.time]);
    expect(world.chain(received).map(({ kind }) => kind)).toEqual([Kind.LinkTransit, Kind.PacketTx]);
  });

  it('refuses bandwidths and latencies that cannot be', () => {
    expect(() => cableWorld(0, 0)).toThrow(RangeError);
    expect(() => cableWorld(1, -1)).toThrow(RangeError);
  });
});
