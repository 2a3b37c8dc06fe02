/** How a board puts a unit with its register blocks into an address map. */
import type { AddressMap, Region } from '../address-map';
import type { RegisterBlock } from '../bus';
import { fieldsByName, type RegisterDescriptions } from '../registers';
import type { BoardEnvironment, BoardUnit } from './environment';

/** A part of a unit: where it lies, and what tells its offsets from those of the unit's other parts in the trace. */
export interface UnitPart {
  base: number;
  size: number;
  block: RegisterBlock;
  offset: number;
}

/** What a reset of the machine brings back to its power-on state. */
export interface Resettable {
  reset(): void;
}

/** At most this many offsets of a part are given names: enough for registers, and memory has none. */
const NAMED_OFFSETS = 0x160;

/** Names of registers by offset, each part's offset added. */
export function registerNames(parts: readonly Omit<UnitPart, 'base'>[]): Record<string, string> {
  const names: Record<string, string> = {};
  for (const { size, block, offset } of parts) {
    for (let at = 0; at < Math.min(size, NAMED_OFFSETS); at++) {
      const name = block.registerName(at);
      if (name !== undefined) names[String(at + offset)] = name;
    }
  }
  return names;
}

/** Puts a unit's parts into a map; returns their regions. @param descriptions of its registers */
export function placeUnit<T>(
  env: BoardEnvironment<T>,
  map: AddressMap<T>,
  unit: Pick<BoardUnit, 'class' | 'name'>,
  parts: readonly UnitPart[],
  descriptions: RegisterDescriptions = {},
): Region<T>[] {
  const registers = (): Record<string, string> => registerNames(parts);
  const fields = (): ReturnType<typeof fieldsByName> =>
    fieldsByName(descriptions, Object.values(registers()));
  const whole: BoardUnit = { ...unit, registers, fields };
  return parts.map(({ base, size, block, offset }) => map.add(base, size, block, env.tag(whole, offset)));
}
