/** How fields of registers and table entries are written down. */
import type { BitField } from './kind-row';

/** A bit that says yes or no. */
export const flag = (name: string, bit: number): BitField => ({ name, low: bit, high: bit, format: 'flag' });

/** Bits that are a number. */
export const number = (name: string, low: number, high: number): BitField => ({
  name,
  low,
  high,
  format: 'hex',
});

/** Bits that choose one of some things. */
export const choice = (name: string, low: number, high: number, names: readonly string[]): BitField => ({
  name,
  low,
  high,
  format: 'choice',
  names,
});

/** Bits that are the upper ones of an address. */
export const pointer = (name: string, low: number, high: number): BitField => ({
  name,
  low,
  high,
  format: 'pointer',
});

/** Flags by their masks, ascending; of two names for one bit the first. */
export function flagsOf(masks: Readonly<Record<string, number>>): BitField[] {
  const byBit = new Map<number, BitField>();
  for (const [name, mask] of Object.entries(masks)) {
    const bit = 31 - Math.clz32(mask);
    if (mask >>> 0 === (1 << bit) >>> 0 && !byBit.has(bit)) byBit.set(bit, flag(name, bit));
  }
  return [...byBit.values()].sort((a, b) => a.low - b.low);
}
