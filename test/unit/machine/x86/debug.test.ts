import { describe, expect, it } from 'vitest';
import { StopReason, type CpuCallouts } from '../../../../src/machine/x86/types';
import { CODE } from './harness';
import { SETUP, le, setGate, system } from './system-bench';

/** What the #DB handler saw: DR6, the RIP to return to, and RF and TF in the flags it found on its stack. */
interface Trap {
  dr6: number;
  rip: number;
  rf: boolean;
}

const LOG = 0x30000;
const HANDLER = 0x21000;
const DATA = 0x50000;
const AFTER_SETUP = CODE + SETUP.length;

// Bits of DR6 (SDM vol. 3, figure 17-1), above those that always read as 1.
const FIXED = 0xffff0ff0;
const BS = 0x4000;
const BD = 0x2000;

/**
 * push rax; push rbx; mov rax,dr6; mov rbx,[0x7000]; log DR6, RIP and RFLAGS there; add qword [0x7000],24;
 * or byte [rsp+34],1 (RF in the image); mov dr6,0; pop rbx; pop rax; iretq
 */
const HANDLER_CODE = [
  ...[0x50, 0x53, 0x0f, 0x21, 0xf0, 0x48, 0x8b, 0x1c, 0x25, ...le(0x7000), 0x48, 0x89, 0x03],
  ...[0x48, 0x8b, 0x44, 0x24, 0x10, 0x48, 0x89, 0x43, 0x08, 0x48, 0x8b, 0x44, 0x24, 0x20, 0x48, 0x89, 0x43],
  ...[0x10, 0x48, 0x83, 0x04, 0x25, ...le(0x7000), 0x18, 0x80, 0x4c, 0x24, 0x22, 0x01, 0x31, 0xc0],
  ...[0x0f, 0x23, 0xf0, 0x5b, 0x58, 0x48, 0xcf],
];

const SET_TF = [0x9c, 0x48, 0x81, 0x0c, 0x24, ...le(0x100), 0x9d];
const CLEAR_TF: [string, number[]][] = [
  ['pushf', [0x9c]],
  ['and', [0x48, 0x81, 0x24, 0x24, ...le(0xfffffeff)]],
  ['popf', [0x9d]],
];
const HLT: [string, number[]] = ['hlt', [0xf4]];
/** mov eax,imm32 */
const mov = (value: number): number[] => [0xb8, ...le(value)];
/** mov eax,value; mov dr,rax */
const setDr = (register: number, value: number): number[] => [
  ...mov(value),
  0x0f,
  0x23,
  0xc0 | (register << 3),
];

/** Runs the pieces in 64-bit mode and returns what was trapped, addresses by the names of the pieces. */
function traps(
  pieces: [string, number[]][],
  overrides: Partial<CpuCallouts> = {},
  slice = Infinity,
): { log: Trap[]; at: Record<string, number>; registers: bigint[]; time: number; count: number } {
  const at: Record<string, number> = {};
  let next = AFTER_SETUP;
  for (const [name, bytes] of pieces) {
    at[name] = next;
    next += bytes.length;
  }
  const b = system(
    pieces.flatMap(([, bytes]) => bytes),
    overrides,
  );
  setGate(b, 1, HANDLER);
  setGate(b, 0x40, HANDLER + 0x800);
  b.machine.memory.write(HANDLER, Uint8Array.from(HANDLER_CODE));
  b.machine.memory.write(HANDLER + 0x800, Uint8Array.of(0x48, 0xcf));
  b.poke(0x7000, BigInt(LOG));
  let stop: StopReason = StopReason.Deadline;
  for (let i = 0; stop === StopReason.Deadline && i < 20000; i++) {
    stop = b.cpu.run(b.cpu.now() + Math.min(slice, 1e6));
    if (slice < 10 && i % 3 === 0) b.cpu.load(structuredClone(b.cpu.save()));
  }
  expect(stop).toBe(StopReason.Halted);
  const log: Trap[] = [];
  for (let p = LOG; p < Number(b.peek(0x7000)); p += 24) {
    const flags = Number(b.peek(p + 16));
    log.push({ dr6: Number(b.peek(p)) ^ FIXED, rip: Number(b.peek(p + 8)), rf: (flags & 0x10000) !== 0 });
  }
  const registers = Array.from({ length: 16 }, (_, r) => b.cpu.getReg(r));
  return { log, at, registers, time: b.cpu.now(), count: b.cpu.instructions() };
}

/** The traps, made sure of being the same whatever way the instructions are executed. */
function same(
  pieces: [string, number[]][],
  overrides: () => Partial<CpuCallouts> = () => ({}),
): ReturnType<typeof traps> {
  const whole = traps(pieces, overrides());
  expect(traps(pieces, overrides(), 1)).toEqual(whole);
  expect(traps(pieces, overrides(), 7)).toEqual(whole);
  return whole;
}

describe('single-stepping', () => {
  it('begins one instruction after POPF and ends with the one that clears TF', () => {
    const { log, at } = same([['set', SET_TF], ['nop', [0x90]], ...CLEAR_TF, HLT]);
    const rips = [at.pushf, at.and, at.popf, at.hlt];
    expect(log).toEqual(rips.map((rip) => ({ dr6: BS, rip, rf: false })));
  });

  it('traps after each iteration of a repeated instruction, RF set but for the last', () => {
    const { log, at } = same([
      ['set', [0xbe, ...le(DATA), 0xbf, ...le(DATA + 64), 0xb9, ...le(3), ...SET_TF]],
      ['rep', [0xf3, 0xa4]],
      ...CLEAR_TF,
      HLT,
    ]);
    expect(log.slice(0, 3)).toEqual([
      { dr6: BS, rip: at.rep, rf: true },
      { dr6: BS, rip: at.rep, rf: true },
      { dr6: BS, rip: at.pushf, rf: false },
    ]);
  });

  it('does not step into the handler of INT, and goes on after its IRET', () => {
    const { log, at } = same([['set', SET_TF], ['int', [0xcd, 0x40]], ['nop', [0x90]], ...CLEAR_TF, HLT]);
    expect(log.map(({ rip }) => rip)).toEqual([at.pushf, at.and, at.popf, at.hlt]);
  });

  it('passes over the boundary after MOV SS', () => {
    const { log, at } = same([
      ['set', [0x66, 0x8c, 0xd0, ...SET_TF]],
      ['ss', [0x8e, 0xd0]],
      ['nop', [0x90]],
      ...CLEAR_TF,
      HLT,
    ]);
    expect(log.map(({ rip }) => rip)).toEqual([at.pushf, at.and, at.popf, at.hlt]);
  });

  it('ends HLT at once', () => {
    const { log, at } = same([['set', SET_TF], ['halted', [0xf4]], ...CLEAR_TF, HLT]);
    expect(log[0]).toEqual({ dr6: BS, rip: at.pushf, rf: false });
  });
});

describe('breakpoints', () => {
  it('stop before an instruction, and RF in the returned flags passes over it once', () => {
    const loop = (address: number): [string, number[]][] => [
      ['arm', [...setDr(0, address), ...setDr(7, 0x402), 0xb9, ...le(2)]],
      ['here', [0xff, 0xc9]],
      ['back', [0x75, 0xfc]],
      HLT,
    ];
    const { log, at } = same(loop(traps(loop(0)).at.here));
    expect(log).toEqual([0, 1].map(() => ({ dr6: 1, rip: at.here, rf: false })));
  });

  it('trap after a store that touches the watched bytes, not after a load or a store beside them', () => {
    const { log, at } = same([
      ['arm', [...setDr(1, DATA + 4), ...setDr(7, 0x00d00408)]],
      ['beside', [0x89, 0x04, 0x25, ...le(DATA), 0x89, 0x04, 0x25, ...le(DATA + 8)]],
      ['load', [0x8b, 0x04, 0x25, ...le(DATA + 4)]],
      ['over', [0x89, 0x04, 0x25, ...le(DATA + 2)]],
      ['inside', [0x88, 0x04, 0x25, ...le(DATA + 7)]],
      HLT,
    ]);
    expect(log).toEqual([at.inside, at.hlt].map((rip) => ({ dr6: 2, rip, rf: false })));
  });

  it('trap after loads as well when R/W says so, stack accesses included', () => {
    const { log, at } = same([
      // mov esp,0x60008: the frames of the traps lie below what is watched
      ['arm', [...setDr(2, 0x60000), ...setDr(7, 0x0b000420), 0xbc, ...le(0x60008)]],
      ['push', [0x50]],
      ['pop', [0x58]],
      HLT,
    ]);
    expect(log.map(({ dr6, rip }) => [dr6, rip])).toEqual([
      [4, at.pop],
      [4, at.hlt],
    ]);
  });

  it('trap after port accesses with CR4.DE', () => {
    const arm = [...setDr(3, 0x80), ...setDr(7, 0x20000480)];
    const ports = (): Partial<CpuCallouts> => ({ portOut: () => undefined });
    const de = [0x0f, 0x20, 0xe0, 0x0c, 8, 0x0f, 0x22, 0xe0]; // mov rax,cr4; or al,8; mov cr4,rax
    const out: [string, number[]] = ['out', [0xe6, 0x80]];
    const { log, at } = same([['arm', [...de, ...arm]], out, ['other', [0xe6, 0x81]], HLT], ports);
    expect(log).toEqual([{ dr6: 8, rip: at.other, rf: false }]);
    expect(same([['arm', arm], out, HLT], ports).log).toEqual([]);
  });

  it('on what MOV SS loads are held back until the next instruction has completed', () => {
    const { log, at } = same([
      ['arm', [0x66, 0x8c, 0x14, 0x25, ...le(DATA), ...setDr(0, DATA), ...setDr(7, 0x000f0402)]],
      ['ss', [0x8e, 0x14, 0x25, ...le(DATA)]],
      ['nop', [0x90]],
      HLT,
    ]);
    expect(log).toEqual([{ dr6: 1, rip: at.hlt, rf: false }]);
  });
});

describe('general detection', () => {
  it('faults at a MOV of a debug register and switches itself off', () => {
    const { log, at, registers } = same([
      ['arm', setDr(7, 0x2400)],
      ['mov', [0x0f, 0x21, 0xfb]], // mov rbx,dr7
      HLT,
    ]);
    expect(log).toEqual([{ dr6: BD, rip: at.mov, rf: true }]);
    expect(registers[3]).toBe(0x400n);
  });
});

describe('alignment checks', () => {
  it('raise #AC at CPL 3 with CR0.AM and AC, after the page fault that the access has', () => {
    const user = 0x10100;
    // mov rax,cr0; bts rax,18; mov cr0,rax; iretq to CPL 3 with AC
    const code = [
      ...[0x0f, 0x20, 0xc0, 0x48, 0x0f, 0xba, 0xe8, 18, 0x0f, 0x22, 0xc0],
      ...[0x6a, 0x23, 0x68, ...le(0x70000), 0x68, ...le(0x40202), 0x6a, 0x1b, 0x68, ...le(user), 0x48, 0xcf],
    ];
    const b = system(code);
    setGate(b, 17, 0x22000);
    b.machine.memory.write(0x22000, Uint8Array.of(0xf4));
    // mov [DATA],eax; mov [DATA+2],ax; mov [DATA+1],al; mov eax,[DATA+2]
    b.machine.memory.write(
      user,
      Uint8Array.from([
        ...[0x89, 0x04, 0x25, ...le(DATA), 0x66, 0x89, 0x04, 0x25, ...le(DATA + 2)],
        ...[0x88, 0x04, 0x25, ...le(DATA + 1), 0x8b, 0x04, 0x25, ...le(DATA + 2)],
      ]),
    );
    expect(b.cpu.run(100_000)).toBe(StopReason.Halted);
    const frame = Number(b.cpu.getReg(4));
    expect([0, 8].map((o) => Number(b.peek(frame + o)))).toEqual([0, user + 22]);
  });
});
