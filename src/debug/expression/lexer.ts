/** Tokens of C expressions (C11, 6.4), with registers (`$rax`) and scopes (`file.c::x`) as gdb writes them. */
import { DebugError } from '../frames/errors';

/** How an integer literal is written, which decides its type (6.4.4.1). */
export interface IntegerLiteral {
  readonly value: bigint;
  readonly isDecimal: boolean;
  readonly isUnsigned: boolean;
  /** Number of `l`: 0, 1, 2. */
  readonly longs: number;
}

export type Token = { readonly at: number; readonly end: number } & (
  | ({ readonly kind: 'integer' } & IntegerLiteral)
  | { readonly kind: 'float'; readonly value: number; readonly suffix: '' | 'f' | 'l' }
  | { readonly kind: 'character'; readonly value: bigint }
  | { readonly kind: 'string'; readonly bytes: Uint8Array }
  | { readonly kind: 'name'; readonly text: string }
  /** Without `$`, in lower case. */
  | { readonly kind: 'register'; readonly text: string }
  /** What stands before `::`: a file or a function. */
  | { readonly kind: 'scope'; readonly text: string }
  | { readonly kind: 'operator'; readonly text: string }
  | { readonly kind: 'end' }
);

/** A longer expression is nobody's. */
const MAX_LENGTH = 10_000;

const OPERATORS =
  /(?:<<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[-+*/%&|^~!<>=?:;,.()[\]{}@])/y;
const SPACE = /\s+/y;
const SCOPE = /(?:'([^'\n]+)'|([A-Za-z_]\w*(?:\.\w+)*))\s*::/y;
const NAME = /[A-Za-z_]\w*/y;
const REGISTER = /\$([A-Za-z_]\w*)/y;
const FLOAT =
  /(?:0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+|(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)([fFlL]?)(?![\w.])/y;
const INTEGER = /(0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)([uUlL]*)(?![\w.])/y;
const CHARACTER = /([LuU]?)'((?:[^'\\\n]|\\.)+)'/y;
const STRING = /"((?:[^"\\\n]|\\.)*)"/y;
const SUFFIX = /^(?:u?(?:ll?)?|(?:ll?)u)$/;

type Matched = readonly [whole: string, ...groups: (string | undefined)[]];
type Maker = (match: Matched, span: { at: number; end: number }) => Token;

/** In the order in which they are tried. */
const RULES: readonly (readonly [pattern: RegExp, make: Maker])[] = [
  [SCOPE, ([, quoted, plain], span) => ({ kind: 'scope', text: quoted ?? plain ?? '', ...span })],
  [CHARACTER, ([, prefix, body], span) => characterToken(body ?? '', prefix !== '', span)],
  [STRING, ([, body], span) => ({ kind: 'string', bytes: unescaped(body ?? '', span.at), ...span })],
  [NAME, ([text], span) => ({ kind: 'name', text, ...span })],
  [REGISTER, ([, text], span) => ({ kind: 'register', text: (text ?? '').toLowerCase(), ...span })],
  [FLOAT, ([text, suffix], span) => floatToken(text, (suffix ?? '').toLowerCase(), span)],
  [INTEGER, ([, digits, suffix], span) => integerToken(digits ?? '', (suffix ?? '').toLowerCase(), span)],
  [OPERATORS, ([text], span) => ({ kind: 'operator', text, ...span })],
];

/**
 * The tokens of an expression; the last is `end`.
 * @throws DebugError that says what cannot be read, and where
 */
export function tokensOf(text: string): Token[] {
  if (text.length > MAX_LENGTH)
    throw new DebugError(`The expression is longer than ${MAX_LENGTH} characters.`);
  const tokens: Token[] = [];
  for (let at = 0; at < text.length;) {
    const space = matchAt(SPACE, text, at);
    if (space) at += space[0].length;
    else {
      const token = tokenAt(text, at);
      tokens.push(token);
      at = token.end;
    }
  }
  tokens.push({ kind: 'end', at: text.length, end: text.length });
  return tokens;
}

function matchAt(pattern: RegExp, text: string, at: number): Matched | undefined {
  pattern.lastIndex = at;
  return (pattern.exec(text) as Matched | null) ?? undefined;
}

function tokenAt(text: string, at: number): Token {
  for (const [pattern, make] of RULES) {
    const match = matchAt(pattern, text, at);
    if (match) return make(match, { at, end: at + match[0].length });
  }
  const rest = /^\S{1,20}/.exec(text.slice(at))?.[0] ?? '';
  throw new DebugError(`${JSON.stringify(rest)} at column ${at + 1} cannot be read as C.`);
}

function integerToken(digits: string, suffix: string, span: { at: number; end: number }): Token {
  if (!SUFFIX.test(suffix)) throw new DebugError(`A number does not end in ${suffix}.`);
  const isDecimal = !/^0/.test(digits) || digits === '0';
  if (/^0\d*[89]/.test(digits))
    throw new DebugError(`${digits} begins with 0 and so is octal, which has no 8 and no 9.`);
  const value = BigInt(/^0\d+$/.test(digits) ? `0o${digits.slice(1)}` : digits.toLowerCase());
  if (value >= 1n << 64n) throw new DebugError(`${digits} is larger than 64 bits.`);
  return {
    kind: 'integer',
    value,
    isDecimal,
    isUnsigned: suffix.includes('u'),
    longs: suffix.split('l').length - 1,
    ...span,
  };
}

function floatToken(text: string, suffix: string, span: { at: number; end: number }): Token {
  const digits = suffix === '' ? text : text.slice(0, -1);
  const value = /^0x/i.test(digits) ? hexadecimalFloat(digits) : Number(digits);
  return { kind: 'float', value, suffix: suffix as '' | 'f' | 'l', ...span };
}

function hexadecimalFloat(text: string): number {
  const [significand, exponent] = text.slice(2).toLowerCase().split('p');
  const [whole, fraction = ''] = significand.split('.');
  const value = Number(BigInt(`0x${whole}${fraction}` === '0x' ? '0x0' : `0x${whole}${fraction}`));
  return value * 2 ** (Number(exponent) - 4 * fraction.length);
}

function characterToken(body: string, isWide: boolean, span: { at: number; end: number }): Token {
  if (isWide) {
    const bytes = body.startsWith('\\') ? unescaped(body, span.at) : undefined;
    const value = bytes ? bytes[0] : (body.codePointAt(0) ?? 0);
    return { kind: 'character', value: BigInt(value), ...span };
  }
  const bytes = unescaped(body, span.at);
  if (bytes.length > 4) throw new DebugError(`The character constant at column ${span.at + 1} is too long.`);
  // Several characters make one int, the first uppermost; a single one has the sign of char (6.4.4.4).
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return { kind: 'character', value: bytes.length === 1 ? BigInt.asIntN(8, value) : value, ...span };
}

const simpleEscapes: Record<string, number | undefined> = {
  a: 7,
  b: 8,
  e: 27,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 0x5c,
  "'": 0x27,
  '"': 0x22,
  '?': 0x3f,
};

const ESCAPE = /\\(?:([0-7]{1,3})|x([0-9a-fA-F]+)|(.))|[^\\]+/gsu;

/** Bytes of what stands between quotes. */
function unescaped(body: string, at: number): Uint8Array {
  const bytes: number[] = [];
  for (const [whole, octal, hexadecimal, letter] of body.matchAll(ESCAPE)) {
    if (octal !== undefined) bytes.push(parseInt(octal, 8) & 0xff);
    else if (hexadecimal !== undefined) bytes.push(Number(BigInt(`0x${hexadecimal}`) & 0xffn));
    else if (letter !== undefined) {
      const code = simpleEscapes[letter];
      if (code === undefined) throw new DebugError(`\\${letter} at column ${at + 1} is no character of C.`);
      bytes.push(code);
    } else bytes.push(...new TextEncoder().encode(whole));
  }
  return Uint8Array.from(bytes);
}
