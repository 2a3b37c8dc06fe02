/** What each mnemonic of the instruction set becomes: a general operation, the shape of its operands, and its cost class. */
import { Mnemonic as M } from 'iced-x86';
import { SEG_FS, SEG_GS } from '../core/state/layout';
import { op } from '../operations/general';
import type { MachineCoreOptions } from '../types';

/** Cost classes of `MachineCoreOptions`. */
export type CostClass = keyof MachineCoreOptions['costs'];

/** How an instruction's operands map onto a micro-op's fields. */
export type Shape =
  | 'none' // no operands, or implied ones; size by the instruction's name where it matters
  | 'general' // destination r/m, source r/m or immediate
  | 'extend' // destination register, narrower source
  | 'shift' // destination r/m, count CL or immediate
  | 'doubleShift' // destination r/m, register, count CL or immediate
  | 'toRegister' // register destination, r/m source, optional immediate
  | 'vexMiddle' // register destination, register source, r/m source
  | 'vexLast' // register destination, r/m source, register source
  | 'string'
  | 'pcid' // type register, descriptor in memory
  | 'port';

/** One row of the table. `size` is the operand size where the name alone tells it. */
export interface Row {
  op: number;
  shape: Shape;
  cost?: CostClass;
  size?: number;
  ext?: number;
  imm?: bigint;
  /** The block ends here: control goes elsewhere, or translation itself may have changed. */
  ends?: boolean;
}

const rows = new Map<number, Row>();

function add(shape: Shape, cost: CostClass | undefined, entries: [number, number][]): void {
  for (const [mnemonic, operation] of entries) rows.set(mnemonic, { op: operation, shape, cost });
}

add('general', undefined, [
  [M.Mov, op.OP_MOV],
  [M.Add, op.OP_ADD],
  [M.Or, op.OP_OR],
  [M.Adc, op.OP_ADC],
  [M.Sbb, op.OP_SBB],
  [M.And, op.OP_AND],
  [M.Sub, op.OP_SUB],
  [M.Xor, op.OP_XOR],
  [M.Cmp, op.OP_CMP],
  [M.Test, op.OP_TEST],
  [M.Inc, op.OP_INC],
  [M.Dec, op.OP_DEC],
  [M.Neg, op.OP_NEG],
  [M.Not, op.OP_NOT],
  [M.Lea, op.OP_LEA],
  [M.Xchg, op.OP_XCHG],
  [M.Xadd, op.OP_XADD],
  [M.Cmpxchg, op.OP_CMPXCHG],
  [M.Cmpxchg8b, op.OP_CMPXCHG8B],
  [M.Cmpxchg16b, op.OP_CMPXCHG16B],
  [M.Bt, op.OP_BT],
  [M.Bts, op.OP_BTS],
  [M.Btr, op.OP_BTR],
  [M.Btc, op.OP_BTC],
  [M.Bswap, op.OP_BSWAP],
  [M.Movbe, op.OP_MOVBE],
  [M.Xlatb, op.OP_XLAT],
]);
add('general', 'multiply', [[M.Mul, op.OP_MUL]]);
add('general', 'divide', [
  [M.Div, op.OP_DIV],
  [M.Idiv, op.OP_IDIV],
]);
add('extend', undefined, [
  [M.Movzx, op.OP_MOVZX],
  [M.Movsx, op.OP_MOVSX],
  [M.Movsxd, op.OP_MOVSX],
]);
add('shift', undefined, [
  [M.Rol, op.OP_ROL],
  [M.Ror, op.OP_ROR],
  [M.Rcl, op.OP_RCL],
  [M.Rcr, op.OP_RCR],
  [M.Shl, op.OP_SHL],
  [M.Sal, op.OP_SHL],
  [M.Shr, op.OP_SHR],
  [M.Sar, op.OP_SAR],
]);
add('doubleShift', undefined, [
  [M.Shld, op.OP_SHLD],
  [M.Shrd, op.OP_SHRD],
]);
add('toRegister', undefined, [
  [M.Bsf, op.OP_BSF],
  [M.Bsr, op.OP_BSR],
  [M.Tzcnt, op.OP_TZCNT],
  [M.Lzcnt, op.OP_LZCNT],
  [M.Popcnt, op.OP_POPCNT],
  [M.Blsi, op.OP_BLSI],
  [M.Blsmsk, op.OP_BLSMSK],
  [M.Blsr, op.OP_BLSR],
  [M.Rorx, op.OP_RORX],
  [M.Adcx, op.OP_ADCX],
  [M.Adox, op.OP_ADOX],
]);
add('vexMiddle', undefined, [
  [M.Andn, op.OP_ANDN],
  [M.Pdep, op.OP_PDEP],
  [M.Pext, op.OP_PEXT],
]);
add('vexMiddle', 'multiply', [[M.Mulx, op.OP_MULX]]);
add('vexLast', undefined, [
  [M.Bextr, op.OP_BEXTR],
  [M.Bzhi, op.OP_BZHI],
  [M.Sarx, op.OP_SARX],
  [M.Shlx, op.OP_SHLX],
  [M.Shrx, op.OP_SHRX],
]);
add('general', undefined, [[M.Rdpid, op.OP_RDPID]]);
add('none', undefined, [
  [M.Lahf, op.OP_LAHF],
  [M.Sahf, op.OP_SAHF],
  [M.Aaa, op.OP_AAA],
  [M.Aas, op.OP_AAS],
  [M.Daa, op.OP_DAA],
  [M.Das, op.OP_DAS],
  [M.Salc, op.OP_SALC],
  [M.Clc, op.OP_CLC],
  [M.Stc, op.OP_STC],
  [M.Cmc, op.OP_CMC],
  [M.Cld, op.OP_CLD],
  [M.Std, op.OP_STD],
  [M.Nop, op.OP_NOP],
  [M.Endbr64, op.OP_NOP],
  [M.Endbr32, op.OP_NOP],
  [M.Reservednop, op.OP_NOP],
  [M.Prefetch, op.OP_NOP],
  [M.Prefetchw, op.OP_NOP],
  [M.Prefetchnta, op.OP_NOP],
  [M.Prefetcht0, op.OP_NOP],
  [M.Prefetcht1, op.OP_NOP],
  [M.Prefetcht2, op.OP_NOP],
  // Hints and extensions that processors without them take for NOPs (SDM vol. 2, "NOP", opcodes 0F 0D and 0F 18-1F).
  [M.Prefetchwt1, op.OP_NOP],
  [M.Prefetchit0, op.OP_NOP],
  [M.Prefetchit1, op.OP_NOP],
  [M.Cldemote, op.OP_NOP],
  [M.Rdsspd, op.OP_NOP],
  [M.Rdsspq, op.OP_NOP],
  [M.Bndmk, op.OP_NOP],
  [M.Bndcl, op.OP_NOP],
  [M.Bndcu, op.OP_NOP],
  [M.Bndcn, op.OP_NOP],
  [M.Bndmov, op.OP_NOP],
  [M.Bndldx, op.OP_NOP],
  [M.Bndstx, op.OP_NOP],
  [M.Wait, op.OP_NOP],
  [M.Cli, op.OP_CLI],
  [M.Sti, op.OP_STI],
  [M.Rdtsc, op.OP_RDTSC],
  [M.Rdtscp, op.OP_RDTSCP],
  [M.Swapgs, op.OP_SWAPGS],
  [M.Ud0, op.OP_UD],
  [M.Ud1, op.OP_UD],
  [M.Ud2, op.OP_UD],
]);
add('none', 'pause', [[M.Pause, op.OP_PAUSE]]);
add('none', 'serialising', [
  [M.Mfence, op.OP_NOP],
  [M.Lfence, op.OP_NOP],
  [M.Sfence, op.OP_NOP],
  [M.Cpuid, op.OP_CPUID],
  [M.Rdmsr, op.OP_RDMSR],
  [M.Wbinvd, op.OP_WBINVD],
  [M.Invd, op.OP_INVD],
  [M.Clts, op.OP_CLTS],
  [M.Fninit, op.OP_FNINIT],
]);
add('general', 'serialising', [
  [M.Clflush, op.OP_CACHE_LINE],
  [M.Clflushopt, op.OP_CACHE_LINE],
  [M.Clwb, op.OP_CACHE_LINE],
  [M.Lgdt, op.OP_LGDT],
  [M.Lidt, op.OP_LIDT],
  [M.Ltr, op.OP_LTR],
  [M.Lldt, op.OP_LLDT],
]);
add('general', undefined, [
  [M.Sgdt, op.OP_SGDT],
  [M.Sidt, op.OP_SIDT],
  [M.Str, op.OP_STR],
  [M.Sldt, op.OP_SLDT],
  [M.Smsw, op.OP_SMSW],
  [M.Verr, op.OP_VERR],
  [M.Verw, op.OP_VERW],
  [M.Arpl, op.OP_ARPL],
]);
add('extend', 'memory', [
  [M.Lar, op.OP_LAR],
  [M.Lsl, op.OP_LSL],
]);
// The base of AAM and AAD is an operand by itself.
add('general', 'divide', [[M.Aam, op.OP_AAM]]);
add('general', 'multiply', [[M.Aad, op.OP_AAD]]);
add('toRegister', 'memory', [[M.Bound, op.OP_BOUND]]);
add('port', undefined, [
  [M.In, op.OP_IN],
  [M.Out, op.OP_OUT],
]);

for (const [mnemonic, size] of [
  [M.Cbw, 2],
  [M.Cwde, 4],
  [M.Cdqe, 8],
] as const)
  rows.set(mnemonic, { op: op.OP_CBW, shape: 'none', size });
for (const [mnemonic, size] of [
  [M.Cwd, 2],
  [M.Cdq, 4],
  [M.Cqo, 8],
] as const)
  rows.set(mnemonic, { op: op.OP_CWD, shape: 'none', size });
for (const [mnemonic, operation, size] of [
  [M.Pushf, op.OP_PUSHF, 2],
  [M.Pushfd, op.OP_PUSHF, 4],
  [M.Pushfq, op.OP_PUSHF, 8],
  [M.Popf, op.OP_POPF, 2],
  [M.Popfd, op.OP_POPF, 4],
  [M.Popfq, op.OP_POPF, 8],
  [M.Pusha, op.OP_PUSHA, 2],
  [M.Pushad, op.OP_PUSHA, 4],
  [M.Popa, op.OP_POPA, 2],
  [M.Popad, op.OP_POPA, 4],
] as const)
  rows.set(mnemonic, { op: operation, shape: 'none', size, cost: 'memory' });
for (const [mnemonic, size] of [
  [M.Iret, 2],
  [M.Iretd, 4],
  [M.Iretq, 8],
] as const)
  rows.set(mnemonic, { op: op.OP_IRET, shape: 'none', size, cost: 'serialising', ends: true });

/** Operations that end a block, most of them because address translation or privilege may change under them. */
const ENDING: [number, number][] = [
  [M.Wrmsr, op.OP_WRMSR],
  [M.Invlpg, op.OP_INVLPG],
  [M.Hlt, op.OP_HLT],
  [M.Vmcall, op.OP_VMCALL],
  // KVM takes the other vendor's hypercall instruction as its own.
  [M.Vmmcall, op.OP_VMCALL],
  [M.Syscall, op.OP_SYSCALL],
  [M.Int3, op.OP_INT3],
  [M.Int1, op.OP_INT1],
  [M.Into, op.OP_INTO],
  [M.Lmsw, op.OP_LMSW],
  [M.Stac, op.OP_STAC],
  [M.Clac, op.OP_CLAC],
];
for (const [mnemonic, operation] of ENDING) {
  const shape = operation === op.OP_LMSW ? 'general' : 'none';
  rows.set(mnemonic, { op: operation, shape, cost: 'serialising', ends: true });
}
for (const [mnemonic, operation, size] of [
  [M.Sysenter, op.OP_SYSENTER, 0],
  [M.Sysexit, op.OP_SYSEXIT, 4],
  [M.Sysexitq, op.OP_SYSEXIT, 8],
] as const)
  rows.set(mnemonic, { op: operation, shape: 'none', size, cost: 'serialising', ends: true });
for (const [mnemonic, operation, ext] of [
  [M.Rdfsbase, op.OP_READ_BASE, SEG_FS],
  [M.Rdgsbase, op.OP_READ_BASE, SEG_GS],
  [M.Wrfsbase, op.OP_WRITE_BASE, SEG_FS],
  [M.Wrgsbase, op.OP_WRITE_BASE, SEG_GS],
] as const)
  rows.set(mnemonic, { op: operation, shape: 'general', ext });
rows.set(M.Invpcid, { op: op.OP_INVPCID, shape: 'pcid', cost: 'serialising', ends: true });
rows.set(M.Rdpmc, { op: op.OP_RDPMC, shape: 'none' });
rows.set(M.Sysret, { op: op.OP_SYSRET, shape: 'none', size: 4, cost: 'serialising', ends: true });
rows.set(M.Sysretq, { op: op.OP_SYSRET, shape: 'none', size: 8, cost: 'serialising', ends: true });

const STRINGS: [number[], number][] = [
  [[M.Movsb, M.Movsw, M.Movsd, M.Movsq], op.OP_MOVS],
  [[M.Stosb, M.Stosw, M.Stosd, M.Stosq], op.OP_STOS],
  [[M.Lodsb, M.Lodsw, M.Lodsd, M.Lodsq], op.OP_LODS],
  [[M.Scasb, M.Scasw, M.Scasd, M.Scasq], op.OP_SCAS],
  [[M.Cmpsb, M.Cmpsw, M.Cmpsd, M.Cmpsq], op.OP_CMPS],
  [[M.Insb, M.Insw, M.Insd], op.OP_INS],
  [[M.Outsb, M.Outsw, M.Outsd], op.OP_OUTS],
];
for (const [mnemonics, operation] of STRINGS) {
  mnemonics.forEach((mnemonic, i) =>
    rows.set(mnemonic, { op: operation, shape: 'string', size: 1 << i, cost: 'memory' }),
  );
}

/** The row of a mnemonic (`iced-x86` number); undefined when it needs more than a table, or is not known. */
export function rowOf(mnemonic: number): Row | undefined {
  return rows.get(mnemonic);
}
