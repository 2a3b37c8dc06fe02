/**
 * Hot operations that the inner loop cannot finish alone because they call: device registers, ports, the flags' image.
 * They do what `step` and the general operations do, without their generality; whatever is unusual is left to `step`.
 */
import {
  B_FAST,
  C_ACCESS,
  C_BUDGET,
  C_CPL,
  C_FLAGS,
  C_INDEX,
  C_MMU,
  C_REGS,
  C_RESULT_HIGH,
  C_RIP,
  C_STOP,
  C_WINDOW,
  K_IMM,
  STOP_ABANDONED,
  TAG_DEVICE,
  T_DATA,
  T_READ,
  T_WRITE,
  UOP_SIZE,
  U_BASE,
  U_COST,
  U_DISP,
  U_FAST,
  U_IMM,
  U_INDEX,
  U_K2,
  U_R1,
  U_R2,
  U_RIP,
  U_SCALE,
  U_SIZE,
} from '../state/layout';
import {
  F_IN,
  F_MOVZX_RM16,
  F_MOVZX_RM8,
  F_MOV_MI16,
  F_MOV_MI32,
  F_MOV_MI64,
  F_MOV_MI8,
  F_MOV_MR16,
  F_MOV_MR32,
  F_MOV_MR64,
  F_MOV_MR8,
  F_MOV_RM16,
  F_MOV_RM32,
  F_MOV_RM64,
  F_MOV_RM8,
  F_OUT,
  F_POPF,
  F_PUSHF,
  F_REGION,
} from '../generated/fast-ops';
import { allFlags, setAllFlags } from '../operations/flags';
import { hostMmioRead, hostMmioWrite, hostPortIn, hostPortOut } from '../state/host';
import { SETTABLE_FLAGS } from '../transfer/interrupts';
import { portForm } from '../memory/ports';
import { tlbEntry } from '../memory/tlb';
import { FLAG_RF, FLAG_VM, clearFault, faulted, writeReg } from '../state/state';
import { step } from './step';

/** Executes the micro-op at `pc`: as `step`, of which it is the shorter way. */
export function direct(cpu: i32, pc: i32): i32 {
  let fast = <i32>load<u16>(pc, U_FAST);
  if (fast == F_REGION) fast = <i32>load<u16>(pc - UOP_SIZE, B_FAST);
  switch (fast) {
    case F_MOV_RM64:
      return readDevice(cpu, pc, 8);
    case F_MOV_RM32:
      return readDevice(cpu, pc, 4);
    case F_MOV_RM16:
      return readDevice(cpu, pc, 2);
    case F_MOV_RM8:
      return readDevice(cpu, pc, 1);
    case F_MOVZX_RM16:
      return readDevice(cpu, pc, -2);
    case F_MOVZX_RM8:
      return readDevice(cpu, pc, -1);
    case F_MOV_MR64:
      return writeDevice(cpu, pc, 8, load<i64>(cpu + <i32>load<u16>(pc, U_R2)));
    case F_MOV_MR32:
      return writeDevice(cpu, pc, 4, load<i64>(cpu + <i32>load<u16>(pc, U_R2)));
    case F_MOV_MR16:
      return writeDevice(cpu, pc, 2, load<i64>(cpu + <i32>load<u16>(pc, U_R2)));
    case F_MOV_MR8:
      return writeDevice(cpu, pc, 1, <i64>load<u8>(cpu + <i32>load<u16>(pc, U_R2)));
    case F_MOV_MI64:
      return writeDevice(cpu, pc, 8, load<i64>(pc, U_IMM));
    case F_MOV_MI32:
      return writeDevice(cpu, pc, 4, load<i64>(pc, U_IMM));
    case F_MOV_MI16:
      return writeDevice(cpu, pc, 2, load<i64>(pc, U_IMM));
    case F_MOV_MI8:
      return writeDevice(cpu, pc, 1, load<i64>(pc, U_IMM));
    case F_IN:
      return portIn(cpu, pc);
    case F_OUT:
      return portOut(cpu, pc);
    case F_PUSHF:
      return pushFlags(cpu, pc);
    case F_POPF:
      return popFlags(cpu, pc);
    default:
      return step(cpu, pc);
  }
}

/** Charges and retires the micro-op. What is left of the budget is read anew: a call-out may have changed it. */
// @ts-ignore: decorator of AssemblyScript
@inline
function retire(cpu: i32, pc: i32): i32 {
  store<i64>(cpu, load<i64>(cpu, C_BUDGET) - load<i64>(pc, U_COST), C_BUDGET);
  return pc + UOP_SIZE;
}

/** A call-out gave the instruction up: nothing of it happened. */
function givenUp(cpu: i32): i32 {
  clearFault();
  store<i32>(cpu, STOP_ABANDONED, C_STOP);
  return 0;
}

// @ts-ignore: decorator of AssemblyScript
@inline
function address(cpu: i32, pc: i32): i64 {
  return (
    load<i64>(cpu + <i32>load<u16>(pc, U_BASE)) +
    (load<i64>(cpu + <i32>load<u16>(pc, U_INDEX)) << <i64>load<u8>(pc, U_SCALE)) +
    load<i64>(pc, U_DISP)
  );
}

// @ts-ignore: decorator of AssemblyScript
@inline
function entryOf(cpu: i32, at: i64): i32 {
  return tlbEntry(load<i32>(cpu, C_MMU), at);
}

/** A load from a page known to be a device's; a negative size zero-extends to the whole register. */
// @ts-ignore: decorator of AssemblyScript
@inline
function readDevice(cpu: i32, pc: i32, form: i32): i32 {
  const size = form < 0 ? -form : form;
  const at = address(cpu, pc);
  const entry = entryOf(cpu, at);
  if (load<i64>(entry, T_READ) != (((at + (size - 1)) & ~0xfff) | TAG_DEVICE)) return step(cpu, pc);
  store<i64>(cpu, load<i64>(pc, U_RIP), C_RIP);
  const physical = load<i64>(entry, T_DATA) | (at & 0xfff);
  store<i32>(cpu, 0, C_ACCESS);
  const low = hostMmioRead(load<i32>(cpu, C_INDEX), <i32>physical, <i32>(physical >> 32), size);
  if (faulted()) return givenUp(cpu);
  const to = cpu + <i32>load<u16>(pc, U_R1);
  if (size == 8) store<i64>(to, <i64>(<u32>low) | ((<i64>load<u32>(cpu, C_RESULT_HIGH)) << 32));
  else if (size == 4) store<i64>(to, <i64>(<u32>low));
  else if (form == 2) store<u16>(to, <u16>low);
  else if (form == 1) store<u8>(to, <u8>low);
  else store<i64>(to, <i64>(low & (size == 2 ? 0xffff : 0xff)));
  return retire(cpu, pc);
}

// @ts-ignore: decorator of AssemblyScript
@inline
function writeDevice(cpu: i32, pc: i32, size: i32, value: i64): i32 {
  const at = address(cpu, pc);
  const entry = entryOf(cpu, at);
  if (load<i64>(entry, T_WRITE) != (((at + (size - 1)) & ~0xfff) | TAG_DEVICE)) return step(cpu, pc);
  store<i64>(cpu, load<i64>(pc, U_RIP), C_RIP);
  const physical = load<i64>(entry, T_DATA) | (at & 0xfff);
  const low = size == 1 ? <i32>value & 0xff : size == 2 ? <i32>value & 0xffff : <i32>value;
  const high = size == 8 ? <i32>(value >> 32) : 0;
  store<i32>(cpu, 0, C_ACCESS);
  hostMmioWrite(load<i32>(cpu, C_INDEX), <i32>physical, <i32>(physical >> 32), size, low, high);
  if (faulted()) return givenUp(cpu);
  return retire(cpu, pc);
}

// @ts-ignore: decorator of AssemblyScript
@inline
function portOf(cpu: i32, pc: i32): i32 {
  return load<u8>(pc, U_K2) == K_IMM ? (<i32>load<i64>(pc, U_IMM)) & 0xff : <i32>load<u16>(cpu, C_REGS + 16);
}

// @ts-ignore: decorator of AssemblyScript
@inline
function portIn(cpu: i32, pc: i32): i32 {
  if (load<i32>(cpu, C_CPL)) return step(cpu, pc);
  const size = <i32>load<u8>(pc, U_SIZE);
  store<i64>(cpu, load<i64>(pc, U_RIP), C_RIP);
  store<i32>(cpu, 0, C_ACCESS);
  const value = <i64>(<u32>hostPortIn(load<i32>(cpu, C_INDEX), portOf(cpu, pc), size | portForm(pc)));
  if (faulted()) return givenUp(cpu);
  writeReg(cpu, 0, size, value);
  return retire(cpu, pc);
}

// @ts-ignore: decorator of AssemblyScript
@inline
function portOut(cpu: i32, pc: i32): i32 {
  if (load<i32>(cpu, C_CPL)) return step(cpu, pc);
  const size = <i32>load<u8>(pc, U_SIZE);
  store<i64>(cpu, load<i64>(pc, U_RIP), C_RIP);
  const value = load<i32>(cpu) & (size == 4 ? -1 : size == 2 ? 0xffff : 0xff);
  store<i32>(cpu, 0, C_ACCESS);
  hostPortOut(load<i32>(cpu, C_INDEX), portOf(cpu, pc), size | portForm(pc), value);
  if (faulted()) return givenUp(cpu);
  return retire(cpu, pc);
}

/** PUSHFQ to RAM. */
// @ts-ignore: decorator of AssemblyScript
@inline
function pushFlags(cpu: i32, pc: i32): i32 {
  const top = load<i64>(cpu, 32) - 8;
  const entry = entryOf(cpu, top);
  if (load<i64>(entry, T_WRITE) != ((top + 7) & ~0xfff)) return step(cpu, pc);
  store<i64>(<i32>top + load<i32>(entry, T_DATA), allFlags(cpu) & ~(FLAG_RF | FLAG_VM));
  store<i64>(cpu, top, 32);
  return retire(cpu, pc);
}

/** POPFQ from RAM at CPL 0, with nobody waiting for the interrupt window. */
// @ts-ignore: decorator of AssemblyScript
@inline
function popFlags(cpu: i32, pc: i32): i32 {
  const top = load<i64>(cpu, 32);
  const entry = entryOf(cpu, top);
  if (load<i64>(entry, T_READ) != ((top + 7) & ~0xfff)) return step(cpu, pc);
  if (load<i32>(cpu, C_CPL) | load<i32>(cpu, C_WINDOW)) return step(cpu, pc);
  const value = load<i64>(<i32>top + load<i32>(entry, T_DATA));
  const kept = load<i64>(cpu, C_FLAGS) & ~SETTABLE_FLAGS;
  setAllFlags(cpu, (kept | (value & SETTABLE_FLAGS)) & ~FLAG_RF);
  store<i64>(cpu, top + 8, 32);
  return retire(cpu, pc);
}
