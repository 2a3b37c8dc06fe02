/** What leaves the guest is the VMM's to say; what it lets proceed ends as if nothing had been intercepted (SDM vol. 3, 25.6 and 26). */
import { describe, expect, it } from 'vitest';
import {
  Disposition,
  Intercept,
  NO_INTERCEPTS,
  crAccessOf,
  drAccessOf,
  exceptionOf,
  type CpuPolicy,
  type InstructionIntercept,
} from '../../../../src/machine/x86/policy';
import { Reg, StopReason, type CpuCallouts } from '../../../../src/machine/x86/types';
import { CODE, bench, callouts, type Bench } from './harness';
import { SETUP, le, setGate, system } from './system-bench';

type Seen = [reason: number, detail: number, value: bigint];

/** Notes what is intercepted and answers `disposition`. */
function watcher(
  seen: Seen[],
  disposition: () => Disposition = () => Disposition.Proceed,
): Partial<CpuCallouts> {
  return {
    intercepted: (reason, detail, low, high) => {
      seen.push([reason, detail, (BigInt(high) << 32n) | BigInt(low)]);
      return disposition();
    },
  };
}

const policy = (changes: Partial<CpuPolicy>): CpuPolicy => ({ ...NO_INTERCEPTS, ...changes });
const instructions = (...list: InstructionIntercept[]): CpuPolicy => policy({ instructions: list });

const HLT = 0xf4;
const movEax = (value: number): number[] => [0xb8, ...le(value)];
const MOV_CR0_RAX = [0x0f, 0x22, 0xc0];
const MOV_CR4_RAX = [0x0f, 0x22, 0xe0];
const CLTS = [0x0f, 0x06];
const LMSW_AX = [0x0f, 0x01, 0xf0];
const PE = 1n;
const MP = 2n;
const TS = 8n;
const WP = 0x10000n;
/** PE, MP, ET, NE, WP, PG: how the benches start. */
const CR0 = 0x80010033;

function ended(b: Bench): Bench {
  expect(b.cpu.run(1_000_000)).toBe(StopReason.Halted);
  return b;
}

describe('control registers', () => {
  it('leave when a bit of the mask would differ from the shadow, and only then', () => {
    const seen: Seen[] = [];
    const b = bench(
      [...movEax(CR0 | 8), ...MOV_CR0_RAX, ...movEax(CR0 & ~0x20), ...MOV_CR0_RAX, HLT],
      watcher(seen),
    );
    // TS is the guest's own; NE is not.
    b.cpu.policy = policy({ cr0: { mask: BigInt.asUintN(64, ~TS) } });
    ended(b);
    expect(seen).toEqual([[Intercept.CrAccess, 0, BigInt(CR0 & ~0x20 & 0xffffffff) & 0xffffffffn]]);
    expect(b.cpu.readControl(0)).toBe(BigInt(CR0 >>> 0) & ~0x20n);
  });

  it('show the shadow in the bits of the mask, and keep the register in them', () => {
    // mov cr0 with MP as the shadow has it and TS changed; mov rbx,cr0; smsw ecx
    const b = bench([...movEax((CR0 & ~2) | 8), ...MOV_CR0_RAX, 0x0f, 0x20, 0xc3, 0x0f, 0x01, 0xe1, HLT]);
    b.cpu.policy = policy({ cr0: { mask: MP, shadow: 0n } });
    ended(b);
    const register = BigInt(CR0 >>> 0) | TS;
    expect(b.cpu.readControl(0)).toBe(register);
    expect(b.cpu.getReg(Reg.RBX)).toBe(register & ~MP);
    expect(b.cpu.getReg(Reg.RCX)).toBe(register & ~MP);
  });

  it('name register, operand and kind as the qualification does', () => {
    const seen: Seen[] = [];
    // mov rbx,cr3; mov cr3,rbx; mov rdx,cr4; or edx,4; mov cr4,rdx
    const code = [0x0f, 0x20, 0xdb, 0x0f, 0x22, 0xdb, 0x0f, 0x20, 0xe2, 0x83, 0xca, 4, 0x0f, 0x22, 0xe2];
    const b = bench([...code, ...CLTS, ...movEax(3), ...LMSW_AX, HLT], watcher(seen));
    b.cpu.policy = policy({
      cr0: { mask: TS | MP, shadow: TS },
      cr3: { loads: true, stores: true },
      cr4: { mask: 4n },
    });
    ended(b);
    expect(seen.map(([, detail]) => crAccessOf(detail))).toEqual([
      { kind: 'read', register: 3, operand: 3 },
      { kind: 'write', register: 3, operand: 3 },
      { kind: 'write', register: 4, operand: 2 },
      { kind: 'clts', register: 0, operand: 0 },
      { kind: 'lmsw', register: 0, operand: 0 },
    ]);
    expect(seen[4][1] >>> 16).toBe(3);
    expect(b.cpu.readControl(4) & 4n).toBe(4n);
  });

  it("LMSW leaves for PE only when it sets it; CLTS leaves a TS alone that is the VMM's and reads as clear", () => {
    const seen: Seen[] = [];
    const b = bench([...movEax(2), ...LMSW_AX, ...CLTS, HLT], watcher(seen));
    b.cpu.writeControl(0, BigInt(CR0 >>> 0) | TS);
    b.cpu.policy = policy({ cr0: { mask: PE | TS, shadow: PE } });
    ended(b);
    expect(seen).toEqual([]);
    expect(b.cpu.readControl(0) & TS).toBe(TS);
  });

  it('are checked after the guest has left: #GP is what the write itself raises', () => {
    const seen: Seen[] = [];
    const b = system([...movEax(0), ...MOV_CR4_RAX, HLT], watcher(seen));
    setGate(b, 13, 0x20000);
    b.machine.memory.write(0x20000, Uint8Array.of(0x59, HLT)); // pop rcx: the error code
    b.cpu.policy = policy({ cr4: { mask: 0x20n } });
    ended(b);
    expect(seen).toEqual([[Intercept.CrAccess, 4, 0n]]);
    expect(b.cpu.getReg(Reg.RCX)).toBe(0n);
    expect([b.cpu.writeControl(4, 0n), b.cpu.writeControl(0, BigInt(CR0 >>> 0) & ~WP)]).toEqual([
      false,
      true,
    ]);
    expect(b.cpu.readControl(0) & WP).toBe(0n);
  });

  it('do nothing when the VMM has handled them, or raise what it answers', () => {
    for (const [answer, vector] of [
      [Disposition.Handled, 0],
      [Disposition.GeneralProtection, 13],
      [Disposition.InvalidOpcode, 6],
    ] as const) {
      const b = system(
        [...movEax(CR0 & ~0x20), ...MOV_CR0_RAX, HLT],
        watcher([], () => answer),
      );
      for (const [v, handler] of [
        [6, 0x20000],
        [13, 0x20100],
      ]) {
        setGate(b, v, handler);
        b.machine.memory.write(handler, Uint8Array.of(0xb9, ...le(v), HLT));
      }
      b.cpu.setReg(Reg.RCX, 0n);
      b.cpu.policy = policy({ cr0: { mask: 0x20n } });
      ended(b);
      expect([b.cpu.getReg(Reg.RCX), b.cpu.readControl(0) & 0x20n]).toEqual([BigInt(vector), 0x20n]);
    }
  });
});

describe('instructions', () => {
  const cases: [string, InstructionIntercept, number[]][] = [
    ['wbinvd', Intercept.Wbinvd, [0x0f, 0x09]],
    ['invd', Intercept.Invd, [0x0f, 0x08]],
    ['rdtsc', Intercept.Rdtsc, [0x0f, 0x31]],
    ['rdtscp', Intercept.Rdtscp, [0x0f, 0x01, 0xf9]],
    ['invlpg', Intercept.Invlpg, [0x0f, 0x01, 0x38]],
    ['pause', Intercept.Pause, [0xf3, 0x90]],
    ['mov dr', Intercept.DrAccess, [0x0f, 0x23, 0xd0]],
  ];
  it.each(cases)('%s leaves if the policy says so, at any time', (_, reason, bytes) => {
    for (const fastPaths of [true, false]) {
      const seen: Seen[] = [];
      const b = bench([...bytes, HLT, ...bytes, HLT, ...bytes, HLT], watcher(seen), fastPaths);
      ended(b);
      b.cpu.policy = instructions(reason);
      ended(b);
      b.cpu.policy = NO_INTERCEPTS;
      ended(b);
      expect(seen.map(([each]) => each)).toEqual([reason]);
      expect(b.cpu.instructions()).toBe(6);
    }
  });

  it('PAUSE leaves in compiled loops, too', () => {
    // 1: pause; dec ecx; jnz 1b
    const seen: Seen[] = [];
    const code = [0xb9, ...le(1000), 0xf3, 0x90, 0xff, 0xc9, 0x75, 0xfa, HLT];
    const b = bench(code, watcher(seen), true, { threshold: 10, batch: 1 });
    b.cpu.run(2000);
    const left = Number(b.cpu.getReg(Reg.RCX));
    expect(left).toBeGreaterThan(0);
    expect(b.machine.jit?.compiled).toBeGreaterThan(0);
    b.cpu.policy = instructions(Intercept.Pause);
    ended(b);
    expect([left, left - 1]).toContain(seen.length);
  });

  it('RDPMC leaves before its #GP, not before that of privilege', () => {
    const seen: Seen[] = [];
    const b = bench(
      [0x0f, 0x33, HLT],
      watcher(seen, () => Disposition.Handled),
    );
    b.cpu.policy = instructions(Intercept.Rdpmc);
    ended(b);
    expect(seen.map(([reason]) => reason)).toEqual([Intercept.Rdpmc]);
  });

  it('a debug register is named with its direction and the general register', () => {
    const seen: Seen[] = [];
    // mov dr2,rax; mov rbx,dr3
    const b = bench([...movEax(0x1234), 0x0f, 0x23, 0xd0, 0x0f, 0x21, 0xdb, HLT], watcher(seen));
    b.cpu.policy = instructions(Intercept.DrAccess);
    ended(b);
    expect(seen.map(([, detail]) => drAccessOf(detail))).toEqual([
      { write: true, register: 2, operand: 0 },
      { write: false, register: 3, operand: 3 },
    ]);
    expect(seen[0][2]).toBe(0x1234n);
    expect(b.cpu.save().hardware.debug[2]).toBe(0x1234n);
  });

  it('can be given up, and then happen as if they had not been', () => {
    let asked = 0;
    const b = bench([...movEax(CR0 & ~0x20), ...MOV_CR0_RAX, HLT]);
    b.cpu.callouts = callouts({
      intercepted: () => {
        b.cpu.advance(5);
        if (asked++ === 0) b.cpu.abandonInstruction();
        return Disposition.Handled;
      },
    });
    b.cpu.policy = policy({ cr0: { mask: 0x20n } });
    expect(b.cpu.run(10_000)).toBe(StopReason.Abandoned);
    expect([b.cpu.ripLow, b.cpu.instructions()]).toEqual([CODE + 5, 1]);
    ended(b);
    expect([asked, b.cpu.instructions(), b.cpu.readControl(0) & 0x20n]).toEqual([2, 3, 0x20n]);
  });
});

describe('MSRs', () => {
  const EFER = 0xc0000080;
  const FS_BASE = 0xc0000100;
  const TSC = 0x10;
  const wrmsr = (index: number, low: number): number[] => [
    ...[0xb9, ...le(index), ...movEax(low), 0x31, 0xd2],
    ...[0x0f, 0x30],
  ];
  const rdmsr = (index: number): number[] => [0xb9, ...le(index), 0x0f, 0x32];

  it('of the core leave unless they are passed through; the VMM has the core do the rest', () => {
    const log: string[] = [];
    const b = bench([
      ...wrmsr(FS_BASE, 0x1000),
      ...rdmsr(FS_BASE),
      ...wrmsr(EFER, 0x501),
      ...rdmsr(EFER),
      HLT,
    ]);
    b.cpu.callouts = callouts({
      msrRead: (index) => {
        log.push(`read ${index.toString(16)}`);
        return b.cpu.readMsr(index);
      },
      msrWrite: (index, low, high) => {
        log.push(`write ${index.toString(16)} ${low.toString(16)}`);
        return b.cpu.writeMsr(index, low, high);
      },
    });
    b.cpu.policy = policy({ msrs: { reads: [FS_BASE, TSC], writes: [FS_BASE] } });
    ended(b);
    expect(log).toEqual([`write ${EFER.toString(16)} 501`, `read ${EFER.toString(16)}`]);
    expect(b.cpu.save().hardware.msrs[0]).toBe(0x501n);
    expect(b.cpu.getReg(Reg.RAX)).toBe(0x501n);
  });

  it('of the core raise #GP by what the VMM passes on', () => {
    const b = system([...wrmsr(EFER, 0x501), ...wrmsr(0x277, 0x02020202), HLT]);
    b.cpu.callouts = callouts({ msrWrite: (index, low, high) => b.cpu.writeMsr(index, low, high) });
    setGate(b, 13, 0x20000);
    b.machine.memory.write(0x20000, Uint8Array.of(0xbb, ...le(0x77), HLT));
    b.cpu.policy = policy({ msrs: { reads: 'all', writes: [] } });
    ended(b);
    expect(b.cpu.getReg(Reg.RBX)).toBe(0x77n);
    expect(b.cpu.save().hardware.msrs[11]).toBe(0x0007040600070406n);
  });

  it('that the core does not keep cannot be passed through', () => {
    const b = bench([HLT]);
    expect(() => {
      b.cpu.policy = policy({ msrs: { reads: [0x1b], writes: 'all' } });
    }).toThrow(/0x1b/);
  });
});

describe('the exception bitmap', () => {
  it('lets the VMM have an exception; passed on it arrives as ever', () => {
    const one = (bitmap: number): unknown[] => {
      const seen: Seen[] = [];
      const b = system([0x90, 0x0f, 0x0b, HLT], watcher(seen));
      setGate(b, 6, 0x20000);
      b.machine.memory.write(0x20000, Uint8Array.of(0x59, HLT)); // pop rcx
      b.cpu.policy = policy({ exceptions: bitmap });
      ended(b);
      return [b.cpu.save(), seen.map(([, detail]) => exceptionOf(detail))];
    };
    const [plain, none] = one(0);
    const [left, some] = one(1 << 6);
    expect(left).toEqual(plain);
    expect(none).toEqual([]);
    expect(some).toEqual([{ vector: 6, type: 3, errorCode: undefined }]);
  });

  it('handled by the VMM an exception has not happened: execution goes on at the RIP it sets', () => {
    const b = bench([0x0f, 0x0b, HLT]);
    b.cpu.callouts = callouts({
      intercepted: () => {
        b.cpu.setRip(BigInt(CODE + 2));
        b.cpu.advance(100);
        return Disposition.Handled;
      },
    });
    b.cpu.policy = policy({ exceptions: 1 << 6 });
    ended(b);
    // Nothing of the exception is charged or retired: HLT alone, which costs 10.
    expect([b.cpu.instructions(), b.cpu.now()]).toEqual([1, 110]);
  });

  it('tells page faults apart by their error code', () => {
    // mov rbx,[0x40000000]; mov [0x40000000],rbx: not mapped
    const load = [0x48, 0x8b, 0x1c, 0x25, ...le(0x40000000)];
    const save = [0x48, 0x89, 0x1c, 0x25, ...le(0x40000000)];
    const faults = (exceptions: number, mask: number, match: number): number[] => {
      const seen: Seen[] = [];
      const b = bench([...load, ...save, HLT]);
      b.cpu.callouts = callouts({
        intercepted: (reason, detail, low, high) => {
          seen.push([reason, detail, (BigInt(high) << 32n) | BigInt(low)]);
          b.cpu.setRip((BigInt(b.cpu.ripHigh) << 32n) + BigInt(b.cpu.ripLow) + 8n);
          b.cpu.advance(1);
          return Disposition.Handled;
        },
      });
      b.cpu.policy = policy({ exceptions, pageFaults: { mask, match } });
      // Without a handler a fault that does not leave is a triple fault.
      b.cpu.run(1_000_000);
      seen.forEach(([, , value]) => expect(value).toBe(0x40000000n));
      expect(b.cpu.readControl(2)).toBe(b.cpu.faultReport() ? 0x40000000n : 0n);
      return seen.map(([, detail]) => exceptionOf(detail).errorCode ?? -1);
    };
    expect(faults(1 << 14, 0, 0)).toEqual([0, 2]);
    expect(faults(0, 0, 1)).toEqual([0, 2]);
    // Loads only: the store ends in a triple fault.
    expect(faults(1 << 14, 2, 0)).toEqual([0]);
  });

  it('has INT3 at its own RIP, with its type, and INT n never', () => {
    const seen: Seen[] = [];
    const rips: number[] = [];
    const b = system([0xcd, 3, 0xcc, HLT]);
    b.cpu.callouts = callouts({
      intercepted: (reason, detail) => {
        seen.push([reason, detail, 0n]);
        rips.push(b.cpu.ripLow);
        return Disposition.Proceed;
      },
    });
    setGate(b, 3, 0x20000);
    b.machine.memory.write(0x20000, Uint8Array.of(0x48, 0xff, 0xc3, 0x48, 0xcf)); // inc rbx; iretq
    b.cpu.setReg(Reg.RBX, 0n);
    b.cpu.policy = policy({ exceptions: 1 << 3 });
    ended(b);
    expect(seen.map(([, detail]) => exceptionOf(detail))).toEqual([
      { vector: 3, type: 6, errorCode: undefined },
    ]);
    expect(rips).toEqual([CODE + SETUP.length + 2]);
    expect(b.cpu.getReg(Reg.RBX)).toBe(2n);
  });

  it('has the traps of single-stepping, with what is new in DR6', () => {
    const seen: Seen[] = [];
    // pushfq; or dword [rsp],0x100; popfq; nop; hlt
    const code = [0x9c, 0x81, 0x0c, 0x24, ...le(0x100), 0x9d, 0x90, 0x90];
    const b = bench([...code, HLT]);
    b.cpu.callouts = callouts({
      intercepted: (reason, detail, low) => {
        seen.push([reason, detail, BigInt(low)]);
        b.cpu.advance(1);
        return Disposition.Handled;
      },
    });
    b.cpu.policy = policy({ exceptions: 1 << 1 });
    b.cpu.run(200);
    expect(seen.slice(0, 2)).toEqual([
      [Intercept.Exception, 0x301, 0x4000n],
      [Intercept.Exception, 0x301, 0x4000n],
    ]);
    expect(b.cpu.save().hardware.debug[6]).toBe(0xffff0ff0n);
  });

  it('has no say in what the VMM injects', () => {
    const seen: Seen[] = [];
    const b = system([0x90, HLT], watcher(seen));
    setGate(b, 14, 0x20000);
    b.machine.memory.write(0x20000, Uint8Array.of(0x59, HLT));
    b.cpu.run(1);
    b.cpu.run(12); // past LGDT and LIDT
    b.cpu.run(1000);
    b.cpu.policy = policy({ exceptions: 1 << 14 });
    b.cpu.injectException(14, 7, 0x123456789000n);
    ended(b);
    expect([b.cpu.getReg(Reg.RCX), b.cpu.readControl(2)]).toEqual([7n, 0x123456789000n]);
    expect(seen).toEqual([]);
  });
});

describe('the time-stamp counter', () => {
  it("tells when a deadline comes by the guest's counter, and when that has changed", () => {
    let changes = 0;
    // wrmsr 0x10, 1000
    const b = bench([0xb9, ...le(0x10), ...movEax(1000), 0x31, 0xd2, 0x0f, 0x30, HLT], {
      tscChanged: () => void changes++,
    });
    b.cpu.tscOffset = 500n;
    expect(b.cpu.timeOfTsc(700n)).toBe(200);
    expect(b.cpu.timeOfTsc(500n)).toBe(0);
    ended(b);
    expect(changes).toBe(1);
    // Three instructions of 1 cycle before it; the write takes effect at its start.
    expect(b.cpu.tscOffset).toBe(997n);
    expect(b.cpu.timeOfTsc(5997n)).toBe(5000);
    b.cpu.tscOffset = BigInt.asUintN(64, -1000n);
    // The counter stands just below 2^64: every smaller deadline has passed (the comparison is unsigned).
    expect(b.cpu.timeOfTsc(5n)).toBe(b.cpu.now());
    b.cpu.tscOffset = 0n;
    expect(b.cpu.timeOfTsc(1n << 63n)).toBe(Infinity);
  });
});
