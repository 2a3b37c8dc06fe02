/** The controller as a whole, by the NVM Express Base Specification 1.4: registers, enabling, reset, shutdown, fatal errors. */
import { describe, expect, it } from 'vitest';
import { Kind } from '../../../../../src/trace/vocabulary/events';
import { ACQ, ADMIN, AQA, ASQ, blocks, CC, CC_ENABLE, CSTS, Driver, sqDoorbell } from './driver';

const RDY = 1;
const CFS = 2;
const SHST = 0xc;

describe('the registers', () => {
  it('are those of an NVM Express 1.4 controller', () => {
    const driver = new Driver();
    expect(driver.device.pci.read(0, 4)).toBe(0x00101b36);
    // Mass storage, non-volatile memory, NVM Express I/O.
    expect(driver.device.pci.read(8, 4) >>> 8).toBe(0x010802);
    expect(driver.get(0x08)).toBe(0x00010400);
    const low = driver.get(0);
    expect((low & 0xffff) + 1).toBe(2048); // MQES
    expect((low >> 16) & 1).toBe(1); // CQR
    const high = driver.get(4);
    expect(high & 0xf).toBe(0); // DSTRD: doorbells are 4 bytes apart
    expect((high >> 5) & 0xff).toBe(1); // CSS: the NVM command set
    expect((high >> 16) & 0xf).toBe(0); // MPSMIN: 4 KiB
  });

  it('read by bytes and halves, too', () => {
    const { device } = new Driver();
    expect(device.read(0x08, 2)).toBe(0x0400);
    expect(device.read(0x0a, 2)).toBe(0x0001);
    expect(device.read(0x0a, 1)).toBe(1);
  });

  it('are written whole; anything else is ignored with a note', () => {
    const driver = new Driver();
    driver.device.write(CC, 2, CC_ENABLE);
    driver.set(0x00, 1);
    driver.set(0x40, 1);
    expect(driver.get(CC)).toBe(0);
    expect(driver.world.ofKind(Kind.DeviceIgnored).map(({ a }) => a)).toEqual([CC, 0, 0x40]);
  });

  it('have names by the specification', () => {
    const { device } = new Driver();
    expect(device.registerName(CC)).toBe('CC');
    expect(device.registerName(0x1000)).toBe('SQ0TDBL');
    expect(device.registerName(0x1024)).toBe('CQ4HDBL');
    expect(device.registerName(0x1028)).toBeUndefined();
    expect(Object.keys(device.registerNames())).toContain(String(0x1024));
  });
});

describe('enabling', () => {
  it('takes time, and ends with RDY', () => {
    const driver = new Driver();
    driver.set(AQA, 0x000f000f);
    driver.set(ASQ, ADMIN.sq);
    driver.set(ACQ, ADMIN.cq);
    driver.set(CC, CC_ENABLE);
    expect(driver.get(CSTS)).toBe(0);
    driver.world.drain();
    expect(driver.get(CSTS)).toBe(RDY);
  });

  it.each([
    ['queues that do not begin with a page of 8 KiB', ASQ, 0x1000, CC_ENABLE | (1 << 7)],
    ['an admin queue of one entry', AQA, 0, CC_ENABLE],
    ['pages that it does not have', ASQ, 0, CC_ENABLE | (5 << 7)],
    ['another command set', ASQ, 0, CC_ENABLE | (7 << 4)],
    ['another arbitration', ASQ, 0, CC_ENABLE | (1 << 11)],
  ])('with %s is fatal, until the next reset', (_what, register, value, control) => {
    const driver = new Driver();
    driver.set(AQA, 0x000f000f);
    driver.set(ASQ, ADMIN.sq);
    driver.set(ACQ, ADMIN.cq);
    driver.set(register, value);
    driver.set(CC, control);
    driver.world.drain();
    expect(driver.get(CSTS)).toBe(CFS);
    driver.set(CC, 0);
    expect(driver.get(CSTS)).toBe(0);
    driver.enable();
    expect(driver.get(CSTS)).toBe(RDY);
  });

  it('goes with larger pages', () => {
    const driver = new Driver();
    driver.set(AQA, 0x000f000f);
    driver.set(ASQ, 0x10000);
    driver.set(ACQ, 0x20000);
    driver.set(CC, CC_ENABLE | (4 << 7)); // 64 KiB
    driver.world.drain();
    driver.know(0, 0x10000, 0x20000, 16);
    driver.createPair(1, 0x30000, 0x40000, 8);
    driver.bus.memory.fill(0x3c, 0x58000, 0x58000 + 0x10000);
    // From the midst of a page to the midst of the next: two pointers, no list.
    expect(driver.run(1, blocks(1, 0, 128, 0x58000, 0x60000)).status).toBe(0);
    expect(driver.run(1, blocks(2, 0, 128, 0x80000, 0)).status).toBe(0);
    expect(driver.bus.memory.slice(0x80000, 0x90000)).toEqual(new Uint8Array(0x10000).fill(0x3c));
  });
});

describe('a reset by CC.EN', () => {
  it('is done when memory has nothing to fear any more', () => {
    const driver = new Driver().enable();
    driver.createPair(1, 0x3000, 0x4000, 8);
    driver.bus.dma.latency = 5000;
    driver.submit(1, blocks(2, 0, 1, 0x5000));
    driver.world.advanceTo(driver.world.time + 100);
    driver.set(CC, 0);
    // The command's entry is on its way to the controller.
    expect(driver.get(CSTS) & RDY).toBe(RDY);
    driver.world.drain();
    expect(driver.get(CSTS) & RDY).toBe(0);
    expect(driver.reap(1, false)).toEqual([]);
  });

  it('forgets queues, commands, masks and features, and keeps AQA, ASQ and ACQ', () => {
    const driver = new Driver().enable();
    driver.createPair(1, 0x3000, 0x4000, 8);
    driver.run(0, { opcode: 0x09, words: [6, 0] });
    driver.set(0x0c, 1);
    driver.submit(1, blocks(2, 0, 1, 0x5000));
    driver.set(CC, 0);
    driver.world.drain();
    expect([driver.get(AQA), driver.get(ASQ), driver.get(ACQ)]).toEqual([0x000f000f, ADMIN.sq, ADMIN.cq]);
    driver.enable();
    expect(driver.get(0x0c)).toBe(0);
    expect(driver.run(0, { opcode: 0x0a, words: [6] }).result).toBe(1);
    driver.createPair(1, 0x3000, 0x4000, 8);
    expect(driver.run(1, blocks(2, 0, 1, 0x5000)).status).toBe(0);
  });

  it('followed by EN at once starts again', () => {
    const driver = new Driver().enable();
    driver.bus.dma.latency = 5000;
    driver.submit(0, { opcode: 0x0a, words: [7] });
    driver.set(CC, 0);
    driver.set(CC, CC_ENABLE);
    driver.set(CC, 0);
    driver.set(CC, CC_ENABLE);
    driver.world.drain();
    expect(driver.get(CSTS)).toBe(RDY);
  });

  it('by the bus clears all registers', () => {
    const driver = new Driver().enable();
    driver.device.busReset();
    expect([CC, CSTS, AQA, ASQ, ACQ].map((register) => driver.get(register))).toEqual([0, 0, 0, 0, 0]);
    expect(driver.bus.line).toBe(false);
    driver.enable();
    expect(driver.get(CSTS)).toBe(RDY);
  });

  it('by the function (FLR) does, too', () => {
    const driver = new Driver().enable();
    const { pci } = driver.device;
    let at = pci.read(0x34, 1);
    while (pci.read(at, 1) !== 0x10) at = pci.read(at + 1, 1);
    pci.write(at + 8, 2, 0x8000);
    expect(driver.get(CC)).toBe(0);
    expect(pci.busMaster).toBe(false);
  });
});

describe('a shutdown', () => {
  it('takes time, takes no further commands, and ends with a reset', () => {
    const driver = new Driver().enable();
    driver.set(CC, CC_ENABLE | (1 << 14));
    expect(driver.get(CSTS) & SHST).toBe(4);
    driver.submit(0, { opcode: 0x0a, words: [7] });
    driver.world.drain();
    expect(driver.get(CSTS) & SHST).toBe(8);
    expect(driver.reap(0, false)).toEqual([]);
    driver.set(CC, 0);
    expect(driver.get(CSTS)).toBe(0);
    driver.enable();
    expect(driver.run(0, { opcode: 0x0a, words: [7] }).status).toBe(0);
  });
});

describe('an error that no command can be told of', () => {
  it('of a submission queue outside memory sets CFS', () => {
    const driver = new Driver().enable();
    driver.run(0, { opcode: 0x05, prp1: 0x4000, words: [(7 << 16) | 1, 1] });
    driver.run(0, { opcode: 0x01, prp1: 0x10000000, words: [(7 << 16) | 1, (1 << 16) | 1] });
    driver.set(sqDoorbell(1), 1);
    driver.world.drain();
    expect(driver.get(CSTS)).toBe(RDY | CFS);
    expect(driver.world.ofKind(Kind.DeviceMisused).map(({ a }) => a)).toEqual([sqDoorbell(1)]);
    driver.set(CC, 0);
    driver.world.drain();
    driver.enable();
    expect(driver.get(CSTS)).toBe(RDY);
  });

  it('of a completion queue outside memory sets CFS', () => {
    const driver = new Driver().enable();
    driver.run(0, { opcode: 0x05, prp1: 0x10000000, words: [(7 << 16) | 1, 1] });
    driver.run(0, { opcode: 0x01, prp1: 0x3000, words: [(7 << 16) | 1, (1 << 16) | 1] });
    driver.set(sqDoorbell(1), 1);
    driver.world.drain();
    expect(driver.get(CSTS)).toBe(RDY | CFS);
  });
});

describe('a function that is no bus master', () => {
  it('waits, and goes on when it is one', () => {
    const driver = new Driver().enable();
    driver.device.pci.write(4, 2, 2);
    const id = driver.submit(0, { opcode: 0x0a, words: [7] });
    driver.world.drain();
    expect(driver.reap(0)).toEqual([]);
    driver.device.pci.write(4, 2, 6);
    driver.world.drain();
    expect(driver.reap(0).map((each) => each.id)).toEqual([id]);
  });

  it('does again what was under way when it stopped being one', () => {
    const driver = new Driver().enable();
    driver.bus.dma.latency = 1000;
    let refused = 0;
    driver.bus.dma.refuse = () => {
      if (driver.device.pci.busMaster) return undefined;
      refused += 1;
      return 'master-abort';
    };
    driver.submit(0, { opcode: 0x0a, words: [7] });
    driver.device.pci.write(4, 2, 2);
    driver.world.drain();
    expect(refused).toBe(1);
    expect(driver.get(CSTS)).toBe(RDY);
    driver.device.pci.write(4, 2, 6);
    driver.world.drain();
    expect(driver.reap(0).length).toBe(1);
  });
});
