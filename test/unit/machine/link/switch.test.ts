import { describe, expect, it } from 'vitest';
import { LinkDrop } from '../../../../src/machine/link/link';
import { Switch, type SwitchOptions } from '../../../../src/machine/link/switch';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { CYCLES_PER_NANOSECOND, World } from '../fake-bus';
import { receiver } from './cable-world';

const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
/** Station address number `n`. */
const station = (n: number): number[] => [0x02, 0, 0, 0, 0, n];
/** Cycles that bytes take at 1 Gb/s. */
const at1G = (bytes: number): number => bytes * 8 * CYCLES_PER_NANOSECOND;

function frame(to: readonly number[], from: readonly number[], length = 60): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set([...to, ...from]);
  return bytes;
}

/** A switch of 1 Gb/s ports with 100 ns of wire, and what comes out of each. */
function setUp(ports: number, options: Partial<SwitchOptions> = {}) {
  const world = new World();
  const unit = new Switch({
    name: 'lan',
    cyclesPerNanosecond: CYCLES_PER_NANOSECOND,
    scheduler: world.queue,
    trace: world.trace,
    ports: Array.from({ length: ports }, () => ({ gigabitsPerSecond: 1, latencyNanoseconds: 100 })),
    ...options,
  });
  world.queue.register(unit);
  const arrived: { port: number; length: number; time: number }[] = [];
  unit.ends.forEach((end, port) =>
    end.attach(receiver(({ length }) => void arrived.push({ port, length, time: world.time }))),
  );
  /** Sends, and lets everything come to rest. Returns the ports that the frame came out of. */
  const reach = (port: number, bytes: Uint8Array): number[] => {
    const before = arrived.length;
    unit.ends[port].send(bytes, 0);
    world.drain();
    return arrived.slice(before).map((each) => each.port);
  };
  const drops = () => world.ofKind(Kind.PacketDrop).map(({ a, b }) => [a, b]);
  return { world, unit, arrived, reach, drops };
}

describe('where a switch sends a frame', () => {
  it('unknown and group destinations everywhere but back, known ones to their port alone', () => {
    const { reach } = setUp(4);
    expect(reach(0, frame(station(2), station(0)))).toEqual([1, 2, 3]);
    expect(reach(2, frame(station(0), station(2)))).toEqual([0]);
    expect(reach(0, frame(station(2), station(0)))).toEqual([2]);
    expect(reach(0, frame(BROADCAST, station(0)))).toEqual([1, 2, 3]);
    expect(reach(2, frame([0x01, 0, 0x5e, 0, 0, 1], station(2)))).toEqual([0, 1, 3]);
  });

  it('after a station that has moved', () => {
    const { reach } = setUp(3);
    reach(0, frame(BROADCAST, station(7)));
    reach(1, frame(BROADCAST, station(7)));
    expect(reach(2, frame(station(7), station(2)))).toEqual([1]);
  });

  it('everywhere again when the destination was silent for longer than the ageing time', () => {
    const { world, reach } = setUp(3, { ageingSeconds: 1e-3 });
    reach(0, frame(BROADCAST, station(0)));
    const heard = at1G(72) + 100 * CYCLES_PER_NANOSECOND;
    const lookUpAt = (time: number): number[] => {
      // The switch looks up when it has the frame in whole.
      world.advanceTo(time - heard);
      return reach(1, frame(station(0), station(1)));
    };
    expect(lookUpAt(heard + 1e6 * CYCLES_PER_NANOSECOND)).toEqual([0]);
    expect(lookUpAt(heard + 1e6 * CYCLES_PER_NANOSECOND + at1G(300))).toEqual([0, 2]);
  });

  it('everywhere when its table was too small: the longest silent is forgotten first', () => {
    const { reach } = setUp(3, { addresses: 2 });
    reach(0, frame(BROADCAST, station(1)));
    reach(0, frame(BROADCAST, station(2)));
    reach(0, frame(BROADCAST, station(1)));
    reach(0, frame(BROADCAST, station(3)));
    // Sent from an address that is in the table, so that asking makes it forget nothing.
    expect(reach(1, frame(station(2), station(3)))).toEqual([0, 2]);
    expect(reach(2, frame(station(1), station(3)))).toEqual([0]);
  });
});

describe('what a switch loses', () => {
  it('fragments, impossible senders, reserved addresses, and what is for the port it came from', () => {
    const { unit, reach, drops } = setUp(3);
    reach(0, frame(BROADCAST, station(0)));
    const lost: [Uint8Array, number][] = [
      [new Uint8Array(0), LinkDrop.Fragment],
      [frame(BROADCAST, station(0), 59), LinkDrop.Fragment],
      [frame(BROADCAST, BROADCAST), LinkDrop.GroupSource],
      [frame([0x01, 0x80, 0xc2, 0, 0, 0], station(0)), LinkDrop.Reserved],
      [frame([0x01, 0x80, 0xc2, 0, 0, 0x0f], station(0)), LinkDrop.Reserved],
      [frame(station(0), station(0), 61), LinkDrop.SamePort],
    ];
    for (const [bytes] of lost) expect(reach(0, bytes)).toEqual([]);
    expect(drops()).toEqual(lost.map(([{ length }, reason]) => [length, reason]));
    expect(reach(0, frame([0x01, 0x80, 0xc2, 0, 0, 0x10], station(0)))).toEqual([1, 2]);
    expect(unit.counters(0)).toEqual({ received: 8, sent: 0, dropped: 6 });
  });

  it('what the buffer of an output port has no room for; a place is free when the last bit has left', () => {
    const { world, unit, arrived, drops } = setUp(3, { portBuffer: 2500 });
    // Two stations send to a third at once, 5 frames of 1000 bytes each: twice what its wire carries.
    for (let i = 0; i < 5; i++) {
      unit.ends[0].send(frame(station(2), station(0), 1000), i);
      unit.ends[1].send(frame(station(2), station(1), 1000), i);
    }
    world.drain();
    const out = arrived.filter(({ port }) => port === 2);
    // A pair of frames comes in every 1024 byte times (1000 + 24), the first after 1012. Of a pair each takes 1012 to
    // leave, 1024 apart. The buffer holds two: both of the first pair. At the second pair the first frame has left
    // (1012 < 1024): one of the two is taken; and so on with every pair.
    expect(out.length).toBe(2 + 4);
    expect(drops()).toEqual(Array.from({ length: 4 }, () => [1000, LinkDrop.BufferFull]));
    expect(unit.counters(2)).toEqual({ received: 0, sent: 6, dropped: 4 });
    // At full rate without a gap beyond the one of the standard.
    expect(out.slice(1).map(({ time }, i) => time - out[i].time)).toEqual(new Array(5).fill(at1G(1024)));
  });
});

describe('how long a switch takes', () => {
  it('stores a frame in whole before it sends it on, at the rate of each port', () => {
    const { world, unit, arrived } = setUp(2, {
      ports: [
        { gigabitsPerSecond: 1, latencyNanoseconds: 100 },
        { gigabitsPerSecond: 0.1, latencyNanoseconds: 700 },
      ],
    });
    unit.ends[0].send(frame(BROADCAST, station(0), 100), 0);
    world.drain();
    const inward = at1G(112) + 100 * CYCLES_PER_NANOSECOND;
    const outward = 10 * at1G(112) + 700 * CYCLES_PER_NANOSECOND;
    expect(arrived).toEqual([{ port: 1, length: 100, time: inward + outward }]);
  });

  it('shows both hops, and each arrival leads back to the sender', () => {
    const { world, unit } = setUp(3);
    unit.ends[1].attach(receiver(({ length }) => world.trace.instant(Kind.PacketRx, length, 0)));
    world.trace.instant(Kind.PacketTx, 60, 5);
    const sent = world.trace.cause;
    unit.ends[0].send(frame(BROADCAST, station(0)), 5);
    expect(world.trace.cause).toBe(sent);
    world.drain();
    const [received] = world.ofKind(Kind.PacketRx);
    const chain = world.chain(received);
    expect(chain.map(({ kind }) => kind)).toEqual([Kind.LinkTransit, Kind.LinkTransit, Kind.PacketTx]);
    expect(chain.map(({ a, b }) => [a, b])).toEqual([
      [60, 5],
      [60, 5],
      [60, 5],
    ]);
    expect(chain[1].time + chain[1].duration).toBe(chain[0].time);
    expect(chain[0].time + chain[0].duration).toBe(received.time);
  });
});

describe('the inside of a switch', () => {
  it('shows what is under way, what waits, and what it has learnt', () => {
    const { world, unit, reach } = setUp(3);
    const text = (...path: string[]): string => {
      const value = unit.inspect(path)?.value;
      return value?.kind === 'text' ? value.value : String(value?.kind === 'number' ? value.value : '');
    };
    reach(0, frame(BROADCAST, station(1)));
    expect(unit.inspect(['MAC address table'])?.children?.map(({ name }) => name)).toEqual([
      '02:00:00:00:00:01',
    ]);
    expect(text('MAC address table', '02:00:00:00:00:01')).toMatch(/^port 0, /);
    expect([text('port 0', 'received'), text('port 1', 'sent'), text('port 2', 'sent')]).toEqual([
      '1',
      '1',
      '1',
    ]);
    // Two at once to one port: when the first is in the switch, its last bit has not left again.
    unit.ends[1].send(frame(station(1), station(2), 1000), 7);
    unit.ends[2].send(frame(station(1), station(3), 1000), 8);
    expect(text('port 1', 'inward')).toBe('1 frame under way');
    expect(unit.inspect(['port 1', 'inward', 'packet 7'])?.description).toBe(
      'From 02:00:00:00:00:02 to 02:00:00:00:00:01.',
    );
    world.advanceTo(world.time + at1G(1000 + 12) + 100 * CYCLES_PER_NANOSECOND);
    expect(text('port 0', 'output queue')).toBe('2 frames, 2000 bytes');
    expect(text('port 0', 'outward')).toBe('2 frames under way');
    const before = unit.save();
    unit.inspect([]);
    expect(unit.save()).toEqual(before);
    world.drain();
    expect(text('port 0', 'output queue')).toBe('0 frames, 0 bytes');
    expect(unit.inspect(['port 9'])).toBeUndefined();
  });
});
