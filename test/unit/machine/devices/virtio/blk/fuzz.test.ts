/**
 * A hostile driver: requests of any header, in any parts, mostly nearly right, so that much is reached; beside them notifications,
 * resets of a queue and of the device, moves to another host and transactions that are refused. Nothing throws, everything comes to
 * rest, no transaction is longer than a piece, and no memory is written that no descriptor leads to.
 *
 * `TRAPLINE_VIRTIO_BLK_RUNS` asks for more drivers than usual.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Kind } from '../../../../../../src/trace/vocabulary/events';
import type { Part } from '../../../../../support/virtio/driver-rings';
import { randomSource } from '../../../../../conformance/native-oracle/generate';
import { structure } from '../pci-driver';
import { BlkDriver, S, SECTOR, T, type Setup } from './driver';

const OPERATIONS = 120;
/** What the device writes is below here, or where no memory is. */
const POINTERS = 0x70000;
const REACH = 0x10000;
const OUT_OF_MEMORY = 0x10000000;
const CANARY = 0x5a;
/** As long as a transaction may be: rings are shorter than pieces of data. */
const LONGEST = 32 * 1024;
const DISK = 2 ** 18;
const TYPES = [T.IN, T.IN, T.OUT, T.OUT, T.FLUSH, T.GET_ID, T.DISCARD, T.WRITE_ZEROES, 2, 99];
/** Where the headers are that parts of a request may lead to, and lists of ranges. */
const HEADERS = 0x40000;
const HEADER_PLACES = 64;
const LISTS = 0x41000;

class Hostile {
  private readonly random: () => number;
  private driver: BlkDriver;
  private readonly setup: Setup;
  seen = { completed: 0, failed: 0, resets: 0 };

  constructor(seed: number) {
    this.random = randomSource(seed);
    const setup = { size: DISK, queues: 2, ring: this.pick([4, 16, 64]), readOnly: this.below(8) === 0 };
    const flag = (): boolean => this.below(2) === 0;
    this.setup = { ...setup, packed: flag(), eventIdx: flag(), indirect: flag(), inOrder: flag() };
    this.driver = this.guarded(new BlkDriver(this.setup));
    this.restart();
  }

  run(): void {
    for (let i = 0; i < OPERATIONS; i++) this.one(this.below(24));
    this.count();
    const { driver } = this;
    driver.bus.dma.refuse = () => undefined;
    driver.world.drain();
    expect(driver.bus.dma.pending).toEqual([]);
    const untouched = driver.bus.memory.subarray(POINTERS + REACH);
    expect(Buffer.compare(untouched, new Uint8Array(untouched.length).fill(CANARY))).toBe(0);
    // And it can be used as ever.
    driver.start();
    expect(driver.cfg().get('status')).toBe(15);
    expect(driver.run({ type: T.FLUSH }).status).toBe(S.OK);
    expect(driver.run({ type: T.IN, sector: 1, room: SECTOR }).status).toBe(S.OK);
  }

  private one(what: number): void {
    const { driver } = this;
    const { world, bus } = driver;
    if (what < 12) this.request();
    else if (what < 16) world.advanceTo(world.time + this.below(4000));
    else if (what < 17) bus.dma.latency = this.below(400);
    else if (what < 18) structure(driver.fn, 2).write(4 * this.below(2), 2, this.random() & 0xffff);
    else if (what < 19) driver.config().write(this.below(60), 1, this.random() & 0xff);
    else if (what < 20) this.resetQueue();
    else if (what < 21) this.restart();
    else if (what < 22) this.goOn();
    else if (what < 23) bus.memory.set([this.random() & 0xff], this.below(POINTERS));
    else driver.fn.write(4, 2, this.pick([6, 6, 6, 2, 0x406]));
  }

  /** Some buffers, shown at once. */
  private request(): void {
    const { driver } = this;
    const queue = this.below(2);
    for (let i = this.below(4); i >= 0; i--) {
      const readable = this.parts(this.pick([0, 1, 1, 1, 2, 3]), true);
      const writable = this.parts(this.pick([0, 1, 1, 2, 3]), false);
      const as = this.setup.indirect ? this.pick(['chain', 'table', 'mixed'] as const) : 'chain';
      if (readable.length + writable.length > 0) driver.rings[queue].add({ readable, writable, as });
    }
    driver.publish(queue);
  }

  private parts(count: number, isReadable: boolean): Part[] {
    return Array.from({ length: count }, (_, i) => {
      if (isReadable && i === 0)
        return {
          address: HEADERS + 16 * this.below(HEADER_PLACES),
          length: this.pick([16, 16, 16, 16, 3, 40]),
        };
      if (isReadable && this.below(4) === 0)
        return { address: LISTS + 16 * this.below(64), length: 16 * this.pick([1, 1, 2, 5, 31, 33]) };
      const length = this.pick([1, 1, 16, 20, SECTOR, SECTOR, 4096, 8192, REACH, this.below(2000)]);
      if (this.below(30) === 0) return { address: OUT_OF_MEMORY, length };
      if (isReadable && this.below(30) === 0) return { address: this.below(POINTERS), length: 0xffffffff };
      return { address: HEADERS + 0x2000 + this.below(POINTERS - HEADERS - 0x2000), length };
    });
  }

  /** From the begin, with new headers and lists. */
  private restart(): void {
    const { driver } = this;
    driver.fn.write(4, 2, 6);
    driver.start();
    const { view } = this;
    for (let at = HEADERS; at < HEADERS + 16 * HEADER_PLACES; at += 16) {
      view.setUint32(at, this.below(12) === 0 ? this.random() : this.pick(TYPES), true);
      view.setBigUint64(at + 8, this.sector(), true);
    }
    for (let at = LISTS; at < LISTS + 16 * 128; at += 16) {
      view.setBigUint64(at, this.sector(), true);
      view.setUint32(at + 8, this.pick([0, 1, 8, 8, this.below(DISK / SECTOR), this.random()]), true);
      view.setUint32(at + 12, this.pick([0, 0, 0, 0, 1, this.random()]), true);
    }
  }

  private sector(): bigint {
    const any = (BigInt(this.random()) << 32n) | BigInt(this.random());
    return this.pick([0n, 1n, BigInt(this.below(DISK / SECTOR)), BigInt(DISK / SECTOR), any]);
  }

  private resetQueue(): void {
    const cfg = this.driver.cfg();
    cfg.set('queueSelect', this.below(2));
    cfg.set('queueReset', 1);
  }

  /** In a fresh device on another host, or back from where it went in this one. */
  private goOn(): void {
    const { driver } = this;
    if (this.below(2) === 0) {
      const saved = driver.checkpoint();
      driver.bus.dma.refuse = () => undefined;
      driver.world.advanceTo(driver.world.time + this.below(3000));
      driver.rewind(saved);
      this.guarded(driver);
      return;
    }
    this.count();
    this.driver = this.guarded(driver.moved());
  }

  private guarded(driver: BlkDriver): BlkDriver {
    driver.bus.memory.fill(CANARY, POINTERS + REACH);
    driver.bus.dma.refuse = (address, length) => {
      if (!Number.isInteger(length) || length < 0 || length > LONGEST || !(address >= 0))
        throw new Error(`a transaction of ${length} bytes at ${address}`);
      return driver.fn.busMaster ? undefined : 'master-abort';
    };
    return driver;
  }

  private count(): void {
    const { world } = this.driver;
    const completed = world.ofKind(Kind.IoComplete);
    this.seen.completed += completed.filter(({ b }) => b > 0).length;
    this.seen.failed += completed.filter(({ b }) => b === 0).length;
    this.seen.resets += world.ofKind(Kind.VirtioNeedsReset).length;
  }

  private get view(): DataView {
    return new DataView(this.driver.bus.memory.buffer);
  }

  private below(limit: number): number {
    return this.random() % limit;
  }

  private pick<V>(from: readonly V[]): V {
    return from[this.below(from.length)];
  }
}

describe('a hostile driver of a disk', () => {
  it('finds no way to make it throw, hang, or write where it must not', () => {
    const seen = { completed: 0, failed: 0, resets: 0 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), (seed) => {
        const hostile = new Hostile(seed);
        hostile.run();
        for (const key of ['completed', 'failed', 'resets'] as const) seen[key] += hostile.seen[key];
      }),
      { numRuns: Number(process.env.TRAPLINE_VIRTIO_BLK_RUNS ?? 30) },
    );
    // It got somewhere.
    expect(seen.completed).toBeGreaterThan(0);
    expect(seen.failed).toBeGreaterThan(0);
    expect(seen.resets).toBeGreaterThan(0);
  });

  it('gets a request of many MiB moved in pieces, of which the device holds one', () => {
    const driver = new BlkDriver({ size: 2 ** 30 }).start();
    const longest = { dma: 0 };
    driver.bus.dma.refuse = (_address, length) => {
      longest.dma = Math.max(longest.dma, length);
      return undefined;
    };
    driver.bus.dma.latency = 10;
    // All parts are the same memory.
    const part = { address: 0x50000, length: 0x80000 };
    const parts = new Array<Part>(32).fill(part);
    const header = { address: 0x40000, length: 16 };
    const status = { address: 0x40010, length: 1 };
    driver.bus.memory.fill(0, header.address, header.address + 17);
    driver.rings[0].add({ readable: [header], writable: [...parts, status] });
    driver.publish(0);
    driver.world.advanceTo(driver.world.time + 5000);
    // The transfer has it, and so has its transaction.
    expect(bytesIn(driver.pci.save().hardware)).toBeLessThan(2 * LONGEST + 4096);
    driver.world.drain();
    expect(longest.dma).toBe(LONGEST);
    expect(driver.rings[0].reap()?.written).toBe(32 * part.length + 1);
    expect(driver.world.ofKind(Kind.IoComplete).map(({ b }) => b)).toEqual([32 * part.length]);
  });
});

/** Bytes of all arrays in some state. */
function bytesIn(state: unknown): number {
  if (state instanceof Uint8Array) return state.length;
  if (typeof state !== 'object' || state === null) return 0;
  return Object.values(state).reduce<number>((sum, each) => sum + bytesIn(each), 0);
}
