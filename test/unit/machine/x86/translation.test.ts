/** Who translates addresses is a policy: page walks, a second stage below them, or software instead of them. */
import { describe, expect, it } from 'vitest';
import { Reg, StopReason } from '../../../../src/machine/x86/types';
import { TranslationAccess, type CpuTranslation } from '../../../../src/machine/x86/translation';
import { createMachineCore } from '../../../../src/machine/x86';
import { CODE, COSTS, RAM, bench, callouts, coreModule, type Bench } from './harness';
import { le } from './system-bench';

const PAGE = 4096;
const HLT = 0xf4;
/** mov rbx,[address]; mov [address+8],rbx */
const load = (at: number): number[] => [0x48, 0x8b, 0x1c, 0x25, ...le(at)];
const save = (at: number): number[] => [0x48, 0x89, 0x1c, 0x25, ...le(at)];

/** Guest-physical pages below 2 MiB lie 2 MiB higher in RAM, tables and code as well. */
const MOVED = 2 << 20;

function moved(code: number[], translation: (b: Bench) => CpuTranslation, fastPaths = true): Bench {
  const b = bench([...code, HLT], {}, fastPaths);
  b.machine.memory.write(MOVED, b.machine.memory.read(0, MOVED));
  b.machine.memory.write(0, new Uint8Array(MOVED));
  b.cpu.translation = translation(b);
  return b;
}

const shifted: CpuTranslation = {
  secondStage: { translate: (page) => (page < MOVED ? page + MOVED : undefined) },
};

describe('a second stage', () => {
  it.each([true, false])('moves code, tables and data (fast paths: %s)', (fastPaths) => {
    const b = moved([...load(0x50000), ...save(0x50008)], () => shifted, fastPaths);
    b.poke(MOVED + 0x50000, 0x1122334455667788n);
    expect(b.cpu.run(100_000)).toBe(StopReason.Halted);
    expect(b.peek(MOVED + 0x50008)).toBe(0x1122334455667788n);
    // The accessed bit was set in the table where it lies.
    expect(b.peek(MOVED + 0x3000) & 0x20n).toBe(0x20n);
    expect(b.machine.memory.read(0, MOVED).every((byte) => byte === 0)).toBe(true);
    expect([...b.cpu.peekVirtual(0x50000n, 1)!]).toEqual([0x88]);
  });

  it('makes a device of what it has no RAM for, at the guest-physical address, even below the size of RAM', () => {
    const asked: number[] = [];
    const b = moved([...load(0x123000), ...load(RAM - 16)], () => ({
      secondStage: {
        translate: (page) => (page < 0x100000 ? page + MOVED : undefined),
      },
    }));
    b.cpu.callouts = callouts({
      mmioRead: (address) => {
        asked.push(address);
        return 5;
      },
    });
    expect(b.cpu.run(100_000)).toBe(StopReason.Halted);
    expect(asked).toEqual([0x123000, RAM - 16]);
    b.cpu.setRip(0x123000n);
    expect(b.cpu.run(200_000)).toBe(StopReason.Unsupported);
    expect(b.cpu.faultReport()?.message).toContain('outside RAM');
  });

  it('is asked again for a store, and after a flush', () => {
    const asked: string[] = [];
    const names = ['read', 'write', 'execute', 'peek'];
    const b = moved([...load(0x50000), ...load(0x50010), ...save(0x50008), HLT, ...load(0x50000)], () => ({
      secondStage: {
        translate: (page, access) => {
          if (page === 0x50000) asked.push(names[access]);
          return page + MOVED;
        },
      },
    }));
    b.cpu.run(100_000);
    expect(asked).toEqual(['read', 'write']);
    b.cpu.flushTranslations();
    b.cpu.run(100_000);
    expect(asked).toEqual(['read', 'write', 'read']);
  });

  it('may give the instruction up while it maps what was missing', () => {
    let mapped = false;
    const b = moved([0x90, ...load(0x50000)], (bench) => ({
      secondStage: {
        translate: (page, access) => {
          if (page === 0x50000 && access === TranslationAccess.Read && !mapped) {
            mapped = true;
            bench.cpu.advance(1000);
            bench.cpu.abandonInstruction();
          }
          return page + MOVED;
        },
      },
    }));
    expect(b.cpu.run(100_000)).toBe(StopReason.Abandoned);
    expect([b.cpu.ripLow, b.cpu.instructions()]).toEqual([CODE + 1, 1]);
    expect(b.cpu.run(100_000)).toBe(StopReason.Halted);
  });
});

describe('a ROM behind RAM', () => {
  it('is read by vCPUs alone, and page walks leave nothing in it', () => {
    const rom = new Uint8Array(0x2000);
    rom.set([0x88, 0x77], 0x1000);
    // Its first page is a page directory: 2 MiB pages one to one, writable, none of them accessed yet.
    const directory = new DataView(rom.buffer);
    for (let i = 0; i < 512; i++) directory.setBigUint64(8 * i, (BigInt(i) << 21n) | 0x87n, true);
    const untouched = rom.slice();
    const machine = createMachineCore({ ramBytes: RAM, rom, cpus: 1, module: coreModule(), costs: COSTS });
    const [cpu] = machine.cpus;
    const SHOWN = 0x8000_0000;
    const shown = (page: number): number => page - SHOWN + RAM;
    cpu.callouts = callouts();
    cpu.translation = {
      secondStage: { translate: (page) => (page >= SHOWN ? shown(page) : page) },
    };
    const tables = new DataView(new ArrayBuffer(0x2000));
    tables.setBigUint64(0, 0x2007n, true);
    tables.setBigUint64(0x1000, BigInt(SHOWN) | 7n, true);
    tables.setBigUint64(0x1010, BigInt(SHOWN) | 0x87n, true); // the third GiB: a page of 1 GiB
    machine.memory.write(0x1000, new Uint8Array(tables.buffer));
    machine.memory.write(
      CODE,
      Uint8Array.from([...save(0x50000), 0x48, 0x8b, 0x1c, 0x25, ...le(0x50000), HLT]),
    );
    cpu.startLongMode(BigInt(CODE), 0x90000n, 0x1000);
    expect(cpu.run(100_000)).toBe(StopReason.Halted);
    expect(cpu.peekVirtual(BigInt(SHOWN), 2 ** 13)).toEqual(untouched);
    expect([machine.memory.size, machine.memory.contains(RAM, 1)]).toEqual([RAM, false]);
  });

  it('has whole pages, and not too many', () => {
    for (const bytes of [0x1001, (16 << 20) + 0x1000]) {
      const options = { ramBytes: RAM, cpus: 1, module: coreModule(), costs: COSTS };
      expect(() => createMachineCore({ ...options, rom: new Uint8Array(bytes) })).toThrow(
        'a multiple of 4096',
      );
    }
  });
});

describe('a software TLB', () => {
  it('is filled by misses alone, and faults by what they answer', () => {
    const misses: [bigint, number, boolean][] = [];
    const b = bench([...load(0x7000_0000), ...load(0x7000_0008), ...load(0x7100_0000), HLT]);
    b.poke(0x60000, 7n, 8n);
    b.cpu.translation = {
      softwareTlb: {
        miss: (address, access, user) => {
          misses.push([address, access, user]);
          const at = Number(address);
          if (at >= 0x7100_0000) return { fault: 1 };
          return { page: at >= 0x7000_0000 ? 0x60000 : at - (at % PAGE) };
        },
      },
    };
    // There is no IDT: the fault ends in a shutdown, after CR2.
    expect(b.cpu.run(100_000)).toBe(StopReason.Shutdown);
    expect(b.cpu.getReg(Reg.RBX)).toBe(8n);
    expect(b.cpu.faultReport()?.message).toContain('0x71000000');
    expect(misses.slice(0, 3)).toEqual([
      [BigInt(CODE), TranslationAccess.Execute, false],
      [0x7000_0000n, TranslationAccess.Read, false],
      [0x7100_0000n, TranslationAccess.Read, false],
    ]);
  });
});
