/**
 * Random guests for one or two CPUs: each runs a random program of its own over common memory, with timer ticks, interrupts
 * and NMIs to the other and to itself, locked and plain accesses, device registers, HLT and windows in which interrupts are off.
 * What a guest has seen it writes to a port in the end, so that the trace depends on it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunJob } from '../../src/protocol/run';
import { randomSource } from '../conformance/native-oracle/generate';
import { Assembler, elfOf } from './assembler';
import { root } from './runs';

const TRAMPOLINE = 0x8000;
const PROGRAM = 0x100000;
const LAPIC = 0xfee00000;
/** BAR 0 of the first PCI device. */
const NIC = 0xc0000000;
const EXIT_PORT = 0xf4;

const Lapic = {
  id: 0x20,
  eoi: 0xb0,
  svr: 0xf0,
  icr: 0x300,
  icrHigh: 0x310,
  timer: 0x320,
  count: 0x380,
  divide: 0x3e0,
};
const Vector = {
  nmi: 2,
  invalid: 6,
  timer: 0x40,
  plain: 0x50,
  device: 0x51,
  nested: 0x52,
  reply: 0x53,
  software: 0x60,
} as const;
/** Registers of the NIC that are harmless to write, and to read (ICR has a side effect that is harmless too). */
const NIC_WRITABLE = [0x00d0, 0x00d8, 0x2820, 0x3820];
const NIC_READABLE = [0x0000, 0x0008, 0x00c0, 0x00d0, 0x2820, 0x5400];
const COUNTERS = 8;
const STACK = 4096;

type Random = () => number;

/** Writes a register of the LAPIC, whose page R15 points to. */
function lapicWrite(a: Assembler, register: number, value: number): void {
  a.emit(0x41).with32([0xc7, 0x87], register).with32([], value);
}

function lockIncrement(a: Assembler, counter: string): void {
  a.withAddress([0xf0, 0x48, 0xff, 0x04, 0x25], counter);
}

/** Real mode to 64-bit mode, at the page that the start-up IPI names; the GDT of both CPUs. */
function trampoline(program: readonly Assembler[]): Assembler {
  const a = new Assembler(TRAMPOLINE, program);
  a.emit(0xfa, 0x31, 0xc0, 0x8e, 0xd8); // cli; xor ax, ax; mov ds, ax
  a.emit(0x0f, 0x01, 0x16, 0x40, 0x80); // lgdt [0x8040]
  a.with32([0x66, 0xb8], 0xa0).emit(0x0f, 0x22, 0xe0); // cr4 = PAE, PGE
  a.with32([0x66, 0xb8], 0x1000).emit(0x0f, 0x22, 0xd8); // cr3 = the loader's tables
  a.with32([0x66, 0xb9], 0xc0000080).emit(0x0f, 0x32); // rdmsr EFER
  a.with32([0x66, 0x0d], 0x100).emit(0x0f, 0x30); // LME
  a.with32([0x66, 0xb8], 0x80000011).emit(0x0f, 0x22, 0xc0); // cr0 = PG, ET, PE
  a.withAddress([0x66, 0xea], 'second').emit(8, 0);
  a.align(64).label('gdt pointer').emit(23, 0).address64('gdt').align(16).label('gdt');
  a.zeros(8).emit(0xff, 0xff, 0, 0, 0, 0x9a, 0xaf, 0).emit(0xff, 0xff, 0, 0, 0, 0x92, 0xcf, 0);
  return a;
}

/** What both CPUs begin with: segments, IDT, LAPIC with a ticking timer. */
function begin(a: Assembler, random: Random, stack: string): void {
  a.withAddress([0x48, 0xc7, 0xc4], stack);
  a.with32([0xb8], 0x10).emit(0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0);
  a.withAddress([0x0f, 0x01, 0x1c, 0x25], 'idt pointer');
  a.with32([0x41, 0xbf], LAPIC).with32([0x41, 0xbe], NIC);
  lapicWrite(a, Lapic.svr, 0x1ff);
  lapicWrite(a, Lapic.divide, random() % 2 === 0 ? 0xb : 0);
  lapicWrite(a, Lapic.timer, Vector.timer | 0x20000);
  lapicWrite(a, Lapic.count, 30_000 + (random() % 60_000));
}

/** One handler; the registers it uses are saved. */
function handler(a: Assembler, vector: number, body: () => void): void {
  a.label(`vector ${vector}`).emit(0x50, 0x51, 0x52); // push rax, rcx, rdx
  lockIncrement(a, `count ${vector}`);
  body();
  a.emit(0x5a, 0x59, 0x58, 0x48, 0xcf);
}

function handlers(a: Assembler): void {
  const eoi = (): void => lapicWrite(a, Lapic.eoi, 0);
  handler(a, Vector.nmi, () => undefined);
  handler(a, Vector.invalid, () => a.emit(0x48, 0x83, 0x44, 0x24, 0x18, 2)); // behind UD2
  handler(a, Vector.timer, eoi);
  handler(a, Vector.plain, eoi);
  handler(a, Vector.device, () => {
    a.with32([0x41, 0x8b, 0x86], 0xc0); // mov eax, [nic ICR]
    eoi();
  });
  handler(a, Vector.nested, () => {
    eoi();
    a.emit(0xfb, 0x90, 0x90, 0xfa);
  });
  handler(a, Vector.reply, () => {
    // To whoever has the other one of the two IDs.
    a.with32([0x41, 0x8b, 0x87], Lapic.id)
      .with32([0x35], 1 << 24)
      .with32([0x41, 0x89, 0x87], Lapic.icrHigh);
    lapicWrite(a, Lapic.icr, Vector.plain);
    eoi();
  });
  handler(a, Vector.software, () => undefined);
  // Anything else ends the guest, with a code that says so.
  a.label('unexpected').with32([0xb8], 0xee).emit(0xe7, EXIT_PORT);
}

/** Things that a random program consists of. `other` is the APIC ID of the other CPU. */
const steps: readonly ((a: Assembler, random: Random, other: number) => void)[] = [
  (a, random) => lockIncrement(a, `shared ${random() % COUNTERS}`),
  (a, random) => {
    // rax = n; lock xadd [shared], rax; add r12, rax
    a.with32([0x48, 0xc7, 0xc0], random() % 1000);
    a.withAddress([0xf0, 0x48, 0x0f, 0xc1, 0x04, 0x25], `shared ${random() % COUNTERS}`).emit(
      0x49,
      0x01,
      0xc4,
    );
  },
  (a, random) => {
    // Unlocked: what is found depends on who was first. add r12, [shared]; mov [shared], r12
    a.withAddress([0x4c, 0x03, 0x24, 0x25], `shared ${random() % COUNTERS}`);
    a.withAddress([0x4c, 0x89, 0x24, 0x25], `shared ${random() % COUNTERS}`);
  },
  (a, random) => {
    // rax = n; rdx = r12; lock cmpxchg [shared], rdx; setz al; add r12, rax
    a.with32([0x48, 0xc7, 0xc0], random() % 8).emit(0x4c, 0x89, 0xe2);
    a.withAddress([0xf0, 0x48, 0x0f, 0xb1, 0x14, 0x25], `shared ${random() % COUNTERS}`);
    a.emit(0x0f, 0x94, 0xc0, 0x49, 0x01, 0xc4);
  },
  (a, random, other) => {
    const vectors = [Vector.plain, Vector.device, Vector.nested, Vector.reply];
    lapicWrite(a, Lapic.icrHigh, other << 24);
    lapicWrite(a, Lapic.icr, vectors[random() % vectors.length] ?? Vector.plain);
  },
  (a, random) => lapicWrite(a, Lapic.icr, (random() % 2 === 0 ? 0x40000 : 0x80000) | Vector.plain),
  (a, _random, other) => {
    lapicWrite(a, Lapic.icrHigh, other << 24);
    lapicWrite(a, Lapic.icr, 0x400);
  },
  (a) => a.emit(0xfb, 0xf4), // sti; hlt
  (a, random) => {
    a.emit(0xfa);
    pause(a, random() % 300);
    a.emit(0xfb, 0x90);
  },
  (a, random) => {
    a.emit(0x9c, 0xfa);
    pause(a, random() % 40);
    a.emit(0x9d);
  },
  (a, random) => pause(a, random() % 2000),
  (a, random) => {
    // add r12d, [nic register]
    a.with32([0x45, 0x03, 0xa6], NIC_READABLE[random() % NIC_READABLE.length] ?? 0);
  },
  (a, random) => {
    // Two accesses of one instruction: add dword [nic register], n
    a.with32([0x41, 0x81, 0x86], NIC_WRITABLE[random() % NIC_WRITABLE.length] ?? 0).with32([], random() % 64);
  },
  (a) => a.emit(0x66, 0xba, 0xff, 0x03, 0x44, 0x88, 0xe0, 0xee), // dx = 3ff; al = r12b; out dx, al
  (a) => a.emit(0x66, 0xba, 0xff, 0x03, 0xec, 0x49, 0x01, 0xc4), // in al, dx; add r12, rax
  (a, random) => {
    // rep outsb: some letters to the console
    a.withAddress([0xbe], 'letters')
      .with32([0xb9], 1 + (random() % 6))
      .emit(0x66, 0xba, 0xf8, 0x03, 0xf3, 0x6e);
  },
  (a) => a.emit(0x53, 0x31, 0xc0, 0x0f, 0xa2, 0x5b, 0x49, 0x01, 0xc4), // cpuid
  (a) => a.emit(0x0f, 0x31, 0x49, 0x01, 0xc4), // rdtsc; add r12, rax
  (a, random) => {
    // A mark: vmcall
    a.emit(0x53)
      .with32([0xb8], 0x54524150)
      .with32([0xbb], random() % 16)
      .emit(0x4c, 0x89, 0xe1, 0x0f, 0x01, 0xc1, 0x5b);
  },
  (a, random) => {
    // The task priority up, some work, and down.
    a.with32([0xb8], random() % 16).emit(0x44, 0x0f, 0x22, 0xc0);
    pause(a, random() % 200);
    a.emit(0x31, 0xc0, 0x44, 0x0f, 0x22, 0xc0);
  },
  (a) => a.emit(0xcd, Vector.software),
  (a) => a.emit(0x0f, 0x0b), // ud2
  (a) => a.emit(0x0f, 0x09), // wbinvd
  (a) => a.emit(0x0f, 0x20, 0xc0, 0x83, 0xf0, 2, 0x0f, 0x22, 0xc0), // mov rax, cr0; xor eax, MP; mov cr0, rax
  (a) => a.emit(0x41, 0x0f, 0x23, 0xc4, 0x0f, 0x21, 0xc0, 0x49, 0x01, 0xc4), // mov dr0, r12; mov rax, dr0; add r12, rax
  (a, random) => {
    // ecx = STAR; wrmsr; rdmsr; add r12, rax
    a.with32([0xb9], 0xc0000081).with32([0xb8], random() % 1000);
    a.emit(0x31, 0xd2, 0x0f, 0x30, 0x0f, 0x32, 0x49, 0x01, 0xc4);
  },
  (a, random) => {
    // rep insb: the line status of the UART; add r12, [scratch]
    a.withAddress([0xbf], 'scratch').with32([0xb9], 1 + (random() % 12));
    a.emit(0x66, 0xba, 0xfd, 0x03, 0xf3, 0x6c).withAddress([0x4c, 0x03, 0x24, 0x25], 'scratch');
  },
  (a, random) => {
    // rep movsd: receive addresses of the NIC; add r12, [scratch]
    a.with32([0x49, 0x8d, 0xb6], 0x5400).withAddress([0xbf], 'scratch');
    a.with32([0xb9], 1 + (random() % 6)).emit(0xf3, 0xa5);
    a.withAddress([0x4c, 0x03, 0x24, 0x25], 'scratch');
  },
  (a, random) => {
    // rep movsd between registers of the NIC, then one across a page boundary
    a.with32([0x49, 0x8d, 0xb6], 0x5400).with32([0x49, 0x8d, 0xbe], 0x5400);
    a.with32([0xb9], 1 + (random() % 3)).emit(0xf3, 0xa5);
    a.with32([0x45, 0x03, 0xa6], 0x0ffe); // add r12d, [nic page boundary]
  },
  (a, random) => {
    const count = 1 + (random() % 8);
    // A lock taken and given back: spin while bts finds it taken.
    const lock = `spin ${a.origin + count} ${random()}`;
    a.label(lock).emit(0xf3, 0x90).withAddress([0xf0, 0x0f, 0xba, 0x2c, 0x25], 'lock').emit(0);
    a.jump([0x0f, 0x82], lock);
    pause(a, count * 20);
    a.withAddress([0x0f, 0xba, 0x34, 0x25], 'lock').emit(0);
  },
];

/** mov ecx, n; loop $ */
function pause(a: Assembler, count: number): void {
  a.with32([0xb9], count + 1).emit(0xe2, 0xfe);
}

function body(a: Assembler, random: Random, other: number): void {
  const length = 10 + (random() % 40);
  a.emit(0xfb);
  for (let i = 0; i < length; i++) steps[random() % steps.length]?.(a, random, other);
}

function data(a: Assembler): void {
  a.align(16).label('idt');
  for (let vector = 0; vector < 256; vector++) {
    const target = a.find(Object.values<number>(Vector).includes(vector) ? `vector ${vector}` : 'unexpected');
    a.emit(target & 0xff, (target >> 8) & 0xff, 8, 0, 0, 0x8e)
      .emit((target >> 16) & 0xff, target >> 24)
      .zeros(8);
  }
  a.label('idt pointer').emit(0xff, 0x0f).address64('idt');
  a.align(16).label('scratch').zeros(64).label('letters');
  a.emit(...Buffer.from('letters'));
  a.align(16).label('lock').zeros(8).label('ready').zeros(8).label('done').zeros(8);
  for (let i = 0; i < COUNTERS; i++) a.label(`shared ${i}`).zeros(8);
  for (const vector of Object.values(Vector)) a.label(`count ${vector}`).zeros(8);
  a.align(16).zeros(STACK).label('stack 0').zeros(STACK).label('stack 1').zeros(16);
}

/** The first CPU starts the second. */
function startSecond(a: Assembler): void {
  lapicWrite(a, Lapic.icrHigh, 1 << 24);
  lapicWrite(a, Lapic.icr, 0x4500);
  pause(a, 100);
  lapicWrite(a, Lapic.icr, 0x4600 | (TRAMPOLINE >> 12));
  // Not before the other one has an IDT: an NMI would find it without.
  a.label('begin')
    .emit(0xf3, 0x90)
    .withAddress([0x83, 0x3c, 0x25], 'ready')
    .emit(1)
    .jump([0x0f, 0x85], 'begin');
}

function program(random: Random, vcpus: number): Assembler[] {
  const pieces: Assembler[] = [];
  const start = trampoline(pieces);
  const a = new Assembler(PROGRAM, [start]);
  pieces.push(a);
  // The first CPU: GDT, then a far return into its code segment.
  a.withAddress([0x0f, 0x01, 0x14, 0x25], 'gdt pointer').withAddress([0x48, 0xc7, 0xc4], 'stack 0');
  a.emit(0x6a, 8).withAddress([0x68], 'first').emit(0x48, 0xcb).label('first');
  begin(a, random, 'stack 0');
  if (vcpus > 1) startSecond(a);
  // Alone, it sends to itself what is meant for the other one.
  body(a, random, vcpus - 1);
  // It waits for the other one, and tells what there is to be told.
  a.emit(0xfb);
  if (vcpus > 1) {
    a.label('wait').emit(0xf3, 0x90).withAddress([0x83, 0x3c, 0x25], 'done').emit(1);
    a.jump([0x0f, 0x85], 'wait');
  }
  a.emit(0xfa);
  const told = [...Array.from({ length: COUNTERS }, (_, i) => `shared ${i}`)];
  told.push(...Object.values(Vector).map((vector) => `count ${vector}`));
  for (const each of told) a.withAddress([0x8b, 0x04, 0x25], each).emit(0x66, 0xba, 0xff, 0x03, 0xee);
  a.emit(0x31, 0xc0, 0xe7, EXIT_PORT).label('stay').jump([0xe9], 'stay');
  a.label('second');
  begin(a, random, 'stack 1');
  lockIncrement(a, 'ready');
  body(a, random, 0);
  a.emit(0xfa);
  lockIncrement(a, 'done');
  a.label('sleep').emit(0xf4).jump([0xe9], 'sleep');
  handlers(a);
  data(a);
  return [start, a];
}

/** A run of the random guest that a seed stands for. */
export function randomGuest(seed: number, vcpus: 1 | 2 = 2): RunJob {
  const pieces = program(randomSource(seed), vcpus).map((each) => ({
    address: each.origin,
    bytes: each.finish(),
  }));
  const scenario = {
    title: `Random guest ${seed}`,
    vms: [
      {
        name: 'vm0',
        vcpus,
        memoryMiB: 16,
        guest: { elf: 'random.elf' },
        devices: [{ model: 'e1000', backend: 'qemu' }],
      },
    ],
    stop: { when: 'guests-exit', afterMs: 20 },
  };
  return {
    scenarioFile: '/random.trapline.json',
    scenarioText: JSON.stringify(scenario),
    guests: [{ elf: elfOf(PROGRAM, pieces), elfFile: '/random.elf' }],
    core: new Uint8Array(readFileSync(join(root, 'dist/cpu-core.wasm'))),
  };
}
