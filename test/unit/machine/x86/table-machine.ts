/**
 * Two vCPUs under shared page tables that their programs, each other and a device keep changing, without INVLPG: what they
 * see must depend on the tables alone. Everything that can be seen from outside is logged.
 */
import { createHash } from 'node:crypto';
import { createMachineCore, type GuestMachineCore } from '../../../../src/machine/x86';
import type { JitOptions } from '../../../../src/machine/x86/jit/jit';
import { StopReason } from '../../../../src/machine/x86/types';
import { randomSource } from '../../../conformance/native-oracle/generate';
import { COSTS, DEVICE, PML4, RAM, callouts, coreModule } from './harness';
import { le } from './system-bench';

type Random = () => number;

const GDT = 0x5000;
const TSS = [0x5800, 0x5900];
const IDT = 0x6000;
const CODE = [0x10000, 0x14000];
const HANDLERS = 0x20000;
const STACKS = [0x90000, 0x98000];
const EXCEPTION_STACKS = [0xa0000, 0xa8000];
/** Tables of the window: PDPT, PD, and the two page tables that get changed. */
const [PDPT, PD, TABLES] = [0x2000, 0x200000, [0x201000, 0x202000]];
/** Linear addresses that those page tables map, 16 pages each. */
const WINDOWS = [0x40000000, 0x40200000];
const FRAMES = 0x210000;
/** Frames with code: the rest of 16 has data. */
const FIRST_CODE = 10;
const WITH_ERROR: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);
/** Ports: of the handlers' reports, and of the device that changes a table entry. */
const REPORT = 0x20;
const EDIT = 0x30;

const low = (r: Random): number => [0x63, 0x67, 0x23, 0x03, 0x07, 0x01, 0x61, 0x43, 0x62][r() % 9];
const target = (r: Random): number => {
  const kind = r() % 24;
  if (kind === 0) return TABLES[r() % 2];
  if (kind === 1) return DEVICE;
  if (kind === 2) return RAM + 0x1000;
  return FRAMES + (r() % 16) * 0x1000;
};
const entryOf = (r: Random): number[] => [
  ...le(target(r) | low(r)),
  ...(r() % 10 === 0 ? [0, 0, 0, 0x80] : [0, 0, 0, 0]),
];
const slot = (r: Random): number => TABLES[r() % 2] + (r() % 16) * 8;
const place = (r: Random): number =>
  WINDOWS[r() % 2] + (r() % 16) * 0x1000 + [0, 8, 0x123, 0xff8, 0xffd, 0xfff][r() % 6];
const absolute = (at: number): number[] => [0x25, ...le(at)];

/** Pieces of programs. Each follows a `lea r11` of what comes after it, where handlers of exceptions go on. */
function pieces(entries: readonly number[]): readonly ((r: Random) => number[])[] {
  const call = (r: Random): number[] => [
    ...[0xb8, ...le(WINDOWS[r() % 2] + (r() % 16) * 0x1000 + entries[r() % entries.length])],
    ...[0xff, 0xd0], // mov eax,place; call rax
  ];
  return [
    (r) => [0x48, 0xb8, ...entryOf(r), 0x48, 0x89, 0x04, ...absolute(slot(r))], // mov rax,entry; mov [slot],rax
    (r) => [0x48, 0xb8, ...entryOf(r), 0x48, 0x87, 0x04, ...absolute(slot(r))], // xchg [slot],rax
    (r) => [0x48, 0x83, 0x24, ...absolute(slot(r)), [0xdf, 0xbf, 0x9f, 0xfd, 0xfe][r() % 5]], // and qword [slot],…
    (r) => [0xf0, 0x48, 0x0f, 0xba, [0x34, 0x2c, 0x3c][r() % 3], ...absolute(slot(r)), r() % 7], // btr, bts, btc
    (r) => [0xc6, 0x04, ...absolute(slot(r)), low(r)], // mov byte [slot],…
    (r) => [0xc7, 0x04, ...absolute(slot(r) + 4), ...le([0, 0x80000000, 0x4000][r() % 3])], // its high half
    (r) => [0x48, 0xc7, 0x04, ...absolute(PD + (r() % 2) * 8), ...le(TABLES[r() % 2] | low(r))], // of the PD
    (r) => [0xb8 + (r() % 3), ...le(r() % 64), 0xe7, EDIT], // mov eax|ecx|edx,n; out EDIT,eax
    (r) => [0x48, 0x8b, 0x04, ...absolute(place(r))],
    (r) => [0x48, 0x89, 0x04, ...absolute(place(r))],
    (r) => [0x88, 0x04, ...absolute(place(r))],
    (r) => [0x01, 0x04, ...absolute(place(r)), 0x03, 0x1c, ...absolute(place(r))],
    (r) => [0x48, 0x83, 0x04, ...absolute(place(r)), 1, 0x48, 0x83, 0x04, ...absolute(place(r)), 1],
    (r) => [0xff, 0x34, ...absolute(place(r)), 0x8f, 0x04, ...absolute(place(r))],
    (r) => [0x48, 0xc7, 0xc4, ...le(place(r)), 0x50, 0x9c, 0x59, 0x58, 0x4c, 0x89, 0xc4], // a stack in the window
    (r) => [
      ...[0xbe, ...le(place(r)), 0xbf, ...le(place(r)), 0xb9, ...le(r() % 700)],
      ...[
        [0xf3, 0xa4],
        [0xf3, 0x48, 0xa5],
        [0xf3, 0x48, 0xab],
        [0xf3, 0xa6],
      ][r() % 4],
    ],
    // Two rounds of a loop: what the first finds out the second may know.
    (r) => [0xb9, ...le(2), 0x48, 0x03, 0x1c, ...absolute(place(r)), 0xe2, 0xf6],
    call,
    call,
    call,
    () => [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8], // mov rax,cr3; mov cr3,rax
    (r) => [0x0f, 0x01, 0x3c, ...absolute(place(r))], // invlpg
  ];
}

function program(r: Random, entries: readonly number[]): number[] {
  const choice = pieces(entries);
  const code: number[] = [];
  for (let i = 0; i < 30; i++) {
    const piece = choice[r() % choice.length](r);
    code.push(0x4c, 0x8d, 0x1d, ...le(piece.length), ...piece);
  }
  return [...code, 0xe9, ...le(-(code.length + 5))];
}

/**
 * Frames of code, alike but for constants: instructions on R12, RET among them. The last instruction goes on with the first
 * byte of whatever page comes next, which is an instruction by itself, too. Returns where instructions begin.
 */
function fillCode(machine: GuestMachineCore, r: Random): number[] {
  const entries: number[] = [0];
  const shape = [1];
  for (let at = 1; at < 4093; at += shape[shape.length - 1]) {
    entries.push(at);
    shape.push(4093 - at < 10 ? 1 : [4, 4, 4, 3, 1, 9, 0][r() % 7] || (r() % 3 ? 4 : 2));
  }
  entries.push(4093);
  for (let f = FIRST_CODE; f < 16; f++) {
    const bytes: number[] = [];
    for (const size of shape) {
      if (bytes.length === 0) bytes.push([0x90, 0xf8, 0xf5][r() % 3]);
      else if (size === 4) bytes.push(0x49, 0x83, 0xc4, r() & 255);
      else if (size === 3) bytes.push(0x49, 0xff, 0xc4);
      else if (size === 2) bytes.push(0xc3, 0x90);
      // and qword [slot],…: perhaps that of the running page
      else if (size === 9) bytes.push(0x48, 0x83, 0x24, ...absolute(slot(r)), [0xdf, 0xfe][r() % 2]);
      else bytes.push(0x90);
    }
    bytes.push(0x49, 0x83, 0xc4);
    machine.memory.write(FRAMES + f * 0x1000, Uint8Array.from(bytes));
  }
  return [0, 0, ...entries.slice(1, 8), ...entries.slice(-8), 4093, 4093];
}

/** Error code and CR2 to the ports, then on with the next piece on a stack of its own. */
function handler(vector: number): number[] {
  return [
    ...(WITH_ERROR.has(vector) ? [0x58] : [0x31, 0xc0]), // pop rax; xor eax,eax
    ...[0xe7, REPORT, 0x0f, 0x20, 0xd0, 0xe7, REPORT + 1], // out; mov rax,cr2; out
    ...[0x4c, 0x89, 0x1c, 0x24, 0x4c, 0x89, 0x44, 0x24, 24], // mov [rsp],r11; mov [rsp+24],r8
    ...[0xb8, ...le(vector), 0xe7, REPORT + 2, 0x48, 0xcf],
  ];
}

/** How a run is done; nothing of it may show. */
export interface TableManner {
  fastPaths?: boolean;
  jit?: JitOptions | false;
  slice(): number;
  /** Before a call of `run`: forget all translations. */
  forget?(): boolean;
  /** Before a call of `run`: go on in a fresh machine. */
  move?(): boolean;
}

export interface TableOutcome {
  log: string;
  states: unknown[];
  memory: string;
}

function build(manner: TableManner): GuestMachineCore {
  return createMachineCore(
    { ramBytes: RAM, cpus: 2, module: coreModule(), costs: COSTS },
    { fastPaths: manner.fastPaths, jit: manner.jit },
  );
}

function words(...values: bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values, (v) => BigInt.asUintN(64, v)).buffer);
}

function prepare(machine: GuestMachineCore, r: Random): void {
  const { memory } = machine;
  memory.write(PML4, words(BigInt(PDPT) | 0x67n));
  memory.write(PDPT, words(0x3067n, BigInt(PD) | 0x67n));
  for (let i = 0; i < 2; i++) {
    memory.write(0x3000 + i * 8, words((BigInt(i) << 21n) | 0xe3n));
    memory.write(PD + i * 8, words(BigInt(TABLES[i]) | 0x67n));
    for (let page = 0; page < 16; page++) {
      memory.write(TABLES[i] + page * 8, words(BigInt(FRAMES + page * 0x1000) | 0x63n));
    }
  }
  memory.write(GDT, words(0n, 0x00af9b000000ffffn, 0x00cf93000000ffffn));
  const entries = fillCode(machine, r);
  for (let vector = 0; vector < 32; vector++) {
    const at = HANDLERS + vector * 64;
    memory.write(at, Uint8Array.from(handler(vector)));
    memory.write(
      IDT + vector * 16,
      words(BigInt(at & 0xffff) | (BigInt(at >>> 16) << 48n) | 0x8e0100080000n, 0n),
    );
  }
  machine.cpus.forEach((cpu, i) => {
    memory.write(CODE[i], Uint8Array.from(program(r, entries)));
    memory.write(TSS[i] + 36, words(BigInt(EXCEPTION_STACKS[i])));
    cpu.startLongMode(BigInt(CODE[i]), BigInt(STACKS[i]), PML4);
    const saved = cpu.save();
    const state = saved.hardware;
    state.tables.set([BigInt(GDT), 23n, BigInt(IDT), 511n]);
    state.segments.set([BigInt(TSS[i]), 24n, 0x67n, 0x8bn], 28);
    state.segments[4 + 1] = 8n;
    state.general[8] = BigInt(STACKS[i]);
    state.msrs[0] |= 0x800n; // NXE
    state.control[0] |= BigInt(r() & 1) << 16n; // WP
    state.control[3] |= BigInt(r() & 3) << 20n; // SMEP, SMAP
    cpu.load(saved);
  });
}

/** Runs both vCPUs in turn, `cycles` each, up to `end`. */
export function executeTables(seed: number, cycles: number, end: number, manner: TableManner): TableOutcome {
  const random = randomSource(seed);
  let machine = build(manner);
  prepare(machine, random);
  const log: string[] = [];
  const connect = (): void => {
    machine.cpus.forEach((cpu, i) => {
      const note = (...values: (number | string)[]): number => {
        log.push([i, cpu.now(), cpu.ripLow, cpu.instructions(), Number(cpu.rflags()), ...values].join(' '));
        return random() | 0;
      };
      cpu.callouts = callouts({
        mmioRead: (a, s) => note('read', a, s),
        mmioWrite: (a, s, l, h) => void note('write', a, s, l, h),
        portIn: (p) => note('in', p),
        portOut: (p, _, value) => {
          note('out', p, value);
          if (p !== EDIT) return;
          const at = TABLES[value & 1] + ((value >> 1) & 15) * 8;
          machine.memory.write(at, Uint8Array.from(entryOf(random)));
        },
      });
    });
  };
  connect();
  const stopped = [false, false];
  for (let until = cycles; until <= end; until += cycles) {
    for (const i of [0, 1]) {
      while (!stopped[i] && machine.cpus[i].now() < until) {
        if (manner.forget?.()) machine.memory.takeDirtyPages();
        if (manner.move?.()) {
          const fresh = build(manner);
          fresh.memory.load(structuredClone(machine.memory.save()));
          fresh.cpus.forEach((cpu, n) => cpu.load(structuredClone(machine.cpus[n].save())));
          machine = fresh;
          connect();
        }
        const cpu = machine.cpus[i];
        const stop = cpu.run(Math.min(until, cpu.now() + manner.slice()));
        if (stop === StopReason.Deadline) continue;
        stopped[i] = true;
        log.push([i, cpu.now(), cpu.ripLow, cpu.instructions(), `stop ${stop}`].join(' '));
      }
    }
  }
  return {
    log: log.join('\n'),
    states: machine.cpus.map((cpu) => cpu.save()),
    memory: createHash('sha1').update(machine.memory.read(0, RAM)).digest('hex'),
  };
}
