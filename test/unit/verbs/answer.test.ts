/** Answers fit into 2 KB whatever is in them, and say what was left out. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOf, fitted, MOST_BYTES, type Draft } from '../../../src/verbs/answer';

const encoder = new TextEncoder();
const size = (value: unknown): number => encoder.encode(JSON.stringify(value)).length;

describe('an answer', () => {
  it('is as it was drafted where it fits', () => {
    const draft = {
      body: { trace: 'a', none: undefined, nested: { x: 1, y: 'z' } },
      lists: { events: { items: [{ row: 3 }, { row: 4 }], rest: () => '' } },
      open: 'vscode://x/{row}',
    };
    expect(fitted(draft)).toEqual({
      trace: 'a',
      nested: { x: 1, y: 'z' },
      events: [{ row: 3 }, { row: 4 }],
      open: 'vscode://x/{row}',
    });
  });

  it('ends its lists where there is no more room, and says how to go on', () => {
    const items = Array.from({ length: 100 }, (_, row) => ({ row, text: 'x'.repeat(40) }));
    const answer = fitted({
      body: { trace: 'a' },
      lists: { events: { items, offset: 10, total: 500, rest: (next) => `offset ${next}` } },
    });
    const events = answer['events'] as typeof items;
    expect(events).toEqual(items.slice(0, events.length));
    expect(answer['more']).toEqual([
      `events: ${events.length} of 500 given from 10 on; ask on with offset ${10 + events.length}`,
    ]);
    expect(size(answer)).toBeLessThanOrEqual(MOST_BYTES);
    // One more would not have fitted.
    expect(size(answer) + size(items[0]) + 1).toBeGreaterThan(MOST_BYTES - 8);
  });

  it('cuts the longest list first', () => {
    const long = Array.from({ length: 100 }, () => 'x'.repeat(50));
    const answer = fitted({
      body: {},
      lists: { short: { items: [1, 2, 3], rest: () => '' }, long: { items: long, rest: () => 'less' } },
    });
    expect(answer['short']).toEqual([1, 2, 3]);
    expect((answer['long'] as string[]).length).toBeGreaterThan(20);
  });

  it('leaves a link out that would take its room', () => {
    expect(fitted({ body: { a: 1 }, open: `vscode://${'x'.repeat(2000)}` })).toEqual({ a: 1 });
  });

  it('holds no control characters, for answers are printed', () => {
    expect(fitted({ body: { text: 'a\u001b[2Jb\u0000\ud800c' } })).toEqual({ text: 'a [2Jb  c' });
  });

  it('fits, whatever is in it', () => {
    const anyText = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 3000 }),
      fc.string({ maxLength: 400 }),
      fc.constantFrom('\u0001'.repeat(2000), '"'.repeat(2000), '\u{1f600}'.repeat(900), '€'.repeat(3000)),
    );
    const item = fc.oneof(
      anyText,
      fc.double(),
      fc.bigInt(),
      fc.record({ row: fc.nat(), text: anyText, other: fc.option(anyText, { nil: undefined }) }),
      fc.object({ maxDepth: 5 }),
    );
    const list = fc.record({
      items: fc.array(item, { maxLength: 80 }),
      offset: fc.nat(1000),
      total: fc.nat(100_000),
    });
    const drafts = fc.record({
      body: fc.dictionary(fc.string({ minLength: 1, maxLength: 12 }), anyText, { maxKeys: 12 }),
      lists: fc.dictionary(fc.string({ minLength: 1, maxLength: 12 }), list, { maxKeys: 4 }),
      open: anyText,
    });
    fc.assert(
      fc.property(drafts, ({ body, lists, open }) => {
        const draft: Draft = {
          body,
          lists: Object.fromEntries(
            Object.entries(lists).map(([name, each]) => [
              name,
              { ...each, rest: (next: number) => `offset ${next}` },
            ]),
          ),
          open,
        };
        const answer = fitted(draft);
        expect(size(answer)).toBe(bytesOf(answer));
        expect(size(answer)).toBeLessThanOrEqual(MOST_BYTES);
        for (const [name, { items, offset, total }] of Object.entries(lists)) {
          const given = answer[name];
          if (!Array.isArray(given) || name === 'more' || Object.hasOwn(body, name)) continue;
          expect(given.length).toBeLessThanOrEqual(items.length);
          const all = Math.max(total, offset + items.length);
          const told = (answer['more'] as string[] | undefined) ?? [];
          const isTold = told.some((text) => text.includes(`: ${given.length} of ${all} given`));
          expect(isTold).toBe(offset + given.length < all);
        }
      }),
      { numRuns: 150 },
    );
  });
});
