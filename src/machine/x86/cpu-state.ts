/** The complete state of a vCPU between two runs, as plain data, and its way into and out of the core's register block. */
import type { Checkpoint, HardwareState, RunState } from '../snapshot';
import type { Cycles } from '../time/event-queue';
import * as L from './core/state/layout';
import { MISSING_MAX, type MissingInstruction } from './missing';

/** Version of `CpuHardware`; a state of another version is refused. */
export const CPU_STATE_VERSION = 6;

/** Architectural state of a vCPU at an instruction boundary. 64-bit values are unsigned, in the order of the named lists. */
export interface CpuHardware extends HardwareState {
  version: number;
  /** RAX … R15 as the instruction set numbers them, then RIP and RFLAGS. */
  general: BigUint64Array;
  /** CR0, CR2, CR3, CR4. */
  control: BigUint64Array;
  /** The four page-directory-pointer-table entries that PAE paging keeps in registers (SDM vol. 3, 4.4.1). */
  pdptes: BigUint64Array;
  /**
   * EFER, STAR, LSTAR, CSTAR, SFMASK, KERNEL_GS_BASE, TSC_AUX, SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP, TSC_ADJUST, PAT, MISC_ENABLE.
   */
  msrs: BigUint64Array;
  /** What the time-stamp counter shows at this moment. */
  tsc: bigint;
  /** DR0 … DR7. */
  debug: BigUint64Array;
  /** GDTR base and limit, IDTR base and limit. */
  tables: BigUint64Array;
  /**
   * ES, CS, SS, DS, FS, GS, LDTR, TR with their hidden parts (SDM vol. 3, 3.4.3): base, selector, limit and attributes
   * (bits 40-55 of the descriptor) of each.
   */
  segments: BigUint64Array;
  cpl: number;
  /** The boundary is in the interrupt shadow of STI or of a load of SS. */
  shadow: boolean;
  /** That shadow is of a load of SS. */
  stackShadow: boolean;
  /** An NMI is in service: further ones wait for IRET. */
  nmiBlocked: boolean;
  /** DR6 bits of a #DB that is due at this boundary. */
  pendingDebug: number;
  /** It came to a triple fault: `run` answers Shutdown. */
  shutDown: boolean;
}

/** What the run has of a vCPU. What was translated is in no state: it is translated again. */
export interface CpuRun extends RunState {
  time: Cycles;
  /** Instructions retired in this run. */
  instructions: number;
  /** Somebody waits for the guest to become interruptible. */
  windowWanted: boolean;
  /** Somebody waits for the guest to become able to take an NMI. */
  nmiWindowWanted: boolean;
  /** `requestAttention` was called and not yet honoured. */
  attention: boolean;
  /** The instruction at RIP has begun: iterations of it are done, or it waits for an access. */
  begun: boolean;
  /** Stack frames of handlers entered by `deliverInterrupt` and not yet left, outermost first. */
  handlers: BigUint64Array;
  /** Instructions the guest tried and the vCPU does not have. */
  missing: readonly MissingInstruction[];
}

/** Both. */
export type CpuState = Checkpoint<CpuHardware, CpuRun>;

/** The lists of `CpuHardware` that are copied as they are: offsets of their 64-bit values in the register block. */
const LISTS: readonly [
  key: 'general' | 'control' | 'pdptes' | 'msrs' | 'debug',
  offsets: readonly number[],
][] = [
  ['general', [...Array.from({ length: 16 }, (_, r) => L.C_REGS + r * 8), L.C_RIP]],
  ['control', [L.C_CR0, L.C_CR2, L.C_CR3, L.C_CR4]],
  ['pdptes', [0, 8, 16, 24].map((at) => L.C_PDPTE + at)],
  [
    'msrs',
    [
      ...[L.C_EFER, L.C_STAR, L.C_LSTAR, L.C_CSTAR, L.C_SFMASK, L.C_KERNEL_GS, L.C_TSC_AUX],
      ...[L.C_SYSENTER_CS, L.C_SYSENTER_ESP, L.C_SYSENTER_EIP, L.C_TSC_ADJUST, L.C_PAT, L.C_MISC_ENABLE],
    ],
  ],
  ['debug', Array.from({ length: 8 }, (_, r) => L.C_DR + r * 8)],
];
const TABLES: readonly [base: number, limit: number][] = [
  [L.C_GDT_BASE, L.C_GDT_LIMIT],
  [L.C_IDT_BASE, L.C_IDT_LIMIT],
];
const SEGMENTS = 8;
/** The six status flags of RFLAGS. */
const STATUS_FLAGS = 0x8d5n;

/** The architectural state that lies in the register block. */
export type RegisterState = Pick<
  CpuHardware,
  | 'general'
  | 'control'
  | 'pdptes'
  | 'msrs'
  | 'tsc'
  | 'debug'
  | 'tables'
  | 'segments'
  | 'nmiBlocked'
  | 'pendingDebug'
>;

/** Reads the register block at a time; `rflags` is worked out by the core. */
export function readRegisters(
  u64: BigUint64Array,
  u32: Uint32Array,
  rflags: bigint,
  time: Cycles,
): RegisterState {
  const list = (offsets: readonly number[]): BigUint64Array =>
    BigUint64Array.from(offsets, (offset) => u64[offset / 8]);
  const segments = new BigUint64Array(SEGMENTS * 4);
  for (let i = 0; i < SEGMENTS; i++) {
    const at = (L.C_SEGMENTS + i * L.SEG_SIZE) / 4;
    segments.set(
      [
        u64[(at * 4 + L.S_BASE) / 8],
        BigInt(u32[at + L.S_SELECTOR / 4]),
        BigInt(u32[at + L.S_LIMIT / 4]),
        BigInt(u32[at + L.S_ATTR / 4]),
      ],
      i * 4,
    );
  }
  const [general, control, pdptes, msrs, debug] = LISTS.map(([, offsets]) => list(offsets));
  return {
    general: BigUint64Array.from([...general, rflags]),
    control,
    pdptes,
    msrs,
    tsc: BigInt.asUintN(64, u64[L.C_TSC_OFFSET / 8] + BigInt(time)),
    debug,
    tables: BigUint64Array.from(TABLES.flatMap(([base, limit]) => [u64[base / 8], BigInt(u32[limit / 4])])),
    segments,
    nmiBlocked: u32[L.C_NMI / 4] !== 0,
    pendingDebug: u32[L.C_PENDING_DB / 4],
  };
}

/** Stack frames of handlers under way. */
export function readHandlers(u64: BigUint64Array, u32: Uint32Array): BigUint64Array {
  return u64.slice(L.C_HANDLER_FRAMES / 8, L.C_HANDLER_FRAMES / 8 + u32[L.C_HANDLERS / 4]);
}

/** Likewise. @param handlers must have passed `checkCpuRun` */
export function writeHandlers(u64: BigUint64Array, u32: Uint32Array, handlers: BigUint64Array): void {
  u32[L.C_HANDLERS / 4] = handlers.length;
  u64.set(handlers, L.C_HANDLER_FRAMES / 8);
}

/** Writes the register block, whose time is `time`. The state must have passed `checkCpuHardware`. */
export function writeRegisters(
  u64: BigUint64Array,
  u32: Uint32Array,
  state: RegisterState,
  time: Cycles,
): void {
  for (const [key, offsets] of LISTS) {
    offsets.forEach((offset, i) => {
      u64[offset / 8] = state[key][i];
    });
  }
  u64[L.C_TSC_OFFSET / 8] = BigInt.asUintN(64, state.tsc - BigInt(time));
  const rflags = state.general[17];
  u64[L.C_FLAGS / 8] = (rflags & ~STATUS_FLAGS) | 2n;
  u64[L.C_CC / 8] = BigInt(L.CC_RAW);
  u64[L.C_CCA / 8] = rflags & STATUS_FLAGS;
  u64[L.C_CCB / 8] = 0n;
  TABLES.forEach(([base, limit], i) => {
    u64[base / 8] = state.tables[2 * i];
    u32[limit / 4] = Number(state.tables[2 * i + 1]);
  });
  for (let i = 0; i < SEGMENTS; i++) {
    const at = (L.C_SEGMENTS + i * L.SEG_SIZE) / 4;
    const [base, selector, limit, attributes] = state.segments.subarray(i * 4, i * 4 + 4);
    u64[(at * 4 + L.S_BASE) / 8] = base;
    u32[at + L.S_SELECTOR / 4] = Number(selector);
    u32[at + L.S_LIMIT / 4] = Number(limit);
    u32[at + L.S_ATTR / 4] = Number(attributes);
  }
  u32[L.C_NMI / 4] = state.nmiBlocked ? L.NMI_BLOCKED : 0;
  u32[L.C_PENDING_DB / 4] = state.pendingDebug;
}

/** Lengths that the lists of a state must have. */
const LENGTHS = {
  general: 18,
  control: 4,
  pdptes: 4,
  msrs: 13,
  debug: 8,
  tables: 4,
  segments: SEGMENTS * 4,
} as const;

function refuse(what: string): never {
  throw new RangeError(`vCPU state: ${what}; load a state that save() of this version gave`);
}

/** Throws RangeError, naming what is wrong, unless `state` is one that `save` could have given. */
export function checkCpuHardware(state: CpuHardware): void {
  if (state.version !== CPU_STATE_VERSION) refuse(`version ${state.version}, not ${CPU_STATE_VERSION}`);
  for (const [key, length] of Object.entries(LENGTHS)) {
    const list = state[key as keyof typeof LENGTHS];
    if (list.length !== length) refuse(`${list.length} values of ${key}, not ${length}`);
  }
  if (!Number.isInteger(state.cpl) || state.cpl < 0 || state.cpl > 3) refuse(`CPL ${state.cpl}`);
}

/** Likewise. */
export function checkCpuRun(state: CpuRun): void {
  if (state.handlers.length > L.HANDLERS_MAX)
    refuse(`${state.handlers.length} handlers, more than ${L.HANDLERS_MAX}`);
  if (state.missing.length > MISSING_MAX)
    refuse(`${state.missing.length} missing instructions, more than ${MISSING_MAX}`);
  for (const key of ['time', 'instructions'] as const) {
    if (!Number.isSafeInteger(state[key]) || state[key] < 0) refuse(`${key} ${state[key]}`);
  }
}
