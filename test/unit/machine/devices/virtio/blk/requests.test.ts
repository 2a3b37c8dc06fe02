/** The block device (5.2): what it tells of itself, and what each request does. */
import { describe, expect, it } from 'vitest';
import { Kind } from '../../../../../../src/trace/vocabulary/events';
import { CYCLES_PER_NANOSECOND } from '../../../fake-bus';
import {
  BlkDriver,
  F,
  S,
  SECTOR,
  T,
  UNTOUCHED,
  USUAL,
  ranges,
  sectorsOf,
  type Request,
  type Setup,
} from './driver';
import { bits } from '../pci-driver';

const SECTORS = USUAL.size / SECTOR;
const FAULT = { header: 0x100, status: 0x101 } as const;
const NEEDS_RESET = 64;
const all = (byte: number) => (bytes: Uint8Array) => bytes.every((each) => each === byte);
const zeros = all(0);

function started(setup: Setup = {}): BlkDriver {
  return new BlkDriver(setup).start();
}

/** Sectors as they are read. */
function read(driver: BlkDriver, sector: number, count: number): Uint8Array {
  const { status, data } = driver.run({ type: T.IN, sector, room: count * SECTOR });
  expect(status).toBe(S.OK);
  return data;
}

describe('the features of a disk', () => {
  const offered = (setup: Setup): bigint => new BlkDriver(setup).cfg().offered();
  const always = bits(F.SIZE_MAX, F.SEG_MAX, F.BLK_SIZE, F.FLUSH, F.TOPOLOGY, F.CONFIG_WCE);

  it('are those of its kind, with FLUSH beside CONFIG_WCE', () => {
    const ofType = bits(...Object.values(F));
    expect(offered({}) & ofType).toBe(always | bits(F.DISCARD, F.WRITE_ZEROES));
    expect(offered({ queues: 3 }) & ofType).toBe(always | bits(F.DISCARD, F.WRITE_ZEROES, F.MQ));
    expect(offered({ readOnly: true }) & ofType).toBe(always | bits(F.RO));
  });
});

describe('the configuration of a disk', () => {
  it.each([512, 4096] as const)('tells its size and its limits, with blocks of %i bytes', (blockSize) => {
    const { read: get, length } = new BlkDriver({ blockSize, queues: 5, size: 2 ** 40 }).config();
    expect(length).toBe(60);
    expect([get(0, 4), get(4, 4)]).toEqual([2 ** 31, 0]);
    expect(get(8, 4)).toBeGreaterThan(0);
    // A queue of 256 descriptors, of which a request needs two for itself.
    expect(get(12, 4)).toBe(254);
    expect(get(20, 4)).toBe(blockSize);
    expect(get(34, 2)).toBe(5);
    for (const [sectors, segments] of [
      [36, 40],
      [48, 52],
    ]) {
      expect(get(sectors, 4)).toBeGreaterThan(0);
      expect(get(segments, 4)).toBeGreaterThan(1);
    }
    expect(get(44, 4)).toBe(blockSize / SECTOR);
    expect(get(56, 1)).toBe(1);
  });

  it('has padding of zeros', () => {
    const { read: get } = new BlkDriver().config();
    expect([33, 57, 58, 59].map((at) => get(at, 1))).toEqual([0, 0, 0, 0]);
  });

  it('lets the driver choose writeback where CONFIG_WCE was negotiated, and nothing else', () => {
    const driver = started();
    const { write, read: get, length } = driver.config();
    const before = Array.from({ length }, (_, at) => get(at, 1));
    for (let at = 0; at < length; at++) if (at !== 32) write(at, 1, 0xff);
    expect(Array.from({ length }, (_, at) => get(at, 1))).toEqual(before);
    expect(get(32, 1)).toBe(1);
    write(32, 1, 0);
    expect(get(32, 1)).toBe(0);
    write(32, 1, 1);
    expect(get(32, 1)).toBe(1);
    write(32, 1, 0);
    // A reset makes it what it was.
    expect(driver.start().config().read(32, 1)).toBe(1);
    const without = started({ features: [F.FLUSH] });
    without.config().write(32, 1, 0);
    expect(without.config().read(32, 1)).toBe(1);
  });

  it('begins with writeback 0 when CONFIG_WCE was negotiated and FLUSH was not', () => {
    expect(
      started({ features: [F.CONFIG_WCE] })
        .config()
        .read(32, 1),
    ).toBe(0);
  });
});

describe('a request', () => {
  it('writes sectors and reads them', () => {
    const driver = started();
    const bytes = sectorsOf(3, 1);
    expect(driver.run({ type: T.OUT, sector: 5, data: bytes })).toMatchObject({ status: S.OK, written: 1 });
    const ended = driver.run({ type: T.IN, sector: 4, room: 5 * SECTOR });
    expect(ended).toMatchObject({ status: S.OK, written: 5 * SECTOR + 1 });
    expect(zeros(ended.data.subarray(0, SECTOR))).toBe(true);
    expect(ended.data.slice(SECTOR, 4 * SECTOR)).toEqual(bytes);
    expect(zeros(ended.data.subarray(4 * SECTOR))).toBe(true);
  });

  it('begins with what the image holds', () => {
    const driver = started({ image: sectorsOf(2, 9) });
    expect(read(driver, 1, 2)).toEqual(
      Uint8Array.from([...sectorsOf(2, 9).slice(SECTOR), ...new Uint8Array(SECTOR)]),
    );
  });

  it('is one stream of bytes in either direction, however its descriptors divide it', () => {
    for (const setup of [{}, { packed: true }, { indirect: true }, { packed: true, indirect: true }]) {
      const driver = started(setup);
      const data = sectorsOf(2, 3);
      const every = (step: number): number[] => Array.from({ length: 12 }, (_, i) => (i + 1) * step);
      const shapes: NonNullable<Request['cuts']>[] = [
        { readable: [], writable: [] },
        { readable: [3, 15, 17, 700], writable: [1, 1023] },
        { readable: every(90), writable: every(90) },
        { readable: [16], writable: [1024] },
      ];
      shapes.forEach((cuts, i) => {
        const as = setup.indirect ? 'table' : 'chain';
        const out = { type: T.OUT, sector: 2 * i, data, cuts, as } as const;
        expect(driver.run(out)).toMatchObject({ status: S.OK, written: 1 });
        const ended = driver.run({ type: T.IN, sector: 2 * i, room: data.length, cuts, as });
        expect(ended).toMatchObject({ status: S.OK, written: data.length + 1, data });
      });
    }
  });

  it('may have data that are many pieces', () => {
    const driver = new BlkDriver();
    driver.slotBytes = 0x40000;
    driver.start();
    const data = sectorsOf(400, 5);
    const cuts = { readable: [16, 17, 70_001], writable: [99_999] };
    expect(driver.run({ type: T.OUT, sector: 100, data, cuts })).toMatchObject({ status: S.OK });
    const ended = driver.run({ type: T.IN, sector: 100, room: data.length, cuts });
    expect(ended.status).toBe(S.OK);
    expect(Buffer.compare(ended.data, data)).toBe(0);
  });

  it('beyond the capacity is an error that moves nothing', () => {
    const driver = started();
    for (const sector of [SECTORS - 1, SECTORS, 2n ** 32n, 2n ** 53n - 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      const data = sectorsOf(2, 1);
      expect(driver.run({ type: T.OUT, sector, data })).toMatchObject({ status: S.IOERR, written: 1 });
      const ended = driver.run({ type: T.IN, sector, room: data.length });
      // The status stands behind a gap that was not written.
      expect(ended).toMatchObject({ status: S.IOERR, written: 0 });
      expect(all(UNTOUCHED)(ended.data)).toBe(true);
    }
    expect(zeros(read(driver, SECTORS - 2, 2))).toBe(true);
    expect(driver.run({ type: T.OUT, sector: SECTORS - 2, data: sectorsOf(2, 1) }).status).toBe(S.OK);
  });

  it('of data that are no whole blocks is an error', () => {
    const small = started();
    expect(small.run({ type: T.OUT, data: new Uint8Array(511) }).status).toBe(S.IOERR);
    expect(small.run({ type: T.IN, room: 513 }).status).toBe(S.IOERR);
    const large = started({ blockSize: 4096 });
    expect(large.run({ type: T.IN, sector: 8, room: 4096 }).status).toBe(S.OK);
    expect(large.run({ type: T.IN, sector: 7, room: 4096 }).status).toBe(S.IOERR);
    expect(large.run({ type: T.IN, sector: 8, room: 512 }).status).toBe(S.IOERR);
    const cleared = ranges({ sector: 8, sectors: 8 }, { sector: 1, sectors: 8 });
    expect(large.run({ type: T.WRITE_ZEROES, data: cleared }).status).toBe(S.IOERR);
  });

  it('without data is done, and moves nothing', () => {
    const driver = started();
    expect(driver.run({ type: T.OUT })).toMatchObject({ status: S.OK, written: 1 });
    expect(driver.run({ type: T.IN })).toMatchObject({ status: S.OK, written: 1 });
  });

  it('to write to a disk that is read only is an error, and nothing is written', () => {
    const driver = started({ readOnly: true, image: sectorsOf(4, 2) });
    expect(driver.run({ type: T.OUT, sector: 1, data: sectorsOf(1, 77) }).status).toBe(S.IOERR);
    expect(driver.run({ type: T.FLUSH }).status).toBe(S.OK);
    expect(driver.run({ type: T.DISCARD, data: ranges({ sector: 0, sectors: 1 }) }).status).not.toBe(S.OK);
    expect(driver.run({ type: T.WRITE_ZEROES, data: ranges({ sector: 0, sectors: 1 }) }).status).not.toBe(
      S.OK,
    );
    expect(read(driver, 0, 4)).toEqual(sectorsOf(4, 2));
  });

  it('of a type that there is not is unsupported', () => {
    const driver = started();
    // SCSI commands of legacy devices, GET_LIFETIME, SECURE_ERASE, zones, and nothing at all.
    for (const type of [2, 3, 5, 10, 14, 15, 16, 18, 24, 26, 99, 0x80000000, 0xffffffff]) {
      const ended = driver.run({ type, room: SECTOR, data: sectorsOf(1, 1) });
      expect(ended).toMatchObject({ status: S.UNSUPP, written: 0 });
      expect(all(UNTOUCHED)(ended.data)).toBe(true);
    }
  });

  it('for its name gets 20 bytes, or as many as there is room for', () => {
    const name = (text: string): number[] => [...Buffer.from(text.padEnd(20, '\0'), 'latin1')];
    const driver = started();
    const whole = driver.run({ type: T.GET_ID, room: 20 });
    expect(whole).toMatchObject({ status: S.OK, written: 21 });
    expect([...whole.data]).toEqual(name('TL-test'));
    const short = driver.run({ type: T.GET_ID, room: 4 });
    expect(short).toMatchObject({ status: S.OK, written: 5 });
    expect([...short.data]).toEqual(name('TL-test').slice(0, 4));
    const long = driver.run({ type: T.GET_ID, room: 30 });
    expect(long).toMatchObject({ status: S.OK, written: 20 });
    expect([...long.data]).toEqual([...name('TL-test'), ...new Array<number>(10).fill(UNTOUCHED)]);
    const serial = 'abcdefghijklmnopqrst';
    expect([...started({ serial }).run({ type: T.GET_ID, room: 20 }).data]).toEqual(name(serial));
  });

  it.each([
    ['shorter than its header', 15, 1, FAULT.header],
    ['without room for its status', 16, 0, FAULT.status],
  ])('that is %s has the device need a reset', (_name, readable, writable, why) => {
    const driver = started();
    driver.putRaw(0, new Uint8Array(readable), writable);
    driver.publish(0);
    driver.world.drain();
    expect(driver.cfg().get('status') & NEEDS_RESET).toBe(NEEDS_RESET);
    expect(driver.world.ofKind(Kind.VirtioNeedsReset).map(({ a }) => a)).toEqual([why]);
    expect(driver.collect()).toEqual([]);
    expect(driver.start().run({ type: T.FLUSH }).status).toBe(S.OK);
  });
});

describe('discarding and zeroing', () => {
  /** A disk full of something. */
  function filled(setup: Setup = {}): BlkDriver {
    return started({ image: new Uint8Array(USUAL.size).fill(0x77), ...setup });
  }
  const kinds = [
    ['DISCARD', T.DISCARD],
    ['WRITE_ZEROES', T.WRITE_ZEROES],
  ] as const;

  it.each(kinds)('%s has its ranges read as zeros, and nothing else', (_name, type) => {
    const driver = filled();
    const data = ranges({ sector: 10, sectors: 3 }, { sector: 100, sectors: 1 }, { sector: 11, sectors: 20 });
    expect(driver.run({ type, data })).toMatchObject({ status: S.OK, written: 1 });
    const after = Array.from(read(driver, 0, 60)).concat(...read(driver, 60, 60));
    const cleared = (sector: number): boolean => (sector >= 10 && sector < 31) || sector === 100;
    expect(after.every((byte, at) => byte === (cleared(Math.floor(at / SECTOR)) ? 0 : 0x77))).toBe(true);
  });

  it('zeroes whether or not UNMAP is set', () => {
    for (const flags of [0, 1]) {
      const driver = filled();
      expect(
        driver.run({ type: T.WRITE_ZEROES, data: ranges({ sector: 3, sectors: 2, flags }) }).status,
      ).toBe(S.OK);
      expect(zeros(read(driver, 3, 2))).toBe(true);
    }
  });

  it('is unsupported with a flag that is not known, and a discard with UNMAP too', () => {
    const driver = filled();
    const refused = [
      [T.DISCARD, 1],
      [T.DISCARD, 2],
      [T.WRITE_ZEROES, 2],
      [T.WRITE_ZEROES, 0x80000001],
    ];
    for (const [type, flags] of refused) {
      const data = ranges({ sector: 0, sectors: 1 }, { sector: 3, sectors: 2, flags });
      expect(driver.run({ type, data }).status).toBe(S.UNSUPP);
    }
    expect(all(0x77)(read(driver, 0, 8))).toBe(true);
  });

  it.each(kinds)('%s of a range beyond the capacity is an error, and no range is done', (_name, type) => {
    const driver = filled();
    for (const sector of [SECTORS - 1, 2n ** 64n - 1n]) {
      const data = ranges({ sector: 0, sectors: 1 }, { sector, sectors: 2 });
      expect(driver.run({ type, data }).status).toBe(S.IOERR);
    }
    expect(all(0x77)(read(driver, 0, 1))).toBe(true);
  });

  it.each(kinds)('%s takes no more than the configuration says', (_name, type) => {
    const driver = filled({ size: 2 ** 34, image: undefined });
    const [sectors, segments] = type === T.DISCARD ? [36, 40] : [48, 52];
    const most = { sectors: driver.config().read(sectors, 4), segments: driver.config().read(segments, 4) };
    const list = (count: number, each: number): Uint8Array =>
      ranges(...Array.from({ length: count }, (_, i) => ({ sector: i, sectors: each })));
    expect(driver.run({ type, data: list(most.segments, 1) }).status).toBe(S.OK);
    expect(driver.run({ type, data: list(most.segments + 1, 1) }).status).toBe(S.UNSUPP);
    expect(driver.run({ type, data: list(1, most.sectors) }).status).toBe(S.OK);
    expect(driver.run({ type, data: list(1, most.sectors + 1) }).status).toBe(S.IOERR);
  });

  it.each(kinds)('%s of a list that is none is an error', (_name, type) => {
    const driver = filled();
    for (const length of [0, 8, 17])
      expect(driver.run({ type, data: new Uint8Array(length) }).status).toBe(S.IOERR);
  });

  it.each(kinds)('%s that was not negotiated is unsupported', (_name, type) => {
    const driver = filled({ features: [F.FLUSH] });
    expect(driver.run({ type, data: ranges({ sector: 0, sectors: 1 }) }).status).toBe(S.UNSUPP);
    expect(all(0x77)(read(driver, 0, 1))).toBe(true);
  });
});

describe('the time of a request', () => {
  const { readNanoseconds, writeNanoseconds, flushNanoseconds } = USUAL.timing;

  /** Nanoseconds that a request takes where transactions take none. */
  function nanoseconds(driver: BlkDriver, request: Request): number {
    const before = driver.world.time;
    expect(driver.run(request).status).toBe(S.OK);
    return (driver.world.time - before) / CYCLES_PER_NANOSECOND;
  }
  const write: Request = { type: T.OUT, data: sectorsOf(1, 1) };

  it('is that of the medium', () => {
    const driver = started();
    expect(nanoseconds(driver, { type: T.IN, room: SECTOR })).toBe(readNanoseconds);
    expect(nanoseconds(driver, write)).toBe(writeNanoseconds);
    expect(nanoseconds(driver, { type: T.FLUSH })).toBe(flushNanoseconds);
    expect(nanoseconds(driver, { type: T.GET_ID, room: 20 })).toBe(0);
    const { timing } = USUAL;
    const slow = started({ timing: { ...timing, readNanoseconds: 5000 } });
    expect(nanoseconds(slow, { type: T.IN, room: SECTOR })).toBe(5000);
  });

  it('has a write on the medium before it ends, once the driver has switched writeback off', () => {
    const driver = started();
    driver.config().write(32, 1, 0);
    expect(nanoseconds(driver, write)).toBe(writeNanoseconds + flushNanoseconds);
    driver.config().write(32, 1, 1);
    expect(nanoseconds(driver, write)).toBe(writeNanoseconds);
  });

  it('has a write on the medium before it ends where no FLUSH was negotiated', () => {
    for (const features of [[F.SEG_MAX], [F.CONFIG_WCE]]) {
      const driver = started({ features });
      expect(nanoseconds(driver, write)).toBe(writeNanoseconds + flushNanoseconds);
    }
    expect(nanoseconds(started({ features: [F.FLUSH] }), write)).toBe(writeNanoseconds);
  });

  it('passes for several requests at once, which come back as they end', () => {
    const driver = started({ eventIdx: true });
    const slow = driver.put(0, { type: T.FLUSH });
    const middle = driver.put(0, write);
    const fast = driver.put(0, { type: T.IN, sector: 9, room: SECTOR });
    const before = driver.world.time;
    driver.publish(0);
    driver.world.drain();
    expect(driver.collect().map(({ token }) => token)).toEqual([fast, middle, slow]);
    expect(driver.world.time - before).toBe(flushNanoseconds * CYCLES_PER_NANOSECOND);
  });

  it('is hidden by the order of the ring where IN_ORDER was negotiated', () => {
    for (const packed of [false, true]) {
      const driver = started({ inOrder: true, packed });
      const tokens = [{ type: T.FLUSH }, write, { type: T.IN, sector: 9, room: SECTOR }].map((request) =>
        driver.put(0, request),
      );
      driver.publish(0);
      driver.world.drain();
      expect(driver.collect().map(({ token }) => token)).toEqual(tokens);
    }
  });
});

describe('several queues', () => {
  it('are worked on beside each other, and each interrupts by its own vector', () => {
    const driver = started({ queues: 4 });
    for (let queue = 0; queue < 4; queue++)
      driver.submit(queue, { type: T.OUT, sector: queue, data: sectorsOf(1, queue) });
    driver.world.drain();
    expect(driver.collect().map(({ queue, status }) => [queue, status])).toEqual(
      [0, 1, 2, 3].map((queue) => [queue, S.OK]),
    );
    expect(driver.bus.messages.map(([, data]) => data).sort()).toEqual([0x41, 0x42, 0x43, 0x44]);
    for (let queue = 0; queue < 4; queue++) expect(read(driver, queue, 1)).toEqual(sectorsOf(1, queue));
  });

  it('stop one by one', () => {
    const driver = started({ queues: 2, timing: { ...USUAL.timing, flushNanoseconds: 1000 } });
    driver.submit(0, { type: T.FLUSH });
    driver.submit(1, { type: T.FLUSH });
    driver.world.advanceTo(driver.world.time + 300);
    const cfg = driver.cfg();
    cfg.set('queueSelect', 0);
    cfg.set('queueReset', 1);
    driver.world.drain();
    expect(driver.collect().map(({ queue }) => queue)).toEqual([1]);
  });
});

describe('the trace of a disk', () => {
  it('tells of each request with its type and its bytes, which are 0 where it failed', () => {
    const driver = started();
    driver.run({ type: T.OUT, sector: 1, data: sectorsOf(2, 1) });
    driver.run({ type: T.IN, sector: 1, room: 3 * SECTOR });
    driver.run({ type: T.FLUSH });
    driver.run({ type: T.DISCARD, data: ranges({ sector: 0, sectors: 1 }) });
    driver.run({ type: T.DISCARD, data: ranges({ sector: SECTORS, sectors: 1 }) });
    driver.run({ type: T.IN, sector: SECTORS, room: SECTOR });
    driver.run({ type: 99 });
    const rows = (kind: number): number[][] => driver.world.ofKind(kind).map(({ a, b }) => [a, b]);
    const done = [
      [T.OUT, 1024],
      [T.IN, 1536],
      [T.FLUSH, 0],
      [T.DISCARD, 16],
    ];
    expect(rows(Kind.IoSubmit)).toEqual([...done, [T.DISCARD, 16], [T.IN, 0], [99, 0]]);
    expect(rows(Kind.IoComplete)).toEqual([...done, [T.DISCARD, 0], [T.IN, 0], [99, 0]]);
  });

  it('leads from what came back to the notification that asked for it', () => {
    const driver = started();
    driver.bus.dma.latency = 40;
    driver.run({ type: T.OUT, data: sectorsOf(1, 1) });
    const [completed] = driver.world.ofKind(Kind.IoComplete);
    const kinds = driver.world.chain(completed).map(({ kind }) => kind);
    const places = [Kind.DeviceWork, Kind.IoSubmit, Kind.VirtqKick].map((kind) => kinds.indexOf(kind));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places).not.toContain(-1);
  });
});
