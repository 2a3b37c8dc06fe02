/** The engine of a virtqueue: bytes of both formats as the specification lays them out, transfers, notifications, and what is counted. */
import { describe, expect, it } from 'vitest';
import type { Chain } from '../../../../../src/machine/devices/virtio/contract';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { QueueBench, type Negotiated } from '../../../../support/virtio/queue-bench';
import {
  AVAIL,
  INDIRECT,
  NEXT,
  RAW_LAYOUT,
  RAW_QUEUE,
  RawQueue,
  USED,
  WRITE,
} from '../../../../support/virtio/raw-queue';

const { descriptors, driver, device } = RAW_LAYOUT;
const TABLE = 0x8000;
const segment = (address: number, length: number) => ({ address, length });

/** Uses a buffer and shows it. */
function use(raw: RawQueue, chain: Chain | undefined, written = 0): void {
  expect(chain).toBeDefined();
  if (chain) raw.queue.push(chain, written);
  raw.queue.flush();
  raw.world.drain();
}

describe('the split format', () => {
  it('follows next through the table, and answers in the order of the available ring', () => {
    const raw = new RawQueue(8).start();
    raw.split(6, { address: 0x9000, length: 10, flags: NEXT, link: 1 });
    raw.split(1, { address: 0xa000, length: 20, flags: NEXT | WRITE, link: 7 });
    raw.split(7, { address: 0xb000, length: 30, flags: WRITE });
    raw.split(3, { address: 0xc000, length: 5, link: 6 });
    raw.available([6, 3]);
    expect(raw.fetch()).toEqual({
      id: 6,
      slots: 1,
      readable: [segment(0x9000, 10)],
      writable: [segment(0xa000, 20), segment(0xb000, 30)],
    });
    expect(raw.fetch()).toEqual({ id: 3, slots: 1, readable: [segment(0xc000, 5)], writable: [] });
    expect(raw.fetch()).toBeUndefined();
  });

  it('takes descriptors that are followed by one indirect table, whose WRITE flag it ignores (2.7.5.3.2)', () => {
    const raw = new RawQueue(8, [Feature.INDIRECT_DESC]).start();
    raw.split(0, { address: 0x9000, length: 10, flags: NEXT, link: 1 });
    raw.split(1, { address: TABLE, length: 48, flags: INDIRECT | WRITE });
    raw.split(0, { address: 0xa000, length: 1, flags: NEXT, link: 2 }, TABLE);
    raw.split(2, { address: 0xb000, length: 2, flags: WRITE }, TABLE);
    raw.available([0]);
    expect(raw.fetch()).toEqual({
      id: 0,
      slots: 1,
      readable: [segment(0x9000, 10), segment(0xa000, 1)],
      writable: [segment(0xb000, 2)],
    });
  });

  it('a chain of as many descriptors as the queue has, and one that ends at 2^53, are good', () => {
    const raw = new RawQueue(4).start();
    for (let i = 0; i < 4; i++)
      raw.split(i, { address: 2n ** 53n - 8n, length: 8, flags: i < 3 ? NEXT : 0, link: i + 1 });
    raw.available([0]);
    expect(raw.fetch()?.readable).toEqual(Array(4).fill(segment(2 ** 53 - 8, 8)));
    expect(raw.faults).toEqual([]);
  });

  it('a descriptor of no bytes is no segment', () => {
    const raw = new RawQueue(4).start();
    raw.split(0, { address: 0x9000, flags: NEXT, link: 1 });
    raw.split(1, { address: 0x9000, length: 4, flags: WRITE });
    raw.available([0]);
    expect(raw.fetch()).toMatchObject({ readable: [], writable: [segment(0x9000, 4)] });
  });

  it('writes used elements, then the index (2.7.8)', () => {
    const raw = new RawQueue(2).start();
    raw.split(1, { address: 0x9000, length: 0x12345, flags: WRITE });
    raw.split(0, { address: 0x9000, length: 1 });
    raw.available([1, 0]);
    const [first, second] = [raw.fetch(), raw.fetch()];
    raw.queue.push(second!, 0);
    raw.queue.push(first!, 0x12345);
    raw.world.drain();
    expect(raw.bytes(device + 2, 18)).toEqual(Array(18).fill(0));
    const from = raw.begun.length;
    raw.queue.flush();
    raw.world.drain();
    expect(raw.bytes(device + 2, 18)).toEqual([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x45, 0x23, 1, 0]);
    expect(raw.begun.slice(from)).toEqual([
      { isWrite: true, address: device + 4, length: 16 },
      { isWrite: true, address: device + 2, length: 2 },
      { isWrite: false, address: driver, length: 2 },
    ]);
    expect(raw.world.ofKind(Kind.VirtqUsed)).toMatchObject([{ a: RAW_QUEUE, b: 2 }]);
  });

  it('has nothing of descriptor table and available ring written (2.7.5.1)', () => {
    const raw = new RawQueue(4).start();
    for (let i = 0; i < 4; i++) raw.split(i, { address: 0x9000, length: 8, flags: i % 2 === 0 ? 0 : WRITE });
    raw.available([2, 0, 3, 1]);
    const drivers = (): number[] => [...raw.bytes(descriptors, 4 * 16), ...raw.bytes(driver, 6 + 2 * 4)];
    const before = drivers();
    for (let i = 0; i < 4; i++) use(raw, raw.fetch());
    expect(raw.fetch()).toBeUndefined();
    expect(drivers()).toEqual(before);
    const end = device + 6 + 8 * 4;
    const writes = raw.begun.filter(({ isWrite }) => isWrite);
    expect(writes.length).toBeGreaterThan(0);
    expect(writes.filter(({ address, length }) => address < device || address + length > end)).toEqual([]);
  });

  it('shows a batch in order by one element where its first would be (2.7.9)', () => {
    const raw = new RawQueue(4, [Feature.IN_ORDER]).start();
    for (let i = 0; i < 4; i++) raw.split(i, { address: 0x9000, length: 8, flags: WRITE });
    raw.available([0, 1, 2, 3]);
    const chains = [raw.fetch(), raw.fetch(), raw.fetch(), raw.fetch()];
    // The third is not full: only an element of its own can say so. Done out of order, shown in order.
    for (const [i, written] of [
      [2, 3],
      [0, 8],
      [3, 8],
      [1, 8],
    ])
      raw.queue.push(chains[i]!, written);
    raw.queue.flush();
    raw.world.drain();
    const element = (id: number, length: number) => [id, 0, 0, 0, length, 0, 0, 0];
    const nothing = element(0, 0);
    expect(raw.bytes(device + 2, 34)).toEqual([
      ...[4, 0],
      ...element(2, 3),
      ...nothing,
      ...nothing,
      ...element(3, 8),
    ]);
    expect(raw.world.ofKind(Kind.VirtqUsed)).toMatchObject([{ b: 4 }]);
  });

  it('reads the index once, and heads and short chains in one transaction each', () => {
    const raw = new RawQueue(32).start();
    for (let i = 0; i < 20; i++) raw.split(i, { address: 0x9000, length: 8 });
    raw.available(Array.from({ length: 20 }, (_, i) => i));
    for (let i = 0; i < 20; i++) expect(raw.fetch()?.id).toBe(i);
    const reads = raw.begun.filter(({ isWrite }) => !isWrite);
    const of = (address: number) => reads.filter((each) => each.address === address).length;
    expect([of(driver + 2), of(driver + 4), of(driver + 4 + 32)]).toEqual([1, 1, 1]);
    expect(reads.length).toBe(1 + 2 + 20);
  });

  it('16-bit indices go round', () => {
    const bench = new QueueBench({ size: 4, eventIdx: true, from: 0xfffe }).start();
    for (let i = 0; i < 5; i++) {
      for (let k = 0; k < 3; k++) bench.add({ readable: [], writable: [6] });
      bench.settle();
    }
    bench.expectAtRest();
    const { device: used } = bench.driver.layout;
    expect(new DataView(bench.bus.memory.buffer).getUint16(used + 2, true)).toBe((0xfffe + 15) & 0xffff);
  });
});

describe('the packed format', () => {
  const packed = (size: number, ...more: number[]) =>
    new RawQueue(size, [Feature.RING_PACKED, ...more]).start();

  it('takes lists whose last descriptor has the buffer ID, round the end of the ring', () => {
    const raw = packed(3);
    raw.packed(0, { address: 0x9000, length: 1, flags: NEXT | AVAIL, link: 77 });
    raw.packed(1, { address: 0xa000, length: 2, flags: WRITE | AVAIL, link: 2 });
    expect(raw.fetch()).toEqual({
      id: 2,
      slots: 2,
      readable: [segment(0x9000, 1)],
      writable: [segment(0xa000, 2)],
    });
    use(raw, { id: 2, slots: 2, readable: [], writable: [] }, 0x10002);
    // One used descriptor for the list, in the place of its first (2.8.6): length, ID, flags of the first lap.
    expect(raw.bytes(descriptors + 8, 8)).toEqual([2, 0, 1, 0, 2, 0, WRITE | AVAIL, USED >> 8]);

    raw.packed(2, { address: 0xb000, length: 3, flags: NEXT | AVAIL });
    raw.packed(0, { address: 0xc000, length: 4, flags: USED, link: 1 });
    const chain = raw.fetch();
    expect(chain).toEqual({
      id: 1,
      slots: 2,
      readable: [segment(0xb000, 3), segment(0xc000, 4)],
      writable: [],
    });
    use(raw, chain);
    expect(raw.bytes(descriptors + 2 * 16 + 8, 8)).toEqual([0, 0, 0, 0, 1, 0, AVAIL, USED >> 8]);

    // In the second lap both flags are 0 when used.
    raw.packed(1, { address: 0xb000, length: 3, flags: USED, link: 1 });
    use(raw, raw.fetch());
    expect(raw.bytes(descriptors + 16 + 8, 8)).toEqual([0, 0, 0, 0, 1, 0, 0, 0]);
  });

  it('takes a descriptor once AVAIL has become that of its lap, and not again (2.8.15)', () => {
    const raw = packed(2);
    // Both flags 0 as at first; those of the second lap; used in the first lap.
    for (const flags of [0, USED, AVAIL | USED]) {
      raw.packed(0, { address: 0x9000, length: 1, flags, link: 7 });
      expect(raw.fetch()).toBeUndefined();
    }
    raw.packed(0, { address: 0x9000, length: 1, flags: AVAIL, link: 7 });
    const chain = raw.fetch();
    expect(chain?.id).toBe(7);
    expect(raw.fetch()).toBeUndefined();
    use(raw, chain);
    raw.packed(1, { address: 0x9000, length: 1, flags: AVAIL, link: 8 });
    expect(raw.fetch()?.id).toBe(8);
    // The second lap: what was available in the first is so no more.
    raw.packed(0, { address: 0x9000, length: 1, flags: AVAIL, link: 9 });
    expect(raw.fetch()).toBeUndefined();
    raw.packed(0, { address: 0x9000, length: 1, flags: USED, link: 9 });
    expect(raw.fetch()?.id).toBe(9);
    expect(raw.faults).toEqual([]);
  });

  it('begins with descriptors in their order, and writes used ones in the order in which buffers are done (2.8.12)', () => {
    const raw = packed(4);
    const ids = [10, 11, 12];
    ids.forEach((link, i) => raw.packed(i, { address: 0x9000, length: 4, flags: WRITE | AVAIL, link }));
    const chains = ids.map(() => raw.fetch());
    expect(chains.map((chain) => chain?.id)).toEqual(ids);
    const done = [2, 0, 1];
    for (const which of done) {
      const from = raw.begun.length;
      const before = raw.bytes(descriptors, 4 * 16);
      use(raw, chains[which], 4);
      const place = done.indexOf(which);
      // A used descriptor stays as it is, and what is still available too: one place is written.
      const after = raw.bytes(descriptors, 4 * 16);
      const changed = [0, 1, 2, 3].filter((i) =>
        before.some((byte, at) => at >> 4 === i && after[at] !== byte),
      );
      expect(changed).toEqual([place]);
      const writes = raw.begun.slice(from).filter(({ isWrite, address }) => isWrite && address < driver);
      expect(writes.every(({ address }) => (address - descriptors) >> 4 === place)).toBe(true);
    }
    const used = ids.map((_id, place) => raw.view.getUint16(descriptors + 16 * place + 12, true));
    expect(used).toEqual(done.map((which) => ids[which]));
  });

  it('takes a table up to its end, and only WRITE of its flags (2.8.7)', () => {
    const raw = packed(4, Feature.INDIRECT_DESC);
    raw.packed(0, { address: TABLE, length: 32, flags: INDIRECT | WRITE | AVAIL, link: 9 });
    raw.packed(0, { address: 0x9000, length: 1, flags: INDIRECT | USED }, TABLE);
    raw.packed(1, { address: 0xa000, length: 2, flags: WRITE | NEXT }, TABLE);
    expect(raw.fetch()).toEqual({
      id: 9,
      slots: 1,
      readable: [segment(0x9000, 1)],
      writable: [segment(0xa000, 2)],
    });
  });

  it('shows several at once by the first of them', () => {
    const raw = packed(8);
    for (let i = 0; i < 4; i++) {
      raw.packed(2 * i, { address: 0x9000, length: 1, flags: NEXT | AVAIL });
      raw.packed(2 * i + 1, { address: 0x9000, length: 1, flags: AVAIL, link: i });
    }
    const chains = [raw.fetch(), raw.fetch(), raw.fetch()];
    for (const chain of chains) raw.queue.push(chain!, 0);
    const from = raw.begun.length;
    raw.queue.flush();
    raw.world.drain();
    const writes = raw.begun.slice(from).filter(({ isWrite }) => isWrite);
    expect(writes.map(({ address }) => (address - descriptors) / 16)).toEqual([4, 2, 0]);
  });

  it('reads as many descriptors as a notification tells, whatever it tells (2.9)', () => {
    const lengthOfLook = (told: number | undefined): number => {
      const raw = packed(32);
      raw.packed(0, { address: 0x9000, length: 1, flags: AVAIL, link: 5 });
      raw.queue.kicked(told === undefined ? undefined : ((told << 16) | RAW_QUEUE) >>> 0);
      expect(raw.fetch()?.id).toBe(5);
      return raw.begun[0].length / 16;
    };
    const lap = 0x8000;
    expect(lengthOfLook(lap | 1)).toBe(1);
    expect(lengthOfLook(lap | 16)).toBe(16);
    // Nothing, too much, a place outside the ring, another lap, no word at all: as without.
    for (const told of [lap, lap | 17, lap | 32, 0x7fff, 3, undefined]) expect(lengthOfLook(told)).toBe(4);
  });
});

describe.each(['split', 'packed'] as const)('a notification for nothing, %s', (format) => {
  it('finds nothing, and what comes later is found (2.7.10.2)', () => {
    const isPacked = format === 'packed';
    const raw = new RawQueue(4, isPacked ? [Feature.RING_PACKED] : []).start();
    for (let i = 0; i < 3; i++) {
      raw.queue.kicked(undefined);
      expect(raw.fetch()).toBeUndefined();
    }
    raw[format](0, { address: 0x9000, length: 4, flags: isPacked ? AVAIL : 0 });
    if (!isPacked) raw.available([0]);
    raw.queue.kicked(undefined);
    raw.queue.kicked(undefined);
    expect(raw.fetch()?.readable).toEqual([segment(0x9000, 4)]);
    raw.queue.kicked(undefined);
    expect(raw.fetch()).toBeUndefined();
    expect(raw.faults).toEqual([]);
  });
});

describe.each(['split', 'packed'] as const)('a long indirect table, %s', (format) => {
  const ENTRIES = 37;

  it('is read in pieces, to its end and no further', () => {
    const isPacked = format === 'packed';
    const raw = new RawQueue(64, [Feature.INDIRECT_DESC, ...(isPacked ? [Feature.RING_PACKED] : [])]).start();
    for (let i = 0; i < ENTRIES; i++) {
      const flags = isPacked || i === ENTRIES - 1 ? 0 : NEXT;
      raw[format](i, { address: 0x9000 + 16 * i, length: 16, flags, link: i + 1 }, TABLE);
    }
    raw[format](0, { address: TABLE, length: 16 * ENTRIES, flags: INDIRECT | (isPacked ? AVAIL : 0) });
    if (!isPacked) raw.available([0]);
    const expected = Array.from({ length: ENTRIES }, (_, i) => segment(0x9000 + 16 * i, 16));
    expect(raw.fetch()?.readable).toEqual(expected);
    const read = raw.begun.filter(({ address }) => address >= TABLE);
    expect(read.reduce((sum, { length }) => sum + length, 0)).toBe(16 * ENTRIES);
    expect(read.length).toBeLessThan(ENTRIES / 4);
  });
});

describe('transfers', () => {
  const chain = (raw: RawQueue): Chain => {
    raw.split(0, { address: 0x9000, length: 4, flags: NEXT, link: 1 });
    raw.split(1, { address: 0xa000, length: 6, flags: NEXT, link: 2 });
    raw.split(2, { address: 0xb000, length: 3, flags: NEXT | WRITE, link: 3 });
    raw.split(3, { address: 0xc000, length: 5, flags: WRITE });
    raw.available([0]);
    return raw.fetch()!;
  };

  it('go over the ends of segments, one after the other', () => {
    const raw = new RawQueue(4).start();
    const held = chain(raw);
    raw.bus.memory.set([1, 2, 3, 4], 0x9000);
    raw.bus.memory.set([5, 6, 7, 8, 9, 10], 0xa000);
    const from = raw.begun.length;
    raw.queue.read(held, 2, 5, 100);
    raw.queue.write(held, 1, Uint8Array.of(21, 22, 23, 24), 101);
    raw.queue.read(held, 0, 10, 102);
    raw.queue.read(held, 4, 6, 103);
    expect(raw.transfers).toEqual([]);
    raw.world.drain();
    expect(raw.transfers).toEqual([
      { tag: 100, bytes: Uint8Array.of(3, 4, 5, 6, 7) },
      { tag: 101, bytes: new Uint8Array(0) },
      { tag: 102, bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10) },
      { tag: 103, bytes: Uint8Array.of(5, 6, 7, 8, 9, 10) },
    ]);
    expect(raw.bytes(0xb000, 4)).toEqual([0, 21, 22, 0]);
    expect(raw.bytes(0xc000, 5)).toEqual([23, 24, 0, 0, 0]);
    expect(raw.begun.slice(from).map(({ address, length }) => [address, length])).toEqual([
      [0x9002, 2],
      [0xa000, 3],
      [0xb001, 2],
      [0xc000, 2],
      [0x9000, 4],
      [0xa000, 6],
      [0xa000, 6],
    ]);
  });

  it('of nothing are answered too, and not within the call', () => {
    const raw = new RawQueue(4).start();
    const held = chain(raw);
    raw.queue.read(held, 10, 0, 1);
    raw.queue.write(held, 0, new Uint8Array(0), 2);
    expect(raw.transfers).toEqual([]);
    raw.world.drain();
    expect(raw.transfers.map(({ tag, bytes }) => [tag, bytes.length])).toEqual([
      [1, 0],
      [2, 0],
    ]);
  });

  it('outside the part are a mistake of whoever asks', () => {
    const raw = new RawQueue(4).start();
    const held = chain(raw);
    expect(() => raw.queue.read(held, 6, 5, 1)).toThrow(RangeError);
    expect(() => raw.queue.read(held, -1, 1, 1)).toThrow(RangeError);
    expect(() => raw.queue.write(held, 8, Uint8Array.of(1), 1)).toThrow(RangeError);
  });

  it('hang on what asked for them, also when others are before them', () => {
    const raw = new RawQueue(4).start();
    const held = chain(raw);
    const { trace } = raw.bus;
    const rows = [1, 2].map((tag) => {
      trace.cause = 0;
      const row = raw.world.note(0, Kind.DeviceWork, tag, 0);
      raw.queue.read(held, 0, 1, tag);
      return row;
    });
    raw.world.drain();
    const read = raw.world.ofKind(Kind.DmaRead).slice(-2);
    expect(read.map(({ cause }) => cause)).toEqual(rows);
  });
});

describe('notifications', () => {
  it('a used buffer that the driver hears of hangs on the read of its wish, and that on the row of what was used', () => {
    const raw = new RawQueue(4).start();
    raw.split(0, { address: 0x9000, length: 4 });
    raw.available([0]);
    let cause = 0;
    raw.notifyDriver = () => (cause = raw.bus.trace.cause);
    use(raw, raw.fetch());
    const kinds = raw.world.chain({ ...raw.world.notes[cause - 1] }).map(({ kind }) => kind);
    expect(raw.world.notes[cause - 1].kind).toBe(Kind.DmaRead);
    expect(kinds.slice(0, 3)).toEqual([Kind.VirtqUsed, Kind.DmaWrite, Kind.DmaWrite]);
    expect(raw.world.ofKind(Kind.VirtqSuppressed)).toEqual([]);
  });

  it('of used buffers are left out when the driver says so: NO_INTERRUPT', () => {
    const raw = new RawQueue(4).start();
    raw.split(0, { address: 0x9000, length: 4 });
    raw.available([0, 0]);
    raw.view.setUint16(driver, 1, true);
    use(raw, raw.fetch());
    expect(raw.notifications).toBe(0);
    expect(raw.world.ofKind(Kind.VirtqSuppressed)).toMatchObject([{ a: RAW_QUEUE }]);
    raw.view.setUint16(driver, 0, true);
    use(raw, raw.fetch());
    expect(raw.notifications).toBe(1);
  });

  it.each([
    [0, 1, true],
    [1, 1, false],
    [2, 3, true],
    [3, 3, false],
    [0xffff, 3, false],
  ])('with used_event %i a batch of %i from index 0 notifies: %s', (event, count, wanted) => {
    const raw = new RawQueue(4, [Feature.EVENT_IDX]).start();
    raw.split(0, { address: 0x9000, length: 4 });
    raw.available([0, 0, 0]);
    raw.view.setUint16(driver + 4 + 8, event, true);
    // NO_INTERRUPT means nothing then (2.7.7.2).
    raw.view.setUint16(driver, 1, true);
    for (let i = 0; i < count; i++) raw.queue.push(raw.fetch()!, 0);
    raw.queue.flush();
    raw.world.drain();
    expect(raw.notifications).toBe(wanted ? 1 : 0);
  });

  it.each([
    ['ENABLE', 0, 0, true],
    ['DISABLE', 0, 1, false],
    ['a reserved value', 0, 3, true],
    ['DESC of the first descriptor', 0x8000, 2, true],
    ['DESC of the last one used', 0x8001, 2, true],
    ['DESC of the next one', 0x8002, 2, false],
    ['DESC of the first descriptor of the next lap', 0, 2, false],
    ['DESC outside the ring', 0x8004, 2, true],
  ])('packed: %s', (_name, event, flags, wanted) => {
    const raw = new RawQueue(4, [Feature.RING_PACKED, Feature.EVENT_IDX]).start();
    raw.packed(0, { address: 0x9000, length: 4, flags: NEXT | AVAIL });
    raw.packed(1, { address: 0x9000, length: 4, flags: AVAIL });
    raw.view.setUint16(driver, event, true);
    raw.view.setUint16(driver + 2, flags, true);
    use(raw, raw.fetch());
    expect(raw.notifications).toBe(wanted ? 1 : 0);
  });

  it('of available buffers are not wanted while the device is at work: NO_NOTIFY', () => {
    const raw = new RawQueue(4).start();
    raw.fetch();
    expect(raw.bytes(device, 2)).toEqual([0, 0]);
    raw.split(0, { address: 0x9000, length: 4 });
    raw.available([0]);
    raw.fetch();
    expect(raw.bytes(device, 2)).toEqual([1, 0]);
    expect(raw.fetch()).toBeUndefined();
    expect(raw.bytes(device, 2)).toEqual([0, 0]);
  });

  it('avail_event names the next index once there is nothing more, and the flags stay 0', () => {
    const raw = new RawQueue(4, [Feature.EVENT_IDX]).start();
    const availEvent = device + 4 + 8 * 4;
    raw.split(0, { address: 0x9000, length: 4 });
    raw.available([0, 0]);
    raw.fetch();
    raw.fetch();
    expect(raw.bytes(availEvent, 2)).toEqual([0, 0]);
    raw.fetch();
    expect(raw.bytes(availEvent, 2)).toEqual([2, 0]);
    expect(raw.bytes(device, 2)).toEqual([0, 0]);
  });

  it('what comes between the look and the enabling is found by the second look', () => {
    const raw = new RawQueue(4).start();
    raw.split(0, { address: 0x9000, length: 4 });
    raw.bus.dma.latency = 10;
    raw.queue.fetch();
    raw.world.advanceTo(15);
    expect(raw.begun.length).toBeGreaterThan(1);
    raw.available([0]);
    raw.world.drain();
    expect(raw.answers).toMatchObject([{ id: 0 }]);
  });

  it('an idle queue is looked at by one transaction', () => {
    const raw = new RawQueue(4, [Feature.EVENT_IDX]).start();
    raw.fetch();
    const before = raw.begun.length;
    raw.fetch();
    expect(raw.begun.length).toBe(before + 1);
    expect(raw.answers).toEqual([undefined, undefined]);
  });
});

describe('what is counted', () => {
  /** The driver adds buffers and the device uses them, each at its own pace; both counters are the driver's. */
  function traffic(negotiated: Negotiated, perPublish: number): { kicks: number; notifications: number } {
    const bench = new QueueBench(negotiated, 4).start();
    bench.wait(1000);
    bench.bus.dma.latency = 5;
    for (let i = 0; i < 64; i += perPublish) {
      for (let k = 0; k < perPublish; k++) expect(bench.add({ readable: [12], writable: [] })).toBeDefined();
      bench.publish();
      bench.check();
      bench.wait(20);
      // The driver takes what there is when it comes to it, and now and then hears of it.
      while (bench.state.hand.some(({ stage }) => stage === 'waiting')) {
        bench.complete(0);
        bench.wait(40);
        bench.flush();
        bench.wait(40);
      }
      bench.settle();
    }
    bench.expectAtRest();
    return bench.state;
  }

  const ways = [{}, { eventIdx: true }, { packed: true }, { packed: true, eventIdx: true }];
  it.each(ways)('N buffers that are published at once are one notification: %o', (way) => {
    expect(traffic({ size: 32, ...way }, 16).kicks).toBe(64 / 16);
    expect(traffic({ size: 32, ...way }, 1).kicks).toBe(64);
  });

  it.each([{}, { packed: true }])(
    'with EVENT_IDX the driver hears less of what it does not wait for: %o',
    (way) => {
      // A driver that never suppresses: it asks anew only when it has taken everything.
      const heard = (eventIdx: boolean): number => {
        const bench = new QueueBench({ size: 32, eventIdx, ...way }, 32).start();
        for (let i = 0; i < 16; i++) bench.add({ readable: [12], writable: [] });
        bench.publish();
        bench.check();
        bench.world.drain();
        for (let i = 0; i < 16; i++) {
          bench.complete(0);
          bench.world.drain();
          bench.flush();
          bench.world.drain();
        }
        const { notifications } = bench.state;
        bench.settle();
        bench.expectAtRest();
        return notifications;
      };
      expect(heard(false)).toBe(16);
      expect(heard(true)).toBe(1);
    },
  );
});

describe('a reset', () => {
  it('forgets what was in flight, and begins at the begin of the rings', () => {
    const raw = new RawQueue(4).start();
    raw.split(2, { address: 0x9000, length: 4 });
    raw.available([2]);
    raw.bus.dma.latency = 10;
    raw.queue.fetch();
    raw.queue.reset();
    expect(raw.queue.running).toBe(false);
    raw.world.drain();
    expect(raw.answers).toEqual([]);
    raw.start();
    // The end of a transaction of before is not taken for one of now.
    raw.queue.fetch();
    raw.queue.reset();
    raw.start();
    raw.queue.fetch();
    raw.world.drain();
    expect(raw.answers).toMatchObject([{ id: 2 }]);
  });

  it('a chain of before does nothing', () => {
    const raw = new RawQueue(4).start();
    raw.split(2, { address: 0x9000, length: 4 });
    raw.available([2]);
    const chain = raw.fetch()!;
    raw.queue.reset();
    raw.start();
    raw.queue.push(chain, 0);
    raw.queue.flush();
    raw.queue.unfetch(1);
    raw.world.drain();
    expect(raw.bytes(device, 4)).toEqual([1, 0, 0, 0]);
    expect(raw.fetch()).toMatchObject({ id: 2 });
  });

  it('a state of another version is refused', () => {
    const raw = new RawQueue(4).start();
    const { hardware } = raw.queue.save();
    expect(() => raw.queue.adopt({ ...hardware, version: 99 })).toThrow('version 99');
  });
});

describe('a state that was saved', () => {
  it('does not change when the queue goes on', () => {
    const raw = new RawQueue(8).start();
    for (let i = 0; i < 8; i++) {
      const flags = (i < 7 ? NEXT : 0) | (i > 3 ? WRITE : 0);
      raw.split(i, { address: 0x9000 + 16 * i, length: 16, flags, link: i + 1 });
    }
    raw.bus.memory.fill(7, 0x9000, 0xa000);
    raw.available([0, 0, 0]);
    raw.answered = (chain) => {
      if (!chain) return;
      raw.queue.read(chain, 0, 64, 1);
      raw.queue.write(chain, 0, new Uint8Array(64), 2);
      raw.queue.push(chain, 64);
      raw.queue.flush();
      raw.queue.fetch();
    };
    raw.bus.dma.latency = 10;
    raw.queue.fetch();
    const saved: { state: unknown; copy: unknown }[] = [];
    for (let time = 5; time < 500; time += 5) {
      const state = raw.queue.save();
      saved.push({ state, copy: structuredClone(state) });
      raw.world.advanceTo(time);
    }
    expect(raw.answers.length).toBe(4);
    for (const { state, copy } of saved) expect(state).toEqual(copy);
  });
});

describe('buffers given back', () => {
  it.each([[[]], [[Feature.RING_PACKED]]])('come again, the first of them first', (features) => {
    const raw = new RawQueue(4, features).start();
    for (let i = 0; i < 4; i++) {
      if (features.length > 0) raw.packed(i, { address: 0x9000, length: 4, flags: AVAIL, link: i });
      else raw.split(i, { address: 0x9000, length: 4 });
    }
    if (features.length === 0) raw.available([0, 1, 2, 3]);
    const ids = (count: number) => Array.from({ length: count }, () => raw.fetch()?.id);
    expect(ids(3)).toEqual([0, 1, 2]);
    raw.queue.unfetch(2);
    expect(ids(3)).toEqual([1, 2, 3]);
    // In the midst of a search.
    raw.queue.fetch();
    raw.queue.unfetch(1);
    raw.world.drain();
    expect(raw.answers.at(-1)).toMatchObject({ id: 3 });
    // What has been used cannot be given back, nor what is before it.
    raw.queue.push(raw.answers.at(-1)!, 0);
    raw.queue.unfetch(2);
    expect(raw.fetch()).toBeUndefined();
  });
});
