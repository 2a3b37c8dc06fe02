/** A stretch of machine code as lines of a listing, before and behind an address. */
import { disassemble } from '../../machine/x86/decode/disassemble';
import { Decoder, DecoderOptions } from 'iced-x86';

/** Longest instruction (SDM vol. 2, 2.3.11). */
export const MOST_INSTRUCTION_BYTES = 15;

export interface ListedInstruction {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  /** Intel syntax; empty: these bytes are no instruction. */
  readonly text: string;
}

/** Code as a reader of memory gives it: as many bytes as can be read. */
export type CodeReader = (address: bigint, length: number) => Uint8Array;

/** Instructions one after the other from an address on; where nothing can be read, bytes without a text. */
export function listFrom(
  read: CodeReader,
  start: bigint,
  count: number,
  bits: 64 | 32 | 16,
): ListedInstruction[] {
  const listed: ListedInstruction[] = [];
  let address = start;
  while (listed.length < count) {
    const bytes = read(address, MOST_INSTRUCTION_BYTES);
    const length = lengthOf(bytes, address, bits);
    const own = bytes.slice(0, length);
    listed.push({ address, bytes: own, text: own.length > 0 ? disassemble(bytes, address, bits) : '' });
    address = BigInt.asUintN(64, address + BigInt(length));
  }
  return listed;
}

/**
 * Instructions that end where `end` begins. Code cannot be read backwards: it is listed from a place where an instruction is known to
 * begin, or from one far enough before that the listing falls into step.
 * @param known addresses of instructions, such as the beginnings of functions; ascending
 */
export function listBefore(
  read: CodeReader,
  end: bigint,
  count: number,
  bits: 64 | 32 | 16,
  known: (address: bigint) => bigint | undefined,
): ListedInstruction[] {
  const furthest = BigInt(count * MOST_INSTRUCTION_BYTES);
  const from = end > furthest ? end - furthest : 0n;
  let start = known(from) ?? from;
  const listed: ListedInstruction[] = [];
  while (start < end) {
    const [next] = listFrom(read, start, 1, bits);
    if (!next) break;
    const behind = start + BigInt(Math.max(1, next.bytes.length));
    // An instruction that reaches into the one that is known is none.
    if (behind > end) {
      listed.push({ address: start, bytes: read(start, Number(end - start)), text: '' });
      break;
    }
    listed.push(next);
    start = behind;
  }
  return listed.slice(-count);
}

function lengthOf(bytes: Uint8Array, address: bigint, bits: 64 | 32 | 16): number {
  if (bytes.length === 0) return 1;
  const decoder = new Decoder(bits, bytes, DecoderOptions.None);
  decoder.ip = address;
  const instruction = decoder.decode();
  const length = instruction.length;
  instruction.free();
  decoder.free();
  return Math.max(1, length);
}
