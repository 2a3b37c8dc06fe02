/** The state of a disk of virtio as plain data: whole at any moment, and nobody else's. */
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SnapshotError } from '../../../../../../src/machine/snapshot';
import { BlkDriver, S, SECTOR, T, USUAL, ranges, sectorsOf } from './driver';

const LATENCY = 60;

/** Requests at every stage on two queues, with transactions in flight. */
function busy(packed: boolean): BlkDriver {
  const driver = new BlkDriver({ packed, queues: 2 });
  driver.start();
  driver.config().write(32, 1, 0);
  expect(driver.run({ type: T.OUT, sector: 8, data: sectorsOf(8, 1) }).status).toBe(S.OK);
  driver.bus.dma.latency = LATENCY;
  const cuts = { readable: [16, 900], writable: [1000] };
  driver.put(0, { type: T.OUT, sector: 0, data: sectorsOf(3, 7), cuts });
  driver.put(0, { type: T.IN, sector: 9, room: 4 * SECTOR, cuts });
  driver.put(0, { type: T.WRITE_ZEROES, data: ranges({ sector: 30, sectors: 2 }) });
  driver.publish(0);
  driver.put(1, { type: T.FLUSH });
  driver.put(1, { type: T.IN, sector: 10, room: SECTOR });
  driver.publish(1);
  return driver;
}

/** As many moments as there are until nothing happens any more. */
function moments(): number[] {
  const { world } = busy(false);
  const begin = world.time;
  const times: number[] = [];
  for (let next = world.queue.nextTime(); next < Infinity; next = world.queue.nextTime()) {
    world.advanceTo(next);
    if (times.at(-1) !== next - begin) times.push(next - begin);
  }
  return times;
}

/** What a driver finds when everything has ended. */
function outcome(driver: BlkDriver): unknown {
  driver.world.drain();
  const ended = driver.collect().map(({ queue, token, status, written, data }) => ({
    ...{ queue, token, status, written },
    data: Buffer.from(data).toString('hex'),
  }));
  const disk = driver.run({ type: T.IN, sector: 0, room: 40 * SECTOR });
  return {
    ended: ended.sort((a, b) => a.queue - b.queue || a.token - b.token),
    disk: Buffer.from(disk.data).toString('hex'),
    writeback: driver.config().read(32, 1),
  };
}

describe('a checkpoint of a disk, whenever it is made', () => {
  const times = moments();

  it('is of many moments', () => {
    expect(times.length).toBeGreaterThan(10);
  });

  it.each([false, true])('goes on in its run as if nothing had happened, packed: %s', (packed) => {
    const expected = outcome(busy(packed));
    for (const time of times) {
      const driver = busy(packed);
      driver.world.advanceTo(driver.world.time + time);
      const saved = driver.checkpoint();
      const copy = structuredClone(saved.pci);
      const first = { outcome: outcome(driver), time: driver.world.time };
      expect(first.outcome).toEqual(expected);
      driver.rewind(saved);
      expect(isDeepStrictEqual(driver.checkpoint().pci, copy)).toBe(true);
      expect({ outcome: outcome(driver), time: driver.world.time }).toEqual(first);
      expect(isDeepStrictEqual(saved.pci, copy)).toBe(true);
    }
  });

  it.each([false, true])('goes on on another host, packed: %s', (packed) => {
    const expected = outcome(busy(packed));
    for (const time of times) {
      const driver = busy(packed);
      driver.world.advanceTo(driver.world.time + time);
      expect(outcome(driver.moved())).toEqual(expected);
    }
  });

  it('keeps the time that the medium still needs', () => {
    const driver = new BlkDriver({ timing: { ...USUAL.timing, flushNanoseconds: 1000 } }).start();
    driver.submit(0, { type: T.FLUSH });
    driver.world.advanceTo(driver.world.time + 1000);
    const other = driver.moved();
    const begin = other.world.time;
    other.world.drain();
    const cycles = 1000 * other.bus.cyclesPerNanosecond;
    expect(other.world.time - begin).toBe(cycles - 1000);
  });

  it('of another disk is refused', () => {
    const driver = busy(false);
    expect(() => driver.moved({ ...driver.setup, size: USUAL.size * 2 })).toThrow(SnapshotError);
  });
});
