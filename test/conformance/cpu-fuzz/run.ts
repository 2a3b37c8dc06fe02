/**
 * Any bytes as code, in any mode: the vCPU ends in a guest's fault, a stop or a valid state, never in the host's exception.
 * Cases go in batches. A batch begins with fresh memory and a random source of its own, so that its number alone, with the
 * seed, brings a failure back.
 */
import * as L from '../../../src/machine/x86/core/state/layout';
import { StopReason, type CpuCallouts, type CpuState, type CpuVendor } from '../../../src/machine/x86/types';
import { randomSource } from '../native-oracle/generate';
import { LONGEST, nextRegisters, perturb, piecesOf, randomCode, randomRegisters } from './cases';
import { CODE, FuzzMachine } from './machine';

/** Cases of a batch. */
export const BATCH = 512;
/** Bytes from one case's code to the next; the last one goes on in the next page. */
const SLOT = 64;
const SLOTS = 4096 / SLOT;
const HLT = 0xf4;
/** Cycles of one case: some dozen instructions. */
const CYCLES = 48;
/** What one instruction may cost beyond the deadline, with all that its call-outs charge. */
const LONGEST_INSTRUCTION = 10_000;
/** Turns of a case that call-outs interrupt. */
const TURNS = 8;
/** Cases between two that are saved and compared as a whole. */
const WHOLE = 128;
/** Multiplier that keeps batches' random sources apart. */
const SPREAD = 0x9e3779b1;

const NAMES = Object.keys(StopReason);

/** How cases ended. */
export interface Outcomes {
  cases: number;
  /** By name of the stop. */
  stops: Record<string, number>;
  /** Cases by what they began in. */
  beginnings: Record<string, number>;
  /** Instructions retired. */
  instructions: number;
  /** Cases that retired at least one. */
  moved: number;
}

/** The first case that went wrong. */
export interface Failure {
  batch: number;
  /** Its place in the batch. */
  index: number;
  beginning: string;
  /** Its code, hexadecimal. */
  code: string;
  what: string;
}

/** Outcomes of nothing yet. */
export function noOutcomes(): Outcomes {
  return { cases: 0, stops: {}, beginnings: {}, instructions: 0, moved: 0 };
}

function count(counts: Record<string, number>, name: string, by = 1): void {
  counts[name] = (counts[name] ?? 0) + by;
}

/** Adds `more` to `sum`. */
export function addOutcomes(sum: Outcomes, more: Outcomes): void {
  sum.cases += more.cases;
  sum.instructions += more.instructions;
  sum.moved += more.moved;
  for (const [name, n] of Object.entries(more.stops)) count(sum.stops, name, n);
  for (const [name, n] of Object.entries(more.beginnings)) count(sum.beginnings, name, n);
}

const canonical = (high: number): boolean => high < 0x8000 || high >= 0xffff8000;

/** Whose processors take the cases: batches of even and odd numbers. */
const VENDORS: readonly CpuVendor[] = ['intel', 'amd'];

interface Subject {
  machine: FuzzMachine;
  pieces: readonly Uint8Array[];
}

/** Runs batches of one seed. */
export class Fuzzer {
  private readonly subjects: readonly Subject[];
  private subject: FuzzMachine;
  private pieces: readonly Uint8Array[];
  private random = randomSource(0);
  private readonly code = new Uint8Array(LONGEST + 16);
  private readonly page = new Uint8Array(4096 + LONGEST + 16);

  /** @param module compiled `dist/cpu-core.wasm` */
  constructor(
    module: WebAssembly.Module,
    private readonly seed: number,
  ) {
    this.subjects = VENDORS.map((vendor) => ({
      machine: new FuzzMachine(module, this.callouts(), vendor),
      pieces: piecesOf(randomSource(seed), vendor),
    }));
    this.subject = this.subjects[0].machine;
    this.pieces = this.subjects[0].pieces;
  }

  /** Call-outs that answer anything and now and then do what a device may: give up, ask for attention, let time pass. */
  private callouts(): CpuCallouts {
    const answer = (): number => {
      const value = this.random();
      const { cpu } = this.subject;
      const choice = value & 31;
      if (choice === 0) cpu.abandonInstruction();
      else if (choice === 1) cpu.requestAttention();
      else if (choice === 2) cpu.advance(this.random() % 40);
      cpu.resultHigh = this.random();
      return value | 0;
    };
    return {
      mmioRead: answer,
      mmioWrite: () => void answer(),
      portIn: answer,
      portOut: () => void answer(),
      msrRead: () => (this.random() & 1 ? answer() : undefined),
      msrWrite: () => (answer() & 32) === 0,
      cpuid: () => ({ eax: this.random(), ebx: this.random(), ecx: this.random(), edx: this.random() }),
      hlt: () => undefined,
      vmcall: () => (this.random() & 1) === 0,
      cr8Read: () => this.random() & 15,
      cr8Write: () => undefined,
      interruptDelivered: () => undefined,
      interruptReturned: () => undefined,
    };
  }

  /** Runs one batch and adds to `outcomes`; returns the failure that ended it early, if one did. */
  batch(number: number, outcomes: Outcomes): Failure | undefined {
    this.random = randomSource((this.seed ^ Math.imul(number + 1, SPREAD)) >>> 0);
    ({ machine: this.subject, pieces: this.pieces } = this.subjects[number % VENDORS.length]);
    this.subject.renew(this.random);
    const offsets = new Array<number>(SLOTS);
    let alive = false;
    let beginning = this.subject.beginnings[0];
    for (let index = 0; index < BATCH; index++) {
      const slot = index % SLOTS;
      if (slot === 0) this.writePage(offsets);
      const { random, subject } = this;
      const { u32 } = subject;
      const kept = alive && (random() & 3) === 0;
      if (kept) nextRegisters(subject, random);
      else {
        beginning = subject.beginnings[random() % subject.beginnings.length];
        subject.restore(beginning);
        randomRegisters(subject, random);
        perturb(subject, random);
      }
      u32[L.C_RIP / 4] = beginning.block[L.C_RIP / 4] + offsets[slot];
      u32[L.C_RIP / 4 + 1] = 0;
      subject.settle();
      let stop = -1;
      let wrong: string | undefined;
      try {
        stop = this.execute(outcomes);
        wrong = this.wrongWith(stop) ?? (index % WHOLE === WHOLE - 1 ? this.unlikeSaved() : undefined);
      } catch (error) {
        wrong = error instanceof Error ? (error.stack ?? error.message) : String(error);
      }
      outcomes.cases++;
      count(outcomes.stops, NAMES[stop] ?? String(stop));
      count(outcomes.beginnings, kept ? 'as the last one left it' : beginning.name);
      if (wrong !== undefined) {
        const code = this.page.subarray(offsets[slot], offsets[slot] + LONGEST);
        return { batch: number, index, beginning: beginning.name, code: hex(code), what: wrong };
      }
      alive = stop !== StopReason.Shutdown && stop !== StopReason.Unsupported;
    }
    return undefined;
  }

  /** The code of the next cases; each is followed by HLT, so that its block ends there. */
  private writePage(offsets: number[]): void {
    const { page, code, random, pieces } = this;
    page.fill(HLT);
    for (let slot = 0; slot < SLOTS; slot++) {
      const length = randomCode(code, random, pieces);
      // The last one lies across the page's end.
      offsets[slot] = slot === SLOTS - 1 ? 4096 - 1 - (random() % 15) : slot * SLOT;
      page.set(code.subarray(0, length), offsets[slot]);
    }
    this.subject.machine.memory.write(CODE, page);
  }

  /** Runs a case to its end and returns the last stop. */
  private execute(outcomes: Outcomes): number {
    const { cpu } = this.subject;
    const begun = cpu.now();
    const before = cpu.instructions();
    const deadline = begun + CYCLES;
    let stop: number = StopReason.Abandoned;
    for (let turn = 0; turn < TURNS; turn++) {
      stop = cpu.run(deadline);
      if (stop !== StopReason.Abandoned && stop !== StopReason.Attention) break;
    }
    const retired = cpu.instructions() - before;
    const cycles = cpu.now() - begun;
    if (!(cycles >= 0 && cycles < CYCLES + LONGEST_INSTRUCTION)) throw new Error(`${cycles} cycles`);
    if (!(retired >= 0 && retired <= cycles)) throw new Error(`${retired} instructions in ${cycles} cycles`);
    outcomes.instructions += retired;
    if (retired > 0) outcomes.moved++;
    return stop;
  }

  /** What holds of every state between runs. */
  private wrongWith(stop: number): string | undefined {
    const { core, base, u32, vendor } = this.subject;
    if (!(stop in NAMES)) return `stop ${stop}`;
    const rflags = core.rflags(base);
    if ((rflags & 0x802a) !== 2 || rflags >>> 22 !== 0) return `RFLAGS ${(rflags >>> 0).toString(16)}`;
    const cpl = u32[L.C_CPL / 4];
    if (cpl > 3) return `CPL ${cpl}`;
    const mode = u32[L.C_MODE / 4];
    const high = u32[L.C_RIP / 4 + 1];
    const code = (L.C_SEGMENTS + L.SEG_CS * L.SEG_SIZE) / 4;
    if (mode === L.MODE_64) {
      // AMD's SYSRET goes anywhere and leaves the fault to the fetch.
      if (!canonical(high) && !(vendor === 'amd' && cpl === 3))
        return `RIP ${high.toString(16)}:${u32[L.C_RIP / 4].toString(16)} in 64-bit code`;
      if ((u32[L.C_EFER / 4] & 0x400) === 0) return '64-bit code without EFER.LMA';
      if ((u32[code + L.S_SELECTOR / 4] & 3) !== cpl) return `CPL ${cpl} under another CS`;
    } else if (high !== 0) return `RIP ${high.toString(16)}:${u32[L.C_RIP / 4].toString(16)} in mode ${mode}`;
    const protectedMode = (u32[L.C_CR0 / 4] & 1) !== 0;
    if (!protectedMode && (cpl !== 0 || mode === L.MODE_64)) return `CPL ${cpl}, mode ${mode} in real mode`;
    if (!protectedMode && u32[L.C_CR0 / 4] >>> 31 !== 0) return 'paging in real mode';
    if (u32[L.C_ZERO / 4] !== 0 || u32[L.C_ZERO / 4 + 1] !== 0) return 'the place that is always 0 is not';
    return undefined;
  }

  /** A state saved and loaded again is the same state. */
  private unlikeSaved(): string | undefined {
    const { cpu } = this.subject;
    const saved = cpu.save();
    cpu.load(saved);
    const again = cpu.save();
    const text = (state: CpuState): string =>
      JSON.stringify(state, (_, value: unknown) => (typeof value === 'bigint' ? value.toString(16) : value));
    const [one, other] = [text(saved), text(again)];
    if (one !== other) return `saved ${one}, loaded and saved ${other}`;
    return undefined;
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
