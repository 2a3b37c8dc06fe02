/**
 * A driver that writes anything: the queue never throws, always comes to rest, writes where it was told to alone, and reads nothing
 * but rings, tables and buffers.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lengthOf, type Chain, type Segment } from '../../../../../src/machine/devices/virtio/contract';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import {
  AVAIL,
  INDIRECT,
  NEXT,
  RAW_LAYOUT,
  RawQueue,
  USED,
  WRITE,
} from '../../../../support/virtio/raw-queue';

const { descriptors, driver, device } = RAW_LAYOUT;
const RAM = 1 << 20;
const TABLES = 0x8000;
/** Most bytes that the type moves at once. */
const MOST = 48;

interface Step {
  what: 'descriptor' | 'table' | 'index' | 'word' | 'fetch' | 'kick' | 'use' | 'unfetch' | 'wait' | 'bytes';
  /** Numbers for whatever it needs. */
  a: number;
  b: number;
  c: number;
  address: bigint;
  bytes: Uint8Array;
}

const word = fc.oneof(fc.nat(40), fc.nat(0xffff), fc.constantFrom(0x8000, 0x8001, 0x7fff, 0xffff));
const address = fc.oneof(
  { weight: 16, arbitrary: fc.integer({ min: 0x9000, max: 0xf000 }).map(BigInt) },
  { weight: 3, arbitrary: fc.nat(30).map((entry) => BigInt(TABLES + 16 * entry)) },
  { weight: 1, arbitrary: fc.constantFrom<bigint[]>(BigInt(descriptors), BigInt(driver), BigInt(device)) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) },
  { weight: 1, arbitrary: fc.integer({ min: RAM - 64, max: RAM }).map(BigInt) },
);
const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom<Step['what'][]>(
    ...(['descriptor', 'descriptor', 'descriptor', 'table', 'index', 'index', 'word', 'bytes'] as const),
    ...(['fetch', 'fetch', 'kick', 'use', 'use', 'unfetch', 'wait', 'wait'] as const),
  ),
  a: word,
  b: word,
  c: fc.oneof(
    { weight: 4, arbitrary: fc.nat(64) },
    { weight: 3, arbitrary: fc.constantFrom(16, 32, 64) },
    { weight: 1, arbitrary: fc.constantFrom(0, 0x10000, 0xffffffff) },
  ),
  address,
  bytes: fc.uint8Array({ minLength: 1, maxLength: 48 }),
});

/** A queue whose accesses are watched, and a type that moves some bytes of whatever it gets. */
class Fuzzed extends RawQueue {
  private readonly chains: Chain[] = [];
  /** What the driver has ever said. */
  private readonly buffers: Segment[] = [];
  private readonly tables: Segment[] = [];

  constructor(
    size: number,
    features: number[],
    private readonly isPacked: boolean,
  ) {
    super(size, features);
    const { dma } = this.bus;
    const [read, write] = [dma.read.bind(dma), dma.write.bind(dma)];
    dma.read = (requester, at, length, tag) => {
      this.expectIn(at, length, [...this.rings, ...this.buffers, ...this.tablesNow()]);
      read(requester, at, length, tag);
    };
    dma.write = (requester, at, bytes, tag) => {
      this.expectIn(at, bytes.length, [...this.writableRings, ...this.buffers]);
      write(requester, at, bytes, tag);
    };
    this.answered = (chain) => {
      if (!chain) return;
      this.chains.push(chain);
      this.buffers.push(...chain.readable, ...chain.writable);
      this.queue.fetch();
    };
    // To begin with, something that can be taken.
    for (let i = 0; i < size; i++) {
      const good = { address: 0x9000 + 64 * i, length: 64, link: i };
      if (isPacked) this.packed(i, { ...good, flags: AVAIL | (i % 2 === 0 ? WRITE : 0) });
      else this.split(i, { ...good, flags: i % 2 === 0 ? WRITE : 0 });
    }
  }

  perform({ what, a, b, c, address: at, bytes }: Step): void {
    const { size } = this.layout;
    const put = this.isPacked ? this.packed.bind(this) : this.split.bind(this);
    const described = { address: at, length: c, flags: this.flagsOf(b), link: a };
    switch (what) {
      case 'descriptor':
        return put(a % size, described);
      case 'table':
        return put(a % 30, described, TABLES);
      case 'index':
        this.view.setUint16(driver + 4 + 2 * (a % size), b % (size + 1), true);
        return this.view.setUint16(driver + 2, this.view.getUint16(driver + 2, true) + (b % 3), true);
      case 'word':
        return this.view.setUint16(a % 2 === 0 ? driver + 2 * (b % 8) : device + 2 * (b % 8), b, true);
      case 'bytes':
        return this.bus.memory.set(bytes, (a % 2 === 0 ? descriptors : driver) + (b % 64));
      case 'fetch':
        return this.queue.fetch();
      case 'kick':
        return this.queue.kicked(((a << 16) | b) >>> 0);
      case 'use':
        return this.use(a, c);
      case 'unfetch':
        return this.queue.unfetch(a % 4);
      case 'wait':
        this.bus.dma.latency = b % 20;
        return this.world.advanceTo(this.world.time + (a % 256));
    }
  }

  /** Looks again after a fault. */
  revive(): void {
    if (this.queue.running) return;
    this.queue.reset();
    if (!this.isPacked) this.view.setUint16(driver + 2, 0, true);
    this.start();
  }

  private use(which: number, length: number): void {
    const at = which % Math.max(1, this.chains.length);
    for (const chain of this.chains.splice(at, 1)) {
      this.queue.read(chain, 0, Math.min(lengthOf(chain.readable), MOST), 1);
      const bytes = new Uint8Array(Math.min(lengthOf(chain.writable), MOST)).fill(0xa5);
      this.queue.write(chain, 0, bytes, 2);
      this.queue.push(chain, length);
      this.queue.flush();
    }
  }

  /** Mostly such as there can be; of a packed queue, such as mark a descriptor available in one lap or the other. */
  private flagsOf(value: number): number {
    const common = [0, 0, WRITE, WRITE, NEXT, NEXT | WRITE, INDIRECT, value & 0xf][value & 7];
    return this.isPacked ? common | [AVAIL, USED, AVAIL, value & 0x8080][(value >> 3) & 3] : common;
  }

  private get rings(): Segment[] {
    const { size } = this.layout;
    const parts = this.isPacked
      ? [
          [descriptors, 16 * size],
          [driver, 4],
        ]
      : [
          [descriptors, 16 * size],
          [driver, 6 + 2 * size],
        ];
    return parts.map(([at, length]) => ({ address: at, length }));
  }

  private get writableRings(): Segment[] {
    const { size } = this.layout;
    return this.isPacked
      ? [
          { address: descriptors, length: 16 * size },
          { address: device, length: 4 },
        ]
      : [{ address: device, length: 6 + 8 * size }];
  }

  /** Tables that descriptors of the ring name now, and those that they have named. */
  private tablesNow(): Segment[] {
    for (let i = 0; i < this.layout.size; i++) {
      const at = descriptors + 16 * i;
      const flags = this.view.getUint16(at + (this.isPacked ? 14 : 12), true);
      if ((flags & INDIRECT) === 0) continue;
      const table = Number(this.view.getBigUint64(at, true));
      this.tables.push({ address: table, length: this.view.getUint32(at + 8, true) });
    }
    return this.tables;
  }

  private expectIn(at: number, length: number, allowed: readonly Segment[]): void {
    expect(Number.isSafeInteger(at) && at >= 0).toBe(true);
    const fits = allowed.some((each) => at >= each.address && at + length <= each.address + each.length);
    if (!fits) expect.fail(`${length} bytes at ${at.toString(16)}`);
  }
}

describe.each([false, true])('packed: %s', (isPacked) => {
  it('anything in the rings', () => {
    let [taken, faults] = [0, 0];
    const kinds = new Set<number>();
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 4, 8, 16),
        fc.subarray([Feature.EVENT_IDX, Feature.INDIRECT_DESC, Feature.INDIRECT_DESC, Feature.IN_ORDER]),
        fc.array(step, { minLength: 40, maxLength: 120, size: 'max' }),
        (size, features, steps) => {
          const fuzzed = new Fuzzed(
            size,
            [...features, ...(isPacked ? [Feature.RING_PACKED] : [])],
            isPacked,
          ).start();
          for (const each of steps) {
            fuzzed.perform(each);
            fuzzed.revive();
          }
          fuzzed.world.drain();
          taken += fuzzed.answers.filter((each) => each !== undefined).length;
          faults += fuzzed.faults.length;
          fuzzed.faults.forEach((each) => kinds.add(each));
        },
      ),
      { numRuns: 150 },
    );
    // It has been more than a look at an empty ring.
    expect(taken).toBeGreaterThan(150);
    expect(faults).toBeGreaterThan(150);
    expect(kinds.size).toBeGreaterThan(6);
  });
});
