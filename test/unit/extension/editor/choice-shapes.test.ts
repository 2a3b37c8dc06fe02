/** What files and pages may say about choices and bookmarks. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { choiceLimits, clocks, defaultChoices, groupings } from '../../../../src/protocol/choices';
import { bookmarkText, choicesOf, parseBookmarks } from '../../../../src/extension/editor/choice-shapes';

const bookmark = fc.record({
  time: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  name: fc.string({ maxLength: 40 }),
  note: fc.string({ maxLength: 80 }),
});

describe('bookmarks of a file', () => {
  it('come back as they were kept, in order of time', () => {
    fc.assert(
      fc.property(fc.array(bookmark, { maxLength: 20 }), (bookmarks) => {
        const read = parseBookmarks(bookmarkText(bookmarks));
        expect(read).toEqual([...bookmarks].sort((a, b) => a.time - b.time));
      }),
    );
  });

  it('are refused with a reason when the file holds something else, and nothing else happens', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(() => parseBookmarks(text)).toThrow(/^(it is no JSON|at )/);
      }),
    );
    const one = { time: 1, name: 'a', note: '' };
    for (const bookmarks of [
      [{ ...one, time: -1 }],
      [{ ...one, time: null }],
      [{ ...one, name: 'x'.repeat(choiceLimits.text + 1) }],
      Array.from({ length: choiceLimits.bookmarks + 1 }, () => one),
    ])
      expect(() => parseBookmarks(JSON.stringify({ bookmarks }))).toThrow(/^at bookmarks/);
    const extra = parseBookmarks(
      '{"bookmarks":[{"time":1,"name":"a","note":"","__proto__":{"x":1},"run":"rm"}]}',
    );
    expect(extra).toEqual([one]);
  });
});

describe('choices', () => {
  it('are taken when they are some, and not otherwise', () => {
    const choices = fc.record(
      {
        grouping: fc.constantFrom(...groupings),
        collapsed: fc.array(fc.string()),
        pinned: fc.array(fc.string()),
        hidden: fc.array(fc.string()),
        order: fc.array(fc.string()),
        clock: fc.constantFrom(...clocks),
        foldIdle: fc.boolean(),
      },
      { requiredKeys: ['grouping', 'collapsed', 'hidden', 'order', 'clock', 'foldIdle'] },
    );
    fc.assert(
      fc.property(choices, (some) => {
        expect(choicesOf(some)).toEqual(some);
      }),
    );
    fc.assert(
      fc.property(fc.anything(), (junk) => {
        expect(choicesOf(junk)).toBeUndefined();
      }),
    );
    expect(choicesOf(defaultChoices)).toEqual(defaultChoices);
    expect(choicesOf({ ...defaultChoices, clock: 'sundial' })).toBeUndefined();
  });
});
