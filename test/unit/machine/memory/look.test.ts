/** Memory is looked at from outside the machine without anybody who watches it being told. */
import { expect, it } from 'vitest';
import { DataSlot } from '../../../../src/machine/memory/data-slot';
import { DmaMemory } from '../../../../src/machine/memory/dma-memory';
import { linearTranslation } from '../../../../src/machine/memory/dma-translation';
import { HostMemory } from '../../../../src/machine/memory/host-memory';
import { coreMemory } from './core-memory';

it('by the host, across slots, and as a device would read it', () => {
  const { ram } = coreMemory(2);
  const told: number[] = [];
  ram.watch = {
    asked: (address, _length, _write, _by, access) => {
      told.push(address);
      access();
    },
  };
  ram.write(0x1ffe, Uint8Array.of(1, 2));
  const memory = new HostMemory();
  memory.map(0x10000, ram);
  const behind = new DataSlot(0x1000);
  behind.write(0, Uint8Array.of(3, 4));
  memory.map(0x12000, behind);
  told.length = 0;
  const bytes = Uint8Array.of(1, 2, 3, 4);
  expect(memory.look(0x11ffe, 4)).toEqual(bytes);
  const dma = new DmaMemory(memory, linearTranslation(0x10000, 0x3000));
  expect(dma.look(0, 0x1ffe, 4)).toEqual(bytes);
  expect(memory.look(0x12ffe, 4)).toBeUndefined();
  expect(told).toEqual([]);
  // A read is told of, so that the watch is one.
  expect(memory.read(0x11ffe, 4)).toEqual(bytes);
  expect(told).toEqual([0x1ffe]);
});
