/** `$rax`, `$pc`, `$cr3`: registers as values. */
import type { DebugType } from '../../guest/dwarf/model';
import type { Activation } from '../frames/activation';
import type { Architecture, NamedRegister } from '../frames/architecture';
import { DebugError } from '../frames/errors';
import { basicTypesOf, pointerTo, VOID } from './types';
import { Value } from './value';

/** A number, where `signed char` would be a character. */
const INT8: DebugType = { kind: 'base', name: 'int8_t', bytes: 1, encoding: 'signed' };

/** A register's type, as gdb has it: numbers with a sign, but addresses and flags. */
function typeOf(register: NamedRegister, architecture: Architecture): DebugType {
  const types = basicTypesOf(architecture);
  const { number, bits } = register;
  if (bits === 8 * architecture.addressBytes) {
    if (number === architecture.programCounter)
      return pointerTo({ kind: 'function', result: VOID, parameters: [], variadic: false }, architecture);
    if (number === architecture.stackPointer || number === architecture.framePointer)
      return pointerTo(VOID, architecture);
  }
  if (number === architecture.flags) return bits === 32 ? types.unsignedInt : types.unsignedLong;
  const bySize: Record<number, DebugType | undefined> = {
    8: INT8,
    16: types.short,
    32: types.int,
  };
  return bySize[bits] ?? types.long;
}

/**
 * A register of a frame.
 * @param name in lower case, without `$`
 * @throws DebugError when there is none, or the frame does not know it
 */
export function registerNamed(name: string, frame: Activation): Value {
  const { architecture } = frame;
  const known = architecture.names.get(name);
  if (known) {
    const place = { kind: 'register', register: known.number } as const;
    const isWhole = known.first === 0 && known.bits === 8 * architecture.bytesOf(known.number);
    const bits = isWhole ? undefined : { first: known.first, width: known.bits };
    return Value.at(typeOf(known, architecture), place, frame, bits);
  }
  const value = frame.systemRegister(name);
  if (value !== undefined) return Value.of(basicTypesOf(architecture).unsignedLongLong, value, frame);
  throw new DebugError(`There is no register $${name}.`);
}
