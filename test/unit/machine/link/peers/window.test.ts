/** The window of a `WindowPeer`, against a model in rounds and against the rules of RFC 5681. */
import { describe, expect, it } from 'vitest';
import { WindowPeer, type WindowOptions } from '../../../../../src/machine/link/peers/window';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { CYCLES_PER_NANOSECOND } from '../../fake-bus';
import { cableWorld, receiver } from '../cable-world';

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const OTHER = Uint8Array.of(2, 0, 0, 0, 0, 9);
const LATENCY_NS = 100_000;
const TURN = 5000;

const options: WindowOptions = {
  count: 100,
  length: 64,
  window: 8,
  timeout: 2_000_000,
  delay: 700,
  seed: 3,
  mac: MAC,
  destination: OTHER,
  cyclesPerNanosecond: CYCLES_PER_NANOSECOND,
};

/** @param answers whether a frame is sent back, by its number and how often it came before */
function made(
  changed: Partial<WindowOptions> = {},
  answers: (number: number, before: number) => boolean = () => true,
) {
  const built = cableWorld(100, LATENCY_NS);
  const { world, cable } = built;
  const peer = new WindowPeer('window', cable.ends[1], world.queue, world.trace, { ...options, ...changed });
  const seen: { number: number; time: number; bytes: string }[] = [];
  const station = {
    eventTargetId: 'station',
    waiting: [] as Uint8Array[],
    onEvent: (): void => {
      const frame = station.waiting.shift();
      if (frame) cable.ends[0].send(frame, 0);
    },
  };
  cable.ends[0].attach(
    receiver((frame) => {
      const number = new DataView(frame.buffer, frame.byteOffset).getUint32(14);
      const before = seen.filter((each) => each.number === number).length;
      seen.push({ number, time: world.time, bytes: String(frame) });
      if (!answers(number, before)) return;
      const back = frame.slice();
      back.set(frame.subarray(6, 12), 0);
      back.set(frame.subarray(0, 6), 6);
      station.waiting.push(back);
      world.queue.schedule(world.time + TURN, station, 0);
    }),
  );
  world.queue.register(peer);
  world.queue.register(station);
  return { ...built, peer, seen };
}

/** Sizes of the groups of frames that leave together: a round trip is far longer than the frames of a window. */
function rounds(seen: readonly { time: number }[]): number[] {
  const sizes: number[] = [];
  seen.forEach(({ time }, i) => {
    if (i > 0 && time - seen[i - 1].time < TURN * 20) sizes[sizes.length - 1] += 1;
    else sizes.push(1);
  });
  return sizes;
}

/** Windows in rounds by RFC 5681: doubled up to the threshold, then one more each round, never above the most. */
function model(count: number, most: number, window: number, threshold: number): number[] {
  const sizes: number[] = [];
  for (let left = count; left > 0;) {
    sizes.push(Math.min(window, left));
    left -= window;
    for (let acknowledged = 0, credit = 0, opened = window; acknowledged < opened; acknowledged++) {
      if (window < threshold) window += 1;
      else if (++credit >= window) [window, credit] = [window + 1, 0];
      window = Math.min(window, most);
    }
  }
  return sizes;
}

describe('a window peer', () => {
  it('opens its window by slow start, and no further than it may', () => {
    const { world, peer, seen } = made();
    peer.start();
    world.drain();
    expect(rounds(seen)).toEqual(model(100, 8, 1, 8));
    expect(rounds(seen).slice(0, 5)).toEqual([1, 2, 4, 8, 8]);
    expect(seen.map(({ number }) => number)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(peer.counters).toMatchObject({
      acknowledged: 100,
      roundTrips: 100,
      timeouts: 0,
      retransmitted: 0,
    });
  });

  it('measures each round trip: wire, latency and turn-around both ways', () => {
    const { world, peer, cable } = made({ window: 1 });
    peer.start();
    world.drain();
    const wire = Math.ceil((64 + 12) * 8 * CYCLES_PER_NANOSECOND * 0.01);
    const trip = 2 * (wire + LATENCY_NS * CYCLES_PER_NANOSECOND) + TURN;
    expect(peer.counters).toMatchObject({ shortest: trip, longest: trip, roundTripCycles: 100 * trip });
    const notes = world.ofKind(Kind.PacketAcked);
    expect(notes.map(({ a, b }) => [a, b])).toEqual(
      new Array(100).fill([Math.round(trip / CYCLES_PER_NANOSECOND), 1]),
    );
    expect(cable.save().hardware.lanes.every(({ inFlight }) => inFlight.length === 0)).toBe(true);
  });

  it('after a loss it begins at one with half of what was under way as its threshold, and doubles the time-out', () => {
    // Rounds of 1, 2, 4, 8: the fourth is lost as a whole, and the first packet of it three times.
    const { world, peer, seen } = made({ count: 60, window: 16 }, (number, before) => {
      if (number < 7 || number > 14) return true;
      return before >= (number === 7 ? 3 : 1);
    });
    peer.start();
    world.drain();
    const sevens = seen.filter(({ number }) => number === 7).map(({ time }) => time);
    const { timeout } = options;
    expect(sevens.slice(1).map((time, i) => time - sevens[i])).toEqual([timeout, 2 * timeout, 4 * timeout]);
    // After 8 packets were lost the threshold is 4; then 1 was lost, twice: it is 2, the least.
    const before = [1, 2, 4, 8, 1, 1];
    expect(rounds(seen)).toEqual([...before, ...model(53, 16, 1, 2)]);
    expect(peer.counters).toMatchObject({ acknowledged: 60, timeouts: 3, retransmitted: 8 + 2 });
    // Of what was sent again no round trip is known.
    expect(peer.counters.roundTrips).toBe(60 - 8);
    expect(world.ofKind(Kind.PacketTimeout).map(({ a, b }) => [a, b])).toEqual([
      [8, 8],
      [1, 1],
      [1, 1],
    ]);
  });

  it('sends the same bytes again', () => {
    const { world, peer, seen } = made({ count: 1 }, (_number, before) => before > 0);
    peer.start();
    world.drain();
    expect(seen).toHaveLength(2);
    expect(seen[1].bytes).toBe(seen[0].bytes);
  });

  it('takes only its own packets for acknowledgements, and each once', () => {
    const { world, peer, cable } = made({ count: 3, timeout: 50_000_000 });
    const frame = (to: Uint8Array, from: Uint8Array, type: number, number: number): Uint8Array => {
      const bytes = new Uint8Array(60);
      bytes.set(to);
      bytes.set(from, 6);
      new DataView(bytes.buffer).setUint16(12, type);
      new DataView(bytes.buffer).setUint32(14, number);
      return bytes;
    };
    const everybody = new Uint8Array(6).fill(255);
    const strangers = [
      frame(everybody, OTHER, 0x88b5, 0),
      frame(MAC, OTHER, 0x0800, 0),
      frame(MAC, OTHER, 0x88b5, 77),
      frame(MAC, OTHER, 0x88b5, 0xffff_ffff),
      Uint8Array.of(...MAC, ...OTHER, 0x88, 0xb5),
    ];
    peer.start();
    world.advanceTo(1000);
    strangers.forEach((each, i) => cable.ends[0].send(each, i));
    world.advanceTo(1000 + LATENCY_NS * CYCLES_PER_NANOSECOND + 100);
    expect(peer.counters).toMatchObject({ acknowledged: 0, ignored: strangers.length });
    world.drain();
    cable.ends[0].send(frame(everybody, MAC, 0x88b5, 2), 0);
    world.drain();
    expect(peer.counters).toMatchObject({ acknowledged: 3, ignored: strangers.length + 1, retransmitted: 0 });
  });

  it('an acknowledgement that comes after the time-out counts, and its packet is not sent once more', () => {
    const { world, peer, seen } = made({ count: 1, timeout: 400_000 });
    peer.start();
    world.drain();
    // A round trip takes more than 600,000 cycles: both copies are answered, and the first answer is enough.
    expect(seen).toHaveLength(2);
    expect(peer.counters).toMatchObject({ acknowledged: 1, retransmitted: 1, ignored: 1, roundTrips: 0 });
  });

  it('is the same after save and load, and in another run, at any time', () => {
    const lossy = (number: number, before: number): boolean => before > 0 || number % 5 !== 3;
    let lost = 0;
    for (let cut = 0; cut < 40_000_000; cut += 1_777_777) {
      const [one, two, three] = [made({}, lossy), made(), made()];
      one.peer.start();
      one.world.advanceTo(cut);
      const saved = structuredClone(one.peer.save());
      lost = Math.max(lost, saved.hardware.lost.length);
      two.world.load(structuredClone(one.world.save()));
      two.peer.load(saved);
      expect(two.peer.save()).toEqual(one.peer.save());
      three.world.time = 987_654_321;
      three.peer.adopt(saved.hardware);
      expect(three.peer.save().hardware).toEqual(saved.hardware);
    }
    expect(lost).toBeGreaterThan(0);
  });
});
