/**
 * The frame of the inner loop. `scripts/build-core.mjs` puts the cases of the table of operations
 * (`src/machine/x86/operations`) at the mark in it; what is compiled is `core/generated/run.ts`.
 *
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
import * as fast from '../generated/fast-ops';
import { FLAG_AF, FLAG_CF, FLAG_IF, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF } from '../state/state';
import { tlbEntry } from '../memory/tlb';
import { direct } from '../run/direct';
import { resume } from '../run/step';

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

/** The carry flag as class INC keeps it: CC_CARRY or 0. */
// @ts-ignore: decorator of AssemblyScript
@inline
function keptCarry(cc: i64, a: i64, b: i64): i64 {
  const kind = cc & CC_CLASS;
  if (kind == CC_SUB) return <u64>a < <u64>b ? CC_CARRY : 0;
  if (kind == CC_INC) return cc & CC_CARRY;
  if (kind == CC_ADD) return <u64>((a + b) << cc) < <u64>(b << cc) ? CC_CARRY : 0;
  return (a & 1) << 8;
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

/** Offset of the stack pointer. */
const RSP = 32;
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
      // cases of the table
      case fast.F_REGION: {
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
        if (B < 0 || load<u16>(pc, U_FAST) != fast.F_REGION) continue;
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
