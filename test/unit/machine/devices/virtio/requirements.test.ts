/** Every demand of the table names a test that there is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requirements } from './requirements';

/** Names of the tests in a file of this folder. */
function testsOf(file: string): string[] {
  const source = readFileSync(join(import.meta.dirname, file), 'utf8');
  return [...source.matchAll(/\bit(?:\.each\([^]*?\))?\(\s*(['"])(.*?)\1,/g)].map(([, , name]) => name);
}

describe('the demands of the specification', () => {
  it('are each held by a test', () => {
    const files = new Map(
      [...new Set(requirements.map(({ file }) => file))].map((file) => [file, testsOf(file)]),
    );
    const lacking = requirements.filter(({ file, test }) => !files.get(file)?.includes(test));
    expect(lacking).toEqual([]);
  });

  it('are told apart', () => {
    const keys = requirements.map(({ section, demand }) => `${section} ${demand}`);
    expect(new Set(keys).size).toBe(keys.length);
  });
});
