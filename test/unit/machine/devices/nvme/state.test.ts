/** The controller's state as plain data: whole at any moment, and nobody else's. */
import { describe, expect, it } from 'vitest';
import { Nvme } from '../../../../../src/machine/devices/nvme/nvme';
import { SnapshotError } from '../../../../../src/machine/snapshot';
import { World } from '../../fake-bus';
import { blocks, CC, CC_ENABLE, CSTS, Driver, PAGE, USUAL } from './driver';

const LIST = 0x10000;
const DATA = 0x40000;

/** Commands at every stage, events, errors, features and a full completion queue, with DMA in flight. */
function busy(): Driver {
  const driver = new Driver().enable();
  driver.createPair(1, 0x3000, 0x4000, 8);
  driver.createPair(2, 0x5000, 0x6000, 3);
  driver.run(0, { opcode: 0x09, words: [0x08, 0x1234] });
  driver.run(0, { opcode: 0x09, words: [0x04, 300] });
  driver.submit(0, { opcode: 0x0c });
  for (let i = 0; i < 2; i++) driver.put(2, blocks(2, i, 1, DATA));
  driver.ring(2);
  driver.run(1, blocks(1, 0, 8, DATA));
  // The second queue's only two entries are taken by these, and they stay.
  driver.put(2, blocks(2, 0x7fffff, 1, DATA));
  driver.ring(2);
  driver.bus.dma.latency = 900;
  for (let i = 0; i < 3; i++) driver.view().setBigUint64(LIST + 8 * i, BigInt(DATA + (i + 1) * PAGE), true);
  driver.bus.memory.fill(0x77, DATA, DATA + 4 * PAGE);
  driver.put(1, blocks(1, 8, 32, DATA, LIST));
  driver.put(1, blocks(2, 100, 1, DATA + 0x8000));
  driver.put(1, blocks(2, 200, 32, DATA + 0x10000, LIST));
  driver.ring(1);
  return driver;
}

/** As many moments as there are until nothing happens any more. */
const MOMENTS = [0, 1000, 2000, 3000, 4000, 5000, 10_000, 40_000, 100_000];

describe.each(MOMENTS)('a checkpoint %i cycles after', (cycles) => {
  function moment() {
    const driver = busy();
    driver.world.advanceTo(driver.world.time + cycles);
    return driver;
  }

  it('is not changed by what happens afterwards', () => {
    const driver = moment();
    const saved = driver.device.save();
    const copy = structuredClone(saved);
    driver.world.drain();
    expect(saved).toEqual(copy);
  });

  it('is not changed by a device that goes on from it', () => {
    const driver = moment();
    const saved = driver.device.save();
    const copy = structuredClone(saved);
    const other = new Driver({}, new World());
    other.bus.memory.set(driver.bus.memory);
    other.device.pci.adopt(driver.device.pci.save().hardware);
    other.device.adopt(saved.hardware);
    other.world.drain();
    expect(saved).toEqual(copy);
  });

  it('is what a device saves that has loaded it', () => {
    const { bus, device } = moment();
    const saved = device.save();
    const next = new Nvme(bus, USUAL);
    next.load(structuredClone(saved));
    expect(next.save()).toEqual(saved);
  });
});

it('a controller that starts, shuts down or waits for transactions to end goes on doing so elsewhere', () => {
  const moved = (from: Driver): Driver => {
    const to = new Driver({}, new World());
    to.bus.memory.set(from.bus.memory);
    to.device.pci.adopt(from.device.pci.save().hardware);
    to.device.adopt(structuredClone(from.device.save().hardware));
    return to;
  };
  const starting = new Driver();
  starting.set(0x24, 0x000f000f);
  starting.set(0x28, 0x1000);
  starting.set(0x30, 0x2000);
  starting.set(CC, CC_ENABLE);
  starting.world.advanceTo(100);
  const started = moved(starting);
  expect(started.get(CSTS)).toBe(0);
  started.world.drain();
  expect(started.get(CSTS)).toBe(1);

  started.set(CC, CC_ENABLE | 0x4000);
  const down = moved(started);
  expect(down.get(CSTS)).toBe(5);
  down.world.drain();
  expect(down.get(CSTS)).toBe(9);

  const stopping = new Driver().enable();
  stopping.bus.dma.latency = 5000;
  stopping.submit(0, { opcode: 0x0a, words: [7] });
  stopping.set(CC, 0);
  expect(stopping.get(CSTS)).toBe(1);
  // What was under way there has nothing to do with this memory.
  expect(moved(stopping).get(CSTS)).toBe(0);
});

it('the state of another version, or of another disk, is refused', () => {
  const { hardware } = new Driver().device.save();
  const { device } = new Driver({ size: 2 ** 21 });
  expect(() => device.adopt(hardware)).toThrow(SnapshotError);
  expect(() => device.adopt({ ...hardware, version: 2 as 1 })).toThrow(SnapshotError);
});
