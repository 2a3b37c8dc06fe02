/** Texts that a person has read once and that may not change unnoticed. `RESET_GOLDEN=1` writes them anew. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';

/** Compares a text with a file; the failing test shows the difference. */
export function expectGolden(file: string, text: string): void {
  if (process.env['RESET_GOLDEN'] === '1') writeFileSync(file, text);
  if (!existsSync(file))
    throw new Error(`${file} does not exist: run with RESET_GOLDEN=1 and read what it writes`);
  expect(text).toBe(readFileSync(file, 'utf8'));
}
