/** Queues, doorbells and interrupts, by the NVM Express Base Specification 1.4: chapters 4, 5.3 to 5.6 and 7.5. */
import { describe, expect, it } from 'vitest';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { blocks, cqDoorbell, Driver, sqDoorbell, type Request } from './driver';

const INTMS = 0x0c;
const INTMC = 0x10;
const DATA = 0x40000;
const READ = 2;
const read = (lba: number): Request => blocks(READ, lba, 1, DATA);

const Sc = {
  field: 0x002,
  prpOffset: 0x013,
  sqDeleted: 0x008,
  cqInvalid: 0x100,
  queueId: 0x101,
  queueSize: 0x102,
  vector: 0x108,
  deletion: 0x10c,
} as const;

/** Places of queue pairs 1, 2, … in memory. */
const sqAt = (id: number): number => 0x10000 + 0x1000 * id;
const cqAt = (id: number): number => 0x20000 + 0x1000 * id;

function machine(pairs: number, entries = 8, options: ConstructorParameters<typeof Driver>[0] = {}): Driver {
  const driver = new Driver(options).enable();
  for (let id = 1; id <= pairs; id++) driver.createPair(id, sqAt(id), cqAt(id), entries);
  return driver;
}

/** Unmasks all vectors, whose data are 0x50 and up. */
function useMsix(driver: Driver): void {
  const { pci } = driver.device;
  const table = pci.bars.find(({ index }) => index === 4)!.block;
  for (let vector = 0; vector < 5; vector++) {
    table.write(16 * vector, 4, 0xfee00000, 0);
    table.write(16 * vector + 8, 4, 0x50 + vector, 0);
    table.write(16 * vector + 12, 4, 0, 0);
  }
  let at = pci.read(0x34, 1);
  while (pci.read(at, 1) !== 0x11) at = pci.read(at + 1, 1);
  pci.write(at + 2, 2, 0x8000);
}

describe('creating queues', () => {
  const cq = (id: number, entries: number, word = 3, prp1 = cqAt(id)): Request => ({
    opcode: 0x05,
    prp1,
    words: [((entries - 1) << 16) | id, word],
  });
  const sq = (id: number, entries: number, target: number, word = 1, prp1 = sqAt(id)): Request => ({
    opcode: 0x01,
    prp1,
    words: [((entries - 1) << 16) | id, (target << 16) | word],
  });

  it.each<[what: string, request: Request, status: number]>([
    ['completion queue 0', cq(0, 8), Sc.queueId],
    ['a completion queue beyond the last', cq(5, 8), Sc.queueId],
    ['a completion queue that exists', cq(1, 8), Sc.queueId],
    ['a completion queue of one entry', cq(2, 1), Sc.queueSize],
    ['a completion queue that is too long', cq(2, 2049), Sc.queueSize],
    ['a completion queue in the midst of a page', cq(2, 8, 3, cqAt(2) + 64), Sc.prpOffset],
    ['a completion queue in pieces', cq(2, 8, 2), Sc.field],
    ['a vector while MSI-X is off', cq(2, 8, (1 << 16) | 3), Sc.vector],
    ['submission queue 0', sq(0, 8, 1), Sc.queueId],
    ['a submission queue that exists', sq(1, 8, 1), Sc.queueId],
    ['a submission queue beyond the last', sq(5, 8, 1), Sc.queueId],
    ['a submission queue of the admin completion queue', sq(2, 8, 0), Sc.queueId],
    ['a submission queue of a completion queue that is not there', sq(2, 8, 2), Sc.cqInvalid],
    ['a submission queue of one entry', sq(2, 1, 1), Sc.queueSize],
    ['a submission queue in the midst of a page', sq(2, 8, 1, 1, sqAt(2) + 64), Sc.prpOffset],
    ['a submission queue in pieces', sq(2, 8, 1, 0), Sc.field],
  ])('refuses %s', (_what, request, status) => {
    const driver = machine(1);
    expect(driver.run(0, request).status).toBe(status);
  });

  it('gives vectors up to the last with MSI-X', () => {
    const driver = machine(0);
    useMsix(driver);
    expect(driver.run(0, cq(1, 8, (4 << 16) | 3)).status).toBe(0);
    expect(driver.run(0, cq(2, 8, (5 << 16) | 3)).status).toBe(Sc.vector);
  });

  it('needs the sizes of entries in CC', () => {
    const driver = new Driver().enable(1);
    expect(driver.run(0, cq(1, 8)).status).toBe(Sc.queueSize);
    driver.set(0x14, 0x00460001);
    expect(driver.run(0, cq(1, 8)).status).toBe(0);
  });

  it('lets several submission queues share a completion queue', () => {
    const driver = machine(1);
    expect(driver.run(0, sq(2, 8, 1)).status).toBe(0);
    driver.know(2, sqAt(2), 0x30000, 8); // its completions come to queue 1
    driver.submit(2, read(0));
    driver.world.drain();
    expect(driver.reap(1).map((each) => each.sq)).toEqual([2]);
  });
});

describe('deleting queues', () => {
  const remove = (opcode: number, id: number): Request => ({ opcode, words: [id] });

  it('is refused for those that are not there, or in use', () => {
    const driver = machine(1);
    expect(driver.run(0, remove(0x04, 1)).status).toBe(Sc.deletion);
    expect(driver.run(0, remove(0x04, 0)).status).toBe(Sc.queueId);
    expect(driver.run(0, remove(0x00, 0)).status).toBe(Sc.queueId);
    expect(driver.run(0, remove(0x00, 2)).status).toBe(Sc.queueId);
    expect(driver.run(0, remove(0x00, 1)).status).toBe(0);
    expect(driver.run(0, remove(0x04, 1)).status).toBe(0);
    expect(driver.run(0, remove(0x04, 1)).status).toBe(Sc.queueId);
  });

  it('ends the commands of a submission queue first', () => {
    const driver = machine(1, 8, { timing: { readNanoseconds: 1e6 } });
    const ids = [0, 1, 2].map((lba) => driver.put(1, read(lba)));
    driver.ring(1);
    driver.world.advanceTo(driver.world.time + 100);
    expect(driver.run(0, remove(0x00, 1)).status).toBe(0);
    const seen = driver.reap(1);
    expect(seen.map(({ id }) => id)).toEqual(ids);
    expect(seen.every(({ status }) => status === Sc.sqDeleted)).toBe(true);
    driver.createPair(2, sqAt(2), cqAt(2), 8);
    expect(driver.run(2, read(0)).status).toBe(0);
  });
});

describe('rings', () => {
  it('go round and round, with the phase tag, and tell how far the controller has read', () => {
    const driver = machine(1, 5);
    for (let i = 1; i <= 23; i++) {
      const seen = driver.run(1, read(i));
      expect(seen).toMatchObject({ status: 0, sq: 1, sqHead: i % 5 });
    }
  });

  it('hold completions back while there is no room, in order', () => {
    const driver = machine(0);
    driver.run(0, { opcode: 0x05, prp1: cqAt(1), words: [(3 << 16) | 1, 3] });
    driver.run(0, { opcode: 0x01, prp1: sqAt(1), words: [(15 << 16) | 1, (1 << 16) | 1] });
    driver.know(1, sqAt(1), cqAt(1), 4);
    // The driver's side of the submission queue is longer than that of its completion queue.
    const view = driver.view();
    for (let i = 0; i < 10; i++) {
      const at = sqAt(1) + 64 * i;
      driver.bus.memory.fill(0, at, at + 64);
      view.setUint8(at, READ);
      view.setUint16(at + 2, 100 + i, true);
      view.setUint32(at + 4, 1, true);
      view.setBigUint64(at + 24, BigInt(DATA), true);
    }
    driver.set(sqDoorbell(1), 10);
    driver.world.drain();
    const seen = driver.reap(1);
    expect(seen.length).toBe(3);
    driver.world.drain();
    seen.push(...driver.reap(1));
    expect(seen.length).toBe(6);
    for (let i = 0; i < 4; i++) {
      driver.world.drain();
      seen.push(...driver.reap(1));
    }
    expect(seen.map(({ id }) => id)).toEqual(Array.from({ length: 10 }, (_, i) => 100 + i));
  });

  it('whose completions nobody takes do not stop others', () => {
    const driver = machine(2, 64);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 60; i++) driver.put(1, read(i));
      driver.ring(1);
      driver.world.drain();
    }
    expect(driver.run(2, read(0)).status).toBe(0);
    expect(driver.run(0, { opcode: 0x0a, words: [7] }).status).toBe(0);
  });
});

describe('arbitration', () => {
  /** Queues in the order in which their commands were taken. */
  const order = (driver: Driver): number[] =>
    driver.world
      .ofKind(Kind.DmaRead)
      .map(({ a }) => (a - sqAt(0)) / 0x1000)
      .filter((queue) => queue >= 1 && queue < 5)
      .map(Math.floor);

  it('goes round the queues, as many commands from each as a burst has', () => {
    const driver = machine(3, 32);
    driver.run(0, { opcode: 0x09, words: [1, 1] }); // bursts of two
    driver.bus.dma.latency = 1000;
    driver.world.notes.length = 0;
    for (const queue of [1, 2, 3]) {
      for (let i = 0; i < 6; i++) driver.put(queue, read(i));
      driver.ring(queue);
    }
    driver.world.drain();
    expect(order(driver)).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3]);
    expect([1, 2, 3].map((queue) => driver.reap(queue).length)).toEqual([6, 6, 6]);
  });

  it('has commands of several queues under way at once', () => {
    const driver = machine(4, 8, { timing: { readNanoseconds: 10_000 } });
    for (const queue of [1, 2, 3, 4]) driver.submit(queue, read(queue));
    driver.world.drain();
    const work = driver.world.ofKind(Kind.DeviceWork).slice(-4);
    expect(Math.max(...work.map(({ time }) => time))).toBeLessThan(work[0].time + work[0].duration);
  });
});

describe('doorbells', () => {
  const event = (driver: Driver): Request[] => {
    driver.submit(0, { opcode: 0x0c });
    driver.world.drain();
    return [];
  };

  it.each([
    ['of a queue that is not there', sqDoorbell(3), 1, 0],
    ['of a queue that cannot be', sqDoorbell(100), 1, 0],
    ['of a completion queue that is not there', cqDoorbell(3), 0, 0],
    ['beyond the queue', sqDoorbell(1), 8, 1],
    ['with reserved bits', sqDoorbell(1), 0x10001, 1],
    ['for completions beyond the queue', cqDoorbell(1), 8, 1],
    ['for completions that did not come', cqDoorbell(1), 1, 1],
  ])('%s are ignored, noted, and told', (_what, offset, value, information) => {
    const driver = machine(1);
    event(driver);
    driver.set(offset, value);
    driver.world.drain();
    expect(driver.world.ofKind(Kind.DeviceMisused).map(({ a, b }) => [a, b])).toEqual([[offset, value]]);
    // Type 0, an error; its log page is 1 (5.2.1).
    expect(driver.reap(0).map(({ result }) => result)).toEqual([(1 << 16) | (information << 8)]);
    expect(driver.run(1, read(0)).status).toBe(0);
  });

  it('mean nothing before the controller is ready', () => {
    const driver = new Driver();
    driver.set(sqDoorbell(0), 1);
    expect(driver.world.ofKind(Kind.DeviceIgnored).length).toBe(1);
    expect(driver.get(sqDoorbell(0))).toBe(0);
  });
});

describe('the pin', () => {
  it('is up while there are completions that were not taken', () => {
    const driver = machine(1);
    expect(driver.bus.line).toBe(false);
    driver.put(1, read(0));
    driver.put(1, read(1));
    driver.ring(1);
    driver.world.drain();
    expect(driver.bus.line).toBe(true);
    driver.set(cqDoorbell(1), 1);
    expect(driver.bus.line).toBe(true);
    driver.set(cqDoorbell(1), 2);
    expect(driver.bus.line).toBe(false);
  });

  it('is masked by INTMS, and not by INTMC', () => {
    const driver = machine(1);
    driver.set(INTMS, 1);
    expect([driver.get(INTMS), driver.get(INTMC)]).toEqual([1, 1]);
    driver.submit(1, read(0));
    driver.world.drain();
    expect(driver.bus.line).toBe(false);
    driver.set(INTMC, 1);
    expect(driver.bus.line).toBe(true);
    driver.set(INTMS, 1);
    expect(driver.bus.line).toBe(false);
  });

  it('stays down for a queue without interrupts', () => {
    const driver = new Driver().enable();
    driver.run(0, { opcode: 0x05, prp1: cqAt(1), words: [(7 << 16) | 1, 1] });
    driver.run(0, { opcode: 0x01, prp1: sqAt(1), words: [(7 << 16) | 1, (1 << 16) | 1] });
    driver.know(1, sqAt(1), cqAt(1), 8);
    driver.submit(1, read(0));
    driver.world.drain();
    expect(driver.bus.line).toBe(false);
    expect(driver.reap(1).length).toBe(1);
  });
});

describe('MSI-X', () => {
  it('sends the vector of the queue for each completion, after the completion is in memory', () => {
    const driver = new Driver().enable();
    useMsix(driver);
    driver.createPair(1, sqAt(1), cqAt(1), 8, 3);
    driver.createPair(2, sqAt(2), cqAt(2), 8, 1);
    driver.bus.messages.length = 0;
    driver.submit(1, read(0));
    driver.world.drain();
    expect(driver.bus.messages).toEqual([0x53]);
    expect(driver.reap(1).length).toBe(1);
    driver.submit(2, read(0));
    driver.world.drain();
    expect(driver.bus.messages).toEqual([0x53, 0x51]);
  });

  it('has no masks: INTMS and INTMC are not to be touched', () => {
    const driver = machine(0);
    useMsix(driver);
    driver.set(INTMS, 1);
    expect(driver.get(INTMS)).toBe(0);
    expect(driver.world.ofKind(Kind.DeviceMisused).map(({ a }) => a)).toEqual([INTMS]);
  });
});
