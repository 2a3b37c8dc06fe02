/** `disassemble`, with the source lines that instructions belong to; and listings of code that has no source. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { basename } from 'node:path';
import type { Handlers, SessionContext } from '../context';
import { programOf } from '../debuggee';
import { wholeNumber } from '../errors';
import { parseMemoryReference } from '../memory';
import type { Program } from '../program';
import { codeBits } from './calls';
import { listBefore, listFrom, type ListedInstruction } from './listing';

/** Instructions that one answer holds at most. */
const MOST_INSTRUCTIONS = 4_096;

export class Disassembly {
  constructor(
    private readonly context: SessionContext,
    private readonly cpu: () => number,
  ) {}

  readonly handlers: Handlers = {
    disassemble: (args: DebugProtocol.DisassembleArguments) => ({
      body: { instructions: this.disassemble(args) },
    }),
  };

  private disassemble(args: DebugProtocol.DisassembleArguments): DebugProtocol.DisassembledInstruction[] {
    const { control } = this.context.debuggee;
    const cpu = this.cpu();
    const { space, address } = parseMemoryReference(args.memoryReference, cpu);
    const shift = wholeNumber(args.offset ?? 0, 'An offset', Number.MIN_SAFE_INTEGER);
    const skip = wholeNumber(args.instructionOffset ?? 0, 'An offset', -MOST_INSTRUCTIONS, MOST_INSTRUCTIONS);
    const count = wholeNumber(args.instructionCount, 'A count', 0, MOST_INSTRUCTIONS);
    const start = BigInt.asUintN(64, address + BigInt(shift));
    const bits = codeBits(control.registers(cpu).mode);
    const read = (at: bigint, length: number): Uint8Array => {
      try {
        return control.readMemory(space, at, length);
      } catch (error) {
        if (error instanceof RangeError) return new Uint8Array();
        throw error;
      }
    };
    const program = programOf(this.context.debuggee, cpu);
    const known = (at: bigint): bigint | undefined => program?.image.symbols.functionAt(at)?.address;
    const before = skip < 0 ? listBefore(read, start, -skip, bits, known) : [];
    const missing = Math.max(0, -skip - before.length);
    const behind = listFrom(read, start, Math.max(0, count + skip), bits).slice(Math.max(0, skip));
    const padding = Array.from({ length: missing }, (_, index) =>
      nothingAt(start, missing + before.length - index),
    );
    const rows = [...before, ...behind].map((each) => this.shown(each, program));
    return [...padding, ...rows].slice(0, count);
  }

  private shown({ address, bytes, text }: ListedInstruction, program: Program | undefined) {
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const place = program?.lookup(address);
    const symbol = program?.image.symbols.functionAt(address);
    const offset = symbol ? address - symbol.address : 0n;
    return {
      address: `0x${address.toString(16).padStart(16, '0')}`,
      instruction: text === '' ? '??' : text,
      ...(hex !== '' && { instructionBytes: hex }),
      ...(symbol && { symbol: offset === 0n ? symbol.name : `${symbol.name}+0x${offset.toString(16)}` }),
      ...(place && {
        location: { name: basename(place.file), path: place.file },
        line: this.context.toClientLine(place.line),
        ...(place.column > 0 && { column: this.context.toClientColumn(place.column) }),
      }),
      ...(text === '' && { presentationHint: 'invalid' as const }),
    };
  }
}

/** The protocol wants as many instructions as were asked for, also before the beginning of all addresses. */
function nothingAt(start: bigint, back: number): DebugProtocol.DisassembledInstruction {
  const address = BigInt.asUintN(64, start - BigInt(back));
  return {
    address: `0x${address.toString(16).padStart(16, '0')}`,
    instruction: '??',
    presentationHint: 'invalid',
  };
}
