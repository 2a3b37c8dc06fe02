/** Register scripts: what is done to QEMU's device and to Trapline's alike, one operation after the other. */
import type { AccessSize } from '../../../src/machine/bus';

/** Whose inputs a script drives directly. */
export type Controller = 'ioapic' | 'master PIC' | 'slave PIC';

/** One operation. Addresses and values are unsigned. */
export type Operation =
  | { op: 'in'; size: AccessSize; at: number }
  | { op: 'out'; size: AccessSize; at: number; value: number }
  | { op: 'read'; size: AccessSize; at: number }
  | { op: 'write'; size: AccessSize; at: number; value: number }
  /** Bytes of RAM, in hexadecimal. */
  | { op: 'load'; at: number; length: number }
  | { op: 'store'; at: number; bytes: string }
  /**
   * QEMU does what it has put off to no certain time: its threads hand work to each other so.
   * @property until what shows that a thread has done its work: bits of a word in memory, and their value then
   */
  | { op: 'rest'; until?: { at: number; bits: number; value: number } }
  /** Level of an input of an interrupt controller. */
  | { op: 'line'; of: Controller; line: number; asserted: boolean }
  /**
   * Two seconds pass, and what was put off to some time in them is over.
   * @property idle a register that shows by these bits whether a thread of QEMU's is at work, which knows no simulated time
   */
  | { op: 'settle'; idle?: { at: number; bits: number } };

/** What came of an operation. */
export interface Outcome {
  /** What was read: a number, or the bytes of RAM in hexadecimal; 0 where nothing is read. */
  value: number | string;
  /** Levels of the IOAPIC's inputs after it, a bit for each. */
  lines: number;
}

/** One operation with both outcomes. */
export interface Step {
  operation: Operation;
  qemu: Outcome;
  trapline: Outcome;
}

/** An operation as a line of text. */
export function textOf(operation: Operation): string {
  const hex = (value: number): string => `0x${value.toString(16)}`;
  switch (operation.op) {
    case 'in':
    case 'read':
      return `${operation.op}${operation.size * 8} ${hex(operation.at)}`;
    case 'out':
    case 'write':
      return `${operation.op}${operation.size * 8} ${hex(operation.at)} ${hex(operation.value)}`;
    case 'load':
      return `load ${hex(operation.at)} ${operation.length}`;
    case 'store':
      return `store ${hex(operation.at)} ${operation.bytes}`;
    case 'line':
      return `line ${operation.of} ${operation.line} ${operation.asserted ? 'high' : 'low'}`;
    default:
      return operation.op;
  }
}

/** An outcome as text. */
export function outcomeText({ value, lines }: Outcome): string {
  const shown = typeof value === 'number' ? `0x${value.toString(16)}` : value;
  return `${shown} lines 0x${lines.toString(16)}`;
}
