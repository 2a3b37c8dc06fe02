/** The relocations of x86-64 (System V ABI, AMD64 supplement, table 4.9), as far as a static image has them. */

/** What a relocation type writes: its width in bytes, its value, and which values fit. */
export interface RelocationKind {
  name: string;
  bytes: number;
  /** Relative to the place itself. */
  relative: boolean;
  /** Of the symbol's slot in the global offset table instead of the symbol. */
  got: boolean;
  fits: 'any' | 'signed' | 'unsigned' | 'either';
}

function kind(
  name: string,
  bytes: number,
  fits: RelocationKind['fits'],
  relative = false,
  got = false,
): RelocationKind {
  return { name, bytes, relative, got, fits };
}

/** By type number. */
export const relocationKinds: ReadonlyMap<number, RelocationKind> = new Map([
  [1, kind('R_X86_64_64', 8, 'any')],
  [2, kind('R_X86_64_PC32', 4, 'signed', true)],
  [4, kind('R_X86_64_PLT32', 4, 'signed', true)],
  [9, kind('R_X86_64_GOTPCREL', 4, 'signed', true, true)],
  [10, kind('R_X86_64_32', 4, 'unsigned')],
  [11, kind('R_X86_64_32S', 4, 'signed')],
  [12, kind('R_X86_64_16', 2, 'either')],
  [13, kind('R_X86_64_PC16', 2, 'signed', true)],
  [14, kind('R_X86_64_8', 1, 'either')],
  [15, kind('R_X86_64_PC8', 1, 'signed', true)],
  [24, kind('R_X86_64_PC64', 8, 'any', true)],
  [41, kind('R_X86_64_GOTPCRELX', 4, 'signed', true, true)],
  [42, kind('R_X86_64_REX_GOTPCRELX', 4, 'signed', true, true)],
]);

/** R_X86_64_NONE does nothing. */
export const RELOCATION_NONE = 0;

/** Whether a value can be written in the width of a kind. */
export function fits({ bytes, fits: range }: RelocationKind, value: bigint): boolean {
  const bits = 8 * bytes;
  const signed = BigInt.asIntN(bits, value) === value;
  const unsigned = BigInt.asUintN(bits, value) === value;
  return { any: true, signed, unsigned, either: signed || unsigned }[range];
}
