/** package-lock.json is complete: `npm ci` refuses a lock that leaves out a package for another platform than the one it was made on. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

interface LockedPackage {
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

const root = resolve(import.meta.dirname, '../../..');
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, LockedPackage>;
};

/** Where Node looks for a dependency of a package: in its own node_modules, then in those of its ancestors. */
function* places(of: string, name: string): Generator<string> {
  for (let folder = of; folder !== ''; folder = folder.replace(/\/?node_modules\/(@[^/]+\/)?[^/]+$/, '')) {
    yield `${folder}/node_modules/${name}`;
  }
  yield `node_modules/${name}`;
}

it('locks every dependency that a locked package names', () => {
  const missing = Object.entries(packages).flatMap(([path, entry]) =>
    Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })
      .filter((name) => ![...places(path, name)].some((place) => place in packages))
      .map((name) => `${path}: ${name}`),
  );
  expect(missing).toEqual([]);
});
