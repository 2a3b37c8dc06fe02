/** Descriptor-table exiting (SDM vol. 3, 25.6.2): which instructions leave, and what the processor tells of them. */
import { describe, expect, it } from 'vitest';
import {
  Disposition,
  Intercept,
  NO_INTERCEPTS,
  tableAccessOf,
  type InstructionIntercept,
} from '../../../../src/machine/x86/policy';
import { Reg, StopReason, type CpuCallouts } from '../../../../src/machine/x86/types';
import type { Bench } from './harness';
import { le, setGate, system } from './system-bench';

interface Seen {
  reason: Intercept;
  detail: number;
  displacement: bigint;
}

const HLT = 0xf4;
const DATA = 0x30000;
const TABLES = 0x5100;

/** Fields of the instruction information (tables 28-10 and 28-11). */
interface Information {
  scale?: number;
  register?: number;
  addressSize?: number;
  operand32?: boolean;
  segment?: number;
  index?: number;
  base?: number;
  identity: number;
}

const SS = 2;
const DS = 3;
const ADDRESS_64 = 2;

/** Of a memory operand. */
function memory({ scale = 0, operand32, segment = DS, index, base, identity }: Information): number {
  return (
    scale |
    (ADDRESS_64 << 7) |
    (operand32 ? 1 << 11 : 0) |
    (segment << 15) |
    (index === undefined ? 1 << 22 : index << 18) |
    (base === undefined ? 1 << 27 : base << 23) |
    (identity << 28)
  );
}

const register = (number: number, identity: number): number => (1 << 10) | (number << 3) | (identity << 28);

function run(
  code: number[],
  reasons: InstructionIntercept[],
  answer: (nth: number) => Disposition = () => Disposition.Proceed,
): { seen: Seen[]; b: Bench } {
  const seen: Seen[] = [];
  const intercepted: CpuCallouts['intercepted'] = (reason, detail, low, high) => {
    seen.push({ reason, detail, displacement: BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low)) });
    return answer(seen.length);
  };
  const b = system([...code, HLT], { intercepted });
  b.cpu.policy = { ...NO_INTERCEPTS, instructions: reasons };
  expect(b.cpu.run(100_000)).toBe(StopReason.Halted);
  return { seen, b };
}

const GDT_IDT = Intercept.GdtrIdtr;
const LDT_TASK = Intercept.LdtrTr;

describe('GDTR and IDTR', () => {
  it('leave for the loads of the bench, which happen all the same', () => {
    const { seen, b } = run([], [GDT_IDT]);
    expect(seen).toEqual([
      { reason: GDT_IDT, detail: memory({ operand32: true, identity: 2 }), displacement: BigInt(TABLES) },
      {
        reason: GDT_IDT,
        detail: memory({ operand32: true, identity: 3 }),
        displacement: BigInt(TABLES + 16),
      },
    ]);
    expect(seen.map(({ detail }) => tableAccessOf(GDT_IDT, detail))).toEqual(['lgdt', 'lidt']);
    expect(b.cpu.idtr).toEqual({ base: 0x6000n, limit: 0xfff });
  });

  it('leave for stores, with base, index, scale, segment and displacement', () => {
    const code = [
      ...[0xbb, ...le(DATA), 0xb9, ...le(4)], // mov ebx,DATA; mov ecx,4
      ...[0x0f, 0x01, 0x44, 0x8b, 0xf8], // sgdt [rbx+rcx*4-8]
      ...[0x0f, 0x01, 0x4c, 0x24, 0x90], // sidt [rsp-0x70]
    ];
    const { seen, b } = run(code, [GDT_IDT]);
    const base = { operand32: true, scale: 2, base: Reg.RBX, index: Reg.RCX };
    expect(seen.slice(2)).toEqual([
      { reason: GDT_IDT, detail: memory({ ...base, identity: 0 }), displacement: -8n },
      {
        reason: GDT_IDT,
        detail: memory({ operand32: true, segment: SS, base: Reg.RSP, identity: 1 }),
        displacement: -0x70n,
      },
    ]);
    expect(b.peek(DATA + 8) & 0xffffn).toBe(0x37n);
  });

  it('keep what they hold when the VMM has dealt with the instruction', () => {
    const again = [0x0f, 0x01, 0x1c, 0x25, ...le(TABLES)]; // lidt [TABLES]
    const done = (nth: number): Disposition => (nth > 2 ? Disposition.Handled : Disposition.Proceed);
    const { seen, b } = run(again, [GDT_IDT], done);
    expect(seen).toHaveLength(3);
    expect(b.cpu.idtr.base).toBe(0x6000n);
  });
});

describe('LDTR and TR', () => {
  it('leave for loads and stores, of registers and of memory', () => {
    const code = [
      ...[0x0f, 0x00, 0xca], // str edx
      ...[0x31, 0xc9, 0x0f, 0x00, 0xd1], // xor ecx,ecx; lldt cx
      ...[0xb8, ...le(DATA), 0x0f, 0x00, 0x00], // mov eax,DATA; sldt [rax]
    ];
    const { seen, b } = run(code, [LDT_TASK]);
    expect(seen.map(({ detail }) => detail)).toEqual([
      register(Reg.RAX, 3),
      register(Reg.RDX, 1),
      register(Reg.RCX, 2),
      memory({ base: Reg.RAX, identity: 0 }),
    ]);
    expect(seen.map(({ detail }) => tableAccessOf(LDT_TASK, detail))).toEqual(['ltr', 'str', 'lldt', 'sldt']);
    expect(b.cpu.getReg(Reg.RDX)).toBe(0x28n);
  });
});

it('each leaves only if it is asked for, and SMSW never', () => {
  const smsw = [0x0f, 0x01, 0xe1];
  expect(run(smsw, []).seen).toEqual([]);
  expect(run(smsw, [LDT_TASK]).seen.map(({ reason }) => reason)).toEqual([LDT_TASK]);
  expect(run(smsw, [GDT_IDT]).seen.map(({ reason }) => reason)).toEqual([GDT_IDT, GDT_IDT]);
});

it('at CPL 3 the fault by privilege level comes first', () => {
  const seen: Intercept[] = [];
  const USER = 0x40000;
  const HANDLER = 0x20000;
  // push ss; push rsp; push flags; push cs; push rip; iretq
  const toUser = [
    ...[0x6a, 0x23, 0x68, ...le(0x70000), 0x6a, 0x02, 0x6a, 0x1b, 0x68, ...le(USER), 0x48, 0xcf],
  ];
  const b = system(toUser, { intercepted: (reason) => (seen.push(reason), Disposition.Proceed) });
  b.machine.memory.write(USER, Uint8Array.of(0x0f, 0x01, 0x1c, 0x25, ...le(TABLES + 16)));
  b.machine.memory.write(HANDLER, Uint8Array.of(HLT));
  setGate(b, 13, HANDLER);
  openToUser(b);
  b.cpu.policy = { ...NO_INTERCEPTS, instructions: [GDT_IDT] };
  expect(b.cpu.run(100_000)).toBe(StopReason.Halted);
  expect(seen).toEqual([GDT_IDT, GDT_IDT]);
});

/** Sets the U bit on the way to the first 2 MiB. */
function openToUser(b: Bench): void {
  for (const table of [0x1000, 0x2000, 0x3000]) b.poke(table, b.peek(table) | 4n);
}
