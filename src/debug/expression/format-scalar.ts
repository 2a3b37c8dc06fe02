/** Numbers in the formats that a letter asks for. */
import { integerOf } from '../frames/machine';
import type { DisplayFormat } from './display-format';
import { characterText, pointedString } from './format-string';
import { floatText } from './number';
import { addressText } from './symbol-text';
import { bare, basicTypesOf, isCharacter, isFloat, type BareType } from './types';
import type { Value } from './value';

type Write = (bits: bigint, width: number, value: Value) => string;

const decimal: Write = (bits, width) => String(BigInt.asIntN(width, bits));

const formats: Record<Exclude<DisplayFormat, 's' | 'f'>, Write> = {
  x: (bits) => `0x${bits.toString(16)}`,
  d: decimal,
  u: (bits) => String(bits),
  o: (bits) => (bits === 0n ? '0' : `0${bits.toString(8)}`),
  t: (bits) => bits.toString(2),
  z: (bits, width) => `0x${bits.toString(16).padStart(Math.ceil(width / 4), '0')}`,
  a: (bits, _width, value) => addressText(bits, value.frame.program),
  c: (bits, width) => characterText(BigInt.asIntN(Math.min(width, 8), bits)),
};

/** A number, a pointer or an enumeration's value in a format. */
export function formatScalar(
  value: Value,
  type: BareType,
  format: DisplayFormat,
  options: { readonly elements: number },
): string {
  const bytes = value.bytes();
  const width = 8 * bytes.length;
  // A bit field counts as a number of its whole type.
  const bits = isFloat(type) ? integerOf(bytes) : BigInt.asUintN(width, value.scalar() as bigint);
  if (format === 's') {
    const isString = type.kind === 'pointer' && isCharacter(bare(type.target));
    return isString
      ? `${addressText(bits, value.frame.program)} ${pointedString(value.frame, bits, options.elements)}`
      : decimal(bits, width, value);
  }
  if (format === 'f') {
    if (isFloat(type)) return floatText(bytes, type);
    const types = basicTypesOf(value.frame.architecture);
    const float = { 4: types.float, 8: types.double }[bytes.length];
    return float && !value.bits ? floatText(bytes, float) : decimal(bits, width, value);
  }
  return formats[format](bits, width, value);
}
