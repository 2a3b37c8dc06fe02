/** Text of instructions, for reports and listings. */
import { Decoder, Formatter, FormatterSyntax, Mnemonic } from 'iced-x86';
import type { CpuVendor } from '../types';
import { DECODER_OPTIONS, amend } from './vendor';

let shared: Formatter | undefined;

function formatter(): Formatter {
  if (!shared) {
    shared = new Formatter(FormatterSyntax.Intel);
    shared.spaceAfterOperandSeparator = true;
    shared.hexPrefix = '0x';
    shared.hexSuffix = '';
  }
  return shared;
}

/** Bits of code by C_MODE. */
export const MODE_BITS: readonly [64, 32, 16] = [64, 32, 16];

/**
 * Intel-syntax text of the first instruction in `bytes`, taken as code of `bits` (64, 32 or 16) at `rip` by a processor of
 * `vendor`; empty when it is none.
 */
export function disassemble(
  bytes: Uint8Array,
  rip: bigint,
  bits: 64 | 32 | 16 = 64,
  vendor: CpuVendor = 'intel',
): string {
  const decoder = new Decoder(bits, bytes, DECODER_OPTIONS[vendor]);
  decoder.ip = BigInt.asUintN(64, rip);
  const instruction = decoder.decode();
  amend(instruction, vendor);
  const text = instruction.mnemonic === Mnemonic.INVALID ? '' : formatter().format(instruction);
  instruction.free();
  decoder.free();
  return text;
}
