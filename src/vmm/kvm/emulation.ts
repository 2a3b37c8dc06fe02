/**
 * What KVM's emulator does with an instruction that makes more than one access: one exit, and a user exit for each access that
 * QEMU serves, as long as the emulator goes on without entering the guest. Taken for true, of Linux 6.16 (arch/x86/kvm):
 *
 * - Within an instruction, or an iteration of a repeated one, it always goes on. A read that crosses into another page is two
 *   `mmio_fragments`, as is a write, with a user exit each.
 * - A repeated instruction goes on with the next iteration unless the low ten bits of the count are 0 (x86.c,
 *   EMULATION_RESTART; emulate.c, end of `x86_emulate_insn`). When QEMU has performed a write, the guest is entered all the
 *   same, to a port or to memory: what the write belongs to is over for the emulator (`complete_emulated_mmio`;
 *   `x86_emulate_instruction` for `pio.count`). So REP OUTS to QEMU leaves for every iteration, REP LODS from QEMU does not.
 * - REP INS reads ahead (`pio_in_emulated`): as many values as there are bytes to the end of the page, at most 1,024 bytes of
 *   them, in one user exit; after them the guest is entered.
 */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import { Reg, type Cpu } from '../../machine/x86/types';

/** Iterations after which a repeated instruction lets the guest be entered, less one: a mask. */
const RESTART_MASK = 0x3ff;
const READ_AHEAD_BYTES = 1024;
const PAGE = 4096;
const DF = 0x400n;

/** Snapshot of an `Emulation`. */
export interface EmulationState {
  version: 1;
  instruction: number;
  left: number;
  committed: boolean;
  readsAhead: boolean;
  ahead: number[];
}

/** The instruction that KVM's emulator is at, of one vCPU. */
export class Emulation implements Stateful<EmulationState> {
  /** How many instructions the vCPU had retired before it; -1: none. */
  private instruction = -1;
  /** Iterations behind the present one. */
  private left = 0;
  /** QEMU has performed its write. */
  private committed = false;
  private readsAhead = false;
  /** What was read ahead and not asked for yet. */
  private ahead: number[] = [];

  constructor(private readonly cpu: Cpu) {}

  /** An access of an instruction begins, to be called from its call-out; `first`: the one that leaves the guest. */
  begin(first: boolean): void {
    this.instruction = this.cpu.instructions();
    this.left = this.cpu.iterations - 1;
    this.committed = false;
    if (first) {
      this.readsAhead = false;
      if (this.ahead.length > 0) this.ahead = [];
    }
  }

  /** Another exit: the emulator is at nothing. */
  end(): void {
    this.instruction = -1;
  }

  /** QEMU has performed a write. */
  commit(): void {
    this.committed = true;
  }

  /** How many values REP INS reads at once; 1 for any other IN. To be called from its call-out. */
  batch(size: number): number {
    const { cpu } = this;
    const { iterations } = cpu;
    if (iterations === 0) return 1;
    this.readsAhead = true;
    const offset = Number(cpu.getReg(Reg.RDI) & BigInt(PAGE - 1));
    const inPage = cpu.rflags() & DF ? offset : PAGE - offset;
    return Math.max(1, Math.min(inPage, READ_AHEAD_BYTES / size, iterations));
  }

  /** Keeps a value that was read ahead. */
  keep(value: number): void {
    this.ahead.push(value);
  }

  /** From a call-out for IN: the next value that was read ahead; undefined: there is none. */
  next(): number | undefined {
    const { cpu } = this;
    if (!this.readsAhead || this.instruction !== cpu.instructions() || this.left !== cpu.iterations)
      return undefined;
    const value = this.ahead.shift();
    if (value !== undefined) this.left -= 1;
    return value;
  }

  /** From a call-out: the access belongs to what the emulator is at, which goes on with it. */
  goesOn(): boolean {
    const { cpu } = this;
    return cpu.accessIndex > 0 || (cpu.iterations > 0 && cpu.iterations === this.iterationsToCome());
  }

  /** At a boundary: iterations that the emulator goes on with before the guest is entered; 0: the guest is entered. */
  iterationsToCome(): number {
    const { left } = this;
    if (this.instruction !== this.cpu.instructions() || left <= 0) return 0;
    const goesOn = this.readsAhead ? this.ahead.length > 0 : !this.committed && (left & RESTART_MASK) !== 0;
    return goesOn ? left : 0;
  }

  save(): EmulationState {
    return {
      version: 1,
      instruction: this.instruction,
      left: this.left,
      committed: this.committed,
      readsAhead: this.readsAhead,
      ahead: [...this.ahead],
    };
  }

  load(state: EmulationState): void {
    requireVersion('the emulator of a vCPU', state.version, 1);
    this.instruction = state.instruction;
    this.left = state.left;
    this.committed = state.committed;
    this.readsAhead = state.readsAhead;
    this.ahead = [...state.ahead];
  }
}
