/**
 * Whatever commands are given, on however many queues at once, the disk holds what a plain array of bytes would hold: with
 * transactions of any length, and with the controller saved, restored and moved to another host at any moment.
 *
 * `TRAPLINE_NVME_RUNS` asks for more programs than usual.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Nvme } from '../../../../../src/machine/devices/nvme/nvme';
import { World } from '../../fake-bus';
import { Driver, PAGE, USUAL, type Request } from './driver';

const BLOCK = 512;
const BLOCKS = 512;
const QUEUES = 3;
const ENTRIES = 6;
/** Commands under way: each has memory of its own for lists and data. */
const SLOTS = 10;
const SLOT_PAGES = 16;
const MOST_BLOCKS = 56;
const listOf = (slot: number): number => 0x10000 + slot * 2 * PAGE;
const dataOf = (slot: number): number => 0x40000 + slot * SLOT_PAGES * PAGE;
const OPTIONS = { size: BLOCKS * BLOCK, queues: QUEUES };

const Op = { flush: 0, write: 1, read: 2, compare: 5, zeroes: 8, dsm: 9 } as const;
const Sc = { ok: 0, opcode: 0x001, range: 0x080, compare: 0x285 } as const;

interface Command {
  what: 'write' | 'read' | 'compare' | 'differ' | 'zeroes' | 'dsm' | 'flush' | 'beyond' | 'unknown';
  queue: number;
  first: number;
  count: number;
  /** Of the first byte in its page, in words. */
  offset: number;
  /** How its pages are strewn. */
  stride: number;
  byte: number;
}
type Step =
  | { do: 'command'; command: Command }
  | { do: 'wait'; cycles: number }
  | { do: 'latency'; cycles: number }
  | { do: 'rewind' | 'restore' | 'move' };

const command: fc.Arbitrary<Command> = fc.record({
  what: fc.constantFrom<Command['what'][]>(
    ...(['write', 'write', 'write', 'read', 'read', 'compare', 'differ', 'zeroes', 'dsm'] as const),
    ...(['flush', 'beyond', 'unknown'] as const),
  ),
  queue: fc.integer({ min: 1, max: QUEUES }),
  first: fc.integer({ min: 0, max: BLOCKS - 1 }),
  count: fc.integer({ min: 1, max: MOST_BLOCKS }),
  offset: fc.integer({ min: 0, max: PAGE / 4 - 1 }),
  stride: fc.constantFrom(1, 3, 5, 7, 11),
  byte: fc.integer({ min: 0, max: 255 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('command' as const), command }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait' as const), cycles: fc.integer({ min: 1, max: 60_000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('latency' as const), cycles: fc.integer({ min: 0, max: 4000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('rewind' as const, 'restore' as const, 'move' as const) }),
  },
);

/** A command that is under way. */
interface Pending {
  slot: number;
  status: number;
  /** Blocks that it is about; none: it changes and reads nothing. */
  first: number;
  count: number;
  /** What memory holds at the end of a read. */
  expected?: { pages: number[]; offset: number; bytes: Uint8Array };
}

/** Parts of data in pages, and where each is in memory. */
function pieces(
  pages: readonly number[],
  shift: number,
  length: number,
): { address: number; from: number; to: number }[] {
  return pages.map((page, i) => ({
    address: i === 0 ? page + shift : page,
    from: Math.max(0, i * PAGE - shift),
    to: Math.min(length, (i + 1) * PAGE - shift),
  }));
}

class Experiment {
  private driver: Driver;
  private readonly disk = new Uint8Array(BLOCKS * BLOCK);
  private pending = new Map<string, Pending>();
  completions = 0;

  constructor() {
    this.driver = new Driver(OPTIONS).enable();
    for (let id = 1; id <= QUEUES; id++)
      this.driver.createPair(id, 0x3000 + 0x2000 * id, 0x4000 + 0x2000 * id, ENTRIES);
  }

  take(step: Step): void {
    const { world, bus } = this.driver;
    if (step.do === 'command') this.submit(step.command);
    else if (step.do === 'wait') world.advanceTo(world.time + step.cycles);
    else if (step.do === 'latency') bus.dma.latency = step.cycles;
    else this[step.do]();
    this.collect();
  }

  /** All that is under way to its end, and the whole disk compared. */
  finish(): void {
    this.settle();
    expect(this.driver.bus.line).toBe(false);
    for (let first = 0; first < BLOCKS; first += 32) {
      this.submit({ what: 'read', queue: 1, first, count: 32, offset: 0, stride: 1, byte: 0 });
      this.settle();
    }
  }

  private settle(): void {
    while (this.pending.size > 0) {
      const { time } = this.driver.world;
      const before = this.pending.size;
      this.driver.world.drain();
      this.collect();
      if (this.pending.size === before && this.driver.world.time === time)
        throw new Error(`${before} commands never end`);
    }
  }

  private submit(wanted: Command): void {
    const { what, queue } = wanted;
    const first = wanted.first;
    const count = what === 'flush' || what === 'unknown' ? 0 : Math.min(wanted.count, BLOCKS - first);
    const overlaps = [...this.pending.values()].some(
      (other) => other.first < first + count && first < other.first + other.count,
    );
    // Commands under way have no order among them; and a queue of six entries holds five.
    const own = [...this.pending.keys()].filter((key) => key.startsWith(`${queue}/`)).length;
    if (overlaps || this.pending.size >= SLOTS || own >= ENTRIES - 1) this.settle();
    const used = new Set([...this.pending.values()].map(({ slot }) => slot));
    const slot = Array.from({ length: SLOTS }, (_, i) => i).find((i) => !used.has(i))!;
    const { request, pending } = this.make({ ...wanted, first, count }, slot);
    const id = this.driver.submit(queue, request);
    this.pending.set(`${queue}/${id}`, { ...pending, slot });
  }

  /** The command as the driver gives it, and what is to come of it. */
  private make(
    { what, first, count, offset, stride, byte }: Command,
    slot: number,
  ): { request: Request; pending: Omit<Pending, 'slot'> } {
    const { disk } = this;
    const at = first * BLOCK;
    const end = at + count * BLOCK;
    const none = { first: 0, count: 0 };
    const range = { first, count };
    const words = [first, 0, count - 1];
    switch (what) {
      case 'flush':
        return { request: { opcode: Op.flush, nsid: 1 }, pending: { status: Sc.ok, ...none } };
      case 'unknown':
        return { request: { opcode: 0x33, nsid: 1 }, pending: { status: Sc.opcode, ...none } };
      case 'beyond': {
        const request = {
          opcode: Op.read,
          nsid: 1,
          prp1: dataOf(slot),
          words: [BLOCKS - count + 1, 0, count - 1],
        };
        return { request, pending: { status: Sc.range, ...none } };
      }
      case 'zeroes':
        disk.fill(0, at, end);
        return { request: { opcode: Op.zeroes, nsid: 1, words }, pending: { status: Sc.ok, ...range } };
      case 'dsm': {
        disk.fill(0, at, end);
        const view = this.driver.view();
        view.setUint32(listOf(slot) + 4, count, true);
        view.setBigUint64(listOf(slot) + 8, BigInt(first), true);
        const request = { opcode: Op.dsm, nsid: 1, prp1: listOf(slot), words: [0, 4] };
        return { request, pending: { status: Sc.ok, ...range } };
      }
      default: {
        const { prps, pages, shift } = this.strew(slot, count * BLOCK, offset * 4, stride);
        const bytes = disk.slice(at, end);
        if (what === 'read') {
          const request = { opcode: Op.read, nsid: 1, ...prps, words };
          return { request, pending: { status: Sc.ok, ...range, expected: { pages, offset: shift, bytes } } };
        }
        if (what === 'write') bytes.forEach((_, i) => (bytes[i] = (byte + i * 13 + (i >> 9)) & 0xff));
        if (what === 'differ') bytes[(byte * 97) % bytes.length] ^= 0x80;
        this.putBytes(pages, shift, bytes);
        if (what === 'write') disk.set(bytes, at);
        const status = what === 'differ' ? Sc.compare : Sc.ok;
        const request = { opcode: what === 'write' ? Op.write : Op.compare, nsid: 1, ...prps, words };
        return { request, pending: { status, ...range } };
      }
    }
  }

  /** Memory for data: pages of the slot in no order, with pointers to them. */
  private strew(
    slot: number,
    length: number,
    shift: number,
    stride: number,
  ): { prps: { prp1: number; prp2: number }; pages: number[]; shift: number } {
    const count = Math.ceil((shift + length) / PAGE);
    const pages = Array.from({ length: count }, (_, i) => dataOf(slot) + ((i * stride) % SLOT_PAGES) * PAGE);
    const prp1 = pages[0] + shift;
    if (count <= 2) return { prps: { prp1, prp2: pages[1] ?? 0 }, pages, shift };
    // So near the end of its page that most lists go on in a second.
    const list = listOf(slot) + PAGE - 8 * stride;
    const view = this.driver.view();
    const rest = pages.slice(1);
    const here = rest.length > stride ? [...rest.slice(0, stride - 1), listOf(slot) + PAGE] : rest;
    here.forEach((address, i) => view.setBigUint64(list + 8 * i, BigInt(address), true));
    const there = rest.length > stride ? rest.slice(stride - 1) : [];
    there.forEach((address, i) => view.setBigUint64(listOf(slot) + PAGE + 8 * i, BigInt(address), true));
    return { prps: { prp1, prp2: list }, pages, shift };
  }

  private putBytes(pages: readonly number[], shift: number, bytes: Uint8Array): void {
    for (const { address, from, to } of pieces(pages, shift, bytes.length))
      this.driver.bus.memory.set(bytes.subarray(from, to), address);
  }

  /** Looks at completions that have come. */
  private collect(): void {
    for (let queue = 1; queue <= QUEUES; queue++) {
      for (const { id, status, sq } of this.driver.reap(queue)) {
        const pending = this.pending.get(`${sq}/${id}`);
        if (!pending) throw new Error(`command ${id} of queue ${sq} ended twice`);
        this.pending.delete(`${sq}/${id}`);
        this.completions += 1;
        expect(status).toBe(pending.status);
        if (pending.expected) this.compare(pending.expected);
      }
    }
  }

  private compare({ pages, offset, bytes }: NonNullable<Pending['expected']>): void {
    for (const { address, from, to } of pieces(pages, offset, bytes.length)) {
      const there = this.driver.bus.memory.subarray(address, address + to - from);
      if (Buffer.compare(there, bytes.subarray(from, to)) !== 0)
        throw new Error(`bytes ${from} to ${to} of ${bytes.length} are wrong`);
    }
  }

  private checkpoint() {
    const { world, bus, device } = this.driver;
    return structuredClone({
      world: world.save(),
      pending: bus.dma.pending,
      line: bus.line,
      memory: bus.memory,
      pci: device.pci.save(),
      nvme: device.save(),
    });
  }

  private putBack(saved: ReturnType<Experiment['checkpoint']>): void {
    const { world, bus, device } = this.driver;
    world.load(saved.world);
    bus.dma.pending = saved.pending;
    bus.line = saved.line;
    bus.memory.set(saved.memory);
    device.pci.load(saved.pci);
    device.load(saved.nvme);
  }

  /** The same device goes back to where it was. */
  private rewind(): void {
    const saved = this.checkpoint();
    this.driver.world.drain();
    this.putBack(saved);
  }

  /** A fresh device goes on in the same run. */
  private restore(): void {
    const saved = this.checkpoint();
    const { bus } = this.driver;
    this.driver.device = new Nvme(bus, { ...USUAL, ...OPTIONS });
    bus.plug(this.driver.device);
    this.putBack(saved);
  }

  /** A fresh device goes on on another host, whose transactions begin anew. */
  private move(): void {
    const { memory, pci, nvme } = this.checkpoint();
    const next = new Driver(OPTIONS, new World());
    next.inherit(this.driver);
    next.bus.memory.set(memory);
    next.bus.dma.latency = this.driver.bus.dma.latency;
    next.device.pci.adopt(pci.hardware);
    next.device.adopt(nvme.hardware);
    expect(next.bus.line).toBe(this.driver.bus.line);
    this.driver = next;
  }
}

describe('a disk by NVMe', () => {
  it('is an array of bytes', () => {
    let completions = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
        const experiment = new Experiment();
        for (const each of steps) experiment.take(each);
        experiment.finish();
        completions += experiment.completions;
      }),
      { numRuns: Number(process.env.TRAPLINE_NVME_RUNS ?? 25) },
    );
    expect(completions).toBeGreaterThan(0);
  });
});
