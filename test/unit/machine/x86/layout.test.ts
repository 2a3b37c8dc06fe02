/** The register block's fields are numbers in one file that several hands extend: no two may share a place. */
import { expect, it } from 'vitest';
import * as layout from '../../../../src/machine/x86/core/state/layout';

it('gives each field of the register block a place of its own, before the translation contexts', () => {
  const fields = Object.entries(layout).filter(([name]) => name.startsWith('C_'));
  const places = new Map<number, string[]>();
  for (const [name, offset] of fields) places.set(offset, [...(places.get(offset) ?? []), name]);
  expect([...places.values()].filter((names) => names.length > 1)).toEqual([]);
  expect(fields.filter(([, offset]) => offset >= layout.CONTEXT0)).toEqual([]);
});
