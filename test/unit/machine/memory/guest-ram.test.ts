import { describe, expect, it } from 'vitest';
import { coreMemory, OTHER_FLAG } from './core-memory';

describe('dirty logs of guest RAM', () => {
  it('begin when they are opened, and are apart from each other and from snapshots', () => {
    const { ram, store, flags } = coreMemory(8);
    store(0x1000, 1);
    const early = ram.openDirtyLog();
    store(0x1001, 2);
    ram.write(0x2fff, Uint8Array.of(1, 2));
    const late = ram.openDirtyLog();
    store(0x5000, 3);
    expect(early.drain()).toEqual([1, 2, 3, 5]);
    expect(early.drain()).toEqual([]);
    expect(late.drain()).toEqual([5]);
    expect([...ram.saveChanges().pages]).toEqual([1, 2, 3, 5]);
    expect(ram.takeDirtyPages()).toEqual([]);
    expect([...flags]).toEqual(new Array(8).fill(OTHER_FLAG));
  });

  it('is silent once closed', () => {
    const { ram, store } = coreMemory(4);
    const log = ram.openDirtyLog();
    store(0, 1);
    log.close();
    store(0x1000, 1);
    expect(log.drain()).toEqual([]);
    expect(ram.takeDirtyPages()).toEqual([0, 1]);
  });

  it('take no restored page for a written one, whichever is loaded first', () => {
    const build = () => {
      const made = coreMemory(8);
      return { ...made, log: made.ram.openDirtyLog() };
    };
    const one = build();
    one.store(0x3000, 7);
    const state = { ram: one.ram.save(), log: one.log.save() };
    const load = {
      ram: (two: ReturnType<typeof build>) => two.ram.load(state.ram),
      log: (two: ReturnType<typeof build>) => two.log.load(state.log),
    };
    for (const order of [
      [load.ram, load.log],
      [load.log, load.ram],
    ]) {
      const two = build();
      two.store(0x5000, 9);
      for (const step of order) step(two);
      expect([...two.ram.read(0x3000, 1), ...two.ram.read(0x5000, 1)]).toEqual([7, 0]);
      two.store(0x6000, 1);
      expect(two.log.drain()).toEqual([3, 6]);
      expect([...two.ram.saveChanges().pages]).toEqual([6]);
    }
    // Saving took nothing from the reader.
    expect(one.log.drain()).toEqual([3]);
  });
});
