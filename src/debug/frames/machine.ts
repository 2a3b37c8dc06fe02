/** A stopped machine as unwinding and expressions read it: registers by DWARF number, and linear memory. */
import { DebugError } from './errors';

/** Reading has no side effects. */
export interface MachineReader {
  /** Value of a register, unsigned; undefined: not known here. */
  register(number: number): bigint | undefined;
  /** Linear memory: as many bytes as can be read from the address on, at most `length`. */
  readMemory(address: bigint, length: number): Uint8Array;
  /** A register without a DWARF number, by its name in lower case: `cr3`, `efer`. */
  systemRegister?(name: string): bigint | undefined;
}

/** What an assignment changes. */
export interface MachineWriter {
  writeMemory(address: bigint, bytes: Uint8Array): void;
  /** @param number of DWARF */
  writeRegister(number: number, value: bigint): void;
}

/** An address for a reader. */
export function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

/**
 * Reads all of a stretch.
 * @throws DebugError when a part of it cannot be read
 */
export function readExactly(machine: MachineReader, address: bigint, length: number): Uint8Array {
  const bytes = machine.readMemory(address, length);
  if (bytes.length === length) return bytes;
  throw new DebugError(
    `Memory at ${hex(address + BigInt(bytes.length))} cannot be read: nothing is mapped there.`,
  );
}

/** An unsigned little-endian integer. */
export function integerOf(bytes: Uint8Array): bigint {
  const length = bytes.length;
  let low = 0;
  for (let i = Math.min(length, 6) - 1; i >= 0; i--) low = low * 256 + bytes[i];
  let value = BigInt(low);
  for (let i = 6; i < length; i++) value |= BigInt(bytes[i]) << BigInt(8 * i);
  return value;
}

/** The low bytes of an integer, little endian. */
export function bytesOf(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let rest = BigInt.asUintN(8 * length, value);
  for (let i = 0; i < length; i++) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}
