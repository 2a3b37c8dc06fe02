/** Where AMD's processors take the same bytes for another instruction than Intel's (AMD64 manual, vol. 3). */
import type { Instruction } from 'iced-x86';
import type { CpuVendor } from '../types';
import { Code, DecoderOptions, OpKind } from './iced';

/**
 * Options of the decoder. AMD's take 66H before a near branch for an operand size of 16 (1.2.2), know LOCK MOV CR0 as CR8, and
 * have no far pointers with a 64-bit offset. PAUSE is told from NOP by `amend`: only there does REX.B count.
 */
export const DECODER_OPTIONS: Readonly<Record<CpuVendor, number>> = {
  intel: DecoderOptions.None,
  amd: DecoderOptions.AMD | DecoderOptions.NoPause,
};

const NOP: ReadonlySet<number> = new Set([Code.Nopw, Code.Nopd, Code.Nopq]);
const PREFETCH: ReadonlySet<number> = new Set([
  Code.Reservednop_rm16_r16_0F0D,
  Code.Reservednop_rm32_r32_0F0D,
  Code.Reservednop_rm64_r64_0F0D,
]);

/** What the options of the decoder cannot say; `insn` was decoded with those of `vendor`. */
export function amend(insn: Instruction, vendor: CpuVendor): void {
  if (vendor === 'intel') return;
  const code: number = insn.code;
  // F3 90 is PAUSE; with REX.B the same byte is XCHG R8, RAX as without F3.
  if (NOP.has(code) && insn.hasRepPrefix) insn.code = Code.Pause;
  // 0F 0D prefetches from memory; there is no form with a register.
  else if (PREFETCH.has(code) && insn.opKind(0) === OpKind.Register) insn.code = Code.INVALID;
}
