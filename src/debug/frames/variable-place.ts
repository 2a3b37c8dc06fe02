/** Where a variable lies in an activation. */
import type { DebugLocation } from '../../guest/dwarf/model';
import type { Activation } from './activation';
import { locate } from './dwarf-expression';
import { OptimisedOutError } from './errors';
import { partOf, type ImplicitTarget, type Location } from './location';

/**
 * What the compiler has not kept is a place, too.
 * @throws DebugError when the debug information is damaged, or a register is not known
 */
export function variablePlace(
  name: string,
  location: DebugLocation | undefined,
  activation: Activation,
): Location {
  const lost: Location = {
    kind: 'lost',
    why: `${name} has been optimised out at this place of the program.`,
  };
  if (!location) return lost;
  if (location.kind === 'constant') return { kind: 'value', bytes: location.bytes };
  if (location.bytes.length === 0) return lost;
  try {
    return locate(location.bytes, location.unit, activation);
  } catch (error) {
    if (error instanceof OptimisedOutError) return { kind: 'lost', why: `${name}: ${error.message}` };
    throw error;
  }
}

/** The place of `length` bytes that a pointer without a value points to. */
export function targetPlace(
  { variable, offset }: ImplicitTarget,
  length: number,
  activation: Activation,
): Location {
  const why = 'It has been optimised out: the debug information does not tell what is pointed to.';
  if (!variable || offset < 0) return { kind: 'lost', why };
  const whole = variablePlace(variable.name, variable.locationAt(activation.lookupPc), activation);
  return partOf(whole, offset, length);
}
