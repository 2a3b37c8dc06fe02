/** DWARF expressions: results follow from the standard's own words (DWARF 5, 2.5 and annex D). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DebugType, DebugVariable, ExpressionContext } from '../../../src/guest/dwarf/model';
import { X86_64 } from '../../../src/debug/frames/architecture';
import { compute, locate, type ExpressionFrame } from '../../../src/debug/frames/dwarf-expression';
import { DebugError } from '../../../src/debug/frames/errors';
import { fetch } from '../../../src/debug/frames/location';
import { integerOf } from '../../../src/debug/frames/machine';

const types: Record<number, DebugType> = {
  1: { kind: 'base', name: 'float', bytes: 4, encoding: 'float' },
  2: { kind: 'base', name: 'int', bytes: 4, encoding: 'signed' },
  3: { kind: 'base', name: 'unsigned char', bytes: 1, encoding: 'unsigned-character' },
  4: { kind: 'base', name: 'double', bytes: 8, encoding: 'float' },
};
/** A variable of `int` at an expression; each knows itself by its number. */
const variable = (...location: number[]): DebugVariable => ({
  name: 'it',
  type: { kind: 'typedef', name: 'count', target: types[2] },
  isParameter: false,
  locationAt: (pc) =>
    pc === frame.lookupPc ? { kind: 'expression', bytes: Uint8Array.from(location), unit } : undefined,
});
const variables: Record<number, DebugVariable | undefined> = {
  0x11: variable(0x09, 0xff, 0x9f), // -1 as a value
  0x12: variable(0x0a, 0x04, 0x20), // at MEMORY + 4
  0x13: variable(0xfd, 0x13, 0, 0, 0), // worked out from itself
};
const unit: ExpressionContext = {
  addressSize: 8,
  offsetSize: 4,
  bias: 0x1000n,
  address: (index: number) => BigInt(0x5000 + index),
  variable: (offset: number) => variables[offset],
  baseType: (offset: number) => types[offset],
};
const MEMORY = 0x2000n;
const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
const frame: ExpressionFrame = {
  architecture: X86_64,
  register: (number) => (number < 17 ? BigInt(0x100 * number) : undefined),
  readMemory: (address, length) => {
    const start = Number(address - MEMORY);
    return start < 0 ? new Uint8Array() : bytes.subarray(start, start + length);
  },
  lookupPc: 0x5000n,
  frameBase: () => 0x7000n,
  cfa: () => 0x8000n,
  entryValue: (block) => BigInt(block[0]),
};
const value = (...expression: number[]): bigint => compute(Uint8Array.from(expression), unit, frame);
const [STACK_VALUE, PIECE, BIT_PIECE] = [0x9f, 0x93, 0x9d];

describe('a DWARF expression', () => {
  it.each([
    ['addr adds the bias', [0x03, 0x34, 0x12, 0, 0, 0, 0, 0, 0], 0x2234n],
    ['const1s', [0x09, 0xff], (1n << 64n) - 1n],
    ['const2u', [0x0a, 0xff, 0xff], 0xffffn],
    ['const4s', [0x0d, 0xfe, 0xff, 0xff, 0xff], (1n << 64n) - 2n],
    ['constu, 128', [0x10, 0x80, 0x01], 128n],
    ['consts, -128', [0x11, 0x80, 0x7f], (1n << 64n) - 128n],
    ['fbreg -16', [0x91, 0x70], 0x7000n - 16n],
    ['breg3 + 8', [0x73, 8], 0x308n],
    ['bregx 12, 1', [0x92, 12, 1], 0xc01n],
    ['call_frame_cfa', [0x9c], 0x8000n],
    ['dup, mul', [0x35, 0x12, 0x1e], 25n],
    ['over', [0x31, 0x32, 0x14], 1n],
    ['pick 2', [0x31, 0x32, 0x33, 0x15, 2], 1n],
    ['swap, minus', [0x31, 0x32, 0x16, 0x1c], 1n],
    ['rot of 1 2 3 has 2 on top', [0x31, 0x32, 0x33, 0x17], 2n],
    ['rot of 1 2 3 has 1 below', [0x31, 0x32, 0x33, 0x17, 0x13], 1n],
    ['rot of 1 2 3 has 3 third', [0x31, 0x32, 0x33, 0x17, 0x13, 0x13], 3n],
    ['drop', [0x31, 0x32, 0x13], 1n],
    ['abs', [0x09, 0xfb, 0x19], 5n],
    ['div is signed', [0x09, 0xf9, 0x32, 0x1b], (1n << 64n) - 3n],
    ['mod is unsigned', [0x09, 0xff, 0x3a, 0x1d], ((1n << 64n) - 1n) % 10n],
    ['neg', [0x35, 0x1f], (1n << 64n) - 5n],
    ['not', [0x30, 0x20], (1n << 64n) - 1n],
    ['plus_uconst', [0x35, 0x23, 0x80, 0x01], 133n],
    ['shr is logical', [0x09, 0xff, 0x08, 60, 0x25], 15n],
    ['shra keeps the sign', [0x09, 0xf0, 0x32, 0x26], (1n << 64n) - 4n],
    ['shl beyond the width', [0x31, 0x08, 64, 0x24], 0n],
    ['lt is signed', [0x09, 0xff, 0x31, 0x2d], 1n],
    ['ge', [0x31, 0x32, 0x2a], 0n],
    ['skip', [0x31, 0x2f, 1, 0, 0x06, 0x12, 0x22], 2n],
    ['bra taken', [0x35, 0x31, 0x28, 1, 0, 0x06], 5n],
    ['bra not taken', [0x35, 0x30, 0x28, 1, 0, 0x12], 5n],
    ['GNU_parameter_ref is a value at the entry', [0xfa, 1, 0, 0, 0, 0x31, 0x22], 0xfbn],
    ['GNU_variable_value of a negative value', [0xfd, 0x11, 0, 0, 0], (1n << 64n) - 1n],
    ['GNU_variable_value of what lies in memory', [0xfd, 0x12, 0, 0, 0, 0x31, 0x22], 0x07060505n],
    ['deref', [0x0a, 0x08, 0x20, 0x06], 0x0f0e0d0c0b0a0908n],
    ['deref_size 2', [0x0a, 0x08, 0x20, 0x94, 2], 0x0908n],
    ['deref_type', [0x0a, 0x08, 0x20, 0xa6, 1, 3, 0xa8, 0], 8n],
    ['addrx', [0xa1, 7], 0x5007n],
    ['constx has no bias', [0xa2, 7], 0x4007n],
    ['entry_value of RDI', [0xa3, 1, 0x55, STACK_VALUE], 0x55n],
    ['entry_value by its GNU number', [0xf3, 1, 0x55, STACK_VALUE], 0x55n],
    ['convert int to float', [0x33, 0xa8, 2, 0xa8, 1, STACK_VALUE], 0x40400000n],
    ['convert float to double', [0xa4, 1, 4, 0, 0, 0xc0, 0x3f, 0xa8, 4, STACK_VALUE], 0x3ff8000000000000n],
    ['float arithmetic', [0xa4, 1, 4, 0, 0, 0xc0, 0x3f, 0x12, 0x22, STACK_VALUE], 0x40400000n],
    ['convert wraps', [0x08, 0xff, 0xa8, 3, 0x12, 0x22, STACK_VALUE], 0xfen],
    ['typed division by sign', [0x09, 0xf9, 0xa8, 2, 0x32, 0xa8, 2, 0x1b, STACK_VALUE], 0xfffffffdn],
    ['reinterpret', [0xa4, 1, 4, 0, 0, 0xc0, 0x3f, 0xa9, 2, STACK_VALUE], 0x3fc00000n],
    ['regval_type', [0xa5, 3, 3, STACK_VALUE], 0n],
  ])('%s', (_name, expression, expected) => {
    expect(value(...expression)).toBe(expected);
  });

  it('has locations of all kinds', () => {
    const location = (...expression: number[]): unknown => locate(Uint8Array.from(expression), unit, frame);
    expect(location(0x53)).toEqual({ kind: 'register', register: 3 });
    expect(location(0x90, 40)).toEqual({ kind: 'register', register: 40 });
    expect(location(0x9e, 2, 7, 8)).toEqual({ kind: 'value', bytes: Uint8Array.of(7, 8) });
    expect(location()).toMatchObject({ kind: 'lost' });
    expect(location(0xa0, 0, 0, 0, 0, 0x7f)).toEqual({
      kind: 'implicit-pointer',
      target: { variable: undefined, offset: -1 },
    });
    expect(location(0x53, PIECE, 4, PIECE, 4)).toEqual({
      kind: 'pieces',
      pieces: [
        { bits: 32, first: 0, location: { kind: 'register', register: 3 } },
        { bits: 32, first: 0, location: { kind: 'lost', why: expect.any(String) as string } },
      ],
    });
  });

  it('puts pieces together, bits of bytes among them', () => {
    // Low half of RBX (0x300), 2 bytes of memory, 12 bits from bit 4 of a literal, 4 more of another.
    const expression = [
      ...[0x53, PIECE, 2, 0x0a, 0x10, 0x20, PIECE, 2],
      ...[0x0a, 0xcd, 0xab, STACK_VALUE, BIT_PIECE, 12, 4, 0x39, STACK_VALUE, BIT_PIECE, 4, 0],
    ];
    const location = locate(Uint8Array.from(expression), unit, frame);
    expect(integerOf(fetch(location, 6, frame))).toBe(0x9abc_1110_0300n);
  });

  it.each([
    ['an operation that is none', [0x02]],
    ['no operand', [0x22]],
    ['a division by 0', [0x31, 0x30, 0x1b]],
    ['an endless loop', [0x2f, 0xfd, 0xff]],
    ['a stack without end', [0x31, 0x2f, 0xfc, 0xff]],
    ['memory that is not mapped', [0x31, 0x06]],
    ['a register that is not known', [0x92, 33, 0]],
    ['a truncated operand', [0x0e, 1]],
    ['a jump out of it', [0x2f, 0x7f, 0x7f]],
    ['a variable of a thread', [0x30, 0x9b]],
    ['a location that goes on', [0x50, 0x31]],
    ['a type that is none', [0x31, 0xa8, 9]],
    ['a variable that is worked out from itself', [0xfd, 0x13, 0, 0, 0]],
    ['a variable that is not there', [0xfd, 0x14, 0, 0, 0]],
  ])('refuses %s with a sentence', (_what, expression) => {
    expect(() => value(...expression)).toThrow(DebugError);
    expect(() => value(...expression)).toThrow(/\.$/);
  });

  it('never hangs and fails with sentences only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (expression) => {
        try {
          fetch(locate(expression, unit, frame), 8, frame);
        } catch (error) {
          if (!(error instanceof DebugError)) throw error;
        }
      }),
      { numRuns: 5000 },
    );
  });
});
