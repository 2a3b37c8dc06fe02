/** Tokens one after the other. */
import { DebugError } from '../frames/errors';
import type { Token } from './lexer';

/** A place among the tokens of an expression. */
export class TokenStream {
  private position = 0;

  /** @param tokens the last is `end` */
  constructor(
    private readonly tokens: readonly Token[],
    private readonly text: string,
  ) {}

  /** The next token, or one behind it. */
  peek(ahead = 0): Token {
    return this.tokens[Math.min(this.position + ahead, this.tokens.length - 1)];
  }

  next(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.position++;
    return token;
  }

  /** The next token's name; undefined: it is none. */
  peekName(ahead = 0): string | undefined {
    const token = this.peek(ahead);
    return token.kind === 'name' ? token.text : undefined;
  }

  isOperator(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind === 'operator' && token.text === text;
  }

  /** Takes an operator if it is next. */
  take(text: string): boolean {
    const is = this.isOperator(text);
    if (is) this.position++;
    return is;
  }

  expect(text: string): void {
    if (!this.take(text)) this.fail(`${text} is missing`);
  }

  takeName(what: string): string {
    const token = this.peek();
    if (token.kind !== 'name') return this.fail(`${what} is missing`);
    this.position++;
    return token.text;
  }

  /** @throws DebugError about what stands here */
  fail(what: string): never {
    const token = this.peek();
    const place =
      token.kind === 'end'
        ? 'at the end of the expression'
        : `before ${JSON.stringify(this.text.slice(token.at, token.end))} at column ${token.at + 1}`;
    throw new DebugError(`${what[0].toUpperCase()}${what.slice(1)} ${place}.`);
  }
}
