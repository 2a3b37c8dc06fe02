/** Tests draw the same numbers every time: a run is green or red for the code's sake, not for the seed's. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');

/** Values that a property without a seed of its own is given. */
function drawn(parameters?: fc.Parameters<[number]>): number[] {
  const values: number[] = [];
  fc.assert(
    fc.property(fc.integer(), (value) => void values.push(value)),
    parameters,
  );
  return values;
}

describe('random numbers of tests', () => {
  it('are the same in every run of a property without a seed', () => {
    expect(drawn()).toEqual(drawn());
    expect(new Set(drawn()).size).toBeGreaterThan(10);
  });

  // In a soak all properties have its seed.
  it.skipIf(process.env.TRAPLINE_SOAK !== undefined)(
    'are those of its own seed where it has one, and of the fixed one else (needs a run without TRAPLINE_SOAK)',
    () => {
      expect(drawn({ seed: 7 })).not.toEqual(drawn());
      expect(drawn({ seed: 20261129 })).toEqual(drawn());
    },
  );

  it('a case that failed once is run alone, with its seed', () => {
    expect(drawn({ seed: 7, path: '37', numRuns: 1 })).toEqual(drawn({ seed: 7, path: '37', numRuns: 1 }));
    expect(drawn({ seed: 7, path: '37', numRuns: 1 })).toHaveLength(1);
  });

  it('a failure says how its case is run again', () => {
    const fail = (): void =>
      fc.assert(
        fc.property(fc.constant(1), () => false),
        { seed: 7, endOnFailure: true, path: '0' },
      );
    expect(fail).toThrow(
      /again: npm run soak -- --only test\/unit\/house\/seeds\.test\.ts --test ".*" --seed=7 --path 0/,
    );
  });

  it('come from seeds alone', () => {
    const unseeded =
      /Math\.random\(|randomUUID\(|randomInt\(|getRandomValues\(|\bfc\.(sample|check|statistics)\(/;
    const files = readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.m?[jt]s$/.test(entry.name))
      .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
      // The lists of what the linter must refuse, here and there.
      .filter((file) => !/^test\/unit\/house\/(seeds|layers)\.test\.ts$/.test(file));
    expect(files.length).toBeGreaterThan(100);
    expect(files.filter((file) => unseeded.test(readFileSync(join(root, file), 'utf8')))).toEqual([]);
  });
});
