/**
 * Random guests under random devices, for properties of the vCPU: a seeded program runs with interrupts, call-outs that
 * take time, cut deadlines and ask for attention; everything that can be seen from outside is logged.
 */
import { createHash } from 'node:crypto';
import type { GuestRam } from '../../../../src/machine/x86';
import type { RamState } from '../../../../src/machine/memory/guest-ram';
import type { JitOptions } from '../../../../src/machine/x86/jit/jit';
import { StopReason, type Cpu, type CpuCallouts, type CpuState } from '../../../../src/machine/x86/types';
import { generateTests, randomSource } from '../../../conformance/native-oracle/generate';
import { CODE, DEVICE, bench } from './harness';
import { COUNTER, SETUP, le, setGate, system } from './system-bench';

/** Where the programs keep their data. */
const DATA = 0x50000;
const HANDLERS = 0x20000;
/** Exceptions that push an error code (SDM vol. 3, table 6-1). */
const WITH_ERROR: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);
const SKIP_BYTE = [0x48, 0xff, 0x04, 0x24, 0x48, 0xcf]; // inc qword [rsp]; iretq
const DROP_ERROR = [0x48, 0x83, 0xc4, 0x08]; // add rsp, 8
/** push rax; inc qword [COUNTER]; mov eax,[DEVICE+0x20]; pop rax; iretq */
const ON_INTERRUPT = [
  ...[0x50, 0x48, 0xff, 0x04, 0x25, ...le(COUNTER), 0xb8, ...le(DEVICE), 0x8b, 0x40, 0x20],
  ...[0x58, 0x48, 0xcf],
];
const FIRST_INTERRUPT = 0x40;
const INTERRUPTS = 4;
/** mov rsi, DATA+0x100; mov rdi, DATA+0x800; mov r15, DATA+0x400; mov r14, 8; mov rbx, DEVICE */
const POINTERS = [
  ...[0x48, 0xc7, 0xc6, ...le(DATA + 0x100), 0x48, 0xc7, 0xc7, ...le(DATA + 0x800)],
  ...[0x49, 0xc7, 0xc7, ...le(DATA + 0x400), 0x49, 0xc7, 0xc6, ...le(8), 0xbb, ...le(DEVICE)],
];

type Random = () => number;

/** Pieces that drivers are made of; each leaves the stack as it was, unless it faults. */
const PIECES: readonly ((random: Random) => number[])[] = [
  (r) => [0x8b, 0x43, (r() % 16) * 4], // mov eax,[rbx+n]
  (r) => [0x48, 0x8b, 0x4b, (r() % 8) * 8], // mov rcx,[rbx+n]
  (r) => [0x89, 0x43, (r() % 16) * 4], // mov [rbx+n],eax
  (r) => [0xc7, 0x43, 8, ...le(r())], // mov dword [rbx+8],imm
  (r) => [0x48, 0xc7, 0x43, 16, ...le(r())], // mov qword [rbx+16],imm
  () => [0x0f, 0xb6, 0x43, 3, 0x66, 0x8b, 0x53, 6], // movzx eax,byte [rbx+3]; mov dx,[rbx+6]
  () => [0x03, 0x43, 4, 0x31, 0x4b, 8], // add eax,[rbx+4]; xor [rbx+8],ecx
  (r) => [0xe4 + (r() & 1), r() & 255, 0xe6, r() & 255], // in; out
  () => [0x66, 0xba, 0xf8, 0x03, 0xec, 0xef], // mov dx,0x3f8; in al,dx; out dx,eax
  () => [0xfb], // sti
  () => [0xfa, 0x90, 0xfb, 0x90], // cli; nop; sti; nop
  () => [0x9c, 0xfa, 0xff, 0xc0, 0x9d], // pushfq; cli; inc eax; popfq
  () => [0xfb, 0xf4], // sti; hlt
  (r) => [0xb9, ...le(r() % 300), 0xf3, [0xa4, 0xaa][r() & 1]], // mov ecx,n; rep movsb/stosb
  (r) => [0xb9, ...le(r() % 64), 0xf3, 0x48, [0xa5, 0xab][r() & 1]], // rep movsq/stosq
  () => [0x48, 0x8d, 0x7e, 3, 0xb9, ...le(29), 0xf3, 0xa4], // rep movsb onto itself, 3 further
  () => [0xfd, 0xb9, ...le(9), 0xf3, 0x66, 0xa5, 0xfc], // std; rep movsw; cld
  () => [0xe8, 2, 0, 0, 0, 0xeb, 4, 0x48, 0xff, 0xc0, 0xc3], // call f; jmp over; f: inc rax; ret
  () => [0x0f, 0x31, 0x49, 0x01, 0xc4], // rdtsc; add r12,rax
  () => [0x0f, 0xa2], // cpuid
  () => [0xf0, 0x41, 0xff, 0x07, 0x41, 0x87, 0x47, 8], // lock inc [r15]; xchg [r15+8],eax
  () => [0x11, 0xc8, 0x48, 0x19, 0xd1, 0xd1, 0xe8, 0xd3, 0xe2], // adc; sbb; shr 1; shl cl
  () => [0x0f, 0xaf, 0xc1, 0xf7, 0xe1, 0x74, 0], // imul eax,ecx; mul ecx; jz +0
  () => [0x65, 0xff, 0x04, 0x25, ...le(DATA + 0x40)], // inc dword gs:[DATA+0x40]
  (r) => [0xff, 0x36, 0x58, 0x0f, 0xc8 + (r() % 4)], // push [rsi]; pop rax; bswap
  () => [0xcd, FIRST_INTERRUPT], // int 0x40
  () => [0x0f, 0x0b], // ud2: the handler steps over it byte by byte
];

/** A loop of random pieces and random integer instructions. */
export function randomProgram(seed: number): number[] {
  const random = randomSource(seed);
  const arithmetic = generateTests(seed, 12);
  const body = [...POINTERS];
  for (let i = 0; i < 24; i++) {
    const test = arithmetic[random() % arithmetic.length];
    // What moves RSP or writes the pointers only makes the run shorter, not the property false.
    body.push(...(random() % 3 === 0 ? test.code : PIECES[random() % PIECES.length](random)));
    if (random() % 6 === 0) body.push(...POINTERS);
  }
  return [...body, 0xe9, ...le(-(body.length + 5))];
}

/** Random bytes, half of them prefixed as drivers' code mostly is. */
export function randomBytes(seed: number, length: number): number[] {
  const random = randomSource(seed);
  const likely = [0x48, 0x0f, 0x8b, 0x89, 0xf3, 0x66, 0xff, 0x83, 0x65];
  return Array.from({ length }, () =>
    random() % 5 === 0 ? likely[random() % likely.length] : random() & 255,
  );
}

/** How one run of a program is done; none of it may show in the outcome. */
export interface Manner {
  fastPaths: boolean;
  /** Absent: as `createMachineCore` has it. */
  jit?: JitOptions | false;
  /** Cycles of the next slice; Infinity: as far as the next event. */
  slice(): number;
  /** Moves to a fresh machine by save and load at these calls of `run`. */
  moveAt?(turn: number): boolean;
}

/** What a run showed. */
export interface Outcome {
  /** One line for each call-out and each stop that is no deadline: kind, time, RIP, instructions, and what it was about. */
  log: string;
  registers: string[];
  time: number;
  instructions: number;
  memory: string;
}

interface World {
  cpu: Cpu;
  memory: GuestRam;
}

/** Devices that note every call-out, answer at random and do what devices may do to the vCPU. */
function calloutsOf(world: World, log: number[][], random: Random, events: number[]): CpuCallouts {
  const note = (kind: number, ...values: number[]): void => {
    const { cpu } = world;
    log.push([kind, cpu.now(), cpu.ripLow, cpu.ripHigh, cpu.instructions(), Number(cpu.rflags()), ...values]);
  };
  const react = (): void => {
    const { cpu } = world;
    const choice = random() % 8;
    if (choice < 4) cpu.advance(random() % 90);
    if (choice === 3 || choice === 5) {
      const at = cpu.now() + (random() % 200);
      events.push(at);
      events.sort((x, y) => x - y);
      cpu.limitDeadline(at);
    }
    if (choice === 6) cpu.requestAttention();
  };
  const answer = (kind: number, ...values: number[]): number => {
    note(kind, ...values);
    react();
    world.cpu.resultHigh = random();
    return random() | 0;
  };
  return {
    mmioRead: (a, s) => answer(1, a, s),
    mmioWrite: (a, s, l, h) => void answer(2, a, s, l, h),
    portIn: (p, s) => answer(3, p, s),
    portOut: (p, s, v) => void answer(4, p, s, v),
    msrRead: (i) => (i & 1 ? undefined : answer(5, i)),
    msrWrite: (i, l, h) => (answer(6, i, l, h) & 1) === 0,
    cpuid: (l, s) => ({ eax: answer(7, l, s) >>> 0, ebx: 1, ecx: 2, edx: 3 }),
    hlt: () => void answer(8),
    vmcall: () => (answer(9) & 1) === 0,
    cr8Read: () => answer(10) & 15,
    cr8Write: (v) => void answer(11, v),
    interruptDelivered: (v) => note(12, v),
    interruptReturned: () => note(13),
  };
}

/** A machine with handlers for everything, and its state before the first instruction. */
export function prepare({
  fastPaths,
  jit,
}: Pick<Manner, 'fastPaths' | 'jit'>): World & { ram: RamState; registers: CpuState } {
  const b = system([], {}, fastPaths, jit);
  for (let vector = 0; vector < FIRST_INTERRUPT + INTERRUPTS; vector++) {
    const skip = [...(WITH_ERROR.has(vector) ? DROP_ERROR : []), ...SKIP_BYTE];
    const handler = vector >= FIRST_INTERRUPT ? ON_INTERRUPT : skip;
    setGate(b, vector, HANDLERS + vector * 32);
    b.machine.memory.write(HANDLERS + vector * 32, Uint8Array.from(handler));
  }
  const { cpu, machine } = b;
  return { cpu, memory: machine.memory, ram: machine.memory.save(), registers: cpu.save() };
}

const prepared = new Map<string, ReturnType<typeof prepare>>();

/** A machine about to run `code`. Machines are used again, so that what one run leaves behind meets the next. */
function newWorld(code: number[], manner: Manner): World {
  const { fastPaths, jit } = manner;
  const key = JSON.stringify([fastPaths, jit]);
  const kept = prepared.get(key) ?? prepare(manner);
  prepared.set(key, kept);
  kept.memory.load(kept.ram);
  kept.cpu.load(kept.registers);
  kept.memory.write(CODE + SETUP.length, Uint8Array.from(code));
  return { cpu: kept.cpu, memory: kept.memory };
}

/** Turns of `run` after which a run counts as hung. */
const MOST_TURNS = 100_000;

/** Runs `code` up to `end` cycles. Throws when the vCPU does not come to an end. */
export function execute(code: number[], seed: number, end: number, manner: Manner): Outcome {
  const world = newWorld(code, manner);
  const log: number[][] = [];
  const random = randomSource(seed);
  const events = [random() % 400, 700 + (random() % 900)];
  world.cpu.callouts = calloutsOf(world, log, random, events);
  // RAM as it was at the start and what each move found changed.
  const states = manner.moveAt ? [world.memory.save()] : [];
  let waiting = false;
  let over = false;
  for (let turn = 0; !over && world.cpu.now() < end; turn++) {
    if (turn > MOST_TURNS) throw new Error('the vCPU does not come to an end');
    if (manner.moveAt?.(turn)) {
      const fresh = bench([], {}, manner.fastPaths, manner.jit);
      states.push(world.memory.saveChanges());
      for (const state of states) fresh.machine.memory.load(structuredClone(state));
      fresh.cpu.load(structuredClone(world.cpu.save()));
      fresh.cpu.callouts = world.cpu.callouts;
      world.cpu = fresh.cpu;
      world.memory = fresh.machine.memory;
    }
    const { cpu } = world;
    const due = events.length > 0 && events[0] <= cpu.now();
    if (due && !waiting) {
      waiting = true;
      cpu.requestInterruptWindow(true);
    }
    const event = events.find((at) => at > cpu.now()) ?? end;
    const stop = cpu.run(Math.min(end, event, cpu.now() + manner.slice()));
    if (stop === StopReason.Deadline) continue;
    log.push([100 + stop, cpu.now(), cpu.ripLow, cpu.ripHigh, cpu.instructions()]);
    if (stop === StopReason.InterruptWindow) {
      waiting = false;
      cpu.requestInterruptWindow(false);
      events.shift();
      cpu.deliverInterrupt(FIRST_INTERRUPT + (random() % INTERRUPTS));
    } else if (stop === StopReason.Halted) {
      if (events.length === 0 || !cpu.interruptsEnabled()) over = true;
      else cpu.setNow(Math.max(cpu.now(), events[0]));
    } else if (stop !== StopReason.Attention) over = true;
  }
  const { cpu, memory } = world;
  return {
    log: log.map((entry) => entry.join(' ')).join('\n'),
    registers: [...Array.from({ length: 16 }, (_, r) => cpu.getReg(r)), cpu.rflags()].map((v) =>
      v.toString(16),
    ),
    time: cpu.now(),
    instructions: cpu.instructions(),
    memory: createHash('sha1').update(memory.read(0, 0x60000)).digest('hex'),
  };
}
