/** Which instructions run others before the next one of the listing comes: a step over them goes to what stands behind. */
import { Code, Decoder, DecoderOptions, FlowControl } from 'iced-x86';
import type { RegisterFile } from '../../run/control/control';

/** Bits of code by operating mode, of segments that say nothing else. */
export function codeBits(mode: RegisterFile['mode']): 64 | 32 | 16 {
  const bits = { real: 16, protected: 32, compatibility: 32, long: 64 } as const;
  return bits[mode];
}

/** A call in a stretch of code. */
export interface CallInstruction {
  readonly address: bigint;
  /** Where it leads; undefined: through a register or memory. */
  readonly target: bigint | undefined;
}

/** The calls among the instructions of a stretch, in the order of their addresses. */
export function callsIn(bytes: Uint8Array, start: bigint, mode: RegisterFile['mode']): CallInstruction[] {
  const decoder = new Decoder(codeBits(mode), bytes, DecoderOptions.None);
  decoder.ip = start;
  const calls: CallInstruction[] = [];
  while (decoder.canDecode) {
    const instruction = decoder.decode();
    const { flowControl, ip: address } = instruction;
    if (flowControl === FlowControl.Call) calls.push({ address, target: instruction.nearBranchTarget });
    else if (flowControl === FlowControl.IndirectCall) calls.push({ address, target: undefined });
    instruction.free();
  }
  decoder.free();
  return calls;
}

/** Length of the instruction at the beginning of `bytes` if it is a call or a repeated string instruction. */
export function callLength(bytes: Uint8Array, rip: bigint, mode: RegisterFile['mode']): number | undefined {
  const decoder = new Decoder(codeBits(mode), bytes, DecoderOptions.None);
  decoder.ip = rip;
  const instruction = decoder.decode();
  const { flowControl, length } = instruction;
  const isCall = flowControl === FlowControl.Call || flowControl === FlowControl.IndirectCall;
  const repeats = instruction.isStringInstruction && (instruction.hasRepPrefix || instruction.hasRepnePrefix);
  const isValid = instruction.code !== Code.INVALID;
  instruction.free();
  decoder.free();
  return isValid && (isCall || repeats) ? length : undefined;
}
