/** The machine that random code runs on: its memory, the states it begins in, and a way back to them that costs little. */
import { createMachineCore, type GuestMachineCore } from '../../../src/machine/x86';
import * as L from '../../../src/machine/x86/core/state/layout';
import type { CoreExports } from '../../../src/machine/x86/core-instance';
import type { Cpu, CpuCallouts, CpuHardware, CpuState, CpuVendor } from '../../../src/machine/x86/types';
import type { Random } from '../native-oracle/encodings';

export const RAM = 1 << 20;
const PAGE = 4096;
/** Where code lies in every mode, in two pages below 1 MiB. */
export const CODE = 0x10000;
export const STACK = 0x90000;
export const DATA = 0x50000;
export const GDT = 0x5000;
export const IDT = 0x6000;
/** That of protected mode, whose gates are half as long. */
const IDT32 = 0x8000;
/** Task-state segments of IA-32e and of protected mode: they tell where an exception from user mode finds a stack. */
const TSS64 = 0xa000;
const TSS32 = 0xb000;
/** Physical address that no RAM answers. */
export const DEVICE = 0xfe000000;
const LDT = 0x7000;
/** Of which one returns and one halts. */
const HANDLERS = [0x20000, 0x20100] as const;
const PML4 = 0x1000;
const HLT = 0xf4;
const COSTS = {
  base: 1,
  memory: 2,
  branch: 1,
  multiply: 3,
  divide: 20,
  serialising: 10,
  control: 40,
  pause: 40,
};

/** What is behind the contract of a vCPU: cases reach it directly, since `save` and `load` cost more than a case does. */
interface Inside {
  readonly core: CoreExports;
  readonly base: number;
  readonly u32: Uint32Array;
}

/** A name for messages, and the register block as `load` leaves it for such a state. */
export interface Beginning {
  name: string;
  block: Uint32Array;
}

/** Page tables: the first GiB and the last of the first four, one to one, for everybody. */
function writeTables(write: (address: number, ...values: bigint[]) => void): void {
  write(PML4, 0x2007n);
  write(0x2000, 0x3007n, 0n, 0n, 0x4007n);
  for (let i = 0; i < 512; i++) {
    write(0x3000 + i * 8, (BigInt(i) << 21n) | 0x87n);
    write(0x4000 + i * 8, (3n << 30n) | (BigInt(i) << 21n) | 0x87n);
  }
}

/** One machine for all cases of a thread. */
export class FuzzMachine {
  readonly machine: GuestMachineCore;
  readonly cpu: Cpu;
  readonly core: CoreExports;
  readonly base: number;
  /** The register block (`core/layout.ts`). */
  readonly u32: Uint32Array;
  readonly beginnings: readonly Beginning[];
  private readonly first: CpuState;
  private readonly image = new Uint8Array(RAM);

  constructor(
    module: WebAssembly.Module,
    callouts: CpuCallouts,
    readonly vendor: CpuVendor,
  ) {
    this.machine = createMachineCore({ ramBytes: RAM, cpus: 1, module, costs: COSTS, vendor });
    this.cpu = this.machine.cpus[0];
    const inside = this.cpu as unknown as Inside;
    this.core = inside.core;
    this.base = inside.base;
    this.u32 = inside.u32;
    this.cpu.callouts = callouts;
    // A jump to anywhere halts at once: decoding empty memory would cost more than the case.
    this.image.fill(HLT);
    writeTables((address, ...values) => this.draw(address, values));
    this.image.fill(0, TSS64, TSS32 + PAGE);
    this.draw(TSS64 + 4, [BigInt(STACK)]);
    this.draw(TSS32 + 4, [BigInt(STACK) | (0x10n << 32n)]);
    this.machine.memory.write(0, this.image);
    const states = this.states();
    this.first = states[0][1];
    this.beginnings = states.map(([name, state]) => {
      this.cpu.load(state);
      return { name, block: this.u32.slice(0, L.CONTEXT0 / 4) };
    });
  }

  private draw(address: number, values: readonly bigint[]): void {
    const view = new DataView(this.image.buffer);
    values.forEach((value, i) => view.setBigUint64(address + i * 8, BigInt.asUintN(64, value), true));
  }

  /** States to begin with; the segments' hidden parts are what a guest's loads would have left. */
  private states(): [string, CpuState][] {
    const { cpu } = this;
    const states: [string, CpuState][] = [];
    const keep = (name: string, ...changes: ((state: CpuHardware) => void)[]): void => {
      const saved = structuredClone(cpu.save());
      const state = saved.hardware;
      const long = (state.msrs[0] & 0x400n) !== 0n;
      state.tables.set([BigInt(GDT), 0x7fn, BigInt(long ? IDT : IDT32), long ? 0xfffn : 0x7ffn]);
      state.segments.set([BigInt(long ? TSS64 : TSS32), 0x58n, 0x67n, 0x8bn], 7 * 4);
      for (const change of changes) change(state);
      states.push([name, saved]);
    };
    const user = (state: CpuHardware): void => {
      state.cpl = 3;
      for (const s of [1, 2]) state.segments[s * 4 + 1] |= 3n;
      for (let s = 0; s < 6; s++) state.segments[s * 4 + 3] |= 0x60n;
    };
    const code = (attributes: bigint) => (state: CpuHardware) => {
      state.segments[1 * 4 + 3] = attributes;
    };
    cpu.startLongMode(BigInt(CODE), BigInt(STACK), PML4);
    keep('long');
    keep('long user', user);
    keep('compatibility 32', code(0xc09bn));
    keep('compatibility 16', code(0x009bn));
    keep('compatibility user', code(0xc09bn), user);
    cpu.startProtectedMode(CODE, 0, 0);
    keep('protected 32');
    keep('protected user', user);
    keep('protected 16', code(0x009bn), (state) => {
      state.segments[1 * 4 + 2] = BigInt(CODE + 2 * PAGE - 1);
    });
    keep('single steps', (state) => {
      state.general[17] |= 0x100n;
    });
    cpu.init();
    cpu.startUp(CODE >> 12);
    keep('real', (state) => {
      state.tables.set([0n, 0n, 0n, 0x3ffn]);
    });
    return states;
  }

  /** Memory and vCPU as a batch begins: what it was at first, but for gates, descriptors and data at random. */
  renew(random: Random): void {
    const { memory } = this.machine;
    for (const page of memory.takeDirtyPages())
      memory.write(page * PAGE, this.image.subarray(page * PAGE, (page + 1) * PAGE));
    const bytes = new Uint8Array(PAGE);
    const words = new Uint32Array(bytes.buffer);
    for (let i = 0; i < words.length; i++) words[i] = random();
    for (const page of [LDT, DATA, STACK - PAGE, STACK]) memory.write(page, bytes);
    memory.write(GDT, this.descriptors(random));
    memory.write(IDT, this.gates(random, 4));
    memory.write(IDT32, this.gates(random, 2));
    // The real mode's vectors.
    for (let vector = 0; vector < 256; vector++) {
      words[vector] = (HANDLERS[random() & 1] >> 4) << 16;
    }
    memory.write(0, bytes.subarray(0, 1024));
    memory.write(HANDLERS[0], Uint8Array.of(0x48, 0xcf, HLT));
    this.cpu.load(this.first);
  }

  /** Descriptors of every kind, so that most selectors below 0x80 name something. */
  private descriptors(random: Random): Uint8Array {
    const code64 = 0x00af9b000000ffffn;
    const code32 = 0x00cf9b000000ffffn;
    const data = 0x00cf93000000ffffn;
    const user = 0x0000600000000000n;
    const gates = [0x00008e0000080000n, 0x0000ec0000080000n, 0x0000850000280000n, 0x0000890058000067n];
    const values = [0n, code64, data, code64 | user, data | user, code32, code32 | user, 0x00009b000000ffffn];
    values.push(...gates.map((gate) => gate | BigInt(random() & 0xffff)));
    values.push(0x0000820070000fffn, BigInt(random()), (BigInt(random()) << 32n) | BigInt(random()), 0n);
    return new Uint8Array(BigUint64Array.from(values).buffer);
  }

  /** Gates to both handlers, most of them good; `words` 32-bit words each. */
  private gates(random: Random, words: 2 | 4): Uint8Array {
    const table = new Uint32Array(256 * words);
    const good = words === 4 ? 0x08 : 0x28;
    for (let at = 0; at < table.length; at += words) {
      const choice = random();
      const handler = HANDLERS[choice & 1];
      const selector = choice & 0x70 ? good : random() & 0x7f;
      const type = choice & 0x700 ? [0x8e, 0xee, 0x8f, 0xef][(choice >> 12) & 3] : random() & 255;
      table[at] = (selector << 16) | (handler & 0xffff);
      table[at + 1] = (handler & 0xffff0000) | (type << 8);
    }
    return new Uint8Array(table.buffer);
  }

  /** Puts the vCPU back into a beginning: not dead, nothing pending, nothing translated. */
  restore(beginning: Beginning): void {
    this.cpu.init();
    this.u32.set(beginning.block);
  }

  /** After registers were written from outside: what the core derives from them. */
  settle(): void {
    this.core.placeCpl(this.base, this.u32[L.C_CPL / 4]);
    this.core.updateMode(this.base);
  }
}
