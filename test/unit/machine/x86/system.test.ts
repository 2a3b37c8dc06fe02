import { describe, expect, it } from 'vitest';
import { StopReason } from '../../../../src/machine/x86/types';
import { createMachineCore } from '../../../../src/machine/x86';
import { CODE, COSTS, PML4, RAM, STACK, bench, callouts, coreModule, type Bench } from './harness';
import { COUNTER, KERNEL_STACK, SETUP, le, setGate, system } from './system-bench';

const AFTER_SETUP = CODE + SETUP.length;
const INC_RBX_FOREVER = [0x48, 0xff, 0xc3, 0xeb, 0xfb];

describe('interrupts', () => {
  it('delivers one through the gate and tells when its handler has returned', () => {
    const log: string[] = [];
    const b = system([0xfb, ...INC_RBX_FOREVER], {
      interruptDelivered: (v) => log.push(`in ${v} if=${b.cpu.rflags() & 0x200n}`),
      interruptReturned: () => log.push('out'),
    });
    setGate(b, 0x40, 0x20000);
    // inc qword [COUNTER]; iretq
    b.machine.memory.write(0x20000, Uint8Array.from([0x48, 0xff, 0x04, 0x25, ...le(COUNTER), 0x48, 0xcf]));
    expect(b.cpu.run(200)).toBe(StopReason.Deadline);
    expect(b.cpu.interruptible()).toBe(true);
    const rip = b.cpu.ripLow;
    b.cpu.deliverInterrupt(0x40);
    expect(b.cpu.ripLow).toBe(0x20000);
    const frame = Number(b.cpu.getReg(4));
    expect(frame).toBe(STACK - 40);
    expect([0, 8, 24, 32].map((o) => Number(b.peek(frame + o)))).toEqual([rip, 8, STACK, 16]);
    expect(b.cpu.run(400)).toBe(StopReason.Deadline);
    expect(b.peek(COUNTER)).toBe(1n);
    expect(log).toEqual(['in 64 if=0', 'out']);
    expect(b.cpu.interruptible()).toBe(true);
  });

  it('opens the interrupt window only after the instruction that follows STI', () => {
    const b = system([0xfb, 0x90, 0x90, 0xf4]);
    b.cpu.requestInterruptWindow(true);
    expect(b.cpu.run(100_000)).toBe(StopReason.InterruptWindow);
    expect(b.cpu.ripLow).toBe(AFTER_SETUP + 2);
  });

  it('is not interruptible at a deadline in the shadow of STI', () => {
    const b = system([0xfb, 0x90, 0xf4]);
    while (b.cpu.ripLow !== AFTER_SETUP + 1) b.cpu.run(b.cpu.now() + 1);
    expect(b.cpu.rflags() & 0x200n).toBe(0x200n);
    expect(b.cpu.interruptible()).toBe(false);
    b.cpu.run(b.cpu.now() + 1);
    expect(b.cpu.interruptible()).toBe(true);
  });

  it('switches to the TSS stack when user code faults, with the error code pushed', () => {
    const user = 0x10100;
    const b = system([
      ...[0x6a, 0x23, 0x68, ...le(0x70000), 0x68, ...le(0x202), 0x6a, 0x1b, 0x68, ...le(user)],
      ...[0x48, 0xcf],
    ]);
    b.machine.memory.write(user, Uint8Array.of(0xf4)); // HLT is privileged
    setGate(b, 13, 0x22000);
    b.machine.memory.write(0x22000, Uint8Array.of(0xf4));
    expect(b.cpu.run(100_000)).toBe(StopReason.Halted);
    expect(b.cpu.cpl()).toBe(0);
    const frame = Number(b.cpu.getReg(4));
    expect(frame).toBe(KERNEL_STACK - 48);
    const words = [0, 8, 16, 24, 32, 40].map((o) => Number(b.peek(frame + o)));
    expect(words).toEqual([0, user, 0x1b, 0x10202, 0x70000, 0x23]);
  });
});

describe('faults', () => {
  it('raises #PF with CR2 and error code, leaving no partial state', () => {
    // push qword [0x40000000]: nothing is mapped there
    const b = system([0xff, 0x34, 0x25, ...le(0x40000000)]);
    setGate(b, 14, 0x21000);
    b.machine.memory.write(0x21000, Uint8Array.from([0x0f, 0x20, 0xd3, 0xf4])); // mov rbx,cr2; hlt
    expect(b.cpu.run(100_000)).toBe(StopReason.Halted);
    expect(b.cpu.getReg(3)).toBe(0x40000000n);
    const frame = Number(b.cpu.getReg(4));
    expect([0, 8, 32].map((o) => Number(b.peek(frame + o)))).toEqual([0, AFTER_SETUP, STACK]);
  });

  it('sets accessed and dirty bits, and refuses a store to a read-only page with W and P in the error code', () => {
    const b = system([0x8b, 0x04, 0x25, ...le(0x200000), 0x89, 0x04, 0x25, ...le(0x200000)]);
    b.poke(0x3008, 0x200000n | 0x85n);
    setGate(b, 14, 0x21000);
    b.machine.memory.write(0x21000, Uint8Array.of(0xf4));
    expect(b.cpu.run(100_000)).toBe(StopReason.Halted);
    expect(b.peek(Number(b.cpu.getReg(4)))).toBe(3n);
    expect(b.peek(0x3008) & 0x60n).toBe(0x20n);
    expect(b.peek(0x3000) & 0x60n).toBe(0x60n);
  });

  it('shuts down on a triple fault and tells the chain', () => {
    const b = bench([0x0f, 0x0b]);
    expect(b.cpu.run(1000)).toBe(StopReason.Shutdown);
    expect(b.cpu.faultReport()).toMatchObject({ disassembly: 'ud2', rip: '0x10000' });
    expect(b.cpu.faultReport()?.message).toContain('#UD');
  });

  it('raises #UD for what it lacks, and keeps its name, where it was met first and how often', () => {
    // a: addps xmm0, xmm1; fld1; ud2; lock inc eax; jmp a. The handler skips to the next mark: 3, 2, 2, 3 bytes.
    const code = [0x0f, 0x58, 0xc1, 0xd9, 0xe8, 0x0f, 0x0b, 0xf0, 0xff, 0xc0, 0xeb, 0xf4];
    const b = system(code);
    const start = CODE + SETUP.length;
    const next = new Map([
      [start, 3],
      [start + 3, 2],
      [start + 5, 2],
      [start + 7, 3],
    ]);
    setGate(b, 6, 0x20000);
    b.machine.memory.write(0x20000, Uint8Array.of(0xf4));
    for (let i = 0; i < 7; i++) {
      expect(b.cpu.run(b.cpu.now() + 1000)).toBe(StopReason.Halted);
      const rip = Number(b.peek(Number(b.cpu.getReg(4))));
      b.cpu.setRip(BigInt(rip + (next.get(rip) ?? NaN)));
    }
    const missing = [
      { mnemonic: 'addps', rip: `0x${start.toString(16)}`, count: 2 },
      { mnemonic: 'fld1', rip: `0x${(start + 3).toString(16)}`, count: 2 },
    ];
    expect(b.cpu.missingInstructions()).toEqual(missing);
    const other = bench([]);
    other.cpu.load(b.cpu.save());
    expect(other.cpu.missingInstructions()).toEqual(missing);
  });
});

describe('self-modifying code', () => {
  it('sees a store to the very next instruction', () => {
    // mov byte [CODE+9], 0x2a; mov al, 1; hlt
    const b = bench([0xc6, 0x04, 0x25, ...le(CODE + 9), 0x2a, 0xb0, 1, 0xf4]);
    expect(b.cpu.run(1000)).toBe(StopReason.Halted);
    expect(b.cpu.getReg(0)).toBe(0x2an);
  });

  it('forgets code that a device overwrites', () => {
    const b = bench(INC_RBX_FOREVER);
    b.cpu.run(100);
    b.machine.memory.write(CODE, Uint8Array.of(0xf4));
    expect(b.cpu.run(200)).toBe(StopReason.Halted);
  });

  it('runs an instruction that lies in two pages, and sees its second part change', () => {
    const at = CODE + 0x1000 - 3; // mov eax, imm32; ret
    const b = bench([0xbb, ...le(at), 0xff, 0xd3, 0x89, 0xc1, 0xff, 0xd3, 0xf4]);
    b.machine.memory.write(at, Uint8Array.from([0xb8, 1, 0, 0, 0, 0xc3]));
    expect(b.cpu.run(5)).toBe(StopReason.Deadline);
    expect(b.cpu.getReg(1)).toBe(1n);
    b.machine.memory.write(at + 3, Uint8Array.of(7));
    expect(b.cpu.run(1000)).toBe(StopReason.Halted);
    expect(b.cpu.getReg(0)).toBe(0x70001n);
  });
});

describe('several vCPUs', () => {
  it('share RAM and the translated code, and have registers of their own', () => {
    const machine = createMachineCore({ ramBytes: RAM, cpus: 2, module: coreModule(), costs: COSTS });
    const tables = bench([]).machine.memory.read(PML4, 0x4000);
    machine.memory.write(PML4, tables);
    // lock inc dword [COUNTER]; mov rax,[COUNTER]; hlt
    const code = [0xf0, 0xff, 0x04, 0x25, ...le(COUNTER), 0x48, 0x8b, 0x04, 0x25, ...le(COUNTER), 0xf4];
    machine.memory.write(CODE, Uint8Array.from(code));
    for (const cpu of machine.cpus) {
      cpu.callouts = callouts();
      cpu.startLongMode(BigInt(CODE), BigInt(STACK), PML4);
      expect(cpu.run(1000)).toBe(StopReason.Halted);
    }
    expect(machine.cpus.map((cpu) => cpu.getReg(0))).toEqual([1n, 2n]);
  });
});

describe('dirty pages', () => {
  it('tells the pages stored to since they were last asked for', () => {
    // l: mov [0x50000],eax; jmp l
    const b = bench([0x89, 0x04, 0x25, ...le(0x50000), 0xeb, 0xf7]);
    b.cpu.run(10);
    expect(b.machine.memory.takeDirtyPages()).toContain(0x50);
    expect(b.machine.memory.takeDirtyPages()).toEqual([]);
    b.cpu.run(20);
    expect(b.machine.memory.takeDirtyPages()).toContain(0x50);
  });
});

describe('determinism of slicing', () => {
  const loop = [
    ...[0x51, 0xbe, ...le(0x50000), 0xbf, ...le(0x50100), 0xb9, 7, 0, 0, 0, 0xf3, 0xa4],
    ...[0xbb, ...le(0xfe000000), 0x8b, 0x03, 0x01, 0x06, 0xe4, 0x60, 0x0f, 0x31],
    ...[0x49, 0x01, 0xc0, 0x59, 0xe8, 5, 0, 0, 0, 0xff, 0xc9],
  ];
  const program = [
    0xb9,
    60,
    0,
    0,
    0,
    ...loop,
    0x75,
    (256 - loop.length - 2) & 255,
    0xf4,
    0x4d,
    0x6b,
    0xc0,
    0x21,
    0xc3,
  ];

  function trace(slice: (n: number) => number, fastPaths: boolean): unknown {
    const log: number[][] = [];
    const b: Bench = bench(
      program,
      {
        mmioRead: (a) => {
          log.push([b.cpu.now(), b.cpu.ripLow, a]);
          b.cpu.advance(13);
          return log.length;
        },
        portIn: (p) => {
          log.push([b.cpu.now(), b.cpu.ripLow, p, b.cpu.instructions()]);
          return log.length & 255;
        },
      },
      fastPaths,
    );
    let n = 0;
    while (b.cpu.run(b.cpu.now() + slice(n++)) !== StopReason.Halted);
    const registers = Array.from({ length: 16 }, (_, r) => b.cpu.getReg(r));
    const memory = Array.from(b.machine.memory.read(0x50000, 0x200));
    return { log, registers, memory, flags: b.cpu.rflags(), now: b.cpu.now(), count: b.cpu.instructions() };
  }

  it('gives the same call-outs, times and state whole, one instruction at a time, and at random deadlines', () => {
    const whole = trace(() => 1_000_000, true) as { count: number };
    expect(whole.count).toBeGreaterThan(60 * 15);
    expect(trace(() => 1, true)).toEqual(whole);
    expect(trace((n) => 1 + ((n * 7919) % 23), true)).toEqual(whole);
    expect(trace((n) => 1 + ((n * 104729) % 91), false)).toEqual(whole);
  });
});
