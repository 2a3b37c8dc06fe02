/**
 * A hostile driver: registers, doorbells and queues in memory are written at random, mostly nearly right, so that much is
 * reached. Nothing throws, everything comes to rest, and no memory is written that no pointer leads to.
 *
 * `TRAPLINE_NVME_RUNS` asks for more drivers than usual.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccessSize } from '../../../../../src/machine/bus';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { randomSource } from '../../../../conformance/native-oracle/generate';
import { World } from '../../fake-bus';
import { ACQ, AQA, ASQ, CC, CC_ENABLE, CSTS, Driver } from './driver';

const OPERATIONS = 150;
/** All pointers lead to below here, or to where no memory is; none of what they lead to is longer than `REACH`. */
const POINTERS = 0x60000;
const REACH = 0x20000;
const OUT_OF_MEMORY = 0x10000000;
const CANARY = 0x5a;
/** A transaction is at most a page, and pages are at most 64 KiB. */
const LONGEST = 0x10000;
const OPTIONS = { size: 2 ** 18, queues: 2 };
const REGISTERS = [0, 4, 8, 0xc, 0x10, CC, CSTS, 0x20, AQA, ASQ, ASQ + 4, ACQ, ACQ + 4, 0x38, 0xff8];

class Hostile {
  private driver = this.machine();
  private readonly random: () => number;
  /** Commands that were completed, and things that the controller noted as misuse. */
  seen = { completed: 0, misused: 0 };

  constructor(seed: number) {
    this.random = randomSource(seed);
    this.fill();
  }

  run(): void {
    for (let i = 0; i < OPERATIONS; i++) {
      this.one(this.below(20));
      this.driver.device.read(this.pick(REGISTERS), 4);
    }
    const { world, bus, device } = this.driver;
    device.pci.write(4, 2, 6);
    world.drain();
    expect(bus.dma.pending).toEqual([]);
    this.count();
    // And it can be used as ever.
    device.write(CC, 4, 0);
    world.drain();
    expect(this.driver.get(CSTS)).toBe(0);
    this.driver.enable();
    expect(this.driver.run(0, { opcode: 0x0a, words: [7] })).toMatchObject({ status: 0, result: 0x00010001 });
    const untouched = bus.memory.subarray(POINTERS + REACH);
    expect(Buffer.compare(untouched, new Uint8Array(untouched.length).fill(CANARY))).toBe(0);
  }

  private machine(): Driver {
    const driver = new Driver(OPTIONS, new World());
    driver.bus.memory.fill(CANARY, POINTERS + REACH);
    driver.bus.dma.refuse = (address, length) => {
      if (!Number.isInteger(length) || length < 1 || length > LONGEST || !(address >= 0))
        throw new Error(`a transaction of ${length} bytes at ${address}`);
      return driver.device.pci.busMaster ? undefined : 'master-abort';
    };
    return driver;
  }

  private one(what: number): void {
    const { device, world, bus } = this.driver;
    if (what === 0) this.enable();
    else if (what === 1) this.establish();
    else if (what < 8) this.ringing();
    else if (what < 10) this.fill();
    else if (what < 12) world.advanceTo(world.time + this.below(100_000));
    else if (what < 13) bus.dma.latency = this.below(3000);
    else if (what < 14) device.pci.write(4, 2, this.pick([2, 6, 6, 6, 0x406]));
    else if (what < 15) this.goOn();
    else if (what < 16) device.write(CC, 4, this.pick([0, CC_ENABLE, CC_ENABLE | 0x4000, this.random()]));
    else {
      const offset = this.below(4) === 0 ? 0x1000 + this.below(0x3000) : this.pick(REGISTERS);
      const size = this.pick<AccessSize>([4, 4, 4, 2, 1]);
      device.write(offset, size, this.value() % 2 ** (8 * size));
    }
  }

  /** Queues as they ought to be, for what is put into them later. */
  private establish(): void {
    const { driver } = this;
    driver.device.pci.write(4, 2, 6);
    driver.set(CC, 0);
    driver.world.drain();
    driver.enable();
    for (const id of [1, 2]) driver.createPair(id, 0x3000 * id, 0x3000 * id + 0x1000, 8);
    this.fill(0, 64 * this.below(800));
  }

  private enable(): void {
    this.driver.set(AQA, this.pick([0x000f000f, 0x00030007, 0x0fff0fff, this.random()]));
    this.driver.set(ASQ, this.pointer());
    this.driver.set(ASQ + 4, 0);
    this.driver.set(ACQ, this.pointer());
    this.driver.set(ACQ + 4, 0);
    this.driver.set(CC, CC_ENABLE | (this.below(4) === 0 ? this.below(5) << 7 : 0));
    if (this.below(2) === 0) this.driver.world.drain();
  }

  private ringing(): void {
    const queue = this.pick([0, 0, 0, 1, 2, 3]);
    this.driver.set(0x1000 + 8 * queue + 4 * this.below(2), this.below(10));
  }

  /** Puts commands and pointers all over the memory that pointers lead to. */
  private fill(from = this.below(POINTERS / 64) * 64, length = 64 * this.below(500)): void {
    const view = this.driver.view();
    const to = Math.min(POINTERS, from + length);
    for (let at = from; at < to; at += 64) {
      if (this.below(4) === 0) {
        for (let i = 0; i < 8; i++) view.setBigUint64(at + 8 * i, BigInt(this.pointer()), true);
        continue;
      }
      view.setUint8(at, this.pick([0, 1, 2, 4, 5, 6, 8, 9, 0xa, 0xc, 0x99]));
      view.setUint8(at + 1, this.below(20) === 0 ? this.random() & 0xff : 0);
      view.setUint16(at + 2, this.below(64), true);
      view.setUint32(at + 4, this.pick([1, 1, 1, 0, 0xffffffff]), true);
      view.setBigUint64(at + 24, BigInt(this.pointer()), true);
      view.setBigUint64(at + 32, BigInt(this.pointer()), true);
      view.setUint32(
        at + 40,
        this.pick([this.below(3) | (this.below(16) << 16), this.below(600), this.random()]),
        true,
      );
      view.setUint32(at + 44, this.pick([1, 0x10001, 0x10003, 0x20003, 0, 4, this.random()]), true);
      view.setUint32(at + 48, this.pick([this.below(8), this.below(300), this.random()]), true);
      view.setUint32(at + 52, this.below(10) === 0 ? this.random() : 0, true);
    }
  }

  /** In a fresh device: of this run, or of another host. */
  private goOn(): void {
    const { bus, world, device } = this.driver;
    const saved = structuredClone({ pci: device.pci.save(), nvme: device.save(), memory: bus.memory });
    if (this.below(2) === 0) {
      const pending = structuredClone(bus.dma.pending);
      const queue = structuredClone(world.save());
      world.drain();
      world.load(queue);
      bus.dma.pending = pending;
      bus.memory.set(saved.memory);
      device.pci.load(saved.pci);
      device.load(saved.nvme);
      return;
    }
    this.count();
    this.driver = this.machine();
    this.driver.bus.memory.set(saved.memory);
    this.driver.device.pci.adopt(saved.pci.hardware);
    this.driver.device.adopt(saved.nvme.hardware);
  }

  private count(): void {
    const { world } = this.driver;
    this.seen.completed += world.ofKind(Kind.IoComplete).length;
    this.seen.misused += world.ofKind(Kind.DeviceMisused).length;
  }

  private value(): number {
    return this.pick([this.random(), this.below(256), this.pointer(), 1 << this.below(31)]) >>> 0;
  }

  private pointer(): number {
    const page = this.below(POINTERS / 4096) * 4096;
    return this.pick([page, page, page, page + 4 * this.below(1024), page + 4088, OUT_OF_MEMORY]);
  }

  private below(limit: number): number {
    return this.random() % limit;
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }
}

describe('a hostile driver', () => {
  it('finds no way to make it throw, hang, or write where it must not', () => {
    const seen = { completed: 0, misused: 0 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), (seed) => {
        const hostile = new Hostile(seed);
        hostile.run();
        seen.completed += hostile.seen.completed;
        seen.misused += hostile.seen.misused;
      }),
      { numRuns: Number(process.env.TRAPLINE_NVME_RUNS ?? 30) },
    );
    // It got somewhere.
    expect(seen.completed).toBeGreaterThan(0);
    expect(seen.misused).toBeGreaterThan(0);
  });
});
