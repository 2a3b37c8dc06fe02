import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { costLabel, followChange } from '../../../../src/extension/source/line-costs';

const cost = (line: number) => ({ line, exits: 1, cycles: 100, query: `line:${line}` });
const lines = (costs: readonly { line: number }[]) => costs.map(({ line }) => line);

describe('costs follow edits', () => {
  it('keeps what stands above, moves what stands below', () => {
    // Two lines typed in the middle of line 5 (0-based 4).
    const change = { startLine: 4, startCharacter: 3, endLine: 4, text: 'a\nb\nc' };
    expect(lines(followChange([cost(2), cost(5), cost(9)], change))).toEqual([2, 11]);
  });

  it('moves the line down when lines are put in before it', () => {
    const change = { startLine: 4, startCharacter: 0, endLine: 4, text: 'new line\n' };
    expect(lines(followChange([cost(4), cost(5), cost(6)], change))).toEqual([4, 6, 7]);
  });

  it('forgets deleted lines and moves the rest up', () => {
    // Lines 3 to 5 (0-based 2 to 4) go, and so does the break after them.
    const change = { startLine: 2, startCharacter: 0, endLine: 5, text: '' };
    expect(lines(followChange([cost(2), cost(3), cost(4), cost(5), cost(7)], change))).toEqual([2, 4]);
  });

  it('puts every surviving figure on the text it was measured on', () => {
    const word = fc.constantFrom('a;', 'b;', 'c;', '');
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 12 }),
        fc.array(word, { maxLength: 4 }),
        fc.nat(),
        fc.nat(),
        fc.nat(),
        (body, inserted, startSeed, spanSeed, columnSeed) => {
          // Unique text on each line, so that a line can be recognised after the edit.
          const before = body.map((text, index) => `${text}${index}`);
          const startLine = startSeed % before.length;
          const endLine = startLine + (spanSeed % (before.length - startLine));
          const first = before[startLine] ?? '';
          const startCharacter = columnSeed % (first.length + 1);
          const text = inserted.map((line) => `new ${line}`).join('\n');
          // The replaced range ends at the start of the end line, or where it starts when it spans no line.
          const endCharacter = endLine === startLine ? startCharacter : 0;
          const after = [
            ...before.slice(0, startLine),
            ...`${first.slice(0, startCharacter)}${text}${(before[endLine] ?? '').slice(endCharacter)}`.split(
              '\n',
            ),
            ...before.slice(endLine + 1),
          ];
          const costs = before.map((_, index) => cost(index + 1));
          for (const kept of followChange(costs, { startLine, startCharacter, endLine, text })) {
            const measuredOn = before[Number(kept.query.slice('line:'.length)) - 1];
            expect(after[kept.line - 1]).toBe(measuredOn);
          }
        },
      ),
    );
  });
});

describe('the words behind a line', () => {
  it('are the exits and their time', () => {
    const costs = { line: 1, query: '' };
    expect(costLabel({ ...costs, exits: 12_034, cycles: 429_200 }, 2.9e9)).toBe(
      '12\u2009034 exits · 148\u2009µs',
    );
    expect(costLabel({ ...costs, exits: 1, cycles: 2_900 }, 2.9e9)).toBe('1 exit · 1\u2009µs');
  });
});
