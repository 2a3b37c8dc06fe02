/** Admin commands, by the NVM Express Base Specification 1.4, chapter 5. */
import { describe, expect, it } from 'vitest';
import { blocks, Driver, PAGE, sqDoorbell, type Request, type Seen } from './driver';

const DATA = 0x40000;
const Op = { log: 0x02, identify: 0x06, abort: 0x08, set: 0x09, get: 0x0a, event: 0x0c } as const;
const Sc = {
  opcode: 0x001,
  field: 0x002,
  aborted: 0x007,
  namespace: 0x00b,
  sequence: 0x00c,
  prpOffset: 0x013,
  abortLimit: 0x103,
  eventLimit: 0x105,
  logPage: 0x109,
  notSaveable: 0x10d,
} as const;

const machine = (options: ConstructorParameters<typeof Driver>[0] = {}): Driver =>
  new Driver(options).enable();

/** What an admin command has put into memory. */
function fetched(driver: Driver, request: Request, length: number): DataView {
  driver.bus.memory.fill(0xa5, DATA, DATA + length + 16);
  const seen = driver.run(0, { ...request, prp1: DATA, prp2: DATA + PAGE });
  if (seen.status !== 0) throw new Error(`status ${seen.status.toString(16)}`);
  // Not a byte more than was asked for.
  expect(driver.bus.memory[DATA + length]).toBe(0xa5);
  return new DataView(driver.bus.memory.slice(DATA, DATA + length).buffer);
}
const text = (view: DataView, at: number, length: number): string =>
  String.fromCharCode(...new Uint8Array(view.buffer, at, length));
const identify = (driver: Driver, cns: number, nsid = 0): DataView =>
  fetched(driver, { opcode: Op.identify, nsid, words: [cns] }, 4096);
const logOf = (driver: Driver, page: number, bytes: number, offset = 0, retain = 0): DataView =>
  fetched(
    driver,
    {
      opcode: Op.log,
      nsid: 0xffffffff,
      words: [((bytes / 4 - 1) << 16) | (retain << 15) | page, 0, offset, 0],
    },
    bytes,
  );
const feature = (driver: Driver, id: number, selector = 0): Seen =>
  driver.run(0, { opcode: Op.get, words: [id, selector] });
const setFeature = (driver: Driver, id: number, value: number): Seen =>
  driver.run(0, { opcode: Op.set, words: [id, value] });

describe('Identify', () => {
  it('tells of the controller what drivers go by', () => {
    const driver = machine({ serial: 'abc' });
    const view = identify(driver, 1);
    expect(view.getUint16(0, true)).toBe(driver.device.pci.read(0, 2));
    expect(text(view, 4, 20)).toBe('abc'.padEnd(20));
    expect(text(view, 24, 40).trimEnd()).toBe('Trapline NVMe Controller');
    expect(view.getUint8(77)).toBe(7); // MDTS: 2^7 pages of 4 KiB
    expect(view.getUint32(80, true)).toBe(driver.get(8)); // VER is VS
    expect(view.getUint8(512)).toBe(0x66); // SQES
    expect(view.getUint8(513)).toBe(0x44); // CQES
    expect(view.getUint32(516, true)).toBe(1); // NN
    expect(view.getUint16(520, true)).toBe(0b1101); // ONCS: compare, dataset management, write zeroes
    expect(view.getUint8(525) & 1).toBe(1); // VWC
    expect(text(view, 768, 37)).toMatch(/^nqn\.2014-08\.org\.nvmexpress:uuid:[0-9a-f]/);
  });

  it.each([512, 4096] as const)('tells how large the namespace is, in blocks of %i bytes', (blockSize) => {
    const driver = machine({ blockSize });
    const view = identify(driver, 0, 1);
    for (const at of [0, 8, 16]) expect(view.getBigUint64(at, true)).toBe(BigInt(2 ** 20 / blockSize));
    expect(view.getUint8(25)).toBe(0); // NLBAF: one format
    expect(2 ** view.getUint8(130)).toBe(blockSize); // LBADS of format 0
    expect(view.getUint16(128, true)).toBe(0); // no metadata
  });

  it('lists namespaces above a given one', () => {
    const driver = machine();
    expect(identify(driver, 2, 0).getUint32(0, true)).toBe(1);
    expect(identify(driver, 2, 0).getUint32(4, true)).toBe(0);
    expect(identify(driver, 2, 1).getUint32(0, true)).toBe(0);
  });

  it('describes the namespace by EUI64, NGUID and UUID, the same as elsewhere', () => {
    const driver = machine();
    const namespace = identify(driver, 0, 1);
    const view = identify(driver, 3, 1);
    const found: Record<number, string> = {};
    let at = 0;
    for (; view.getUint8(at) !== 0; at += 4 + view.getUint8(at + 1))
      found[view.getUint8(at)] = text(view, at + 4, view.getUint8(at + 1));
    expect(Object.keys(found)).toEqual(['1', '2', '3']);
    expect(found[1]).toBe(text(namespace, 120, 8));
    expect(found[2]).toBe(text(namespace, 104, 16));
    expect(found[3].length).toBe(16);
  });

  it('names different controllers differently', () => {
    const names = ['nvme', 'nvme.1'].map((serial) => {
      const driver = machine({ serial });
      return [text(identify(driver, 1), 768, 80), text(identify(driver, 3, 1), 4, 8)];
    });
    expect(names[0][0]).not.toBe(names[1][0]);
    expect(names[0][1]).not.toBe(names[1][1]);
  });

  it.each([
    ['a structure that is not there', 0x55, 1, Sc.field],
    ['a namespace that is not there', 0, 2, Sc.namespace],
    ['no namespace', 0, 0, Sc.namespace],
    ['all namespaces', 0, 0xffffffff, Sc.namespace],
    ['descriptors of none', 3, 0, Sc.namespace],
    ['a list above all', 2, 0xfffffffe, Sc.namespace],
  ])('refuses %s', (_what, cns, nsid, status) => {
    const seen = machine().run(0, { opcode: Op.identify, nsid, prp1: DATA, words: [cns] });
    expect(seen.status).toBe(status);
  });

  it('reaches over two pages', () => {
    const driver = machine();
    const whole = identify(driver, 1);
    driver.run(0, { opcode: Op.identify, words: [1], prp1: DATA + 0x800, prp2: DATA + 0x5000 });
    const { memory } = driver.bus;
    const parts = [memory.slice(DATA + 0x800, DATA + 0x1000), memory.slice(DATA + 0x5000, DATA + 0x5800)];
    expect(Buffer.concat(parts)).toEqual(Buffer.from(whole.buffer));
  });
});

describe('features', () => {
  it('number of queues: all of them, before there are any', () => {
    const driver = machine({ queues: 4 });
    expect(setFeature(driver, 7, 0x00000000)).toMatchObject({ status: 0, result: 0x00030003 });
    expect(setFeature(driver, 7, 0x00ff00ff)).toMatchObject({ status: 0, result: 0x00030003 });
    expect(feature(driver, 7).result).toBe(0x00030003);
    expect(setFeature(driver, 7, 0x0000ffff).status).toBe(Sc.field);
    driver.createPair(1, 0x3000, 0x4000, 8);
    expect(setFeature(driver, 7, 0).status).toBe(Sc.sequence);
  });

  it.each([
    ['arbitration', 0x01, 0x01020303, 0x01020303],
    ['volatile write cache', 0x06, 0, 0],
    ['interrupt coalescing', 0x08, 0x1234, 0x1234],
    ['error recovery', 0x05, 100, 100],
    ['write atomicity', 0x0a, 1, 1],
    ['asynchronous events', 0x0b, 0x1f, 0x1f],
  ])('%s is kept', (_what, id, value, kept) => {
    const driver = machine();
    expect(setFeature(driver, id, value).status).toBe(0);
    expect(feature(driver, id)).toMatchObject({ status: 0, result: kept });
  });

  it('a vector has a configuration of its own', () => {
    const driver = machine({ queues: 4 });
    expect(setFeature(driver, 9, 0x10002).status).toBe(0);
    expect(feature(driver, 9, 2).result).toBe(0x10002);
    expect(feature(driver, 9, 1).result).toBe(1);
    expect(setFeature(driver, 9, 5).status).toBe(Sc.field);
    expect(feature(driver, 9, 5).status).toBe(Sc.field);
  });

  it('refuses what is not there, and to save', () => {
    const driver = machine();
    expect(feature(driver, 0x7f).status).toBe(Sc.field);
    expect(setFeature(driver, 0x7f, 0).status).toBe(Sc.field);
    expect(setFeature(driver, 0x02, 1).status).toBe(Sc.field);
    expect(driver.run(0, { opcode: Op.set, words: [0x80000006, 0] }).status).toBe(Sc.notSaveable);
  });
});

describe('log pages', () => {
  it('of errors have the latest first, with command and status', () => {
    const driver = machine();
    driver.createPair(1, 0x3000, 0x4000, 8);
    const lba = 0x12345678;
    const first = driver.run(1, blocks(2, lba, 1, DATA));
    const second = driver.run(0, { opcode: 0xff });
    const view = logOf(driver, 1, 192);
    const entry = (at: number) => ({
      count: view.getUint32(at, true),
      sq: view.getUint16(at + 8, true),
      id: view.getUint16(at + 10, true),
      status: (view.getUint16(at + 12, true) >> 1) & 0x7ff,
      lba: view.getUint32(at + 16, true),
      nsid: view.getUint32(at + 24, true),
    });
    expect(entry(0)).toEqual({ count: 2, sq: 0, id: second.id, status: Sc.opcode, lba: 0, nsid: 0 });
    expect(entry(64)).toEqual({ count: 1, sq: 1, id: first.id, status: 0x080, lba, nsid: 1 });
    expect(entry(128).count).toBe(0);
  });

  it('of health count what was read and written', () => {
    const driver = machine();
    driver.createPair(1, 0x3000, 0x4000, 8);
    driver.run(1, blocks(1, 0, 3, DATA));
    driver.run(1, blocks(2, 0, 1, DATA));
    driver.run(1, blocks(2, 0, 1, DATA));
    driver.run(1, blocks(5, 0, 1, DATA));
    driver.run(1, blocks(2, 0xffffff, 1, DATA));
    const view = logOf(driver, 2, 512);
    const at = (offset: number): number => Number(view.getBigUint64(offset, true));
    expect(at(48)).toBe(1); // thousands of 512 bytes, rounded up
    expect(at(32)).toBe(1);
    expect(at(64)).toBe(3); // reads and compares
    expect(at(80)).toBe(1); // writes
    expect(at(176)).toBe(1); // errors
    expect(view.getUint16(1, true)).toBe(323);
  });

  it('of firmware have one slot', () => {
    const view = logOf(machine(), 3, 512);
    expect(view.getUint8(0)).toBe(1);
    expect(text(view, 8, 8).trim()).toBe('1.0');
  });

  it('are read in parts, and zeros behind their ends', () => {
    const driver = machine();
    const whole = logOf(driver, 3, 512);
    expect(text(logOf(driver, 3, 8, 8), 0, 8)).toBe(text(whole, 8, 8));
    const long = logOf(driver, 3, 1024);
    expect(text(long, 0, 512)).toBe(text(whole, 0, 512));
    expect(text(long, 512, 512)).toBe('\0'.repeat(512));
  });

  it.each([
    ['a page that is not there', { words: [0x7f, 0, 0, 0] }, Sc.logPage],
    ['an offset within a word', { words: [2, 0, 2, 0] }, Sc.field],
    ['an offset behind the page', { words: [2, 0, 516, 0] }, Sc.field],
    ['more than MDTS', { words: [0xffff0002, 0xffff, 0, 0] }, Sc.field],
    ['a log of one namespace', { words: [2, 0, 0, 0], nsid: 1 }, Sc.field],
  ])('refuse %s', (_what, request, status) => {
    expect(machine().run(0, { opcode: Op.log, prp1: DATA, ...request }).status).toBe(status);
  });
});

describe('asynchronous events', () => {
  it('come one at a time of each type, until the log page is read', () => {
    const driver = machine();
    const ids = [0, 1].map(() => driver.submit(0, { opcode: Op.event }));
    driver.world.drain();
    expect(driver.reap(0)).toEqual([]);
    driver.set(sqDoorbell(3), 1);
    driver.set(sqDoorbell(3), 1);
    driver.world.drain();
    expect(driver.reap(0).map(({ id }) => id)).toEqual([ids[0]]);
    // Only looked at: RAE is set.
    logOf(driver, 1, 64, 0, 1);
    driver.world.drain();
    expect(driver.reap(0)).toEqual([]);
    const log = driver.submit(0, { opcode: Op.log, prp1: DATA, words: [(15 << 16) | 1] });
    driver.world.drain();
    expect(driver.reap(0).map(({ id }) => id)).toEqual([ids[1], log]);
  });

  it('tell of a temperature beyond its threshold, to those who asked', () => {
    const driver = machine();
    driver.submit(0, { opcode: Op.event });
    setFeature(driver, 4, 300);
    const view = logOf(driver, 2, 512);
    expect(view.getUint8(0) & 2).toBe(2);
    const set = driver.submit(0, { opcode: Op.set, words: [0x0b, 2] });
    driver.world.drain();
    const seen = driver.reap(0);
    expect(seen.map(({ result }) => result)).toEqual([(2 << 16) | (1 << 8) | 1, 0]);
    expect(seen[1].id).toBe(set);
    // Other features tell nothing of it.
    driver.submit(0, { opcode: Op.event });
    logOf(driver, 2, 512);
    setFeature(driver, 6, 0);
    expect(driver.reap(0)).toEqual([]);
  });

  it('are waited for by four requests at most', () => {
    const driver = machine();
    for (let i = 0; i < 4; i++) driver.submit(0, { opcode: Op.event });
    driver.world.drain();
    expect(driver.run(0, { opcode: Op.event }).status).toBe(Sc.eventLimit);
  });
});

describe('Abort', () => {
  it('ends a command that is under way, which is told first', () => {
    const driver = machine({ timing: { readNanoseconds: 1e6 } });
    driver.createPair(1, 0x3000, 0x4000, 8);
    driver.bus.memory.fill(0xa5, DATA, DATA + 512);
    const id = driver.submit(1, blocks(2, 0, 1, DATA));
    driver.world.advanceTo(driver.world.time + 100);
    expect(driver.run(0, { opcode: Op.abort, words: [(id << 16) | 1] })).toMatchObject({
      status: 0,
      result: 0,
    });
    expect(driver.reap(1)).toMatchObject([{ id, status: Sc.aborted, doNotRetry: false }]);
    expect(driver.bus.memory[DATA]).toBe(0xa5);
  });

  it('says when there was nothing to abort', () => {
    const driver = machine();
    expect(driver.run(0, { opcode: Op.abort, words: [(99 << 16) | 1] })).toMatchObject({
      status: 0,
      result: 1,
    });
  });

  it('ends a request for events', () => {
    const driver = machine();
    const id = driver.submit(0, { opcode: Op.event });
    driver.world.drain();
    const abort = driver.submit(0, { opcode: Op.abort, words: [id << 16] });
    driver.world.drain();
    expect(driver.reap(0)).toMatchObject([
      { id, status: Sc.aborted },
      { id: abort, status: 0, result: 0 },
    ]);
  });

  it('that names itself ends once', () => {
    const driver = machine();
    driver.submit(0, { opcode: Op.abort, id: 500, words: [500 << 16] });
    driver.world.drain();
    expect(driver.reap(0).map(({ id }) => id)).toEqual([500]);
  });

  it('is four times under way at most', () => {
    const driver = machine();
    for (let i = 0; i < 6; i++) driver.put(0, { opcode: Op.abort, words: [(200 + i) << 16] });
    driver.ring(0);
    driver.world.drain();
    const counts = driver.reap(0).map(({ status }) => status);
    expect(counts.filter((status) => status === 0).length).toBe(4);
    expect(counts.filter((status) => status === Sc.abortLimit).length).toBe(2);
  });
});

it('an admin opcode that is not there is refused', () => {
  expect(machine().run(0, { opcode: 0x7f }).status).toBe(Sc.opcode);
});

it('an admin command whose data have no place is told so', () => {
  const seen = machine().run(0, { opcode: Op.identify, words: [1], prp1: DATA + 1 });
  expect(seen.status).toBe(Sc.prpOffset);
});
