/** Debug registers: access to them, and what accesses of an instruction they match (SDM vol. 3, 17.2). */
import {
  C_CODE_BASE,
  C_CR4,
  C_DEBUG,
  C_DR,
  C_MODE,
  C_RIP,
  DEBUG_ALIGNMENT,
  DEBUG_BREAKPOINTS,
  DEBUG_STEP,
  INTERCEPT_DR_ACCESS,
  MODE_64,
  U_EXT,
  U_R1,
} from '../state/layout';
import { leaves, passes } from '../state/intercept';
import { CR4_DE, VECTOR_DB, VECTOR_GP, VECTOR_UD, fault, faultWith, needRing0, refresh } from '../state/state';

const DR6_FIXED: i64 = 0xffff0ff0;
const DR6_WRITABLE: i64 = 0xe00f;
/** General detection: what #DB is raised for as a fault of an instruction. */
export const DR6_BD: i64 = 0x2000;
export const DR6_BS = 0x4000;
const DR6_MATCHES: i64 = 15;
const DR7_FIXED: i64 = 0x400;
const DR7_WRITABLE: i64 = 0xffff2bff;
const DR7_GD: i64 = 0x2000;
/** R/W fields of DR7. */
const ON_EXECUTE = 0;
const ON_WRITE = 1;
const ON_PORT = 2;
const ON_ACCESS = 3;

/** Direction of MOV in the qualification of INTERCEPT_DR_ACCESS. */
const TO_DR = 0;
const FROM_DR = 1 << 4;

function debugRegister(cpu: i32, index: i32): i32 {
  return cpu + C_DR + index * 8;
}

/** The register of a MOV, 0 with a fault raised: DR4 and DR5 are names of DR6 and DR7 while CR4.DE is clear. */
function accessed(cpu: i32, pc: i32, from: i32): i32 {
  let index = <i32>load<u8>(pc, U_EXT);
  // Leaving comes before all faults, those of privilege too (SDM vol. 3, 26.1.3); the qualification is that of table 28-4.
  const register = <i32>load<u16>(pc, U_R1);
  const value = from ? 0 : load<i64>(cpu + register);
  const detail = index | from | ((register >> 3) << 8);
  if (leaves(cpu, INTERCEPT_DR_ACCESS) && !passes(cpu, INTERCEPT_DR_ACCESS, detail, value)) return 0;
  if (!needRing0(cpu)) return 0;
  if (index == 4 || index == 5) {
    if (load<i64>(cpu, C_CR4) & CR4_DE) {
      fault(VECTOR_UD);
      return 0;
    }
    index += 2;
  }
  if (load<i64>(debugRegister(cpu, 7)) & DR7_GD) {
    fault(VECTOR_DB);
    return 0;
  }
  return debugRegister(cpu, index);
}

export function execMovFromDr(cpu: i32, pc: i32): void {
  const at = accessed(cpu, pc, FROM_DR);
  if (!at) return;
  const value = load<i64>(at);
  store<i64>(cpu + <i32>load<u16>(pc, U_R1), load<i32>(cpu, C_MODE) == MODE_64 ? value : value & 0xffffffff);
}

export function execMovToDr(cpu: i32, pc: i32): void {
  const at = accessed(cpu, pc, TO_DR);
  if (!at) return;
  let value = load<i64>(cpu + <i32>load<u16>(pc, U_R1));
  if (load<i32>(cpu, C_MODE) != MODE_64) value &= 0xffffffff;
  const index = (at - cpu - C_DR) >> 3;
  if (index >= 6 && (<u64>value) >> 32 != 0) return faultWith(VECTOR_GP, 0);
  if (index == 6) value = (value & DR6_WRITABLE) | DR6_FIXED;
  if (index == 7) value = (value & DR7_WRITABLE) | DR7_FIXED;
  store<i64>(at, value);
  if (index == 7) refresh(cpu);
}

/** DR6 and DR7 as #DB finds them: matches are those of this time, everything else adds up; general detection is off. */
export function enterDebug(cpu: i32, cause: i64): void {
  const status = debugRegister(cpu, 6);
  store<i64>(status, (load<i64>(status) & ~DR6_MATCHES) | cause);
  const control = debugRegister(cpu, 7);
  store<i64>(control, load<i64>(control) & ~DR7_GD);
}

/** Loads, stores and ports of the running instruction are to be looked at. Set by the debug loop alone. */
export let watching: bool = false;
/** A repeated instruction is to stop after each iteration. */
export let singly: bool = false;
/** DR6 bits of what the running instruction has matched. */
export let hits: i32 = 0;

/** Before an instruction of the debug loop. */
export function beginWatch(cpu: i32): void {
  const debug = load<i32>(cpu, C_DEBUG);
  watching = (debug & (DEBUG_BREAKPOINTS | DEBUG_ALIGNMENT)) != 0;
  singly = (debug & (DEBUG_BREAKPOINTS | DEBUG_STEP)) != 0;
  hits = 0;
}

/** After it. */
export function endWatch(): void {
  watching = false;
  singly = false;
}

/** Whether an access of this size at this linear address is one that #AC is for. */
export function misaligned(cpu: i32, address: i64, size: i32): bool {
  return (load<i32>(cpu, C_DEBUG) & DEBUG_ALIGNMENT) != 0 && (address & <i64>(size - 1)) != 0;
}

/** Enabled breakpoints of two kinds that overlap `size` bytes at `address`, as bits of DR6. */
function matches(cpu: i32, address: i64, size: i32, kind: i32, otherKind: i32): i32 {
  const control = <i32>load<i64>(debugRegister(cpu, 7));
  let found = 0;
  for (let i = 0; i < 4; i++) {
    if (!((control >> (2 * i)) & 3)) continue;
    const on = (control >> (16 + 4 * i)) & 3;
    if (on != kind && on != otherKind) continue;
    // 1, 2, 8 and 4 bytes; the address is aligned to them.
    const code = (control >> (18 + 4 * i)) & 3;
    const length: i64 = code == 2 ? 8 : code + 1;
    const start = load<i64>(debugRegister(cpu, i)) & ~(length - 1);
    if (address - start < length && start - address < <i64>size) found |= 1 << i;
  }
  return found;
}

/** Notes a load or store. */
export function noteAccess(cpu: i32, address: i64, size: i32, write: bool): void {
  if (load<i32>(cpu, C_DEBUG) & DEBUG_BREAKPOINTS)
    hits |= matches(cpu, address, size, ON_ACCESS, write ? ON_WRITE : ON_ACCESS);
}

/** Notes an access to a port. */
export function notePort(cpu: i32, port: i32, size: i32): void {
  if (load<i32>(cpu, C_DEBUG) & DEBUG_BREAKPOINTS && load<i64>(cpu, C_CR4) & CR4_DE)
    hits |= matches(cpu, port, size, ON_PORT, ON_PORT);
}

/** Instruction breakpoints at C_RIP, as bits of DR6. */
export function breakpointsHere(cpu: i32): i32 {
  if (!(load<i32>(cpu, C_DEBUG) & DEBUG_BREAKPOINTS)) return 0;
  let address = load<i64>(cpu, C_RIP) + load<i64>(cpu, C_CODE_BASE);
  if (load<i32>(cpu, C_MODE) != MODE_64) address &= 0xffffffff;
  return matches(cpu, address, 1, ON_EXECUTE, ON_EXECUTE);
}
