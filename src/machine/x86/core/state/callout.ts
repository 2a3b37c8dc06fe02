/**
 * Call-outs that may give their instruction up, counted: memory outside RAM, ports, MSRs and what the policy intercepts. By
 * its position in the instruction a call-out is known again when the instruction is executed anew.
 */
import { C_ACCESS, C_INDEX, C_RESULT_HIGH } from './layout';
import {
  hostIntercepted,
  hostMmioRead,
  hostMmioWrite,
  hostMsrRead,
  hostMsrWrite,
  hostPortIn,
  hostPortOut,
} from './host';

/** Before an instruction, an iteration of a repeated one, or a delivery between instructions. */
// @ts-ignore: decorator of AssemblyScript
@inline
export function beginAccesses(cpu: i32): void {
  store<i32>(cpu, -1, C_ACCESS);
}

/** Counts one more; returns the vCPU's number. */
function next(cpu: i32): i32 {
  store<i32>(cpu, load<i32>(cpu, C_ACCESS) + 1, C_ACCESS);
  return load<i32>(cpu, C_INDEX);
}

/** A load outside RAM, zero-extended. */
export function readDevice(cpu: i32, physical: i64, size: i32): i64 {
  const low = <i64>(<u32>hostMmioRead(next(cpu), <i32>physical, <i32>(physical >> 32), size));
  if (size == 8) return low | (<i64>load<u32>(cpu, C_RESULT_HIGH) << 32);
  if (size == 4) return low;
  return low & (size == 2 ? 0xffff : 0xff);
}

/** A store outside RAM of a value that is cut to its size. */
export function writeDevice(cpu: i32, physical: i64, size: i32, value: i64): void {
  const high = <i32>(physical >> 32);
  hostMmioWrite(next(cpu), <i32>physical, high, size, <i32>value, <i32>(value >> 32));
}

/** @param form 0: the port is in DX; or one of PORT_* */
export function readPort(cpu: i32, port: i32, size: i32, form: i32): i64 {
  return <i64>(<u32>hostPortIn(next(cpu), port, size | form));
}

export function writePort(cpu: i32, port: i32, size: i32, form: i32, value: i32): void {
  hostPortOut(next(cpu), port, size | form, value);
}

/** The value is in C_RESULT_*; false: there is no such MSR. */
export function askMsr(cpu: i32, msr: u32): bool {
  return hostMsrRead(next(cpu), msr) != 0;
}

/** False: the write is refused. */
export function tellMsr(cpu: i32, msr: u32, low: i32, high: i32): bool {
  return hostMsrWrite(next(cpu), msr, low, high) != 0;
}

/** Leaves for what the policy intercepts (`INTERCEPT_*`); returns ANSWER_*. */
export function leave(cpu: i32, reason: i32, detail: i32, value: i64): i32 {
  return hostIntercepted(next(cpu), reason, detail, <i32>value, <i32>(value >> 32));
}
