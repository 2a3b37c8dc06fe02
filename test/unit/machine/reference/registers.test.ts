/** What is said of registers is said of registers that there are, and the page for readers says it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BitField } from '../../../../src/trace/vocabulary/kind-row';
import { describedAs, describedNames, inHalves } from '../../../../src/machine/registers';
import { registerReference } from '../../../../src/machine/reference/markdown';
import { deviceReferences, entryReferences } from '../../../../src/machine/reference/sections';

const page = join(import.meta.dirname, '../../../../media/reference/registers.md');

it('the committed page is the one that the descriptions give', () => {
  // When this fails: node scripts/build-reference.mjs
  expect(readFileSync(page, 'utf8')).toBe(registerReference());
});

/** Why fields cannot be those of one register; '': they can. */
function fault(fields: readonly BitField[]): string {
  let taken = 0n;
  for (const { name, low, high, format, names } of fields) {
    if (low > high || low < 0 || high > 63) return `${name}: bits ${high} to ${low}`;
    if (format === 'flag' && low !== high) return `${name}: a flag of several bits`;
    if (format === 'choice' && (names?.length ?? 0) > 2 ** (high - low + 1))
      return `${name}: too many choices`;
    const mask = ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
    if ((taken & mask) !== 0n) return `${name}: bits that another field has`;
    taken |= mask;
  }
  return '';
}

describe.each(deviceReferences)('$title', ({ registers, descriptions }) => {
  it('has all registers that are described', () => {
    const there = new Set(registers.flatMap(([name]) => describedNames(name)));
    expect(Object.keys(descriptions).filter((name) => !there.has(name))).toEqual([]);
  });

  it('has fields that do not overlap', () => {
    const wrong = registers.map(([name]) => [name, fault(describedAs(descriptions, name).fields ?? [])]);
    expect(wrong.filter(([, why]) => why !== '')).toEqual([]);
  });
});

it.each(entryReferences)('$title has fields within 64 bits', ({ entries }) => {
  for (const { fields } of entries)
    for (const { low, high } of fields) expect(low <= high && high < 64).toBe(true);
});

it('a field across both halves of a register has its bits in either', () => {
  const fields = [
    { name: 'low', low: 3, high: 3, format: 'flag' },
    { name: 'across', low: 24, high: 33, format: 'hex' },
    { name: 'table', low: 12, high: 51, format: 'pointer' },
    { name: 'last', low: 63, high: 63, format: 'flag' },
  ] as const;
  const halves = inHalves({ R: { meaning: 'Some.', fields } });
  const places = (name: string) => halves[name]?.fields?.map((each) => [each.name, each.high, each.low]);
  expect(places('R')).toEqual([
    ['low', 3, 3],
    ['across', 31, 24],
    ['table', 31, 12],
  ]);
  expect(places('R_HI')).toEqual([
    ['across', 1, 0],
    ['table', 19, 0],
    ['last', 31, 31],
  ]);
});
