/** The rule against circles of imports finds one of types alone, which the compiler and the bundler both let pass. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');

/** What the check says of two files, and how it ends. */
function check(first: string, second: string): { code: number; said: string } {
  // Within the project: the rules are about its own files.
  const folder = mkdtempSync(join(root, 'test/unit/house/circle-'));
  try {
    writeFileSync(join(folder, 'a.ts'), first);
    writeFileSync(join(folder, 'b.ts'), second);
    const cli = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
    const rules = join(root, 'scripts/lib/import-circles.cjs');
    try {
      return {
        code: 0,
        said: execFileSync(process.execPath, [cli, '--config', rules, folder], {
          cwd: root,
          encoding: 'utf8',
        }),
      };
    } catch (error) {
      const { status, stdout } = error as { status: number; stdout: string };
      return { code: status, said: stdout };
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it('fails for two files that import types of each other, and names both', () => {
  const { code, said } = check(
    "import type { B } from './b';\nexport interface A { b: B }\n",
    "import type { A } from './a';\nexport interface B { a: A }\n",
  );
  expect(code).not.toBe(0);
  expect(said).toContain('a.ts');
  expect(said).toContain('b.ts');
});

it('lets pass what goes one way only', () => {
  expect(
    check("import type { B } from './b';\nexport interface A { b: B }\n", 'export type B = number;\n').code,
  ).toBe(0);
});
