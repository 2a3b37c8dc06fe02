import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chapterOf, shelves } from '../../../../src/extension/views/gallery';
import { root } from '../../../support/runs';

const LETTERS = ['', ...'ABCDEFGH'];
const named = (...names: string[]) => names.map((name) => ({ name }));

describe('the gallery', () => {
  it('puts each sample under the chapter of its mechanism', () => {
    expect(chapterOf('b7-e1000-emulated')).toBe('B');
    expect(chapterOf('d10-scale-64')).toBe('D');
    expect(chapterOf('e-bare')).toBe('E');
    // They begin with the letter of a chapter and belong to none.
    expect(['hello', 'hog-interrupts-off'].map(chapterOf)).toEqual(['', '']);
  });

  it('shows every sample that is there, once, mechanisms in the order of their numbers', () => {
    const samples = readdirSync(join(root, 'media/workspace/scenarios'))
      .filter((file) => file.endsWith('.trapline.json'))
      .map((file) => ({ name: file.replace('.trapline.json', '') }));
    const shown = shelves(LETTERS, samples, []);
    expect(
      shown
        .flatMap(({ scenarios }) => scenarios)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(samples.map(({ name }) => name).sort());
    const ofA = shown.find(({ letter }) => letter === 'A')?.scenarios.map(({ name }) => name) ?? [];
    expect(ofA.at(0)).toMatch(/^a1-/);
    expect(ofA.at(-1)).toMatch(/^a10-/);
  });

  it("shows the workspace's copy in the place of a sample, and below all what is the reader's own", () => {
    const [sample] = named('a1-pio');
    const [copy, mine, second] = named('a1-pio', 'mine', 'a1-pio');
    const shown = shelves(LETTERS, [sample], [copy, mine, second]);
    expect(shown.map(({ letter }) => letter)).toEqual(['A', undefined]);
    expect(shown[0].scenarios[0]).toBe(copy);
    expect(shown[1].scenarios).toEqual([mine, second]);
    expect(shown[1].scenarios[1]).toBe(second);
  });

  it('leaves out what is empty', () => {
    expect(shelves(LETTERS, [], [])).toEqual([]);
  });
});
