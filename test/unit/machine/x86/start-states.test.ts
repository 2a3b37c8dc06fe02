import { describe, expect, it } from 'vitest';
import type { CpuHardware } from '../../../../src/machine/x86/types';
import { createMachineCore } from '../../../../src/machine/x86';
import { COSTS, RAM, STACK, bench, coreModule } from './harness';
import { setGate, system } from './system-bench';

/** Base, selector, limit and attributes of a saved segment register (ES CS SS DS FS GS LDTR TR). */
const segmentOf = (state: CpuHardware, index: number): bigint[] =>
  Array.from(state.segments.subarray(index * 4, index * 4 + 4));

describe('the state after INIT (SDM vol. 3, table 9-1)', () => {
  const b = bench([0x90]);
  b.cpu.setReg(0, 5n);
  b.cpu.init();
  const state = b.cpu.save().hardware;

  it('is real mode at F000:FFF0 with interrupts off', () => {
    expect(b.cpu.mode()).toBe('real');
    expect(segmentOf(state, 1)).toEqual([0xffff0000n, 0xf000n, 0xffffn, 0x93n]);
    expect(state.general[16]).toBe(0xfff0n);
    expect(state.general[17]).toBe(2n);
    expect(b.cpu.cpl()).toBe(0);
  });

  it('has the processor signature in EDX and zeros in the other general registers', () => {
    const general = Array.from({ length: 16 }, (_, r) => b.cpu.getReg(r));
    expect(general).toEqual(general.map((_, r) => (r === 2 ? 0x50654n : 0n)));
  });

  it('has data segments of 64 KiB at 0 and tables of 64 KiB at 0', () => {
    for (const index of [0, 2, 3, 4, 5]) expect(segmentOf(state, index)).toEqual([0n, 0n, 0xffffn, 0x93n]);
    expect(segmentOf(state, 6)).toEqual([0n, 0n, 0xffffn, 0x82n]);
    expect(segmentOf(state, 7)).toEqual([0n, 0n, 0xffffn, 0x8bn]);
    expect(Array.from(state.tables)).toEqual([0n, 0xffffn, 0n, 0xffffn]);
  });

  it('clears the control registers but for ET, and keeps CD and NW as they were', () => {
    expect(Array.from(state.control)).toEqual([0x10n, 0n, 0n, 0n]);
    expect(state.msrs[0]).toBe(0n);
    expect(Array.from(state.debug)).toEqual([0n, 0n, 0n, 0n, 0n, 0n, 0xffff0ff0n, 0x400n]);
  });

  it('keeps the MSRs of SYSCALL', () => {
    const c = bench([0x90]);
    const before = c.cpu.save();
    before.hardware.msrs[2] = 0x1234n;
    c.cpu.load(before);
    c.cpu.init();
    expect(c.cpu.save().hardware.msrs[2]).toBe(0x1234n);
  });
});

describe('power-up and start-up IPI', () => {
  it('starts a vCPU that nobody touched with the caches off, and INIT leaves them so', () => {
    const { cpus } = createMachineCore({ ramBytes: RAM, cpus: 1, module: coreModule(), costs: COSTS });
    expect(cpus[0].mode()).toBe('real');
    expect(cpus[0].save().hardware.control[0]).toBe(0x60000010n);
    cpus[0].init();
    expect(cpus[0].save().hardware.control[0]).toBe(0x60000010n);
  });

  it('begins at the page that the vector names', () => {
    const b = bench([0x90]);
    b.cpu.init();
    b.cpu.startUp(0x9a);
    const state = b.cpu.save().hardware;
    expect(segmentOf(state, 1)).toEqual([0x9a000n, 0x9a00n, 0xffffn, 0x93n]);
    expect(state.general[16]).toBe(0n);
    expect(b.cpu.mode()).toBe('real');
  });
});

describe('the state a Multiboot loader leaves', () => {
  it('is flat 32-bit protected mode without paging', () => {
    const b = bench([0x90]);
    b.cpu.startProtectedMode(0x100000, 0x2badb002, 0x9500);
    const state = b.cpu.save().hardware;
    expect(b.cpu.mode()).toBe('protected');
    expect(state.control[0]).toBe(0x11n);
    expect(state.general[0]).toBe(0x2badb002n);
    expect(state.general[3]).toBe(0x9500n);
    expect(state.general[16]).toBe(0x100000n);
    expect(state.general[17]).toBe(2n);
    expect(segmentOf(state, 1)).toEqual([0n, 8n, 0xffffffffn, 0xc09bn]);
    for (const index of [0, 2, 3, 4, 5])
      expect(segmentOf(state, index)).toEqual([0n, 16n, 0xffffffffn, 0xc093n]);
  });

  it('tells 64-bit from compatibility code by CS.L', () => {
    const b = bench([0x90]);
    expect(b.cpu.mode()).toBe('long');
    const saved = b.cpu.save();
    const state = saved.hardware;
    state.segments[1 * 4 + 3] = 0xc09bn;
    b.cpu.load(saved);
    expect(b.cpu.mode()).toBe('compatibility');
  });
});

describe('NMI', () => {
  const HANDLER = 0x20000;

  function interrupted(handler: number[], program = [0x90, 0x90, 0x90, 0x90, 0xf4]) {
    const log: string[] = [];
    const b = system(program, {
      interruptDelivered: (v) => log.push(`in ${v}`),
      interruptReturned: () => log.push('out'),
    });
    setGate(b, 2, HANDLER);
    b.machine.memory.write(HANDLER, Uint8Array.from(handler));
    // One instruction at a time through the four of the set-up.
    while (b.cpu.instructions() < 5) b.cpu.run(b.cpu.now() + 1);
    return { b, log };
  }

  it('enters vector 2 with interrupts off, and holds back the next one until IRET', () => {
    const { b, log } = interrupted([0x90, 0x48, 0xcf]);
    const rip = b.cpu.ripLow;
    expect(b.cpu.nmiAllowed()).toBe(true);
    b.cpu.deliverNmi();
    expect(b.cpu.ripLow).toBe(HANDLER);
    expect(b.cpu.nmiAllowed()).toBe(false);
    expect(log).toEqual(['in 2']);
    expect(Number(b.peek(STACK - 40))).toBe(rip);
    b.cpu.run(b.cpu.now() + 1);
    expect(b.cpu.nmiAllowed()).toBe(false);
    b.cpu.run(b.cpu.now() + 1);
    expect(b.cpu.ripLow).toBe(rip);
    expect(b.cpu.nmiAllowed()).toBe(true);
    expect(log).toEqual(['in 2', 'out']);
  });

  it('stops at the boundary after IRET for whoever waits', () => {
    const { b } = interrupted([0x90, 0x90, 0x48, 0xcf]);
    const rip = b.cpu.ripLow;
    b.cpu.deliverNmi();
    b.cpu.requestNmiWindow(true);
    expect(b.cpu.run(100_000)).toBe(7);
    expect(b.cpu.ripLow).toBe(rip);
  });

  it('lets the next one in after an IRET that faults', () => {
    // push 0 five times: IRET finds a null CS and raises #GP(0)
    const { b } = interrupted([0x6a, 0, 0x6a, 0, 0x6a, 0, 0x6a, 0, 0x6a, 0, 0x48, 0xcf]);
    setGate(b, 13, 0x21000);
    b.machine.memory.write(0x21000, Uint8Array.of(0xf4));
    b.cpu.deliverNmi();
    expect(b.cpu.run(100_000)).toBe(1);
    expect(b.cpu.ripLow).toBe(0x21001);
    expect(b.cpu.nmiAllowed()).toBe(true);
  });

  it('is held back in the shadow of MOV SS', () => {
    // mov eax,16; mov ss,eax; nop; hlt
    const { b } = interrupted([0x48, 0xcf], [0xb8, 16, 0, 0, 0, 0x8e, 0xd0, 0x90, 0xf4]);
    while (b.cpu.instructions() < 6) b.cpu.run(b.cpu.now() + 1);
    expect(b.cpu.nmiAllowed()).toBe(false);
    b.cpu.requestNmiWindow(true);
    expect(b.cpu.run(100_000)).toBe(7);
    expect(b.cpu.instructions()).toBe(7);
  });

  it('stays held back across save and load', () => {
    const { b } = interrupted([0x90, 0x48, 0xcf]);
    b.cpu.deliverNmi();
    const saved = b.cpu.save();
    const state = saved.hardware;
    expect(state.nmiBlocked).toBe(true);
    b.cpu.run(b.cpu.now() + 50);
    expect(b.cpu.nmiAllowed()).toBe(true);
    b.cpu.load(saved);
    expect(b.cpu.nmiAllowed()).toBe(false);
  });
});

describe('power-up after a life', () => {
  it('leaves what a new machine has, the TSC at 0; INIT leaves MSRs and the TSC', () => {
    const b = bench([0x90, 0x90]);
    const fresh = bench([0x90, 0x90]).machine.cpus[0];
    fresh.powerUp();
    const lived = b.cpu.save();
    // All but EFER, which says what mode the CPU is in.
    lived.hardware.msrs.set([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n, 11n, 12n], 1);
    lived.hardware.tsc = 77n;
    b.cpu.load(lived);
    b.cpu.run(b.cpu.now() + 2);
    const kept = b.cpu.save().hardware;
    b.cpu.init();
    const reset = b.cpu.save().hardware;
    expect(reset.msrs.slice(1)).toEqual(kept.msrs.slice(1));
    expect(reset.tsc).toBe(kept.tsc);
    b.cpu.powerUp();
    expect(b.cpu.save().hardware).toEqual(fresh.save().hardware);
    expect(b.cpu.save().hardware.tsc).toBe(0n);
  });
});
