/** A switch against a model of a learning bridge that knows nothing of events: who gets what, in which order, how early. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Switch } from '../../src/machine/link/switch';
import { CYCLES_PER_NANOSECOND, World } from '../unit/machine/fake-bus';
import { receiver } from '../unit/machine/link/cable-world';

const LARGE_BUFFER = 1 << 30;
const runs = { seed: 20261129, numRuns: 300 };

interface Sent {
  time: number;
  port: number;
  to: number;
  from: number;
  length: number;
}
interface Topology {
  ports: { gigabitsPerSecond: number; latencyNanoseconds: number }[];
  ageingNanoseconds: number;
  addresses: number;
  traffic: Sent[];
}
interface Got {
  /** Index of the frame in the traffic. */
  id: number;
  port: number;
  time: number;
}

/** Few stations, which move between ports, and two groups: `to` 6 and 7. */
const STATIONS = 6;
function address(n: number): number[] {
  return n < STATIONS ? [0x02, 0, 0, 0, 0, n] : [n === STATIONS ? 0xff : 0x33, 0xff, 0xff, 0xff, 0xff, 0xff];
}

const topology: fc.Arbitrary<Topology> = fc.integer({ min: 2, max: 6 }).chain((ports) =>
  fc.record({
    ports: fc.array(
      fc.record({
        gigabitsPerSecond: fc.constantFrom(0.1, 1, 2.5, 10),
        latencyNanoseconds: fc.constantFrom(0, 3, 100, 1000),
      }),
      { minLength: ports, maxLength: ports },
    ),
    ageingNanoseconds: fc.constantFrom(2000, 20_000, 1e9),
    addresses: fc.constantFrom(2, 4, 100),
    traffic: fc
      .array(
        fc.record({
          time: fc.nat(30_000),
          port: fc.nat(ports - 1),
          to: fc.nat(STATIONS + 1),
          from: fc.nat(STATIONS - 1),
          length: fc.integer({ min: 60, max: 300 }),
        }),
        { minLength: 1, maxLength: 60 },
      )
      .map((list) => list.sort((x, y) => x.time - y.time)),
  }),
);

function bytesOf({ to, from, length }: Sent, id: number): Uint8Array {
  const frame = new Uint8Array(length);
  frame.set([...address(to), ...address(from), 0x88, 0xb5, id]);
  return frame;
}

function build({ ports, ageingNanoseconds, addresses }: Topology, portBuffer: number) {
  const world = new World();
  const unit = new Switch({
    name: 'lan',
    cyclesPerNanosecond: CYCLES_PER_NANOSECOND,
    scheduler: world.queue,
    trace: world.trace,
    ports,
    portBuffer,
    addresses,
    ageingSeconds: ageingNanoseconds / 1e9,
  });
  world.queue.register(unit);
  const got: Got[] = [];
  unit.ends.forEach((end, port) =>
    end.attach(receiver((frame) => void got.push({ id: frame[14], port, time: world.time }))),
  );
  return { world, unit, got };
}

type Built = ReturnType<typeof build>;

/** Sends what is due from one time up to another, the latter excluded. */
function drive({ world, unit }: Built, traffic: readonly Sent[], from: number, until: number): void {
  traffic.forEach((each, id) => {
    if (each.time < from || each.time >= until) return;
    world.advanceTo(each.time);
    unit.ends[each.port].send(bytesOf(each, id), id);
  });
}

const bitTime = (bytes: number, gigabits: number): number =>
  Math.ceil((bytes * 8 * CYCLES_PER_NANOSECOND) / gigabits);

/** When each frame is in the switch: one after the other over the sender's wire, 8 + 4 bytes around it and 12 between two. */
function arrivals({ ports, traffic }: Topology): { id: number; time: number }[] {
  const free = ports.map(() => 0);
  const list = traffic.map(({ time, port, length }, id) => {
    const { gigabitsPerSecond, latencyNanoseconds } = ports[port];
    const start = Math.max(time, free[port]);
    free[port] = start + bitTime(length + 24, gigabitsPerSecond);
    return {
      id,
      time: start + bitTime(length + 12, gigabitsPerSecond) + latencyNanoseconds * CYCLES_PER_NANOSECOND,
    };
  });
  // Of the same instant, the one sent first comes first.
  return list.sort((x, y) => x.time - y.time || x.id - y.id);
}

/** For each frame, in the order of their arrival at the switch, the ports that it leaves by. */
function model(given: Topology): { id: number; time: number; out: number[] }[] {
  const heard: { station: number; port: number; time: number }[] = [];
  return arrivals(given).map(({ id, time }) => {
    const { port, from, to } = given.traffic[id];
    const known = heard.findIndex(({ station }) => station === from);
    if (known >= 0) heard.splice(known, 1);
    else if (heard.length === given.addresses) heard.shift();
    heard.push({ station: from, port, time });
    const others = given.ports.map((_, index) => index).filter((index) => index !== port);
    const entry = heard.find(({ station }) => station === to);
    if (!entry || time - entry.time > given.ageingNanoseconds * CYCLES_PER_NANOSECOND) {
      return { id, time, out: others };
    }
    return { id, time, out: others.filter((index) => index === entry.port) };
  });
}

it('every frame arrives where the model says, once, in order, no sooner than rate and latency allow', () => {
  fc.assert(
    fc.property(topology, (given) => {
      const built = build(given, LARGE_BUFFER);
      drive(built, given.traffic, 0, Infinity);
      built.world.drain();
      const expected = model(given);
      given.ports.forEach(({ gigabitsPerSecond, latencyNanoseconds }, port) => {
        const out = built.got.filter((each) => each.port === port);
        const wanted = expected.filter((each) => each.out.includes(port));
        // The output queue is one: frames leave in the order in which they came in, whoever sent them.
        expect(out.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id));
        out.forEach(({ id, time }, i) => {
          const { length } = given.traffic[id];
          const least = bitTime(length + 12, gigabitsPerSecond) + latencyNanoseconds * CYCLES_PER_NANOSECOND;
          expect(time).toBeGreaterThanOrEqual(wanted[i].time + least);
          const before = out[i - 1];
          if (!before) return;
          // Whole frames and the gap between them fit the rate (each time is rounded to a cycle).
          const busy = bitTime(length + 24, gigabitsPerSecond) - 2;
          expect(time - before.time).toBeGreaterThanOrEqual(busy);
        });
      });
    }),
    runs,
  );
});

it('of each sender to each receiver, frames arrive in the order in which they were sent', () => {
  fc.assert(
    fc.property(topology, (given) => {
      const built = build(given, 1000);
      drive(built, given.traffic, 0, Infinity);
      built.world.drain();
      for (let from = 0; from < given.ports.length; from++) {
        for (let to = 0; to < given.ports.length; to++) {
          const ids = built.got
            .filter(({ id, port }) => port === to && given.traffic[id].port === from)
            .map(({ id }) => id);
          expect(ids).toEqual([...new Set(ids)].sort((x, y) => x - y));
        }
      }
    }),
    runs,
  );
});

it('with small buffers, what does not arrive was dropped and counted at the port it was for', () => {
  fc.assert(
    fc.property(topology, (given) => {
      const built = build(given, 700);
      drive(built, given.traffic, 0, Infinity);
      built.world.drain();
      const expected = model(given);
      given.ports.forEach((_, port) => {
        const { received, sent, dropped } = built.unit.counters(port);
        const wanted = expected.filter(({ out }) => out.includes(port)).length;
        const toItself = expected.filter(
          ({ id, out }) => given.traffic[id].port === port && out.length === 0,
        );
        expect(received).toBe(given.traffic.filter((each) => each.port === port).length);
        expect(sent).toBe(built.got.filter((each) => each.port === port).length);
        expect(sent + dropped).toBe(wanted + toItself.length);
      });
    }),
    runs,
  );
});

it('saved and loaded in mid-flight, it goes on as if it had not been', () => {
  fc.assert(
    fc.property(topology, fc.nat(40_000), (given, cut) => {
      const one = build(given, 700);
      drive(one, given.traffic, 0, cut);
      one.world.advanceTo(cut);
      const two = build(given, 700);
      two.world.load(structuredClone(one.world.save()));
      two.unit.load(structuredClone(one.unit.save()));
      const before = one.got.length;
      for (const each of [one, two]) {
        drive(each, given.traffic, cut, Infinity);
        each.world.drain();
      }
      expect(two.got).toEqual(one.got.slice(before));
      expect(two.unit.save()).toEqual(one.unit.save());
    }),
    runs,
  );
});
