/** What a driver may not do: each is named, the queue stands still, and goes on after a reset. */
import { describe, expect, it } from 'vitest';
import { Feature } from '../../../../../src/machine/devices/virtio/features';
import { QueueFault } from '../../../../../src/machine/devices/virtio/queue/faults';
import {
  AVAIL,
  INDIRECT,
  NEXT,
  RAW_LAYOUT,
  RawQueue,
  USED,
  WRITE,
} from '../../../../support/virtio/raw-queue';

const SIZE = 8;
const TABLE = 0x8000;
const BUFFER = 0x9000;
const one = { address: BUFFER, length: 16 };
/** The highest address below 2^53 and the first one beyond. */
const TOP = (1n << 53n) - 1n;

type Case = [what: string, fault: number, write: (raw: RawQueue) => void, features?: number[]];

function breaks([, fault, write, features = []]: Case): void {
  const raw = new RawQueue(SIZE, features).start();
  write(raw);
  expect(raw.fetch()).toBeUndefined();
  expect(raw.faults).toEqual([fault]);
  expect(raw.answers).toEqual([]);
  expect(raw.queue.running).toBe(false);

  const begun = raw.begun.length;
  raw.queue.kicked(undefined);
  raw.queue.fetch();
  raw.queue.flush();
  raw.queue.unfetch(1);
  raw.world.drain();
  expect(raw.begun.length).toBe(begun);
  expect(raw.faults).toEqual([fault]);

  raw.bus.memory.fill(0);
  raw.queue.reset();
  raw.start();
  expect(raw.queue.running).toBe(true);
  expect(raw.fetch()).toBeUndefined();
  expect(raw.answers).toEqual([undefined]);
}

const head0 = (raw: RawQueue): void => raw.available([0]);

const splitCases: Case[] = [
  [
    'an index further ahead than the queue is large',
    QueueFault.AVAILABLE_INDEX,
    (raw) => raw.available([], SIZE + 1),
  ],
  ['a head outside the table', QueueFault.HEAD, (raw) => raw.available([SIZE])],
  [
    'next outside the table',
    QueueFault.NEXT,
    (raw) => {
      raw.split(0, { ...one, flags: NEXT, link: SIZE });
      head0(raw);
    },
  ],
  [
    'a descriptor that is its own next',
    QueueFault.CHAIN_LENGTH,
    (raw) => {
      raw.split(0, { ...one, flags: NEXT, link: 0 });
      head0(raw);
    },
  ],
  [
    'a loop through the whole table',
    QueueFault.CHAIN_LENGTH,
    (raw) => {
      for (let i = 0; i < SIZE; i++) raw.split(i, { ...one, flags: NEXT, link: (i + 5) % SIZE });
      head0(raw);
    },
  ],
  [
    'more than 4 GiB',
    QueueFault.CHAIN_BYTES,
    (raw) => {
      raw.split(0, { ...one, length: 0xffffffff, flags: NEXT, link: 1 });
      raw.split(1, { ...one, length: 2 });
      head0(raw);
    },
  ],
  [
    'a readable descriptor behind a writable one',
    QueueFault.ELEMENT_ORDER,
    (raw) => {
      raw.split(0, { ...one, flags: WRITE | NEXT, link: 1 });
      raw.split(1, one);
      head0(raw);
    },
  ],
  [
    'a buffer whose last byte is beyond 2^53',
    QueueFault.ADDRESS,
    (raw) => {
      raw.split(0, { address: TOP, length: 2 });
      head0(raw);
    },
  ],
  [
    'an address of 64 bits',
    QueueFault.ADDRESS,
    (raw) => {
      raw.split(0, { address: 0xffffffff_ffffffffn, length: 1 });
      head0(raw);
    },
  ],
  [
    'an indirect table that was not negotiated',
    QueueFault.INDIRECT_NOT_NEGOTIATED,
    (raw) => {
      raw.split(0, { address: TABLE, length: 16, flags: INDIRECT });
      raw.split(0, one, TABLE);
      head0(raw);
    },
  ],
];

const table = (flags: number, length: number, address: number | bigint = TABLE) => ({
  address,
  length,
  flags,
});

const splitIndirectCases: Case[] = [
  [
    'a table in a table',
    QueueFault.INDIRECT_NESTED,
    (raw) => {
      raw.split(0, table(INDIRECT, 16));
      raw.split(0, table(INDIRECT, 16), TABLE);
      head0(raw);
    },
  ],
  [
    'a table that goes on with NEXT',
    QueueFault.INDIRECT_LINKED,
    (raw) => {
      raw.split(0, { ...table(INDIRECT | NEXT, 16), link: 1 });
      head0(raw);
    },
  ],
  ...[0, 8, 24].map((length): Case => [
    `a table of ${length} bytes`,
    QueueFault.INDIRECT_LENGTH,
    (raw) => {
      raw.split(0, table(INDIRECT, length));
      head0(raw);
    },
  ]),
  [
    'a table beyond 2^53',
    QueueFault.ADDRESS,
    (raw) => {
      raw.split(0, table(INDIRECT, 32, TOP - 15n));
      head0(raw);
    },
  ],
  [
    'next outside an indirect table',
    QueueFault.NEXT,
    (raw) => {
      raw.split(0, table(INDIRECT, 32));
      raw.split(0, { ...one, flags: NEXT, link: 2 }, TABLE);
      head0(raw);
    },
  ],
  [
    'a table with more descriptors than the queue has',
    QueueFault.CHAIN_LENGTH,
    (raw) => {
      raw.split(0, table(INDIRECT, 16 * (SIZE + 1)));
      for (let i = 0; i < SIZE; i++) raw.split(i, { ...one, flags: NEXT, link: i + 1 }, TABLE);
      raw.split(SIZE, one, TABLE);
      head0(raw);
    },
  ],
  [
    'a table where there is no memory',
    QueueFault.RING_ACCESS,
    (raw) => {
      raw.split(0, table(INDIRECT, 16, 1n << 40n));
      head0(raw);
    },
  ],
];

describe('a split queue', () => {
  it.each(splitCases)('%s', (...each) => breaks(each));
  it.each(splitIndirectCases)('%s', (what, fault, write) =>
    breaks([what, fault, write, [Feature.INDIRECT_DESC]]),
  );

  it('an index that goes back', () => {
    const raw = new RawQueue(SIZE).start();
    raw.split(0, one);
    raw.available([0, 0, 0]);
    for (let i = 0; i < 3; i++) expect(raw.fetch()).toBeDefined();
    raw.available([0, 0]);
    raw.fetch();
    expect(raw.faults).toEqual([QueueFault.AVAILABLE_INDEX]);
  });

  it('what has not been used counts: an index may not be further ahead than that', () => {
    const raw = new RawQueue(SIZE).start();
    raw.split(0, one);
    raw.available(Array<number>(SIZE).fill(0));
    const chains = Array.from({ length: SIZE }, () => raw.fetch());
    raw.queue.push(chains[0]!, 0);
    raw.queue.flush();
    raw.world.drain();
    raw.available([0], SIZE + 1);
    expect(raw.fetch()).toBeDefined();
    expect(raw.faults).toEqual([]);
    raw.available([0, 0], SIZE + 2);
    raw.fetch();
    expect(raw.faults).toEqual([QueueFault.AVAILABLE_INDEX]);
  });

  it.each([0, 3, 12, 0x10000])('no size of %i', (size) => {
    const raw = new RawQueue(size).start();
    expect(raw.faults).toEqual([QueueFault.SIZE]);
    expect(raw.queue.running).toBe(false);
  });

  it('no size beyond the one that the device offers', () => {
    expect(new RawQueue(256, [], {}, 128).start().faults).toEqual([QueueFault.SIZE]);
    expect(new RawQueue(128, [], {}, 128).start().faults).toEqual([]);
  });

  it.each([
    { descriptors: 0x1008 },
    { driver: 0x2001 },
    { device: 0x3002 },
    { descriptors: 2 ** 53 - 16 },
    { driver: 2 ** 53 - 2 },
    { device: 2 ** 53 - 4 },
  ])('no part at %o', (part) => {
    expect(new RawQueue(2, [], part).start().faults).toEqual([QueueFault.LAYOUT]);
  });
});

const packedCases: Case[] = [
  [
    'a list that the ring has no end of',
    QueueFault.PARTIAL_LIST,
    (raw) => {
      // All are available in the first lap; the one that would follow the last is not in the second.
      for (let i = 0; i < SIZE; i++) raw.packed(i, { ...one, flags: NEXT | AVAIL });
    },
  ],
  [
    'a list of which only the first descriptor is available',
    QueueFault.PARTIAL_LIST,
    (raw) => raw.packed(0, { ...one, flags: NEXT | AVAIL }),
  ],
  [
    'a readable descriptor behind a writable one',
    QueueFault.ELEMENT_ORDER,
    (raw) => {
      raw.packed(0, { ...one, flags: NEXT | WRITE | AVAIL });
      raw.packed(1, { ...one, flags: AVAIL });
    },
  ],
  [
    'an address of 64 bits',
    QueueFault.ADDRESS,
    (raw) => raw.packed(0, { address: 1n << 63n, flags: AVAIL, length: 1 }),
  ],
  [
    'an indirect table that was not negotiated',
    QueueFault.INDIRECT_NOT_NEGOTIATED,
    (raw) => raw.packed(0, table(INDIRECT | AVAIL, 16)),
  ],
];

const packedIndirectCases: Case[] = [
  [
    'a table that goes on with NEXT',
    QueueFault.INDIRECT_LINKED,
    (raw) => raw.packed(0, table(INDIRECT | NEXT | AVAIL, 16)),
  ],
  [
    'a table in a list',
    QueueFault.INDIRECT_LINKED,
    (raw) => {
      raw.packed(0, { ...one, flags: NEXT | AVAIL });
      raw.packed(1, table(INDIRECT | AVAIL, 16));
    },
  ],
  ['a table of 20 bytes', QueueFault.INDIRECT_LENGTH, (raw) => raw.packed(0, table(INDIRECT | AVAIL, 20))],
  [
    'a table with more descriptors than the queue has',
    QueueFault.CHAIN_LENGTH,
    (raw) => raw.packed(0, table(INDIRECT | AVAIL, 16 * (SIZE + 1))),
  ],
];

describe('a packed queue', () => {
  it.each(packedCases)('%s', (what, fault, write) => breaks([what, fault, write, [Feature.RING_PACKED]]));
  it.each(packedIndirectCases)('%s', (what, fault, write) =>
    breaks([what, fault, write, [Feature.RING_PACKED, Feature.INDIRECT_DESC]]),
  );

  it('descriptors in the place of some that the device still has', () => {
    const raw = new RawQueue(2, [Feature.RING_PACKED]).start();
    raw.packed(0, { ...one, flags: AVAIL });
    raw.packed(1, { ...one, flags: AVAIL });
    expect([raw.fetch(), raw.fetch()]).not.toContain(undefined);
    raw.packed(0, { ...one, flags: USED });
    raw.fetch();
    expect(raw.faults).toEqual([QueueFault.RING_OVERRUN]);
  });

  it('sizes that are no power of 2 are good, up to 2^15', () => {
    for (const size of [1, 3, 100, 0x8000])
      expect(new RawQueue(size, [Feature.RING_PACKED]).start().faults).toEqual([]);
    for (const size of [0, 0x8001])
      expect(new RawQueue(size, [Feature.RING_PACKED]).start().faults).toEqual([QueueFault.SIZE]);
  });

  it('the event suppression structures are aligned to 4 bytes', () => {
    for (const part of [{ driver: 0x2002 }, { device: 0x3002 }])
      expect(new RawQueue(4, [Feature.RING_PACKED], part).start().faults).toEqual([QueueFault.LAYOUT]);
  });
});

describe('a transaction that is not done', () => {
  it.each([
    ['the available index', RAW_LAYOUT.driver + 2, false],
    ['the available ring', RAW_LAYOUT.driver + 4, false],
    ['a descriptor', RAW_LAYOUT.descriptors, false],
    ['the used ring', RAW_LAYOUT.device + 4, true],
    ['the used index', RAW_LAYOUT.device + 2, true],
    ['the flags of the used ring', RAW_LAYOUT.device, true],
    ['the flags of the available ring', RAW_LAYOUT.driver, false],
  ])('of %s', (_name, refused, isWrite) => {
    const raw = new RawQueue(SIZE).start();
    raw.bus.dma.refuse = (address, _length, write) =>
      address === refused && write === isWrite ? 'blocked' : undefined;
    raw.split(0, one);
    raw.available([0]);
    const chain = raw.fetch();
    raw.fetch();
    if (chain) raw.queue.push(chain, 0);
    raw.queue.flush();
    raw.world.drain();
    expect(raw.faults).toEqual([QueueFault.RING_ACCESS]);
    expect(raw.queue.running).toBe(false);
    expect(raw.notifications).toBe(0);
  });

  it.each(['read', 'write'] as const)('of a buffer: %s', (how) => {
    const raw = new RawQueue(SIZE).start();
    const outside = { address: raw.bus.memory.length - 4, length: 8 };
    raw.split(0, { ...outside, flags: how === 'write' ? WRITE : 0 });
    raw.available([0]);
    const chain = raw.fetch()!;
    if (how === 'read') raw.queue.read(chain, 0, 8, 1);
    else raw.queue.write(chain, 0, new Uint8Array(8), 1);
    raw.queue.push(chain, 0);
    raw.queue.flush();
    raw.world.drain();
    expect(raw.faults).toEqual([QueueFault.BUFFER_ACCESS]);
    expect(raw.transfers).toEqual([]);
    // The queue stood still before the used index was written.
    expect(raw.bytes(RAW_LAYOUT.device + 2, 2)).toEqual([0, 0]);
  });
});
