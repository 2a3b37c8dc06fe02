/**
 * What makes a vCPU leave its guest: the intercepts that a VMM sets, as the architectures group them (Intel's VM-execution
 * controls, SDM vol. 3, 25.6; AMD's intercept vectors, AMD64 vol. 2, 15.9). The core looks at this and never asks whom it
 * serves. Reasons and answers are the core's own small numbers: a VMM maps them to the exit codes of VMX or SVM.
 *
 * Some things leave whatever the policy says, as they cannot be done without somebody outside: memory and ports that are not
 * RAM, MSRs that the core does not keep, CPUID, HLT, VMCALL and CR8. Each has a call-out of its own; on a bare machine it is
 * answered there and then, with no exit in it.
 */
import * as L from './core/state/layout';

/** Why the guest leaves by `CpuCallouts.intercepted`, and what `detail`, `low` and `high` are then. */
export const Intercept = {
  /**
   * MOV to CR0, CR3 or CR4, MOV from CR3, CLTS or LMSW. `detail` has the format of the exit qualification in SDM vol. 3,
   * table 28-3 (`crAccessOf`); the value is what is to be written.
   */
  CrAccess: L.INTERCEPT_CR_ACCESS,
  /** MOV to or from a debug register. `detail` as in table 28-4 (`drAccessOf`); the value is what is to be written. */
  DrAccess: L.INTERCEPT_DR_ACCESS,
  /**
   * An exception that the bitmap has, about to be delivered; RIP is at the instruction that raised it (for a trap behind it,
   * for INT3 and INTO at them). `detail` is as `exceptionOf` takes it; the value is the linear address of a page fault, the
   * new bits of DR6 of a #DB, otherwise 0. CR2, DR6 and DR7 are as before.
   */
  Exception: L.INTERCEPT_EXCEPTION,
  Invd: L.INTERCEPT_INVD,
  Wbinvd: L.INTERCEPT_WBINVD,
  Rdtsc: L.INTERCEPT_RDTSC,
  Rdtscp: L.INTERCEPT_RDTSCP,
  Rdpmc: L.INTERCEPT_RDPMC,
  Invlpg: L.INTERCEPT_INVLPG,
  Invpcid: L.INTERCEPT_INVPCID,
  Pause: L.INTERCEPT_PAUSE,
  /**
   * LGDT, LIDT, SGDT or SIDT, at which CPL does not fault. `detail` is the VM-exit instruction information of SDM vol. 3, table 28-10
   * (`tableAccessOf`), the value the displacement of the memory operand.
   */
  GdtrIdtr: L.INTERCEPT_GDTR_IDTR,
  /** LLDT, LTR, SLDT or STR. `detail` likewise, as in table 28-11; without a memory operand the value is 0. */
  LdtrTr: L.INTERCEPT_LDTR_TR,
} as const;
export type Intercept = (typeof Intercept)[keyof typeof Intercept];

/** Instructions that a policy may intercept as a whole. */
export type InstructionIntercept = Exclude<Intercept, typeof Intercept.CrAccess | typeof Intercept.Exception>;

/** What becomes of what was intercepted. Instead of an answer the VMM may call `Cpu.abandonInstruction`. */
export const Disposition = {
  /**
   * As if there were no intercept: the instruction is executed with all its checks (bits of control registers that belong
   * to the VMM are written too), the exception is delivered to the guest.
   */
  Proceed: L.ANSWER_PROCEED,
  /**
   * The VMM has done what there was to do. An instruction retires and does nothing more; after an exception execution goes
   * on at RIP, which the VMM may have set. The VMM charges time, or a guest that comes back at once stands still in it.
   */
  Handled: L.ANSWER_HANDLED,
  /** The instruction raises #GP(0). Not for exceptions. */
  GeneralProtection: L.ANSWER_GENERAL_PROTECTION,
  /** The instruction raises #UD. Not for exceptions. */
  InvalidOpcode: L.ANSWER_INVALID_OPCODE,
} as const;
export type Disposition = (typeof Disposition)[keyof typeof Disposition];

/** A control register of which some bits belong to the VMM (SDM vol. 3, 25.6.6). */
export interface ControlRegisterPolicy {
  /** Guest/host mask: bits that the guest cannot change without leaving. */
  readonly mask: bigint;
  /**
   * Read shadow: what the guest reads in those bits, and what a write is compared with. Left out: the register itself, as a
   * VMM has it that gives the guest what it writes.
   */
  readonly shadow?: bigint;
}

/** Which of the MSRs that the core keeps are read or written without leaving; all others leave, as in an MSR bitmap of ones. */
export interface MsrPassThrough {
  readonly reads: 'all' | readonly number[];
  readonly writes: 'all' | readonly number[];
}

/** The intercepts of one vCPU. Plain data; a change counts from the next instruction on. */
export interface CpuPolicy {
  readonly msrs: MsrPassThrough;
  readonly cr0: ControlRegisterPolicy;
  readonly cr4: ControlRegisterPolicy;
  /** MOV to CR3, and from CR3. */
  readonly cr3: { readonly loads: boolean; readonly stores: boolean };
  /** One bit for each vector. INT n is no exception. */
  readonly exceptions: number;
  /**
   * Which page faults bit 14 is about (SDM vol. 3, 26.2): where (error code AND `mask`) equals `match` the bit says whether
   * the fault leaves, elsewhere its contrary.
   */
  readonly pageFaults: { readonly mask: number; readonly match: number };
  readonly instructions: readonly InstructionIntercept[];
}

/** Nothing is intercepted: the processor of a bare machine. */
export const NO_INTERCEPTS: CpuPolicy = {
  msrs: { reads: 'all', writes: 'all' },
  cr0: { mask: 0n },
  cr4: { mask: 0n },
  cr3: { loads: false, stores: false },
  exceptions: 0,
  pageFaults: { mask: 0, match: 0 },
  instructions: [],
};

/** An access to a control register. */
export interface CrAccess {
  kind: 'write' | 'read' | 'clts' | 'lmsw';
  /** Number of the control register; 0 for CLTS and LMSW. */
  register: number;
  /** General register of the MOV. */
  operand: number;
}

const CR_KINDS = ['write', 'read', 'clts', 'lmsw'] as const;

/** Takes the qualification of a control-register access apart. */
export function crAccessOf(detail: number): CrAccess {
  return { kind: CR_KINDS[(detail >> 4) & 3], register: detail & 15, operand: (detail >> 8) & 15 };
}

/** Takes the qualification of a debug-register access apart. */
export function drAccessOf(detail: number): { write: boolean; register: number; operand: number } {
  return { write: (detail & 16) === 0, register: detail & 7, operand: (detail >> 8) & 15 };
}

const GLOBAL_TABLES = ['sgdt', 'sidt', 'lgdt', 'lidt'] as const;
const SELECTORS = ['sldt', 'str', 'lldt', 'ltr'] as const;

/** The instruction that the information of an access to a descriptor-table register is of. */
export function tableAccessOf(
  reason: typeof Intercept.GdtrIdtr | typeof Intercept.LdtrTr,
  detail: number,
): (typeof GLOBAL_TABLES | typeof SELECTORS)[number] {
  return (reason === Intercept.GdtrIdtr ? GLOBAL_TABLES : SELECTORS)[(detail >>> 28) & 3];
}

/** An exception about to be delivered. */
export interface InterceptedException {
  vector: number;
  /** Type as in SDM vol. 3, table 25-17: 3 hardware exception, 5 INT1, 6 INT3 and INTO. */
  type: number;
  errorCode: number | undefined;
}

/** Bit 11 of an event's information: it has an error code. */
const ERROR_CODE_VALID = 0x800;

/**
 * Takes `detail` of an exception apart: bits 11:0 are those of the VM-exit interruption information (SDM vol. 3, table
 * 25-17), bits 31:16 the error code.
 */
export function exceptionOf(detail: number): InterceptedException {
  return {
    vector: detail & 255,
    type: (detail >> 8) & 7,
    errorCode: detail & ERROR_CODE_VALID ? detail >>> 16 : undefined,
  };
}

/** A vCPU's register block in units of 4 and of 8 bytes, and the core's numbering of its MSRs (−1: not the core's). */
export interface PolicyTarget {
  u32: Uint32Array;
  u64: BigUint64Array;
  msrBit(msr: number): number;
}

function msrMask(target: PolicyTarget, passing: 'all' | readonly number[], what: string): number {
  if (passing === 'all') return 0;
  let mask = 0xffffffff;
  for (const msr of passing) {
    const bit = target.msrBit(msr);
    if (bit < 0)
      throw new RangeError(
        `policy.msrs.${what}: MSR 0x${msr.toString(16)} is none of the core's; leave it out`,
      );
    mask &= ~(1 << bit);
  }
  return mask >>> 0;
}

/** Writes a policy where the core looks. Throws RangeError for an MSR that the core does not keep. */
export function applyPolicy(target: PolicyTarget, policy: CpuPolicy): void {
  const { u32, u64 } = target;
  const reads = msrMask(target, policy.msrs.reads, 'reads');
  const writes = msrMask(target, policy.msrs.writes, 'writes');
  let intercepts = 0;
  for (const each of policy.instructions) intercepts |= 1 << each;
  if (policy.cr3.loads) intercepts |= 1 << L.INTERCEPT_CR3_LOAD;
  if (policy.cr3.stores) intercepts |= 1 << L.INTERCEPT_CR3_STORE;
  u32[L.C_MSR_READS / 4] = reads;
  u32[L.C_MSR_WRITES / 4] = writes;
  u32[L.C_INTERCEPTS / 4] = intercepts;
  u32[L.C_EXCEPTIONS / 4] = policy.exceptions;
  u32[L.C_PAGE_FAULT_MASK / 4] = policy.pageFaults.mask;
  u32[L.C_PAGE_FAULT_MATCH / 4] = policy.pageFaults.match;
  u64[L.C_CR0_MASK / 8] = policy.cr0.mask;
  u64[L.C_CR0_SHADOW / 8] = policy.cr0.shadow ?? 0n;
  u64[L.C_CR4_MASK / 8] = policy.cr4.mask;
  u64[L.C_CR4_SHADOW / 8] = policy.cr4.shadow ?? 0n;
  u32[L.C_SHADOWED / 4] =
    (policy.cr0.shadow === undefined ? 0 : L.FIXED_SHADOW_CR0) |
    (policy.cr4.shadow === undefined ? 0 : L.FIXED_SHADOW_CR4);
}
