/** Every test file under test/ is run by exactly one runner: a test that nobody collects tells nothing. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createVitest } from 'vitest/node';

const root = resolve(import.meta.dirname, '../../..');

/** Test files by their names: whatever a runner could take for one. */
const candidates = readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.m?[jt]s$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));

/** Files that a Vitest configuration collects. */
async function collectedBy(config: string): Promise<string[]> {
  const vitest = await createVitest('test', { config: join(root, config), watch: false, root });
  try {
    const found = await vitest.globTestSpecifications();
    return found.map((specification) => relative(root, specification.moduleId));
  } finally {
    await vitest.close();
  }
}

/** Files that the suite inside the editor loads. */
function collectedByTheEditor(): string[] {
  const index = readFileSync(join(root, 'test/vscode/suite/index.ts'), 'utf8');
  return [...index.matchAll(/import\('\.\/([\w-]+\.test)'\)/g)].map(
    ([, name]) => `test/vscode/suite/${name}.ts`,
  );
}

describe('test files', async () => {
  const configurations = [
    'vitest.config.ts',
    'test/webview/vitest.config.ts',
    'test/vscode/vitest.config.mjs',
  ];
  const collected: string[] = collectedByTheEditor();
  for (const configuration of configurations) collected.push(...(await collectedBy(configuration)));

  it('are each collected once', () => {
    const named = candidates.filter((file) => /\.test\.m?[jt]s$/.test(file));
    expect(named.length).toBeGreaterThan(10);
    expect([...collected].sort()).toEqual([...named].sort());
  });

  it('are named so that they can be collected', () => {
    const testing = /^\s*(it|test)(\.each|\.for|\.skip|\.only)?\(/m;
    const unnamed = candidates.filter(
      (file) => !collected.includes(file) && testing.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(unnamed).toEqual([]);
  });

  it('leave nothing out by .only', () => {
    const only = /^\s*(it|test|describe)\.only\(/m;
    expect(collected.filter((file) => only.test(readFileSync(join(root, file), 'utf8')))).toEqual([]);
  });

  it('say why where they are skipped: in brackets of the title, or when they skip themselves', () => {
    const unexplained = collected.flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const skips = [...text.matchAll(/\b(?:it|test|describe)\.(?:skip|skipIf|runIf|todo)\(/g)];
      return skips
        .map(({ index }) => text.slice(index, index + 400))
        .filter((use) => !/^[^;]*?\((?:needs|only) [^)]*\)/s.test(use))
        .map((use) => `${file}: ${use.split('\n', 1)[0]}`);
    });
    expect(unexplained).toEqual([]);
    const silent = /\bskip\(\s*\)/;
    expect(collected.filter((file) => silent.test(readFileSync(join(root, file), 'utf8')))).toEqual([]);
  });
});
