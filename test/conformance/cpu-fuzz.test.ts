/**
 * Any bytes as code, in any mode: the vCPU ends in a guest's fault, a stop or a valid state, never in the host's exception.
 * One machine serves all cases; a batch begins with fresh memory, so that seed and batch name a failure.
 */
import { describe, expect, it } from 'vitest';
import { StopReason, type Cpu, type CpuState } from '../../src/machine/cpu/types';
import { CODE, DEVICE, RAM, STACK, bench, callouts, type Bench } from '../unit/machine/cpu/harness';
import { generateTests, randomSource } from './native-oracle/generate';

const BATCH = 1000;
const CASES = Number(process.env.TRAPLINE_FUZZ_RUNS ?? 10_000);
const SEED = Number(process.env.TRAPLINE_FUZZ_SEED ?? 20240613);
/** Cycles of one case: some dozen instructions. */
const CYCLES = 60;
const CODE_BYTES = 32;
/** Cases from one fresh state. */
const KEPT = 8;
const HANDLERS = 0x20000;
const GDT = 0x5000;
const IDT = 0x6000;
/** Where code lies in every mode, below 1 MiB. */
const AT = CODE;
const LIKELY = [
  0x0f, 0x66, 0x67, 0xf3, 0xf2, 0xf0, 0x48, 0x4c, 0x41, 0xff, 0x8e, 0xcf, 0xcb, 0x9d, 0xc4, 0x2e, 0x36,
];
const STOPS: ReadonlySet<number> = new Set(Object.values(StopReason));

type Random = () => number;

/** States to begin with, by mode; the segments' hidden parts are what a guest's loads would have left. */
function startingStates(b: Bench): CpuState[] {
  const { cpu } = b;
  const states: CpuState[] = [];
  const keep = (change: (state: CpuState) => void = () => undefined): void => {
    const state = structuredClone(cpu.save());
    state.tables.set([BigInt(GDT), 0x7fn, BigInt(IDT), 0xfffn]);
    change(state);
    states.push(state);
  };
  cpu.startLongMode(BigInt(AT), BigInt(STACK), 0x1000);
  keep();
  const user = (state: CpuState): void => {
    state.cpl = 3;
    for (const s of [1, 2]) state.segments[s * 4 + 1] |= 3n;
    for (let s = 0; s < 6; s++) state.segments[s * 4 + 3] |= 0x60n;
  };
  keep(user);
  const compatible =
    (attributes: bigint) =>
    (state: CpuState): void => {
      state.segments[1 * 4 + 3] = attributes;
    };
  keep(compatible(0xc09bn));
  keep(compatible(0x009bn));
  keep((state) => {
    compatible(0xc09bn)(state);
    user(state);
  });
  cpu.startProtectedMode(AT, 0, 0);
  keep();
  keep((state) => {
    state.segments[1 * 4 + 3] = 0x009bn;
    state.segments[1 * 4 + 2] = 0xffffn;
  });
  keep((state) => {
    state.general[17] |= 0x100n; // single steps
  });
  cpu.init();
  cpu.startUp(AT >> 12);
  keep((state) => {
    state.tables.set([0n, 0n, 0n, 0x3ffn]);
  });
  return states;
}

/** Gates to handlers that return, descriptors of every kind, and the rest at random. */
function fillMemory(b: Bench, random: Random): void {
  const bytes = new Uint8Array(0x1000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random() & 255;
  for (const page of [0x7000, 0x50000, STACK - 0x1000, STACK]) b.machine.memory.write(page, bytes);
  const codeLong = 0x00af9b000000ffffn;
  const code32 = 0x00cf9b000000ffffn;
  const data = 0x00cf93000000ffffn;
  const user = 0x0000600000000000n;
  const kinds = [
    0n,
    codeLong,
    data,
    codeLong | user,
    data | user,
    code32,
    code32 | user,
    0x00009b000000ffffn,
  ];
  const gates = [0x00008e0000080000n, 0x0000ec0000080000n, 0x0000850000280000n, 0x0000890058000067n];
  b.poke(GDT, ...kinds, ...gates.map((g) => g | BigInt(random() & 0xffff)), 0n, BigInt(random()), 0n, 0n);
  for (let vector = 0; vector < 256; vector++) {
    const selector = [0x08n, 0x28n, 0x08n, BigInt(random() & 0x7f)][random() & 3];
    const type = [0x8en, 0xeen, 0x8fn, 0x85n, BigInt(random() & 255)][random() % 5];
    b.poke(
      IDT + vector * 16,
      BigInt(HANDLERS & 0xffff) | (selector << 16n) | (type << 40n) | (BigInt(HANDLERS >> 16) << 48n),
      0n,
    );
  }
  b.machine.memory.write(HANDLERS, Uint8Array.of(0x48, 0xcf, 0xf4));
}

function randomCode(random: Random, valid: readonly Uint8Array[]): Uint8Array {
  const code = new Uint8Array(CODE_BYTES);
  for (let i = 0; i < code.length; i++)
    code[i] = random() % 4 === 0 ? LIKELY[random() % LIKELY.length] : random() & 255;
  // Half of them: valid instructions, some with a byte changed.
  if (random() & 1) {
    let at = 0;
    for (let n = 0; n < 4; n++) {
      const piece = valid[random() % valid.length];
      if (at + piece.length > CODE_BYTES) break;
      code.set(piece, at);
      at += piece.length;
    }
    if (random() % 3 === 0) code[random() % CODE_BYTES] ^= 1 << (random() & 7);
  }
  return code;
}

const POINTERS = [
  0n,
  BigInt(AT),
  BigInt(STACK),
  0x50000n,
  BigInt(DEVICE),
  BigInt(RAM) - 4n,
  BigInt(GDT),
  BigInt(IDT),
  0x1000n,
];

function randomRegisters(state: CpuState, random: Random): void {
  for (let r = 0; r < 16; r++) {
    const kind = random() % 4;
    if (kind === 0) state.general[r] = BigInt(random()) | (BigInt(random()) << 32n);
    else if (kind === 1) state.general[r] = BigInt(random() % 64);
    else state.general[r] = POINTERS[random() % POINTERS.length];
  }
  if (random() % 4) state.general[4] = BigInt(STACK);
  state.general[17] = (state.general[17] & 0x100n) | BigInt((random() & 0x244cd5) | 2);
}

/** Bits of the state that a guest may have set before. */
function perturb(state: CpuState, random: Random): void {
  const choice = random() % 16;
  if (choice === 0) state.control[3] ^= BigInt(random() & 0x371fdf) & ~0x20n;
  else if (choice === 1) state.control[0] ^= BigInt([0x8, 0x4, 0x10000, 0x40000, 0x20][random() % 5]);
  else if (choice === 2) state.segments[(random() % 8) * 4 + 3] ^= 1n << BigInt(random() % 16);
  else if (choice === 3) state.segments[(random() % 6) * 4 + 2] = BigInt(random() & 0xffff);
  else if (choice === 4) state.msrs[0] ^= 1n;
  else if (choice === 5)
    state.debug.set([
      BigInt(AT),
      0x50000n,
      0n,
      0n,
      0n,
      0n,
      0xffff0ff0n,
      BigInt(random() & 0xffff03ff) | 0x400n,
    ]);
  else if (choice === 6) state.tables[random() & 3] = BigInt(random() & 0xffff);
}

/** What holds of every state between runs; `whole` also saves it. */
function wrongWith(cpu: Cpu, stop: number, whole: boolean): string | undefined {
  if (!STOPS.has(stop)) return `stop ${stop}`;
  const rflags = cpu.rflags();
  if ((rflags & 0x802an) !== 2n || rflags >> 22n !== 0n) return `RFLAGS ${rflags.toString(16)}`;
  const cpl = cpu.cpl();
  if (cpl !== 0 && cpl !== 1 && cpl !== 2 && cpl !== 3) return `CPL ${cpl}`;
  const { ripLow, ripHigh } = cpu;
  const canonical = ripHigh < 0x8000 || ripHigh >= 0xffff8000;
  if (cpu.mode() === 'long' ? !canonical : ripHigh !== 0)
    return `RIP ${ripHigh.toString(16)}:${ripLow.toString(16)} in ${cpu.mode()} mode`;
  if (whole && cpu.save().missing.length > 64) return 'too many kinds of missing instructions';
  return undefined;
}

describe('fuzz', () => {
  it(`takes ${CASES} random byte sequences as code`, () => {
    const b = bench([]);
    const { cpu, machine } = b;
    let random = randomSource(SEED);
    const answer = (): number => {
      const choice = random() & 31;
      if (choice === 0) cpu.abandonInstruction();
      if (choice === 1) cpu.requestAttention();
      if (choice === 2) cpu.advance(random() % 40);
      cpu.resultHigh = random();
      return random() | 0;
    };
    cpu.callouts = callouts({
      mmioRead: answer,
      mmioWrite: () => void answer(),
      portIn: answer,
      portOut: () => void answer(),
      msrRead: () => (random() & 1 ? answer() : undefined),
      msrWrite: () => (answer() & 1) === 0,
      vmcall: () => (random() & 1) === 0,
    });
    const states = startingStates(b);
    const fresh = machine.memory.save();
    const valid = generateTests(SEED, 400).map((test) => test.code);
    const stops = new Map<number, number>();
    let alive = false;
    let rip = 0n;
    for (let done = 0; done < CASES; done += BATCH) {
      random = randomSource(SEED + done);
      machine.memory.load(fresh);
      fillMemory(b, random);
      for (let i = 0; i < BATCH && done + i < CASES; i++) {
        machine.memory.write(AT, randomCode(random, valid));
        // A case goes on in the state that the last one left: a fresh state costs more than the case itself.
        if (i % KEPT === 0 || !alive) {
          const state = structuredClone(states[random() % states.length]);
          randomRegisters(state, random);
          if (random() & 1) perturb(state, random);
          cpu.load(state);
          rip = state.general[16];
        } else {
          cpu.setRip(rip);
          cpu.setReg(random() & 15, POINTERS[random() % POINTERS.length]);
          cpu.setReg(4, BigInt(STACK));
        }
        let stop: number = StopReason.Abandoned;
        let wrong: string | undefined;
        try {
          const end = cpu.now() + CYCLES;
          for (let turn = 0; turn < 8 && stop === StopReason.Abandoned; turn++) stop = cpu.run(end);
          wrong = wrongWith(cpu, stop, i % KEPT === KEPT - 1);
          alive = stop !== StopReason.Shutdown && stop !== StopReason.Unsupported;
        } catch (error) {
          wrong = String(error);
        }
        stops.set(stop, (stops.get(stop) ?? 0) + 1);
        if (wrong !== undefined) expect.fail(`seed ${SEED}, batch ${done}, case ${i}: ${wrong}`);
      }
    }
    // Random bytes must get somewhere: deadlines, halts and shutdowns all come up.
    for (const stop of [StopReason.Deadline, StopReason.Halted, StopReason.Shutdown])
      expect(stops.get(stop) ?? 0).toBeGreaterThan(CASES / 1000);
  }, 3_600_000);
});
