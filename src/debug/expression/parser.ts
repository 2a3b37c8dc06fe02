/** C expressions (C11, 6.5 and 6.6) by operator precedence, with gdb's `@`. */
import { DebugError } from '../frames/errors';
import type { BinaryOperator } from './arithmetic';
import { tokensOf, type Token } from './lexer';
import type { Node, TypeSyntax } from './syntax';
import { TokenStream } from './token-stream';
import { isTypeKeyword, parseTypeName } from './type-parser';

/** How tightly operators bind, as gdb's manual orders them: `@` is between the shifts and the sums. */
const Power = {
  comma: 1,
  assignment: 2,
  conditional: 3,
  or: 4,
  and: 5,
  array: 12,
  unary: 15,
} as const;

const binaryPowers: Record<string, number | undefined> = {
  '|': 6,
  '^': 7,
  '&': 8,
  '==': 9,
  '!=': 9,
  '<': 10,
  '>': 10,
  '<=': 10,
  '>=': 10,
  '<<': 11,
  '>>': 11,
  '+': 13,
  '-': 13,
  '*': 14,
  '/': 14,
  '%': 14,
};

const MAX_NODES = 1000;
const MAX_DEPTH = 200;

/** What a text says: an expression, and whether evaluating it would change anything. */
export interface ParsedExpression {
  readonly node: Node;
  readonly changes: boolean;
}

/**
 * Parses an expression.
 * @param isTypeName tells of a name that could be a variable's whether it is a type's
 * @throws DebugError that says what is wrong, and where
 */
export function parseExpression(text: string, isTypeName: (name: string) => boolean): ParsedExpression {
  if (text.trim() === '') throw new DebugError('There is no expression.');
  const parser = new Parser(new TokenStream(tokensOf(text), text), isTypeName);
  return parser.whole();
}

/** What follows an operand of at least some power. */
interface Infix {
  readonly power: number;
  readonly parse: (left: Node) => Node;
}

class Parser {
  private nodes = 0;
  private depth = 0;
  private changes = false;

  constructor(
    readonly tokens: TokenStream,
    private readonly isTypeName: (name: string) => boolean,
  ) {}

  whole(): ParsedExpression {
    const node = this.parse(Power.comma);
    if (this.tokens.peek().kind !== 'end') this.tokens.fail('An operator is missing');
    return { node, changes: this.changes };
  }

  /** An expression whose operators bind at least as tightly as `power`. */
  private parse(power: number): Node {
    if (++this.depth > MAX_DEPTH) throw new DebugError('The expression is nested too deeply.');
    let left = this.prefix();
    for (;;) {
      const infix = this.infix();
      if (!infix || infix.power < power) break;
      this.count();
      left = infix.parse(left);
    }
    this.depth--;
    return left;
  }

  private count(): void {
    if (++this.nodes > MAX_NODES) throw new DebugError(`The expression has more than ${MAX_NODES} parts.`);
  }

  private infix(): Infix | undefined {
    const token = this.tokens.peek();
    if (token.kind !== 'operator') return undefined;
    const operator = token.text;
    const known = this.special[operator];
    if (known) return known;
    const power = binaryPowers[operator];
    if (power !== undefined) {
      return {
        power,
        parse: (left) => {
          this.tokens.next();
          const right = this.parse(power + 1);
          return { kind: 'binary', operator: operator as BinaryOperator, left, right };
        },
      };
    }
    const compound = operator.endsWith('=') ? operator.slice(0, -1) : undefined;
    return compound !== undefined && binaryPowers[compound] !== undefined
      ? this.assignment(compound as BinaryOperator)
      : undefined;
  }

  private assignment(operator: BinaryOperator | undefined): Infix {
    return {
      power: Power.assignment,
      parse: (target) => {
        this.tokens.next();
        this.changes = true;
        return { kind: 'assignment', target, operator, value: this.parse(Power.assignment) };
      },
    };
  }

  private logical(operator: '&&' | '||', power: number): Infix {
    return {
      power,
      parse: (left) => {
        this.tokens.next();
        return { kind: 'logical', operator, left, right: this.parse(power + 1) };
      },
    };
  }

  private readonly special: Record<string, Infix | undefined> = {
    ',': {
      power: Power.comma,
      parse: (left) => {
        this.tokens.next();
        return { kind: 'comma', left, right: this.parse(Power.comma + 1) };
      },
    },
    '=': this.assignment(undefined),
    '?': {
      power: Power.conditional,
      parse: (condition) => {
        this.tokens.next();
        const yes = this.parse(Power.comma);
        this.tokens.expect(':');
        return { kind: 'conditional', condition, yes, no: this.parse(Power.conditional) };
      },
    },
    '||': this.logical('||', Power.or),
    '&&': this.logical('&&', Power.and),
    '@': {
      power: Power.array,
      parse: (first) => {
        this.tokens.next();
        return { kind: 'array', first, count: this.parse(Power.array + 1) };
      },
    },
  };

  private prefix(): Node {
    this.count();
    const token = this.tokens.peek();
    if (token.kind === 'operator') {
      const parse = this.prefixes[token.text];
      if (!parse) return this.tokens.fail('A value is missing');
      this.tokens.next();
      return parse();
    }
    if (token.kind === 'name' && token.text === 'sizeof') {
      this.tokens.next();
      return this.sizeof();
    }
    return this.postfix(this.primary(token));
  }

  private readonly unary = (): Node => this.parse(Power.unary);

  /** After the operator has been taken. */
  private readonly prefixes: Record<string, (() => Node) | undefined> = {
    '+': () => ({ kind: 'unary', operator: '+', operand: this.unary() }),
    '-': () => ({ kind: 'unary', operator: '-', operand: this.unary() }),
    '~': () => ({ kind: 'unary', operator: '~', operand: this.unary() }),
    '!': () => ({ kind: 'unary', operator: '!', operand: this.unary() }),
    '*': () => ({ kind: 'dereference', operand: this.unary() }),
    '&': () => ({ kind: 'address', operand: this.unary() }),
    '++': () => this.step('+'),
    '--': () => this.step('-'),
    '(': () => this.parenthesis(),
  };

  private step(operator: '+' | '-'): Node {
    this.changes = true;
    return { kind: 'step', target: this.unary(), operator, isPrefix: true };
  }

  private startsType(): boolean {
    const name = this.tokens.peekName();
    return name !== undefined && (isTypeKeyword(name) || this.isTypeName(name));
  }

  private type(): TypeSyntax {
    return parseTypeName({ tokens: this.tokens, expression: () => this.parse(Power.comma) });
  }

  private parenthesis(): Node {
    if (!this.startsType()) {
      const inner = this.parse(Power.comma);
      this.tokens.expect(')');
      return this.postfix(inner);
    }
    const type = this.type();
    this.tokens.expect(')');
    if (this.tokens.isOperator('{'))
      throw new DebugError('Compound literals are not evaluated here: they would need memory of the guest.');
    return { kind: 'cast', type, operand: this.unary() };
  }

  private sizeof(): Node {
    if (this.tokens.isOperator('(')) {
      this.tokens.next();
      if (this.startsType()) {
        const type = this.type();
        this.tokens.expect(')');
        return { kind: 'sizeof-type', type };
      }
      const inner = this.parse(Power.comma);
      this.tokens.expect(')');
      return { kind: 'sizeof', operand: this.postfix(inner) };
    }
    return { kind: 'sizeof', operand: this.unary() };
  }

  private primary(token: Token): Node {
    const { tokens } = this;
    if (token.kind === 'end' || token.kind === 'operator') return tokens.fail('A value is missing');
    tokens.next();
    switch (token.kind) {
      case 'integer':
      case 'float':
      case 'string':
        return token;
      case 'character':
        return { kind: 'character', value: token.value };
      case 'register':
        return { kind: 'register', name: token.text };
      case 'scope':
        return { kind: 'scoped', scope: token.text, name: tokens.takeName('a name after ::') };
      case 'name':
        return { kind: 'name', name: token.text };
    }
  }

  /** What stands behind an operand and binds to it first. */
  private postfix(operand: Node): Node {
    let node = operand;
    for (;;) {
      const token = this.tokens.peek();
      const parse = token.kind === 'operator' ? this.postfixes[token.text] : undefined;
      if (!parse) return node;
      this.count();
      this.tokens.next();
      node = parse(node);
    }
  }

  private readonly postfixes: Record<string, ((operand: Node) => Node) | undefined> = {
    '.': (object) => this.member(object, false),
    '->': (object) => this.member(object, true),
    '[': (array) => {
      const index = this.parse(Power.comma);
      this.tokens.expect(']');
      return { kind: 'index', array, index };
    },
    '(': () => {
      throw new DebugError(
        'Functions are not called: that would let the guest do what it does not do by itself.',
      );
    },
    '++': (target) => this.stepBehind(target, '+'),
    '--': (target) => this.stepBehind(target, '-'),
  };

  private member(object: Node, arrow: boolean): Node {
    return { kind: 'member', object, name: this.tokens.takeName('the name of a member'), arrow };
  }

  private stepBehind(target: Node, operator: '+' | '-'): Node {
    this.changes = true;
    return { kind: 'step', target, operator, isPrefix: false };
  }
}
