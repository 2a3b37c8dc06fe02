/** The table of operations: what follows from it by itself has to fit together. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { operations } from '../../../../src/machine/x86/jit/operations';
import { accessesMemory, uses } from '../../../../src/machine/x86/operations/definition';
import { generalCases, generalNumbersSource, op } from '../../../../src/machine/x86/operations/general';
import { interpreterSource, numbersSource } from '../../../../src/machine/x86/operations/interpreter';
import {
  FAST_NAMES,
  OPERATIONS,
  REGION,
  numberOf,
  operationNumber,
} from '../../../../src/machine/x86/operations/table';

const frame = readFileSync(join(__dirname, '../../../../src/machine/x86/core/run/loop-frame.ts'), 'utf8');

it('gives every operation one name and one number, the same on both sides', () => {
  expect(new Set(FAST_NAMES).size).toBe(FAST_NAMES.length);
  const numbers = new Map(
    [...numbersSource().matchAll(/^export const F_(\w+) = (\d+);$/gm)].map(([, name, number]) => [
      name,
      +number,
    ]),
  );
  expect([...numbers.keys()]).toEqual(FAST_NAMES);
  for (const name of FAST_NAMES) expect(operationNumber(name)).toBe(numbers.get(name));
  expect(numberOf('REGION')).toBe(REGION);
  expect(operationNumber('ADD_RR128')).toBe(0);
  expect(() => numberOf('ADD_RR128')).toThrow(/ADD_RR128/);
});

it('has either one definition for both tiers or lines for the interpreter alone', () => {
  for (const { name, definition, interpreted } of OPERATIONS) {
    expect([name, definition === undefined]).toEqual([name, interpreted !== undefined]);
    expect([name, operations[operationNumber(name)] !== undefined]).toEqual([name, definition !== undefined]);
  }
});

it('asks for the right to store exactly where memory is the destination', () => {
  for (const { name, definition } of OPERATIONS) {
    if (!definition || !accessesMemory(definition)) continue;
    expect([name, definition.stores ?? false]).toEqual([name, definition.to === 'memory']);
  }
});

it('keeps no address besides a computed value: both would be in one local of the second tier', () => {
  for (const { name, definition } of OPERATIONS) {
    if (!definition?.address) continue;
    expect([name, uses(definition, 'value'), definition.condition, definition.fits]).toEqual([
      name,
      false,
      undefined,
      undefined,
    ]);
  }
});

it('numbers the general operations alike on both sides, and has a case for each', () => {
  const numbers = [...generalNumbersSource().matchAll(/^export const (OP_\w+) = (\d+);$/gm)];
  expect(Object.fromEntries(numbers.map(([, name, number]) => [name, +number]))).toEqual(op);
  const cases = [...generalCases().matchAll(/^case op\.(\w+):$/gm)].map(([, name]) => name);
  expect(cases).toEqual(Object.keys(op));
});

it('prints a case for each row into the frame of the inner loop', () => {
  const source = interpreterSource(frame);
  const cases = [...source.matchAll(/^ *case fast\.F_(\w+): \{$/gm)].map(([, name]) => name);
  expect(cases).toEqual([...OPERATIONS.map(({ name }) => name), 'REGION']);
  expect(() => interpreterSource('switch')).toThrow(/cases of the table/);
});
