/** Formats of numbers by gdb's letters: `/x len`, or `len /x` at the end. */
import { DebugError } from '../frames/errors';

/** x hexadecimal, d decimal, u unsigned, o octal, t binary, z hexadecimal with leading zeros, a address, c character, f float, s string. */
export type DisplayFormat = 'x' | 'd' | 'u' | 'o' | 't' | 'z' | 'a' | 'c' | 'f' | 's';

const LETTERS = 'xduotzacfs';
const BEFORE = /^\s*\/(\w+)\s+/;
const BEHIND = /\s*\/\s*(\w)\s*$/;

/**
 * Takes the format off an expression.
 * @param isVariable `a /x` is a division where there is a variable x
 */
export function splitFormat(
  text: string,
  isVariable: (name: string) => boolean,
): { expression: string; format: DisplayFormat | undefined } {
  const before = BEFORE.exec(text);
  if (before) {
    const [whole, letters] = before;
    if (letters.length !== 1 || !LETTERS.includes(letters))
      throw new DebugError(
        `/${letters} is no format: there are ${[...LETTERS].map((each) => `/${each}`).join(' ')}.`,
      );
    return { expression: text.slice(whole.length), format: letters as DisplayFormat };
  }
  const behind = BEHIND.exec(text);
  if (behind && behind.index > 0 && LETTERS.includes(behind[1]) && !isVariable(behind[1]))
    return { expression: text.slice(0, behind.index), format: behind[1] as DisplayFormat };
  return { expression: text, format: undefined };
}
