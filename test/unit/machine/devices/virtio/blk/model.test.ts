/**
 * Whatever is asked of it, on however many queues at once and however the driver divides its buffers, the disk holds what a plain
 * array of bytes would hold: with transactions of any length, split and packed, and with the device saved, restored and moved to
 * another host at any moment.
 *
 * `TRAPLINE_VIRTIO_BLK_RUNS` asks for more programs than usual.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlkDriver, S, SECTOR, T, UNTOUCHED, ranges, sectorsOf, type Request, type Setup } from './driver';

const SECTORS = 512;
const QUEUES = 3;
const RING = 32;
const SLOT_BYTES = 0xa000;
/** Of a request: more than a piece that the device moves at a time. */
const MOST_SECTORS = 70;
const ID = 'TL-model';

interface Wanted {
  what: 'write' | 'read' | 'discard' | 'zeroes' | 'flush' | 'name' | 'beyond' | 'unknown';
  queue: number;
  first: number;
  count: number;
  seed: number;
  /** Where header and data, and data and status, are cut. */
  readable: number[];
  writable: number[];
  as: 'chain' | 'table' | 'mixed';
  /** Shown to the device at once, or with the next one. */
  alone: boolean;
}
type Step =
  | { do: 'request'; wanted: Wanted }
  | { do: 'wait'; cycles: number }
  | { do: 'latency'; cycles: number }
  | { do: 'rewind' | 'move' };

const cuts = fc.array(fc.oneof(fc.nat(40), fc.nat(MOST_SECTORS * SECTOR)), { maxLength: 5 });
const wanted: fc.Arbitrary<Wanted> = fc.record({
  what: fc.constantFrom<Wanted['what'][]>(
    ...(['write', 'write', 'write', 'read', 'read', 'discard', 'zeroes', 'flush', 'name'] as const),
    ...(['beyond', 'unknown'] as const),
  ),
  queue: fc.nat(QUEUES - 1),
  first: fc.nat(SECTORS - 1),
  count: fc.oneof(fc.nat(4), fc.nat(MOST_SECTORS)),
  seed: fc.nat(255),
  readable: cuts,
  writable: cuts,
  as: fc.constantFrom('chain', 'table', 'mixed'),
  alone: fc.boolean(),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('request' as const), wanted }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), cycles: fc.nat(4000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('latency' as const), cycles: fc.nat(300) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('rewind' as const, 'move' as const) }) },
);
const setups: fc.Arbitrary<Setup> = fc.record({
  packed: fc.boolean(),
  eventIdx: fc.boolean(),
  indirect: fc.boolean(),
  inOrder: fc.boolean(),
  blockSize: fc.constantFrom<512 | 4096>(512, 512, 4096),
});

/** A request that is under way: what has to come of it. */
interface Pending {
  status: number;
  first: number;
  count: number;
  data: Uint8Array | undefined;
}

class Experiment {
  private driver: BlkDriver;
  private readonly disk = new Uint8Array(SECTORS * SECTOR);
  private readonly pending = new Map<string, Pending>();
  ended = 0;

  constructor(private readonly setup: Setup) {
    this.driver = new BlkDriver({ ...setup, queues: QUEUES, ring: RING, size: SECTORS * SECTOR, serial: ID });
    this.driver.slotBytes = SLOT_BYTES;
    this.driver.start();
  }

  take(each: Step): void {
    const { world, bus } = this.driver;
    if (each.do === 'request') this.request(each.wanted);
    else if (each.do === 'wait') world.advanceTo(world.time + each.cycles);
    else if (each.do === 'latency') bus.dma.latency = each.cycles;
    else if (each.do === 'move') this.driver = this.driver.moved();
    else {
      const saved = this.driver.checkpoint();
      world.drain();
      this.driver.rewind(saved);
    }
    this.collect();
  }

  /** All that is under way to its end, and the whole disk compared. */
  finish(): void {
    const whole = { queue: 0, seed: 0, readable: [], writable: [], as: 'chain', alone: true } as const;
    for (let first = 0; first < SECTORS; first += 64)
      this.request({ ...whole, what: 'read', first, count: 64, readable: [], writable: [] });
    this.settle();
  }

  private settle(): void {
    for (let queue = 0; queue < QUEUES; queue++) this.driver.publish(queue);
    this.driver.world.drain();
    this.collect();
    if (this.pending.size > 0) throw new Error(`${this.pending.size} requests never end`);
  }

  private request(given: Wanted): void {
    const { queue, alone } = given;
    const block = (this.setup.blockSize ?? SECTOR) / SECTOR;
    const first = given.first - (given.first % block);
    const count = Math.min(given.count - (given.count % block), SECTORS - first);
    // Requests under way have no order among them.
    const overlaps = [...this.pending.values()].some(
      (other) => other.first < first + count && first < other.first + other.count,
    );
    if (overlaps) this.settle();
    const { request, pending, effect } = this.make({ ...given, first, count });
    const whole = { ...request, cuts: { readable: given.readable, writable: given.writable }, as: given.as };
    let token = this.driver.put(queue, whole);
    if (token === undefined) {
      this.settle();
      token = this.driver.put(queue, whole);
    }
    if (token === undefined) throw new Error('no room for a request');
    effect?.();
    this.pending.set(`${queue}/${token}`, pending);
    if (alone) this.driver.publish(queue);
  }

  /** The request, what has to come of it, and what it does to the disk. */
  private make({ what, first, count, seed }: Wanted): {
    request: Request;
    pending: Pending;
    effect?: () => void;
  } {
    const { disk } = this;
    const [from, to] = [first * SECTOR, (first + count) * SECTOR];
    const own: Pending = { status: S.OK, first, count, data: undefined };
    const none: Pending = { ...own, first: 0, count: 0 };
    switch (what) {
      case 'write': {
        const data = sectorsOf(count, seed);
        return {
          request: { type: T.OUT, sector: first, data },
          pending: own,
          effect: () => disk.set(data, from),
        };
      }
      case 'read':
        return {
          request: { type: T.IN, sector: first, room: count * SECTOR },
          pending: { ...own, data: disk.slice(from, to) },
        };
      case 'discard':
      case 'zeroes': {
        // Two ranges that overlap, in blocks of either size.
        const data = ranges(
          { sector: first, sectors: count - (count % 8) },
          { sector: first, sectors: count },
        );
        const type = what === 'discard' ? T.DISCARD : T.WRITE_ZEROES;
        return { request: { type, data }, pending: own, effect: () => disk.fill(0, from, to) };
      }
      case 'flush':
        return { request: { type: T.FLUSH }, pending: none };
      case 'name': {
        const data = Uint8Array.from(Buffer.from(ID.padEnd(20, '\0'), 'latin1'));
        return { request: { type: T.GET_ID, room: 20 }, pending: { ...none, data } };
      }
      case 'beyond': {
        const request =
          seed % 2 === 0
            ? { type: T.IN, sector: SECTORS - count, room: (count + 8) * SECTOR }
            : { type: T.OUT, sector: SECTORS - count, data: sectorsOf(count + 8, seed) };
        return { request, pending: { ...none, status: S.IOERR } };
      }
      case 'unknown':
        return { request: { type: 20 + seed, room: seed }, pending: { ...none, status: S.UNSUPP } };
    }
  }

  /** Looks at what has come back. */
  private collect(): void {
    for (const { queue, token, status, written, data } of this.driver.collect()) {
      const pending = this.pending.get(`${queue}/${token}`);
      if (!pending) throw new Error(`request ${token} of queue ${queue} ended twice`);
      this.pending.delete(`${queue}/${token}`);
      this.ended += 1;
      expect(status).toBe(pending.status);
      if (!pending.data) {
        expect(written).toBe(data.length === 0 ? 1 : 0);
        expect(data.every((byte) => byte === UNTOUCHED)).toBe(true);
      } else {
        expect(written).toBe(pending.data.length + 1);
        if (Buffer.compare(data, pending.data) !== 0) throw new Error(`sector ${pending.first}: other bytes`);
      }
    }
  }
}

describe('a disk by virtio', () => {
  it('is an array of bytes', () => {
    let ended = 0;
    fc.assert(
      fc.property(setups, fc.array(step, { minLength: 15, maxLength: 50 }), (setup, steps) => {
        const experiment = new Experiment(setup);
        for (const each of steps) experiment.take(each);
        experiment.finish();
        ended += experiment.ended;
      }),
      { numRuns: Number(process.env.TRAPLINE_VIRTIO_BLK_RUNS ?? 40) },
    );
    expect(ended).toBeGreaterThan(0);
  });
});
