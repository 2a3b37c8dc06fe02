/**
 * The inner loop: hot operations in place, everything else by `direct`. Budget, flags and position live in locals; nothing
 * is called but `direct` (and by it `step`), before which they go to memory and after which they come back, so that no call has to keep them.
 * A case that cannot finish here (TLB miss, flags of a rarer kind, unknown target) breaks out to it with nothing done.
 */
import {
  B_CREDIT,
  B_FAST,
  B_REGION,
  C_BUDGET,
  C_CC,
  C_CCA,
  C_CCB,
  C_CPL,
  C_FLAGS,
  C_INTERCEPTS,
  C_MMU,
  C_RETIRED,
  C_RIP,
  C_SHADOW,
  C_STOP,
  C_WINDOW,
  CC_ADD,
  CC_CARRY,
  CC_CLASS,
  CC_INC,
  CC_RAW,
  CC_SUB,
  INTERCEPT_PAUSE,
  JUMP_CACHE,
  JUMP_ENTRIES,
  JUMP_ENTRY,
  REGION_FEE,
  STOP_BOUNDARY,
  T_DATA,
  T_READ,
  T_WRITE,
  UOP_SIZE,
  U_BASE,
  U_COST,
  U_DISP,
  U_FAST,
  U_HITS,
  U_IMM,
  U_INDEX,
  U_LEN,
  U_R1,
  U_R2,
  U_RIP,
  U_SCALE,
  U_TARGET,
} from '../state/layout';
import {
  F_ADD_RR64,
  F_ADD_RI64,
  F_ADD_RM64,
  F_ADD_MR64,
  F_ADD_MI64,
  F_ADD_RR32,
  F_ADD_RI32,
  F_ADD_RM32,
  F_ADD_MR32,
  F_ADD_MI32,
  F_SUB_RR64,
  F_SUB_RI64,
  F_SUB_RM64,
  F_SUB_MR64,
  F_SUB_MI64,
  F_SUB_RR32,
  F_SUB_RI32,
  F_SUB_RM32,
  F_SUB_MR32,
  F_SUB_MI32,
  F_AND_RR64,
  F_AND_RI64,
  F_AND_RM64,
  F_AND_MR64,
  F_AND_MI64,
  F_AND_RR32,
  F_AND_RI32,
  F_AND_RM32,
  F_AND_MR32,
  F_AND_MI32,
  F_OR_RR64,
  F_OR_RI64,
  F_OR_RM64,
  F_OR_MR64,
  F_OR_MI64,
  F_OR_RR32,
  F_OR_RI32,
  F_OR_RM32,
  F_OR_MR32,
  F_OR_MI32,
  F_XOR_RR64,
  F_XOR_RI64,
  F_XOR_RM64,
  F_XOR_MR64,
  F_XOR_MI64,
  F_XOR_RR32,
  F_XOR_RI32,
  F_XOR_RM32,
  F_XOR_MR32,
  F_XOR_MI32,
  F_CMP_RR64,
  F_CMP_RI64,
  F_CMP_RM64,
  F_CMP_MR64,
  F_CMP_MI64,
  F_CMP_RR32,
  F_CMP_RI32,
  F_CMP_RM32,
  F_CMP_MR32,
  F_CMP_MI32,
  F_CMP_RR8,
  F_CMP_RI8,
  F_CMP_RM8,
  F_CMP_MR8,
  F_CMP_MI8,
  F_TEST_RR64,
  F_TEST_RI64,
  F_TEST_MR64,
  F_TEST_MI64,
  F_TEST_RR32,
  F_TEST_RI32,
  F_TEST_MR32,
  F_TEST_MI32,
  F_TEST_RR8,
  F_TEST_RI8,
  F_TEST_MR8,
  F_TEST_MI8,
  F_MOV_RR64,
  F_MOV_RR32,
  F_MOV_RR8,
  F_MOV_RI,
  F_MOV_RM64,
  F_MOV_MR64,
  F_MOV_MI64,
  F_MOV_RM32,
  F_MOV_MR32,
  F_MOV_MI32,
  F_MOV_RM16,
  F_MOV_MR16,
  F_MOV_MI16,
  F_MOV_RM8,
  F_MOV_MR8,
  F_MOV_MI8,
  F_LEA64,
  F_LEA32,
  F_MOVZX_RR8,
  F_MOVZX_RM8,
  F_MOVZX_RR16,
  F_MOVZX_RM16,
  F_MOVSX32_RR8,
  F_MOVSX32_RM8,
  F_MOVSX64_RR8,
  F_MOVSX64_RM8,
  F_MOVSX32_RR16,
  F_MOVSX32_RM16,
  F_MOVSX64_RR16,
  F_MOVSX64_RM16,
  F_MOVSX64_RR32,
  F_MOVSX64_RM32,
  F_INC_R64,
  F_INC_R32,
  F_DEC_R64,
  F_DEC_R32,
  F_NEG_R64,
  F_NOT_R64,
  F_SHL_RI64,
  F_SHR_RI64,
  F_SAR_RI64,
  F_NEG_R32,
  F_NOT_R32,
  F_SHL_RI32,
  F_SHR_RI32,
  F_SAR_RI32,
  F_CDQE,
  F_CWDE,
  F_CQO,
  F_CDQ,
  F_NOP,
  F_PAUSE,
  F_PUSH_R,
  F_PUSH_I,
  F_POP_R,
  F_LEAVE,
  F_JMP,
  F_GOTO,
  F_CALL,
  F_RET,
  F_JMP_R,
  F_JMP_M,
  F_CALL_R,
  F_JB,
  F_JAE,
  F_JE,
  F_JNE,
  F_JBE,
  F_JA,
  F_JS,
  F_JNS,
  F_JL,
  F_JGE,
  F_JLE,
  F_JG,
  F_SETB_R,
  F_SETAE_R,
  F_SETE_R,
  F_SETNE_R,
  F_SETBE_R,
  F_SETA_R,
  F_SETS_R,
  F_SETNS_R,
  F_SETL_R,
  F_SETGE_R,
  F_SETLE_R,
  F_SETG_R,
  F_CMOVB_RR64,
  F_CMOVAE_RR64,
  F_CMOVE_RR64,
  F_CMOVNE_RR64,
  F_CMOVBE_RR64,
  F_CMOVA_RR64,
  F_CMOVS_RR64,
  F_CMOVNS_RR64,
  F_CMOVL_RR64,
  F_CMOVGE_RR64,
  F_CMOVLE_RR64,
  F_CMOVG_RR64,
  F_CMOVB_RR32,
  F_CMOVAE_RR32,
  F_CMOVE_RR32,
  F_CMOVNE_RR32,
  F_CMOVBE_RR32,
  F_CMOVA_RR32,
  F_CMOVS_RR32,
  F_CMOVNS_RR32,
  F_CMOVL_RR32,
  F_CMOVGE_RR32,
  F_CMOVLE_RR32,
  F_CMOVG_RR32,
  F_ADC_RR64,
  F_ADC_RI64,
  F_ADC_RM64,
  F_SBB_RR64,
  F_SBB_RI64,
  F_SBB_RM64,
  F_ADC_RR32,
  F_ADC_RI32,
  F_ADC_RM32,
  F_SBB_RR32,
  F_SBB_RI32,
  F_SBB_RM32,
  F_SHL1_R64,
  F_SHR1_R64,
  F_SHL_RC64,
  F_SHR_RC64,
  F_SAR_RC64,
  F_SHL1_R32,
  F_SHR1_R32,
  F_SHL_RC32,
  F_SHR_RC32,
  F_SAR_RC32,
  F_IMUL2_RR64,
  F_IMUL2_RM64,
  F_IMUL3_R64,
  F_IMUL2_RR32,
  F_IMUL2_RM32,
  F_IMUL3_R32,
  F_MUL_R32,
  F_DIV_R32,
  F_DIV_R64,
  F_INC_M64,
  F_DEC_M64,
  F_INC_M32,
  F_DEC_M32,
  F_ADD_RR8,
  F_ADD_RI8,
  F_SUB_RR8,
  F_SUB_RI8,
  F_AND_RR8,
  F_AND_RI8,
  F_OR_RR8,
  F_OR_RI8,
  F_XOR_RR8,
  F_XOR_RI8,
  F_MOV_RI8,
  F_BSWAP_R64,
  F_BSWAP_R32,
  F_PUSH_M,
  F_CALL_M,
  F_CLI,
  F_STI,
  F_XCHG_MR64,
  F_XADD_MR64,
  F_CMPXCHG_MR64,
  F_BT_RR64,
  F_BT_RI64,
  F_XCHG_MR32,
  F_XADD_MR32,
  F_CMPXCHG_MR32,
  F_BT_RR32,
  F_BT_RI32,
  F_REGION,
} from '../operations/fast-ops';
import { FLAG_AF, FLAG_CF, FLAG_IF, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF } from '../state/state';
import { tlbEntry } from '../memory/paging';
import { direct } from './direct';
import { resume } from './step';

// @ts-ignore: decorator of AssemblyScript
@inline
function address(cpu: i32, pc: i32): i64 {
  return (
    load<i64>(cpu + <i32>load<u16>(pc, U_BASE)) +
    (load<i64>(cpu + <i32>load<u16>(pc, U_INDEX)) << <i64>load<u8>(pc, U_SCALE)) +
    load<i64>(pc, U_DISP)
  );
}

/** Host address of a guest address that may be read, 0 when the TLB does not know or the access leaves its page. */
// @ts-ignore: decorator of AssemblyScript
@inline
function readable(mmu: i32, at: i64, size: i32): i32 {
  const entry = tlbEntry(mmu, at);
  return load<i64>(entry, T_READ) == ((at + (size - 1)) & ~0xfff) ? <i32>at + load<i32>(entry, T_DATA) : 0;
}

// @ts-ignore: decorator of AssemblyScript
@inline
function writable(mmu: i32, at: i64, size: i32): i32 {
  const entry = tlbEntry(mmu, at);
  return load<i64>(entry, T_WRITE) == ((at + (size - 1)) & ~0xfff) ? <i32>at + load<i32>(entry, T_DATA) : 0;
}

/** Micro-op of a linear address by the jump cache, or 0. */
// @ts-ignore: decorator of AssemblyScript
@inline
function cachedJump(mmu: i32, rip: i64): i32 {
  const entry = mmu + JUMP_CACHE + (<i32>rip & (JUMP_ENTRIES - 1)) * JUMP_ENTRY;
  return load<i64>(entry) == rip ? load<i32>(entry, 8) : 0;
}

/** Micro-op of a direct branch's target, or 0. */
// @ts-ignore: decorator of AssemblyScript
@inline
function target(mmu: i32, pc: i32): i32 {
  const known = load<i32>(pc, U_TARGET);
  if (known) return known;
  const hits = load<i32>(pc, U_HITS);
  if (hits) {
    // The last hit is for `step`, which notices it.
    if (hits == 1) return 0;
    store<i32>(pc, hits - 1, U_HITS);
  }
  return cachedJump(mmu, load<i64>(pc, U_IMM));
}

/** The carry flag, 0 or 1. */
// @ts-ignore: decorator of AssemblyScript
@inline
function carryOf(cc: i64, a: i64, b: i64): i64 {
  const kind = cc & CC_CLASS;
  if (kind == CC_SUB) return <u64>a < <u64>b ? 1 : 0;
  if (kind == CC_INC) return (cc >> 8) & 1;
  if (kind == CC_ADD) return <u64>((a + b) << cc) < <u64>(b << cc) ? 1 : 0;
  return a & 1;
}

/** PF, ZF and SF of a sign-extended result. */
// @ts-ignore: decorator of AssemblyScript
@inline
function lowFlags(r: i64): i64 {
  return (r == 0 ? FLAG_ZF : 0) | ((r >> 63) & FLAG_SF) | (popcnt<i32>(<i32>r & 255) & 1 ? 0 : FLAG_PF);
}

/** Flags of x + y + carry = r, `shift` bits short of 64; as `addCarry` of arithmetic.ts. */
// @ts-ignore: decorator of AssemblyScript
@inline
function adcFlags(x: i64, y: i64, r: i64, shift: i64): i64 {
  const carries = (x & y) | ((x | y) & ~r);
  return (
    lowFlags((r << shift) >> shift) |
    ((carries >> (63 - shift)) & FLAG_CF) |
    ((x ^ y ^ r) & FLAG_AF) |
    ((((x ^ r) & (y ^ r)) << shift) < 0 ? FLAG_OF : 0)
  );
}

/** Flags of x − y − borrow = r; as `subBorrow` of arithmetic.ts. */
// @ts-ignore: decorator of AssemblyScript
@inline
function sbbFlags(x: i64, y: i64, r: i64, shift: i64): i64 {
  const borrows = (~x & y) | ((~x | y) & r);
  return (
    lowFlags((r << shift) >> shift) |
    ((borrows >> (63 - shift)) & FLAG_CF) |
    ((x ^ y ^ r) & FLAG_AF) |
    ((((x ^ y) & (x ^ r)) << shift) < 0 ? FLAG_OF : 0)
  );
}

/** Most instructions that an average over the entries of a region looks back to. */
const CREDIT_MOST: i32 = 0x10000;

/** Runs until the budget is used up or something stops the vCPU; C_RIP names the next instruction then. */
export function run(cpu: i32): i32 {
  let pc = resume(cpu);
  if (!pc) return load<i32>(cpu, C_STOP);
  let B = load<i64>(cpu, C_BUDGET);
  let cc = load<i64>(cpu, C_CC);
  let a = load<i64>(cpu, C_CCA);
  let b = load<i64>(cpu, C_CCB);
  let mmu = load<i32>(cpu, C_MMU);
  while (B >= 0) {
    switch (<i32>load<u16>(pc, U_FAST)) {
      case F_ADD_RR64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); b = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_ADD | 0; store<i64>(to, x + b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADD_RI64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); b = load<i64>(pc, U_IMM); a = x; cc = CC_ADD | 0; store<i64>(to, x + b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADD_RM64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); b = load<i64>(at); a = x; cc = CC_ADD | 0; store<i64>(to, x + b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADD_MR64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const x = load<i64>(at); b = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_ADD | 0; store<i64>(at, x + b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADD_MI64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const x = load<i64>(at); b = load<i64>(pc, U_IMM); a = x; cc = CC_ADD | 0; store<i64>(at, x + b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADD_RR32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); b = <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_ADD | 32; store<i64>(to, <i64><u32>(x + b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADD_RI32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); b = load<i64>(pc, U_IMM); a = x; cc = CC_ADD | 32; store<i64>(to, <i64><u32>(x + b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADD_RM32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); b = <i64>load<i32>(at); a = x; cc = CC_ADD | 32; store<i64>(to, <i64><u32>(x + b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADD_MR32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const x = <i64>load<i32>(at); b = <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_ADD | 32; store<u32>(at, <u32>(x + b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADD_MI32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const x = <i64>load<i32>(at); b = load<i64>(pc, U_IMM); a = x; cc = CC_ADD | 32; store<u32>(at, <u32>(x + b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SUB_RR64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); b = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_SUB | 0; store<i64>(to, x - b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SUB_RI64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); b = load<i64>(pc, U_IMM); a = x; cc = CC_SUB | 0; store<i64>(to, x - b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SUB_RM64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); b = load<i64>(at); a = x; cc = CC_SUB | 0; store<i64>(to, x - b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SUB_MR64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const x = load<i64>(at); b = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_SUB | 0; store<i64>(at, x - b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SUB_MI64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const x = load<i64>(at); b = load<i64>(pc, U_IMM); a = x; cc = CC_SUB | 0; store<i64>(at, x - b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SUB_RR32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); b = <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_SUB | 32; store<i64>(to, <i64><u32>(x - b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SUB_RI32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); b = load<i64>(pc, U_IMM); a = x; cc = CC_SUB | 32; store<i64>(to, <i64><u32>(x - b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SUB_RM32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); b = <i64>load<i32>(at); a = x; cc = CC_SUB | 32; store<i64>(to, <i64><u32>(x - b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SUB_MR32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const x = <i64>load<i32>(at); b = <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_SUB | 32; store<u32>(at, <u32>(x - b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SUB_MI32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const x = <i64>load<i32>(at); b = load<i64>(pc, U_IMM); a = x; cc = CC_SUB | 32; store<u32>(at, <u32>(x - b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_AND_RR64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = load<i64>(to) & load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_AND_RI64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = load<i64>(to) & load<i64>(pc, U_IMM); store<i64>(to, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_AND_RM64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const r = load<i64>(to) & load<i64>(at); store<i64>(to, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_AND_MR64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const r = load<i64>(at) & load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(at, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_AND_MI64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const r = load<i64>(at) & load<i64>(pc, U_IMM); store<i64>(at, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_AND_RR32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i32>(to) & <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, <i64><u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_AND_RI32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i32>(to) & load<i64>(pc, U_IMM); store<i64>(to, <i64><u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_AND_RM32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i32>(to) & <i64>load<i32>(at); store<i64>(to, <i64><u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_AND_MR32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const r = <i64>load<i32>(at) & <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); store<u32>(at, <u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_AND_MI32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const r = <i64>load<i32>(at) & load<i64>(pc, U_IMM); store<u32>(at, <u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_OR_RR64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = load<i64>(to) | load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_OR_RI64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = load<i64>(to) | load<i64>(pc, U_IMM); store<i64>(to, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_OR_RM64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const r = load<i64>(to) | load<i64>(at); store<i64>(to, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_OR_MR64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const r = load<i64>(at) | load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(at, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_OR_MI64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const r = load<i64>(at) | load<i64>(pc, U_IMM); store<i64>(at, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_OR_RR32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i32>(to) | <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, <i64><u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_OR_RI32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i32>(to) | load<i64>(pc, U_IMM); store<i64>(to, <i64><u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_OR_RM32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i32>(to) | <i64>load<i32>(at); store<i64>(to, <i64><u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_OR_MR32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const r = <i64>load<i32>(at) | <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); store<u32>(at, <u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_OR_MI32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const r = <i64>load<i32>(at) | load<i64>(pc, U_IMM); store<u32>(at, <u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XOR_RR64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = load<i64>(to) ^ load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XOR_RI64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = load<i64>(to) ^ load<i64>(pc, U_IMM); store<i64>(to, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XOR_RM64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const r = load<i64>(to) ^ load<i64>(at); store<i64>(to, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XOR_MR64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const r = load<i64>(at) ^ load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(at, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XOR_MI64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const r = load<i64>(at) ^ load<i64>(pc, U_IMM); store<i64>(at, r); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XOR_RR32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i32>(to) ^ <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, <i64><u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XOR_RI32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i32>(to) ^ load<i64>(pc, U_IMM); store<i64>(to, <i64><u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XOR_RM32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i32>(to) ^ <i64>load<i32>(at); store<i64>(to, <i64><u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XOR_MR32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const r = <i64>load<i32>(at) ^ <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); store<u32>(at, <u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XOR_MI32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const r = <i64>load<i32>(at) ^ load<i64>(pc, U_IMM); store<u32>(at, <u32>(r)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_RR64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); b = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_RI64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); b = load<i64>(pc, U_IMM); a = x; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_RM64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); b = load<i64>(at); a = x; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_MR64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const x = load<i64>(at); b = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_MI64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const x = load<i64>(at); b = load<i64>(pc, U_IMM); a = x; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_RR32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); b = <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_RI32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); b = load<i64>(pc, U_IMM); a = x; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_RM32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); b = <i64>load<i32>(at); a = x; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_MR32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const x = <i64>load<i32>(at); b = <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_MI32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const x = <i64>load<i32>(at); b = load<i64>(pc, U_IMM); a = x; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_RR8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i8>(to); b = <i64>load<i8>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_RI8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i8>(to); b = load<i64>(pc, U_IMM); a = x; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_RM8: {
        const at = readable(mmu, address(cpu, pc), 1); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i8>(to); b = <i64>load<i8>(at); a = x; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_MR8: {
        const at = readable(mmu, address(cpu, pc), 1); if (!at) break; const x = <i64>load<i8>(at); b = <i64>load<i8>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMP_MI8: {
        const at = readable(mmu, address(cpu, pc), 1); if (!at) break; const x = <i64>load<i8>(at); b = load<i64>(pc, U_IMM); a = x; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_TEST_RR64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = load<i64>(to) & load<i64>(cpu + <i32>load<u16>(pc, U_R2)); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_TEST_RI64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = load<i64>(to) & load<i64>(pc, U_IMM); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_TEST_MR64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const r = load<i64>(at) & load<i64>(cpu + <i32>load<u16>(pc, U_R2)); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_TEST_MI64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const r = load<i64>(at) & load<i64>(pc, U_IMM); a = r; b = 0; cc = CC_SUB | 0;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_TEST_RR32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i32>(to) & <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_TEST_RI32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i32>(to) & load<i64>(pc, U_IMM); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_TEST_MR32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const r = <i64>load<i32>(at) & <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_TEST_MI32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const r = <i64>load<i32>(at) & load<i64>(pc, U_IMM); a = r; b = 0; cc = CC_SUB | 32;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_TEST_RR8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i8>(to) & <i64>load<i8>(cpu + <i32>load<u16>(pc, U_R2)); a = r; b = 0; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_TEST_RI8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i8>(to) & load<i64>(pc, U_IMM); a = r; b = 0; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_TEST_MR8: {
        const at = readable(mmu, address(cpu, pc), 1); if (!at) break; const r = <i64>load<i8>(at) & <i64>load<i8>(cpu + <i32>load<u16>(pc, U_R2)); a = r; b = 0; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_TEST_MI8: {
        const at = readable(mmu, address(cpu, pc), 1); if (!at) break; const r = <i64>load<i8>(at) & load<i64>(pc, U_IMM); a = r; b = 0; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_RR64: {
        store<i64>(cpu + <i32>load<u16>(pc, U_R1), load<i64>(cpu + <i32>load<u16>(pc, U_R2)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_RR32: {
        store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64><u32>(<i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2))));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_RR8: {
        store<u8>(cpu + <i32>load<u16>(pc, U_R1), <u8>(<i64>load<u8>(cpu + <i32>load<u16>(pc, U_R2))));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_RI: {
        store<i64>(cpu + <i32>load<u16>(pc, U_R1), load<i64>(pc, U_IMM));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_RM64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; store<i64>(cpu + <i32>load<u16>(pc, U_R1), load<i64>(at));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_MR64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; store<i64>(at, load<i64>(cpu + <i32>load<u16>(pc, U_R2)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_MI64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; store<i64>(at, load<i64>(pc, U_IMM));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_RM32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64><u32>(<i64>load<u32>(at)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_MR32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; store<u32>(at, <u32>(<i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2))));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_MI32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; store<u32>(at, <u32>(load<i64>(pc, U_IMM)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_RM16: {
        const at = readable(mmu, address(cpu, pc), 2); if (!at) break; store<u16>(cpu + <i32>load<u16>(pc, U_R1), <u16>(<i64>load<u16>(at)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_MR16: {
        const at = writable(mmu, address(cpu, pc), 2); if (!at) break; store<u16>(at, <u16>(<i64>load<u16>(cpu + <i32>load<u16>(pc, U_R2))));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_MI16: {
        const at = writable(mmu, address(cpu, pc), 2); if (!at) break; store<u16>(at, <u16>(load<i64>(pc, U_IMM)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_RM8: {
        const at = readable(mmu, address(cpu, pc), 1); if (!at) break; store<u8>(cpu + <i32>load<u16>(pc, U_R1), <u8>(<i64>load<u8>(at)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_MR8: {
        const at = writable(mmu, address(cpu, pc), 1); if (!at) break; store<u8>(at, <u8>(<i64>load<u8>(cpu + <i32>load<u16>(pc, U_R2))));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_MI8: {
        const at = writable(mmu, address(cpu, pc), 1); if (!at) break; store<u8>(at, <u8>(load<i64>(pc, U_IMM)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_LEA64: {
        store<i64>(cpu + <i32>load<u16>(pc, U_R1), address(cpu, pc));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_LEA32: {
        store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64><u32>address(cpu, pc));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVZX_RR8: {
        store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64>load<u8>(cpu + <i32>load<u16>(pc, U_R2)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVZX_RM8: {
        const at = readable(mmu, address(cpu, pc), 1); if (!at) break; store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64>load<u8>(at));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVZX_RR16: {
        store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64>load<u16>(cpu + <i32>load<u16>(pc, U_R2)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVZX_RM16: {
        const at = readable(mmu, address(cpu, pc), 2); if (!at) break; store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64>load<u16>(at));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVSX32_RR8: {
        store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64><u32>(<i64>load<i8>(cpu + <i32>load<u16>(pc, U_R2))));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVSX32_RM8: {
        const at = readable(mmu, address(cpu, pc), 1); if (!at) break; store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64><u32>(<i64>load<i8>(at)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVSX64_RR8: {
        store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64>load<i8>(cpu + <i32>load<u16>(pc, U_R2)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVSX64_RM8: {
        const at = readable(mmu, address(cpu, pc), 1); if (!at) break; store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64>load<i8>(at));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVSX32_RR16: {
        store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64><u32>(<i64>load<i16>(cpu + <i32>load<u16>(pc, U_R2))));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVSX32_RM16: {
        const at = readable(mmu, address(cpu, pc), 2); if (!at) break; store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64><u32>(<i64>load<i16>(at)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVSX64_RR16: {
        store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64>load<i16>(cpu + <i32>load<u16>(pc, U_R2)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVSX64_RM16: {
        const at = readable(mmu, address(cpu, pc), 2); if (!at) break; store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64>load<i16>(at));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVSX64_RR32: {
        store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOVSX64_RM32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64>load<i32>(at));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_INC_R64: {
        const carry: i64 = (cc & CC_CLASS) == CC_SUB ? (<u64>a < <u64>b ? CC_CARRY : 0) : (cc & CC_CLASS) == CC_INC ? cc & CC_CARRY : (cc & CC_CLASS) == CC_ADD ? (<u64>((a + b) << cc) < <u64>(b << cc) ? CC_CARRY : 0) : (a & 1) << 8; const to = cpu + <i32>load<u16>(pc, U_R1); a = load<i64>(to); b = -1; cc = CC_INC | 0 | carry; store<i64>(to, a - b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_INC_R32: {
        const carry: i64 = (cc & CC_CLASS) == CC_SUB ? (<u64>a < <u64>b ? CC_CARRY : 0) : (cc & CC_CLASS) == CC_INC ? cc & CC_CARRY : (cc & CC_CLASS) == CC_ADD ? (<u64>((a + b) << cc) < <u64>(b << cc) ? CC_CARRY : 0) : (a & 1) << 8; const to = cpu + <i32>load<u16>(pc, U_R1); a = <i64>load<i32>(to); b = -1; cc = CC_INC | 32 | carry; store<i64>(to, <i64><u32>(a - b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_DEC_R64: {
        const carry: i64 = (cc & CC_CLASS) == CC_SUB ? (<u64>a < <u64>b ? CC_CARRY : 0) : (cc & CC_CLASS) == CC_INC ? cc & CC_CARRY : (cc & CC_CLASS) == CC_ADD ? (<u64>((a + b) << cc) < <u64>(b << cc) ? CC_CARRY : 0) : (a & 1) << 8; const to = cpu + <i32>load<u16>(pc, U_R1); a = load<i64>(to); b = 1; cc = CC_INC | 0 | carry; store<i64>(to, a - b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_DEC_R32: {
        const carry: i64 = (cc & CC_CLASS) == CC_SUB ? (<u64>a < <u64>b ? CC_CARRY : 0) : (cc & CC_CLASS) == CC_INC ? cc & CC_CARRY : (cc & CC_CLASS) == CC_ADD ? (<u64>((a + b) << cc) < <u64>(b << cc) ? CC_CARRY : 0) : (a & 1) << 8; const to = cpu + <i32>load<u16>(pc, U_R1); a = <i64>load<i32>(to); b = 1; cc = CC_INC | 32 | carry; store<i64>(to, <i64><u32>(a - b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_NEG_R64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); b = load<i64>(to); a = 0; cc = CC_SUB | 0; store<i64>(to, -b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_NOT_R64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); store<i64>(to, ~load<i64>(to));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SHL_RI64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const n = load<i64>(pc, U_IMM); const v = load<i64>(to); const out = (v >> (64 - n)) & 1; a = v << n; b = 0; cc = CC_INC | 0 | (out << 8); store<i64>(to, a);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SHR_RI64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const n = load<i64>(pc, U_IMM); const v = load<i64>(to); const out = (v >> (n - 1)) & 1; a = <i64>(<u64>v >> <u64>n); b = 0; cc = CC_INC | 0 | (out << 8); store<i64>(to, a);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SAR_RI64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const n = load<i64>(pc, U_IMM); const v = load<i64>(to); const out = (v >> (n - 1)) & 1; a = v >> n; b = 0; cc = CC_INC | 0 | (out << 8); store<i64>(to, a);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_NEG_R32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); b = <i64>load<i32>(to); a = 0; cc = CC_SUB | 32; store<i64>(to, <i64><u32>(-b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_NOT_R32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); store<i64>(to, <i64><u32>(~<i64>load<i32>(to)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SHL_RI32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const n = load<i64>(pc, U_IMM); const v = <i64>load<u32>(to); const out = (v >> (32 - n)) & 1; a = <i64><i32>(v << n); b = 0; cc = CC_INC | 32 | (out << 8); store<i64>(to, <i64><u32>(a));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SHR_RI32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const n = load<i64>(pc, U_IMM); const v = <i64>load<u32>(to); const out = (v >> (n - 1)) & 1; a = <i64>(<u64>v >> <u64>n); b = 0; cc = CC_INC | 32 | (out << 8); store<i64>(to, <i64><u32>(a));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SAR_RI32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const n = load<i64>(pc, U_IMM); const v = <i64>load<i32>(to); const out = (v >> (n - 1)) & 1; a = v >> n; b = 0; cc = CC_INC | 32 | (out << 8); store<i64>(to, <i64><u32>(a));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CDQE: {
        store<i64>(cpu, <i64>load<i32>(cpu));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CWDE: {
        store<i64>(cpu, <i64><u32><i32>load<i16>(cpu));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CQO: {
        store<i64>(cpu, load<i64>(cpu) >> 63, 16);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CDQ: {
        store<i64>(cpu, <i64><u32>(load<i32>(cpu) >> 31), 16);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_NOP: {
        ;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_PAUSE: {
        if ((load<u32>(cpu, C_INTERCEPTS) >> INTERCEPT_PAUSE) & 1) break;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_PUSH_R: {
        const top = load<i64>(cpu, 32) - 8; const at = writable(mmu, top, 8); if (!at) break; store<i64>(at, load<i64>(cpu + <i32>load<u16>(pc, U_R1))); store<i64>(cpu, top, 32);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_PUSH_I: {
        const top = load<i64>(cpu, 32) - 8; const at = writable(mmu, top, 8); if (!at) break; store<i64>(at, load<i64>(pc, U_IMM)); store<i64>(cpu, top, 32);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_POP_R: {
        const top = load<i64>(cpu, 32); const at = readable(mmu, top, 8); if (!at) break; store<i64>(cpu, top + 8, 32); store<i64>(cpu + <i32>load<u16>(pc, U_R1), load<i64>(at));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_LEAVE: {
        const frame = load<i64>(cpu, 40); const at = readable(mmu, frame, 8); if (!at) break; store<i64>(cpu, frame + 8, 32); store<i64>(cpu, load<i64>(at), 40);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_JMP: {
        const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_GOTO: {
        const to = cachedJump(mmu, load<i64>(pc, U_IMM)); if (!to) break; pc = to; continue;
      }
      case F_CALL: {
        const to = target(mmu, pc); if (!to) break; const top = load<i64>(cpu, 32) - 8; const at = writable(mmu, top, 8); if (!at) break; store<i64>(at, load<i64>(pc, U_DISP)); store<i64>(cpu, top, 32); B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_RET: {
        const top = load<i64>(cpu, 32); const at = readable(mmu, top, 8); if (!at) break; const to = cachedJump(mmu, load<i64>(at)); if (!to) break; store<i64>(cpu, top + 8 + load<i64>(pc, U_IMM), 32); B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JMP_R: {
        const to = cachedJump(mmu, load<i64>(cpu + <i32>load<u16>(pc, U_R1))); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JMP_M: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const to = cachedJump(mmu, load<i64>(at)); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_CALL_R: {
        const to = cachedJump(mmu, load<i64>(cpu + <i32>load<u16>(pc, U_R1))); if (!to) break; const top = load<i64>(cpu, 32) - 8; const at = writable(mmu, top, 8); if (!at) break; store<i64>(at, load<i64>(pc, U_DISP)); store<i64>(cpu, top, 32); B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JB: {
        const holds: bool = carryOf(cc, a, b) != 0; if (!holds) { B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue; } const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JAE: {
        const holds: bool = carryOf(cc, a, b) == 0; if (!holds) { B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue; } const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JE: {
        let holds = false; if (!(cc & 128)) holds = a == b; else if (!(cc & 64)) holds = (a + b) << cc == 0; else holds = (a & FLAG_ZF) != 0; if (!holds) { B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue; } const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JNE: {
        let holds = false; if (!(cc & 128)) holds = a != b; else if (!(cc & 64)) holds = (a + b) << cc != 0; else holds = (a & FLAG_ZF) == 0; if (!holds) { B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue; } const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JBE: {
        if (cc & CC_CLASS) break; const holds: bool = <u64>a <= <u64>b; if (!holds) { B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue; } const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JA: {
        if (cc & CC_CLASS) break; const holds: bool = <u64>a > <u64>b; if (!holds) { B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue; } const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JS: {
        if (cc & 128) break; const holds: bool = (a - b) << cc < 0; if (!holds) { B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue; } const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JNS: {
        if (cc & 128) break; const holds: bool = (a - b) << cc >= 0; if (!holds) { B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue; } const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JL: {
        if (cc & 128) break; const holds: bool = a < b; if (!holds) { B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue; } const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JGE: {
        if (cc & 128) break; const holds: bool = a >= b; if (!holds) { B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue; } const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JLE: {
        if (cc & 128) break; const holds: bool = a <= b; if (!holds) { B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue; } const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_JG: {
        if (cc & 128) break; const holds: bool = a > b; if (!holds) { B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue; } const to = target(mmu, pc); if (!to) break; B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_SETB_R: {
        const holds: bool = carryOf(cc, a, b) != 0; store<u8>(cpu + <i32>load<u16>(pc, U_R1), holds ? 1 : 0);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SETAE_R: {
        const holds: bool = carryOf(cc, a, b) == 0; store<u8>(cpu + <i32>load<u16>(pc, U_R1), holds ? 1 : 0);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SETE_R: {
        let holds = false; if (!(cc & 128)) holds = a == b; else if (!(cc & 64)) holds = (a + b) << cc == 0; else holds = (a & FLAG_ZF) != 0; store<u8>(cpu + <i32>load<u16>(pc, U_R1), holds ? 1 : 0);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SETNE_R: {
        let holds = false; if (!(cc & 128)) holds = a != b; else if (!(cc & 64)) holds = (a + b) << cc != 0; else holds = (a & FLAG_ZF) == 0; store<u8>(cpu + <i32>load<u16>(pc, U_R1), holds ? 1 : 0);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SETBE_R: {
        if (cc & CC_CLASS) break; const holds: bool = <u64>a <= <u64>b; store<u8>(cpu + <i32>load<u16>(pc, U_R1), holds ? 1 : 0);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SETA_R: {
        if (cc & CC_CLASS) break; const holds: bool = <u64>a > <u64>b; store<u8>(cpu + <i32>load<u16>(pc, U_R1), holds ? 1 : 0);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SETS_R: {
        if (cc & 128) break; const holds: bool = (a - b) << cc < 0; store<u8>(cpu + <i32>load<u16>(pc, U_R1), holds ? 1 : 0);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SETNS_R: {
        if (cc & 128) break; const holds: bool = (a - b) << cc >= 0; store<u8>(cpu + <i32>load<u16>(pc, U_R1), holds ? 1 : 0);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SETL_R: {
        if (cc & 128) break; const holds: bool = a < b; store<u8>(cpu + <i32>load<u16>(pc, U_R1), holds ? 1 : 0);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SETGE_R: {
        if (cc & 128) break; const holds: bool = a >= b; store<u8>(cpu + <i32>load<u16>(pc, U_R1), holds ? 1 : 0);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SETLE_R: {
        if (cc & 128) break; const holds: bool = a <= b; store<u8>(cpu + <i32>load<u16>(pc, U_R1), holds ? 1 : 0);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SETG_R: {
        if (cc & 128) break; const holds: bool = a > b; store<u8>(cpu + <i32>load<u16>(pc, U_R1), holds ? 1 : 0);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVB_RR64: {
        const holds: bool = carryOf(cc, a, b) != 0; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const w = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVAE_RR64: {
        const holds: bool = carryOf(cc, a, b) == 0; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const w = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVE_RR64: {
        let holds = false; if (!(cc & 128)) holds = a == b; else if (!(cc & 64)) holds = (a + b) << cc == 0; else holds = (a & FLAG_ZF) != 0; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const w = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVNE_RR64: {
        let holds = false; if (!(cc & 128)) holds = a != b; else if (!(cc & 64)) holds = (a + b) << cc != 0; else holds = (a & FLAG_ZF) == 0; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const w = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVBE_RR64: {
        if (cc & CC_CLASS) break; const holds: bool = <u64>a <= <u64>b; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const w = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVA_RR64: {
        if (cc & CC_CLASS) break; const holds: bool = <u64>a > <u64>b; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const w = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVS_RR64: {
        if (cc & 128) break; const holds: bool = (a - b) << cc < 0; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const w = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVNS_RR64: {
        if (cc & 128) break; const holds: bool = (a - b) << cc >= 0; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const w = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVL_RR64: {
        if (cc & 128) break; const holds: bool = a < b; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const w = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVGE_RR64: {
        if (cc & 128) break; const holds: bool = a >= b; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const w = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVLE_RR64: {
        if (cc & 128) break; const holds: bool = a <= b; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const w = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVG_RR64: {
        if (cc & 128) break; const holds: bool = a > b; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const w = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVB_RR32: {
        const holds: bool = carryOf(cc, a, b) != 0; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const w = <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVAE_RR32: {
        const holds: bool = carryOf(cc, a, b) == 0; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const w = <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVE_RR32: {
        let holds = false; if (!(cc & 128)) holds = a == b; else if (!(cc & 64)) holds = (a + b) << cc == 0; else holds = (a & FLAG_ZF) != 0; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const w = <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVNE_RR32: {
        let holds = false; if (!(cc & 128)) holds = a != b; else if (!(cc & 64)) holds = (a + b) << cc != 0; else holds = (a & FLAG_ZF) == 0; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const w = <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVBE_RR32: {
        if (cc & CC_CLASS) break; const holds: bool = <u64>a <= <u64>b; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const w = <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVA_RR32: {
        if (cc & CC_CLASS) break; const holds: bool = <u64>a > <u64>b; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const w = <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVS_RR32: {
        if (cc & 128) break; const holds: bool = (a - b) << cc < 0; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const w = <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVNS_RR32: {
        if (cc & 128) break; const holds: bool = (a - b) << cc >= 0; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const w = <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVL_RR32: {
        if (cc & 128) break; const holds: bool = a < b; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const w = <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVGE_RR32: {
        if (cc & 128) break; const holds: bool = a >= b; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const w = <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVLE_RR32: {
        if (cc & 128) break; const holds: bool = a <= b; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const w = <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMOVG_RR32: {
        if (cc & 128) break; const holds: bool = a > b; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const w = <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R2)); store<i64>(to, holds ? w : v);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADC_RR64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); const y = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); const r = x + y + carryOf(cc, a, b); store<i64>(to, r); a = adcFlags(x, y, r, 0); b = 0; cc = CC_RAW;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADC_RI64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); const y = load<i64>(pc, U_IMM); const r = x + y + carryOf(cc, a, b); store<i64>(to, r); a = adcFlags(x, y, r, 0); b = 0; cc = CC_RAW;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADC_RM64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); const y = load<i64>(at); const r = x + y + carryOf(cc, a, b); store<i64>(to, r); a = adcFlags(x, y, r, 0); b = 0; cc = CC_RAW;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SBB_RR64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); const y = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); const r = x - y - carryOf(cc, a, b); store<i64>(to, r); a = sbbFlags(x, y, r, 0); b = 0; cc = CC_RAW;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SBB_RI64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); const y = load<i64>(pc, U_IMM); const r = x - y - carryOf(cc, a, b); store<i64>(to, r); a = sbbFlags(x, y, r, 0); b = 0; cc = CC_RAW;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SBB_RM64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); const y = load<i64>(at); const r = x - y - carryOf(cc, a, b); store<i64>(to, r); a = sbbFlags(x, y, r, 0); b = 0; cc = CC_RAW;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADC_RR32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); const y = <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); const r = x + y + carryOf(cc, a, b); store<i64>(to, <i64><u32>(r)); a = adcFlags(x, y, r, 32); b = 0; cc = CC_RAW;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADC_RI32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); const y = load<i64>(pc, U_IMM); const r = x + y + carryOf(cc, a, b); store<i64>(to, <i64><u32>(r)); a = adcFlags(x, y, r, 32); b = 0; cc = CC_RAW;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADC_RM32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); const y = <i64>load<i32>(at); const r = x + y + carryOf(cc, a, b); store<i64>(to, <i64><u32>(r)); a = adcFlags(x, y, r, 32); b = 0; cc = CC_RAW;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SBB_RR32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); const y = <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); const r = x - y - carryOf(cc, a, b); store<i64>(to, <i64><u32>(r)); a = sbbFlags(x, y, r, 32); b = 0; cc = CC_RAW;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SBB_RI32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); const y = load<i64>(pc, U_IMM); const r = x - y - carryOf(cc, a, b); store<i64>(to, <i64><u32>(r)); a = sbbFlags(x, y, r, 32); b = 0; cc = CC_RAW;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SBB_RM32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); const y = <i64>load<i32>(at); const r = x - y - carryOf(cc, a, b); store<i64>(to, <i64><u32>(r)); a = sbbFlags(x, y, r, 32); b = 0; cc = CC_RAW;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SHL1_R64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const r = (v << 1) >> 0; if ((r ^ v) < 0) break; a = r; b = 0; cc = CC_INC | 0 | ((v < 0 ? 1 : 0) << 8); store<i64>(to, r);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SHR1_R64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); if (v < 0) break; a = v >> 1; b = 0; cc = CC_INC | 0 | ((v & 1) << 8); store<i64>(to, a);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SHL_RC64: {
        const n = <i64>(load<u8>(cpu, 8) & 63); if (n < 2) break; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const out = (v >> (64 - n)) & 1; a = v << n; b = 0; cc = CC_INC | 0 | (out << 8); store<i64>(to, a);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SHR_RC64: {
        const n = <i64>(load<u8>(cpu, 8) & 63); if (n < 2) break; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const out = (v >> (n - 1)) & 1; a = <i64>(<u64>v >> <u64>n); b = 0; cc = CC_INC | 0 | (out << 8); store<i64>(to, a);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SAR_RC64: {
        const n = <i64>(load<u8>(cpu, 8) & 63); if (n == 0) break; const to = cpu + <i32>load<u16>(pc, U_R1); const v = load<i64>(to); const out = (v >> (n - 1)) & 1; a = v >> n; b = 0; cc = CC_INC | 0 | (out << 8); store<i64>(to, a);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SHL1_R32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<i32>(to); const r = (v << 33) >> 32; if ((r ^ v) < 0) break; a = r; b = 0; cc = CC_INC | 32 | ((v < 0 ? 1 : 0) << 8); store<i64>(to, <i64><u32>(r));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SHR1_R32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<i32>(to); if (v < 0) break; a = v >> 1; b = 0; cc = CC_INC | 32 | ((v & 1) << 8); store<i64>(to, <i64><u32>(a));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SHL_RC32: {
        const n = <i64>(load<u8>(cpu, 8) & 31); if (n < 2) break; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const out = (v >> (32 - n)) & 1; a = <i64><i32>(v << n); b = 0; cc = CC_INC | 32 | (out << 8); store<i64>(to, <i64><u32>(a));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SHR_RC32: {
        const n = <i64>(load<u8>(cpu, 8) & 31); if (n < 2) break; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<u32>(to); const out = (v >> (n - 1)) & 1; a = <i64>(<u64>v >> <u64>n); b = 0; cc = CC_INC | 32 | (out << 8); store<i64>(to, <i64><u32>(a));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SAR_RC32: {
        const n = <i64>(load<u8>(cpu, 8) & 31); if (n == 0) break; const to = cpu + <i32>load<u16>(pc, U_R1); const v = <i64>load<i32>(to); const out = (v >> (n - 1)) & 1; a = v >> n; b = 0; cc = CC_INC | 32 | (out << 8); store<i64>(to, <i64><u32>(a));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_IMUL2_RR64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); const y = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); if (<i64><i32>x != x || <i64><i32>y != y) break; const r = x * y; a = r; b = 0; cc = CC_SUB | 0; store<i64>(to, r);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_IMUL2_RM64: {
        const at = readable(mmu, address(cpu, pc), 8); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = load<i64>(to); const y = load<i64>(at); if (<i64><i32>x != x || <i64><i32>y != y) break; const r = x * y; a = r; b = 0; cc = CC_SUB | 0; store<i64>(to, r);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_IMUL3_R64: {
        const x = load<i64>(cpu + <i32>load<u16>(pc, U_R2)); const y = load<i64>(pc, U_IMM); if (<i64><i32>x != x || <i64><i32>y != y) break; const r = x * y; a = r; b = 0; cc = CC_SUB | 0; store<i64>(cpu + <i32>load<u16>(pc, U_R1), r);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_IMUL2_RR32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); const y = <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); const r = x * y; if (<i64><i32>r != r) break; a = r; b = 0; cc = CC_SUB | 32; store<i64>(to, <i64><u32>(r));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_IMUL2_RM32: {
        const at = readable(mmu, address(cpu, pc), 4); if (!at) break; const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i32>(to); const y = <i64>load<i32>(at); const r = x * y; if (<i64><i32>r != r) break; a = r; b = 0; cc = CC_SUB | 32; store<i64>(to, <i64><u32>(r));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_IMUL3_R32: {
        const x = <i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)); const y = load<i64>(pc, U_IMM); const r = x * y; if (<i64><i32>r != r) break; a = r; b = 0; cc = CC_SUB | 32; store<i64>(cpu + <i32>load<u16>(pc, U_R1), <i64><u32>(r));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MUL_R32: {
        const r = <i64>load<u32>(cpu) * <i64>load<u32>(cpu + <i32>load<u16>(pc, U_R1)); const high = <i64>(<u64>r >> 32); store<i64>(cpu, r & 0xffffffff); store<i64>(cpu, high, 16); a = <i64><i32>r; b = 0; cc = CC_SUB | 32; if (high) { a = lowFlags(a) | FLAG_CF | FLAG_OF; cc = CC_RAW; }
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_DIV_R32: {
        const d = <u64>load<u32>(cpu + <i32>load<u16>(pc, U_R1)); const n = <u64>load<u32>(cpu) | (<u64>load<u32>(cpu, 16) << 32); if (<u64>load<u32>(cpu, 16) >= d) break; store<u64>(cpu, n / d); store<u64>(cpu, n % d, 16);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_DIV_R64: {
        const d = load<u64>(cpu + <i32>load<u16>(pc, U_R1)); if (load<i64>(cpu, 16) || !d) break; const n = load<u64>(cpu); store<u64>(cpu, n / d); store<u64>(cpu, n % d, 16);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_INC_M64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const carry = carryOf(cc, a, b) << 8; a = load<i64>(at); b = -1; cc = CC_INC | 0 | carry; store<i64>(at, a - b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_DEC_M64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const carry = carryOf(cc, a, b) << 8; a = load<i64>(at); b = 1; cc = CC_INC | 0 | carry; store<i64>(at, a - b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_INC_M32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const carry = carryOf(cc, a, b) << 8; a = <i64>load<i32>(at); b = -1; cc = CC_INC | 32 | carry; store<u32>(at, <u32>(a - b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_DEC_M32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const carry = carryOf(cc, a, b) << 8; a = <i64>load<i32>(at); b = 1; cc = CC_INC | 32 | carry; store<u32>(at, <u32>(a - b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADD_RR8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i8>(to); b = <i64>load<i8>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_ADD | 56; store<u8>(to, <u8>(x + b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_ADD_RI8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i8>(to); b = load<i64>(pc, U_IMM); a = x; cc = CC_ADD | 56; store<u8>(to, <u8>(x + b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SUB_RR8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i8>(to); b = <i64>load<i8>(cpu + <i32>load<u16>(pc, U_R2)); a = x; cc = CC_SUB | 56; store<u8>(to, <u8>(x - b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_SUB_RI8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const x = <i64>load<i8>(to); b = load<i64>(pc, U_IMM); a = x; cc = CC_SUB | 56; store<u8>(to, <u8>(x - b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_AND_RR8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i8>(to) & <i64>load<i8>(cpu + <i32>load<u16>(pc, U_R2)); store<u8>(to, <u8>r); a = r; b = 0; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_AND_RI8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i8>(to) & load<i64>(pc, U_IMM); store<u8>(to, <u8>r); a = r; b = 0; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_OR_RR8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i8>(to) | <i64>load<i8>(cpu + <i32>load<u16>(pc, U_R2)); store<u8>(to, <u8>r); a = r; b = 0; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_OR_RI8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i8>(to) | load<i64>(pc, U_IMM); store<u8>(to, <u8>r); a = r; b = 0; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XOR_RR8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i8>(to) ^ <i64>load<i8>(cpu + <i32>load<u16>(pc, U_R2)); store<u8>(to, <u8>r); a = r; b = 0; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XOR_RI8: {
        const to = cpu + <i32>load<u16>(pc, U_R1); const r = <i64>load<i8>(to) ^ load<i64>(pc, U_IMM); store<u8>(to, <u8>r); a = r; b = 0; cc = CC_SUB | 56;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_MOV_RI8: {
        store<u8>(cpu + <i32>load<u16>(pc, U_R1), <u8>load<i64>(pc, U_IMM));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_BSWAP_R64: {
        const to = cpu + <i32>load<u16>(pc, U_R1); store<i64>(to, bswap<i64>(load<i64>(to)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_BSWAP_R32: {
        const to = cpu + <i32>load<u16>(pc, U_R1); store<i64>(to, <i64><u32>bswap<u32>(load<u32>(to)));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_PUSH_M: {
        const from = readable(mmu, address(cpu, pc), 8); if (!from) break; const top = load<i64>(cpu, 32) - 8; const at = writable(mmu, top, 8); if (!at) break; store<i64>(at, load<i64>(from)); store<i64>(cpu, top, 32);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CALL_M: {
        const from = readable(mmu, address(cpu, pc), 8); if (!from) break; const to = cachedJump(mmu, load<i64>(from)); if (!to) break; const top = load<i64>(cpu, 32) - 8; const at = writable(mmu, top, 8); if (!at) break; store<i64>(at, load<i64>(pc, U_RIP) + <i64>load<u8>(pc, U_LEN)); store<i64>(cpu, top, 32); B -= load<i64>(pc, U_COST); pc = to; continue;
      }
      case F_CLI: {
        if (load<i32>(cpu, C_CPL)) break; store<i64>(cpu, load<i64>(cpu, C_FLAGS) & ~FLAG_IF, C_FLAGS);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_STI: {
        if (load<i32>(cpu, C_CPL) | load<i32>(cpu, C_WINDOW)) break; const flags = load<i64>(cpu, C_FLAGS); if (!(flags & FLAG_IF)) { store<i64>(cpu, flags | FLAG_IF, C_FLAGS); store<f64>(cpu, load<f64>(cpu, C_RETIRED) + <f64>(0xffffffff - <u32>B) + 1, C_SHADOW); }
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XCHG_MR64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const other = cpu + <i32>load<u16>(pc, U_R2); const x = load<i64>(at); store<i64>(at, load<i64>(other)); store<i64>(other, x);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XADD_MR64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; const other = cpu + <i32>load<u16>(pc, U_R2); const x = load<i64>(at); b = load<i64>(other); a = x; cc = CC_ADD | 0; store<i64>(other, x); store<i64>(at, x + b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMPXCHG_MR64: {
        const at = writable(mmu, address(cpu, pc), 8); if (!at) break; a = load<i64>(cpu); b = load<i64>(at); cc = CC_SUB | 0; if (a == b) store<i64>(at, load<i64>(cpu + <i32>load<u16>(pc, U_R2))); else store<i64>(cpu, b);
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_BT_RR64: {
        const bit = (load<i64>(cpu + <i32>load<u16>(pc, U_R1)) >> (load<i64>(cpu + <i32>load<u16>(pc, U_R2)) & 63)) & 1; const kind = cc & CC_CLASS; if (kind == CC_INC) cc = (cc & ~CC_CARRY) | (bit << 8); else if (kind == CC_SUB && b >= 0) cc = (cc & 63) | CC_INC | (bit << 8); else if (kind == CC_RAW) a = (a & ~FLAG_CF) | bit; else break;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_BT_RI64: {
        const bit = (load<i64>(cpu + <i32>load<u16>(pc, U_R1)) >> (load<i64>(pc, U_IMM) & 63)) & 1; const kind = cc & CC_CLASS; if (kind == CC_INC) cc = (cc & ~CC_CARRY) | (bit << 8); else if (kind == CC_SUB && b >= 0) cc = (cc & 63) | CC_INC | (bit << 8); else if (kind == CC_RAW) a = (a & ~FLAG_CF) | bit; else break;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XCHG_MR32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const other = cpu + <i32>load<u16>(pc, U_R2); const x = <i64>load<i32>(at); store<u32>(at, <u32>(<i64>load<i32>(other))); store<i64>(other, <i64><u32>(x));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_XADD_MR32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; const other = cpu + <i32>load<u16>(pc, U_R2); const x = <i64>load<i32>(at); b = <i64>load<i32>(other); a = x; cc = CC_ADD | 32; store<i64>(other, <i64><u32>(x)); store<u32>(at, <u32>(x + b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_CMPXCHG_MR32: {
        const at = writable(mmu, address(cpu, pc), 4); if (!at) break; a = <i64>load<i32>(cpu); b = <i64>load<i32>(at); cc = CC_SUB | 32; if (a == b) store<u32>(at, <u32>(<i64>load<i32>(cpu + <i32>load<u16>(pc, U_R2)))); else store<i64>(cpu, <i64><u32>(b));
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_BT_RR32: {
        const bit = (load<i64>(cpu + <i32>load<u16>(pc, U_R1)) >> (load<i64>(cpu + <i32>load<u16>(pc, U_R2)) & 31)) & 1; const kind = cc & CC_CLASS; if (kind == CC_INC) cc = (cc & ~CC_CARRY) | (bit << 8); else if (kind == CC_SUB && b >= 0) cc = (cc & 63) | CC_INC | (bit << 8); else if (kind == CC_RAW) a = (a & ~FLAG_CF) | bit; else break;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_BT_RI32: {
        const bit = (load<i64>(cpu + <i32>load<u16>(pc, U_R1)) >> (load<i64>(pc, U_IMM) & 31)) & 1; const kind = cc & CC_CLASS; if (kind == CC_INC) cc = (cc & ~CC_CARRY) | (bit << 8); else if (kind == CC_SUB && b >= 0) cc = (cc & 63) | CC_INC | (bit << 8); else if (kind == CC_RAW) a = (a & ~FLAG_CF) | bit; else break;
        B -= load<i64>(pc, U_COST); pc += UOP_SIZE; continue;
      }
      case F_REGION: {
        store<i64>(cpu, B, C_BUDGET);
        store<i64>(cpu, cc, C_CC);
        store<i64>(cpu, a, C_CCA);
        store<i64>(cpu, b, C_CCB);
        const header = pc - UOP_SIZE;
        const next = call_indirect<i32>(load<i32>(header, B_REGION), cpu);
        const left = load<i64>(cpu, C_BUDGET);
        cc = load<i64>(cpu, C_CC);
        a = load<i64>(cpu, C_CCA);
        b = load<i64>(cpu, C_CCB);
        // Short visits cost more than they bring; near the end of the budget they say nothing.
        if (<i32>(left >> 32) > REGION_FEE * 4) {
          const credit = min<i32>(load<i32>(header, B_CREDIT) + <i32>(B - left), CREDIT_MOST) - REGION_FEE;
          store<i32>(header, credit, B_CREDIT);
          if (credit < 0) store<u16>(pc, load<u16>(header, B_FAST), U_FAST);
        }
        B = left;
        pc = next;
        if (B < 0 || load<u16>(pc, U_FAST) != F_REGION) continue;
        // One instruction without a region, or the same region would be left for the same reason.
        break;
      }
      default:
    }
    store<i64>(cpu, B, C_BUDGET);
    store<i64>(cpu, cc, C_CC);
    store<i64>(cpu, a, C_CCA);
    store<i64>(cpu, b, C_CCB);
    pc = direct(cpu, pc);
    if (!pc) return load<i32>(cpu, C_STOP);
    B = load<i64>(cpu, C_BUDGET);
    cc = load<i64>(cpu, C_CC);
    a = load<i64>(cpu, C_CCA);
    b = load<i64>(cpu, C_CCB);
    mmu = load<i32>(cpu, C_MMU);
  }
  store<i64>(cpu, B, C_BUDGET);
  store<i64>(cpu, cc, C_CC);
  store<i64>(cpu, a, C_CCA);
  store<i64>(cpu, b, C_CCB);
  store<i64>(cpu, load<i64>(pc, U_RIP), C_RIP);
  store<i32>(cpu, STOP_BOUNDARY, C_STOP);
  return STOP_BOUNDARY;
}
