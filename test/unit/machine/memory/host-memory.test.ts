import { describe, expect, it } from 'vitest';
import { DataSlot } from '../../../../src/machine/memory/data-slot';
import { linearTranslation } from '../../../../src/machine/memory/dma-translation';
import { HostMemory } from '../../../../src/machine/memory/host-memory';
import { coreMemory } from './core-memory';

const GIB4 = 2 ** 32;

describe('host-physical memory', () => {
  it('is read and written across slots that touch, guest RAM among them', () => {
    const memory = new HostMemory();
    const { ram } = coreMemory(2);
    const above = new DataSlot(4096);
    memory.map(GIB4, ram);
    memory.map(GIB4 + 8192, above);
    const log = ram.openDirtyLog();
    expect(memory.write(GIB4 + 8190, Uint8Array.of(1, 2, 3, 4))).toBe(true);
    expect(memory.read(GIB4 + 8189, 6)).toEqual(Uint8Array.of(0, 1, 2, 3, 4, 0));
    expect([ram.read(8190, 2), above.read(0, 2)]).toEqual([Uint8Array.of(1, 2), Uint8Array.of(3, 4)]);
    expect(log.drain()).toEqual([1]);
  });

  it('does nothing at all where the range touches a hole', () => {
    const memory = new HostMemory();
    const slots = [new DataSlot(4096), new DataSlot(4096)];
    memory.map(0x1000, slots[0]);
    memory.map(0x3000, slots[1]);
    for (const [address, length] of [
      [0xfff, 2],
      [0x1fff, 2],
      [0x1800, 0x2000],
      [0x2000, 1],
      [0x4000, 1],
      [2 ** 52, 1],
      [-1, 1],
      [0.5, 1],
      [Number.NaN, 1],
    ]) {
      expect(memory.read(address, length)).toBeUndefined();
      expect(memory.write(address, new Uint8Array(length).fill(1))).toBe(false);
      expect(memory.contains(address, length)).toBe(false);
    }
    for (const slot of slots) expect(slot.read(0, 4096)).toEqual(new Uint8Array(4096));
    expect(memory.read(0x1000, -1)).toBeUndefined();
    expect(memory.read(0x2000, 0)).toEqual(new Uint8Array(0));
  });

  it('tells which slot an address lies in', () => {
    const memory = new HostMemory();
    const slot = new DataSlot(8192);
    memory.map(0x1000, slot);
    expect([0xfff, 0x1000, 0x2fff, 0x3000].map((at) => memory.slotAt(at))).toEqual([
      undefined,
      { base: 0x1000, slot },
      { base: 0x1000, slot },
      undefined,
    ]);
  });

  it('refuses overlaps and broken pages with what to do', () => {
    const memory = new HostMemory();
    memory.map(0x4000, new DataSlot(0x2000));
    for (const [base, size] of [
      [0x3000, 0x2000],
      [0x5000, 0x1000],
      [0x4000, 0x2000],
      [0x0000, 0x10000],
    ]) {
      expect(() => memory.map(base, new DataSlot(size))).toThrow('overlaps the one at 0x4000 to 0x5fff');
    }
    for (const [base, size] of [
      [0x10, 0x1000],
      [0x8000, 0x1800],
      [0x8000, 0],
      [-0x1000, 0x1000],
      [2 ** 52, 0x1000],
    ]) {
      expect(() => memory.map(base, new DataSlot(size))).toThrow('give whole pages of 4096 bytes');
    }
    memory.map(0x3000, new DataSlot(0x1000));
    memory.map(0x6000, new DataSlot(0x1000));
    expect(memory.slots.map(({ base }) => base)).toEqual([0x3000, 0x4000, 0x6000]);
  });

  it('gives a place free again', () => {
    const memory = new HostMemory();
    memory.map(0x1000, new DataSlot(0x2000));
    expect(memory.unmap(0x2000)).toBe(false);
    expect(memory.unmap(0x1000)).toBe(true);
    expect(memory.unmap(0x1000)).toBe(false);
    expect(memory.read(0x1000, 1)).toBeUndefined();
    memory.map(0x2000, new DataSlot(0x1000));
    expect(memory.contains(0x2000, 0x1000)).toBe(true);
  });
});

describe('a data slot', () => {
  it('keeps its bytes over save and load, and logs what is written but not what is loaded', () => {
    const one = new DataSlot(0x3000);
    const log = one.openDirtyLog();
    one.write(0xfff, Uint8Array.of(5, 6));
    one.write(0x2000, new Uint8Array(0));
    expect(log.drain()).toEqual([0, 1]);
    const two = new DataSlot(0x3000);
    const other = two.openDirtyLog();
    two.load(structuredClone(one.save()));
    expect(two.read(0xfff, 2)).toEqual(Uint8Array.of(5, 6));
    expect(other.drain()).toEqual([]);
    expect(() => new DataSlot(0x1000).load(one.save())).toThrow('12288 bytes where this machine has 4096');
  });
});

it('without an IOMMU a device reaches the address it names in its own machine, at once, and none beyond', () => {
  const { translate } = linearTranslation(0x100000, 0x20000);
  const at = (iova: number, length: number) => translate(0x0018, iova, length, true);
  expect(at(0x12345, 64)).toEqual({ pieces: [{ address: 0x112345, length: 64 }], cycles: 0 });
  expect(at(0x1ffc0, 64)).toEqual({ pieces: [{ address: 0x11ffc0, length: 64 }], cycles: 0 });
  expect(at(0x1ffc1, 64)).toEqual({ fault: 'master-abort', cycles: 0 });
});
