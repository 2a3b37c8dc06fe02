/** Verbs read in their folders and nowhere else. */
import fc from 'fast-check';
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Folders } from '../../../src/verbs/folders';
import { VerbError } from '../../../src/verbs/verb-error';
import { scratchFolder } from './context';

const root = scratchFolder();
const inside = join(root, 'open');
const outside = join(root, 'open-not');
for (const folder of [inside, outside, join(inside, 'deep')]) mkdirSync(folder, { recursive: true });
for (const file of [
  join(inside, 'a'),
  join(inside, 'deep', 'b'),
  join(outside, 'secret'),
  join(inside, '..c'),
])
  writeFileSync(file, 'x');
symlinkSync(join(outside, 'secret'), join(inside, 'link'));
symlinkSync(outside, join(inside, 'way-out'));
symlinkSync(join(inside, 'deep'), join(inside, 'way-in'));
const folders = new Folders([inside]);

describe('folders', () => {
  it.each([
    ['a', 'a'],
    ['deep/b', 'deep/b'],
    ['./deep/../a', 'a'],
    [join(inside, 'a'), 'a'],
    ['way-in/b', 'deep/b'],
    ['..c', '..c'],
  ])('%s is within', async (path, name) => {
    const found = await folders.find(path);
    expect(found).toBe(join(inside, name));
    expect(folders.nameOf(found)).toBe(name);
  });

  it.each([
    '../open-not/secret',
    'link',
    'way-out/secret',
    join(outside, 'secret'),
    '/etc/passwd',
    'deep/../../open-not/secret',
    '..',
  ])('%s is outside', async (path) => {
    await expect(folders.find(path)).rejects.toThrow(/outside the folders that may be read/);
  });

  it.each(['nothing', 'a\0', 'x'.repeat(5000)])('refuses what is no file: %#', async (path) => {
    await expect(folders.find(path)).rejects.toThrow(VerbError);
  });

  it('says so where no folder is open', async () => {
    await expect(new Folders([]).find('a')).rejects.toThrow('No folder is open');
  });

  it('gives nothing from outside, whatever the path', async () => {
    const step = fc.oneof(
      fc.constantFrom('..', '.', '', 'a', 'deep', 'b', 'link', 'way-out', 'secret', 'open-not', 'open', root),
      fc.string({ maxLength: 6 }),
    );
    const paths = fc
      .tuple(fc.boolean(), fc.array(step, { maxLength: 8 }))
      .map(([absolute, steps]) => (absolute ? '/' : '') + steps.join('/'));
    await fc.assert(
      fc.asyncProperty(paths, async (path) => {
        const found = await folders.find(path).catch((error: unknown) => {
          expect(error).toBeInstanceOf(VerbError);
          return undefined;
        });
        if (found === undefined) return;
        expect(found === inside || found.startsWith(inside + sep)).toBe(true);
        expect(realpathSync(found)).toBe(found);
      }),
      { numRuns: 400 },
    );
  });
});
