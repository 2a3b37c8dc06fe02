/** I/O commands, by the NVM Express Base Specification 1.4: data by PRPs, status codes, times, order, trace. */
import { describe, expect, it } from 'vitest';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { CYCLES_PER_NANOSECOND } from '../../fake-bus';
import { blocks, Driver, PAGE, type Request } from './driver';

const SQ = 0x3000;
const CQ = 0x4000;
/** Memory for data and lists. */
const DATA = 0x40000;
const BACK = 0xa0000;
const LIST = 0x10000;

const Op = { flush: 0, write: 1, read: 2, compare: 5, zeroes: 8, dsm: 9 } as const;
const Sc = {
  opcode: 0x001,
  field: 0x002,
  conflict: 0x003,
  transfer: 0x004,
  namespace: 0x00b,
  prpOffset: 0x013,
  range: 0x080,
  compare: 0x285,
} as const;

function machine(options: ConstructorParameters<typeof Driver>[0] = {}): Driver {
  const driver = new Driver(options).enable();
  driver.createPair(1, SQ, CQ, 8);
  return driver;
}

/** Bytes that tell where they are from. */
const pattern = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) & 0xff);
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Pages in no order, so that a list is followed and not guessed. */
const scattered = (base: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => base + PAGE * ((i * 11) % count));

/** Puts a list into memory at the addresses that it takes: each page's last entry leads to the next, where one is not enough. */
function putList(driver: Driver, places: readonly number[], pages: readonly number[]): void {
  const view = driver.view();
  let left = [...pages];
  places.forEach((place, i) => {
    const room = (PAGE - (place % PAGE)) / 8;
    const chained = left.length > room;
    const here = chained ? [...left.slice(0, room - 1), places[i + 1]] : left;
    here.forEach((address, n) => view.setBigUint64(place + 8 * n, BigInt(address), true));
    left = left.slice(chained ? room - 1 : room);
  });
}

const scatter = (driver: Driver, bytes: Uint8Array, pages: readonly number[]): void =>
  pages.forEach((page, i) => driver.bus.memory.set(bytes.subarray(i * PAGE, (i + 1) * PAGE), page));
const gather = (driver: Driver, pages: readonly number[]): Uint8Array =>
  Buffer.concat(pages.map((page) => driver.bus.memory.slice(page, page + PAGE)));

describe('data', () => {
  it('of less than a page are where the first pointer says', () => {
    const driver = machine();
    const bytes = pattern(512, 3);
    driver.bus.memory.set(bytes, DATA + 0x204);
    expect(driver.run(1, blocks(Op.write, 7, 1, DATA + 0x204)).status).toBe(0);
    expect(driver.run(1, blocks(Op.read, 7, 1, BACK + 8)).status).toBe(0);
    expect(same(driver.bus.memory.slice(BACK + 8, BACK + 8 + 512), bytes)).toBe(true);
    expect(driver.bus.memory.slice(BACK + 8 + 512, BACK + 1024).every((byte) => byte === 0)).toBe(true);
  });

  it('of up to two pages are where both pointers say', () => {
    const driver = machine();
    const bytes = pattern(PAGE, 9);
    driver.bus.memory.set(bytes.subarray(0, 0x400), DATA + 0xc00);
    driver.bus.memory.set(bytes.subarray(0x400), DATA + 0x5000);
    expect(driver.run(1, blocks(Op.write, 0, 8, DATA + 0xc00, DATA + 0x5000)).status).toBe(0);
    expect(driver.run(1, blocks(Op.read, 0, 8, BACK)).status).toBe(0);
    expect(same(driver.bus.memory.slice(BACK, BACK + PAGE), bytes)).toBe(true);
  });

  it.each([
    ['in one page', [LIST]],
    ['from the midst of a page', [LIST + 0x800]],
    ['with a second page behind two entries', [LIST + PAGE - 16, LIST + 3 * PAGE]],
    ['with a second page behind nothing', [LIST + PAGE - 8, LIST + 3 * PAGE]],
  ])('of more pages are where a list says, %s', (_where, places) => {
    const driver = machine({ size: 2 ** 21 });
    const bytes = pattern(20 * PAGE, 1);
    const pages = scattered(DATA, 21);
    // Counting from the first pointer: the list has the others.
    scatter(driver, bytes, pages.slice(0, 20));
    putList(driver, places, pages.slice(1, 20));
    expect(driver.run(1, blocks(Op.write, 8, 160, pages[0], places[0])).status).toBe(0);
    const back = scattered(BACK, 20);
    putList(driver, places, back.slice(1));
    expect(driver.run(1, blocks(Op.read, 8, 160, back[0], places[0])).status).toBe(0);
    expect(same(gather(driver, back), bytes)).toBe(true);
  });

  it('move page by page, in order', () => {
    const driver = machine();
    const pages = scattered(DATA, 4);
    putList(driver, [LIST], pages.slice(1));
    driver.bus.dma.writes.length = 0;
    driver.run(1, blocks(Op.read, 0, 32, pages[0], LIST));
    const ofData = driver.bus.dma.writes.filter(({ address }) => address >= DATA);
    expect(ofData).toEqual(pages.map((address) => ({ address, length: PAGE })));
  });

  it('come from the image at first, and the image stays', () => {
    const image = pattern(3000, 5);
    const driver = machine({ image });
    driver.run(1, blocks(Op.read, 4, 4, BACK));
    const expected = new Uint8Array(2048);
    expected.set(image.subarray(2048));
    expect(same(driver.bus.memory.slice(BACK, BACK + 2048), expected)).toBe(true);
    driver.run(1, blocks(Op.write, 0, 8, DATA));
    expect(same(image, pattern(3000, 5))).toBe(true);
  });

  it('are blocks of 4096 bytes where the namespace has such', () => {
    const driver = machine({ blockSize: 4096 });
    driver.bus.memory.set(pattern(PAGE, 2), DATA);
    expect(driver.run(1, blocks(Op.write, 255, 1, DATA)).status).toBe(0);
    expect(driver.run(1, blocks(Op.read, 255, 1, BACK)).status).toBe(0);
    expect(same(driver.bus.memory.slice(BACK, BACK + PAGE), pattern(PAGE, 2))).toBe(true);
    expect(driver.run(1, blocks(Op.read, 256, 1, BACK)).status).toBe(Sc.range);
  });
});

describe('the commands', () => {
  it('compare', () => {
    const driver = machine();
    driver.bus.memory.set(pattern(1024, 4), DATA);
    driver.run(1, blocks(Op.write, 0, 2, DATA));
    expect(driver.run(1, blocks(Op.compare, 0, 2, DATA)).status).toBe(0);
    driver.bus.memory[DATA + 1023] ^= 1;
    expect(driver.run(1, blocks(Op.compare, 0, 2, DATA)).status).toBe(Sc.compare);
  });

  it('write zeroes', () => {
    const driver = machine();
    driver.bus.memory.fill(0xff, DATA, DATA + 2048);
    driver.run(1, blocks(Op.write, 0, 4, DATA));
    expect(driver.run(1, blocks(Op.zeroes, 1, 2, 0)).status).toBe(0);
    driver.run(1, blocks(Op.read, 0, 4, BACK));
    const expected = new Uint8Array(2048).fill(0xff).fill(0, 512, 1536);
    expect(same(driver.bus.memory.slice(BACK, BACK + 2048), expected)).toBe(true);
  });

  it('deallocate ranges, all of them or none', () => {
    const driver = machine();
    const ranges = (...all: [first: number, count: number][]): Request => {
      all.forEach(([first, count], i) => {
        driver.view().setUint32(LIST + 16 * i + 4, count, true);
        driver.view().setBigUint64(LIST + 16 * i + 8, BigInt(first), true);
      });
      return { opcode: Op.dsm, nsid: 1, prp1: LIST, words: [all.length - 1, 4] };
    };
    driver.bus.memory.fill(0xff, DATA, DATA + 4096);
    driver.run(1, blocks(Op.write, 0, 8, DATA));
    expect(driver.run(1, ranges([0, 1], [2047, 2])).status).toBe(Sc.range);
    // In no order, one twice, one within another, one of nothing.
    expect(driver.run(1, ranges([4, 1], [3, 2], [0, 1], [3, 1], [6, 0], [0, 1])).status).toBe(0);
    driver.run(1, blocks(Op.read, 0, 8, BACK));
    const expected = new Uint8Array(4096).fill(0xff).fill(0, 0, 512).fill(0, 1536, 2560);
    expect(same(driver.bus.memory.slice(BACK, BACK + 4096), expected)).toBe(true);
  });

  it('flush one namespace, or all of them', () => {
    const driver = machine();
    expect(driver.run(1, { opcode: Op.flush, nsid: 1 }).status).toBe(0);
    expect(driver.run(1, { opcode: Op.flush, nsid: 0xffffffff }).status).toBe(0);
    expect(driver.run(1, { opcode: Op.flush, nsid: 2 }).status).toBe(Sc.namespace);
  });
});

describe('a refused command', () => {
  const last = 2 ** 20 / 512;
  it.each<[what: string, request: Request, status: number]>([
    ['an opcode that is not there', { opcode: 0x7f, nsid: 1 }, Sc.opcode],
    ['a namespace that is not there', { ...blocks(Op.read, 0, 1, DATA), nsid: 2 }, Sc.namespace],
    ['no namespace', { ...blocks(Op.write, 0, 1, DATA), nsid: 0 }, Sc.namespace],
    ['every namespace, for a read', { ...blocks(Op.read, 0, 1, DATA), nsid: 0xffffffff }, Sc.namespace],
    ['a block behind the last', blocks(Op.read, last, 1, DATA), Sc.range],
    ['blocks beyond the last', blocks(Op.write, last - 1, 2, DATA), Sc.range],
    ['a block far beyond', { ...blocks(Op.read, 0, 1, DATA), words: [0xffffffff, 0xffffffff, 0] }, Sc.range],
    ['zeroes beyond the last', blocks(Op.zeroes, last, 1, 0), Sc.range],
    ['more than MDTS', blocks(Op.read, 0, 1025, DATA, LIST), Sc.field],
    ['a fused operation', { ...blocks(Op.read, 0, 1, DATA), flags: 1 }, Sc.field],
    ['an SGL', { ...blocks(Op.read, 0, 1, DATA), flags: 0x40 }, Sc.field],
    ['a first pointer between words', blocks(Op.read, 0, 1, DATA + 2), Sc.prpOffset],
    ['a second pointer within a page', blocks(Op.read, 0, 16, DATA, DATA + PAGE + 4), Sc.prpOffset],
    ['a list between entries', blocks(Op.read, 0, 32, DATA, LIST + 4), Sc.prpOffset],
    ['memory that is not there', blocks(Op.read, 0, 1, 0x7f000000), Sc.transfer],
    ['memory that is not there, for a write', blocks(Op.write, 0, 1, 0x7f000000), Sc.transfer],
    ['a list that is not there', blocks(Op.read, 0, 32, DATA, 0x7f000000), Sc.transfer],
  ])('with %s', (_what, request, status) => {
    const driver = machine({ size: 2 ** 20 });
    const seen = driver.run(1, request);
    expect(seen.status).toBe(status);
    expect(seen.more).toBe(true);
    // What a later try may do better (4.6.1, DNR).
    expect(seen.doNotRetry).toBe(status !== Sc.transfer);
    // It hurts nobody else.
    expect(driver.run(1, blocks(Op.read, 0, 1, DATA)).status).toBe(0);
  });

  it('with a list whose entries are within pages', () => {
    const driver = machine();
    putList(driver, [LIST], [DATA + PAGE, DATA + 2 * PAGE + 512, DATA + 3 * PAGE]);
    expect(driver.run(1, blocks(Op.read, 0, 32, DATA, LIST)).status).toBe(Sc.prpOffset);
  });

  it('with a list that leads to the midst of a page', () => {
    const driver = machine();
    putList(driver, [LIST + PAGE - 8, LIST + 2 * PAGE + 8], [DATA + PAGE, DATA + 2 * PAGE, DATA + 3 * PAGE]);
    expect(driver.run(1, blocks(Op.read, 0, 32, DATA, LIST + PAGE - 8)).status).toBe(Sc.prpOffset);
  });

  it('whose identifier is in use', () => {
    const driver = machine();
    driver.put(1, { ...blocks(Op.read, 0, 1, DATA), id: 77 });
    driver.put(1, { ...blocks(Op.read, 0, 1, DATA), id: 77 });
    driver.ring(1);
    driver.world.drain();
    expect(driver.reap(1).map(({ status }) => status)).toEqual([Sc.conflict, 0]);
  });

  it('of a write whose data cannot be read writes nothing', () => {
    const driver = machine();
    driver.bus.memory.fill(0x77, DATA, DATA + PAGE);
    expect(driver.run(1, blocks(Op.write, 0, 16, DATA, 0x7f000000)).status).toBe(Sc.transfer);
    driver.run(1, blocks(Op.read, 0, 8, BACK));
    expect(driver.bus.memory.slice(BACK, BACK + PAGE).every((byte) => byte === 0)).toBe(true);
  });
});

describe('time', () => {
  const timing = {
    readNanoseconds: 1000,
    writeNanoseconds: 2000,
    flushNanoseconds: 4000,
    controllerNanoseconds: 100,
  };
  const took = (driver: Driver, request: Request): number => {
    const before = driver.world.time;
    driver.run(1, request);
    return (driver.world.time - before) / CYCLES_PER_NANOSECOND;
  };

  it('is that of the medium, while DMA takes none', () => {
    const driver = machine({ timing });
    const fua = 1 << 30;
    const through = { ...blocks(Op.write, 0, 1, DATA), words: [0, 0, fua] };
    expect(took(driver, blocks(Op.read, 0, 1, DATA))).toBe(1000);
    expect(took(driver, blocks(Op.write, 0, 1, DATA))).toBe(2000);
    expect(took(driver, { opcode: Op.flush, nsid: 1 })).toBe(4000);
    expect(took(driver, through)).toBe(6000);
    // Without the cache there is nothing to flush, and no other way.
    driver.run(0, { opcode: 0x09, words: [6, 0] });
    expect(took(driver, { opcode: Op.flush, nsid: 1 })).toBe(100);
    expect(took(driver, through)).toBe(2000);
  });

  it('of several commands passes at once, and the shorter ends first', () => {
    const driver = machine({ timing });
    const write = driver.put(1, blocks(Op.write, 0, 1, DATA));
    const reads = [0, 1, 2].map((i) => driver.put(1, blocks(Op.read, 8, 1, BACK + i * 512)));
    driver.ring(1);
    const begun = driver.world.time;
    driver.world.drain();
    expect((driver.world.time - begun) / CYCLES_PER_NANOSECOND).toBe(2000);
    expect(driver.reap(1).map(({ id }) => id)).toEqual([...reads, write]);
  });
});

describe('the trace', () => {
  it('tells of a command from its doorbell to its completion, each row caused by the one before', () => {
    const driver = machine();
    driver.world.notes.length = 0;
    driver.submit(1, blocks(Op.write, 0, 2, DATA));
    driver.world.drain();
    const [complete] = driver.world.ofKind(Kind.IoComplete);
    expect([complete.a, complete.b]).toEqual([Op.write, 1024]);
    expect(driver.world.chain(complete).map(({ kind }) => kind)).toEqual([
      Kind.DmaWrite, // the completion
      Kind.DeviceWork,
      Kind.DmaRead, // the data
      Kind.IoSubmit,
      Kind.RingHead,
      Kind.DmaRead, // the command
      Kind.Doorbell,
    ]);
    const [submit] = driver.world.ofKind(Kind.IoSubmit);
    expect([submit.a, submit.b]).toEqual([Op.write, 1024]);
  });

  it('tells of a failed one with no bytes', () => {
    const driver = machine();
    driver.world.notes.length = 0;
    driver.run(1, blocks(Op.read, 0, 1, 0x7f000000));
    expect(driver.world.ofKind(Kind.IoSubmit).map(({ b }) => b)).toEqual([512]);
    expect(driver.world.ofKind(Kind.IoComplete).map(({ b }) => b)).toEqual([0]);
  });
});
