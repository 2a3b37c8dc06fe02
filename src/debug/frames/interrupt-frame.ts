/** What the processor pushes when it takes an interrupt or an exception (SDM vol. 3, 6.12 and 6.14), found on a stack. */
import { integerOf, type MachineReader } from './machine';
import type { Program } from './program';

/** Where each field lies. */
export interface HardwareFrame {
  /** Of the instruction pointer: the lowest field, above an error code. */
  readonly address: bigint;
  readonly codeSegment: bigint;
  readonly flags: bigint;
  /** Undefined: not pushed, as in 32-bit mode without a change of privilege. */
  readonly stackPointer: bigint | undefined;
  readonly stackSegment: bigint | undefined;
  /** First address above it. */
  readonly end: bigint;
}

/** Bits of RFLAGS that are always 0, and the one that is always 1 (SDM vol. 1, 3.4.3). */
const FLAGS_ZERO = ~0x3f7fd7n;
const FLAGS_ONE = 2n;
/** Bit 2 of a selector: in the local descriptor table, which long-mode kernels leave empty. */
const SELECTOR_LOCAL = 4n;
const MAX_SELECTOR = 0xffffn;
const PRIVILEGE = 3n;
/** Canonical addresses of 4-level paging, as far as a stack lies in them. */
const LOWER_HALF = 1n << 47n;
const UPPER_HALF = (1n << 64n) - LOWER_HALF;

/**
 * Looks whether a hardware frame lies at an address: a selector of code, RFLAGS with the fixed bits as they must be, a stack
 * pointer and a selector where there must be.
 * @param wild the instruction pointer need not lie in code: a wild call is an exception's cause
 */
export function hardwareFrameAt(
  program: Program,
  machine: MachineReader,
  address: bigint,
  wild: boolean,
): HardwareFrame | undefined {
  const size = program.architecture.addressBytes;
  const word = BigInt(size);
  const bytes = machine.readMemory(address, 5 * size);
  if (bytes.length < 3 * size) return undefined;
  const field = (index: number): bigint => integerOf(bytes.subarray(index * size, (index + 1) * size));
  const [ip, cs, flags] = [field(0), field(1), field(2)];
  const isCode = cs <= MAX_SELECTOR && cs > PRIVILEGE && (cs & SELECTOR_LOCAL) === 0n;
  if (!isCode || (flags & FLAGS_ONE) === 0n || (flags & FLAGS_ZERO) !== 0n || (!wild && !program.isCode(ip)))
    return undefined;
  const known = machine.register(program.architecture.codeSegment);
  const hasStack = size === 8 || (known !== undefined && (cs & PRIVILEGE) !== (known & PRIVILEGE));
  const base = { address, codeSegment: address + word, flags: address + 2n * word };
  if (!hasStack)
    return { ...base, stackPointer: undefined, stackSegment: undefined, end: address + 3n * word };
  if (bytes.length < 5 * size) return undefined;
  const [sp, ss] = [field(3), field(4)];
  if (ss > MAX_SELECTOR || (sp >= LOWER_HALF && sp < UPPER_HALF)) return undefined;
  return {
    ...base,
    stackPointer: address + 3n * word,
    stackSegment: address + 4n * word,
    end: address + 5n * word,
  };
}
