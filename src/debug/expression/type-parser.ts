/** Names of types in casts and sizeof (C11, 6.7.7): specifiers and an abstract declarator. */
import { DebugError } from '../frames/errors';
import type { TokenStream } from './token-stream';
import type { Node, TypeSyntax } from './syntax';

type Basic = Extract<TypeSyntax, { kind: 'basic' }>['name'];

/** By the specifiers in alphabetical order, without `int` and `signed` where they add nothing. */
const basicNames: Record<string, Basic | undefined> = {
  '': 'int',
  void: 'void',
  _Bool: 'bool',
  bool: 'bool',
  char: 'char',
  'char signed': 'signedChar',
  'char unsigned': 'unsignedChar',
  short: 'short',
  'short unsigned': 'unsignedShort',
  unsigned: 'unsignedInt',
  long: 'long',
  'long unsigned': 'unsignedLong',
  'long long': 'longLong',
  'long long unsigned': 'unsignedLongLong',
  __int128: 'int128',
  '__int128 unsigned': 'unsignedInt128',
  float: 'float',
  double: 'double',
  'double long': 'longDouble',
};

const SPECIFIERS: ReadonlySet<string> = new Set(
  'void _Bool bool char short int long signed unsigned float double __int128'.split(' '),
);
const TAGS: ReadonlySet<string> = new Set(['struct', 'union', 'enum']);
const QUALIFIERS: ReadonlySet<string> = new Set(['const', 'volatile', 'restrict', '_Atomic']);
const TYPEOF: ReadonlySet<string> = new Set(['typeof', '__typeof__', '__typeof']);

/** Most dimensions and stars that a name may have. */
const MAX_LAYERS = 32;

/** Whether a name can only begin a type. */
export function isTypeKeyword(name: string): boolean {
  return SPECIFIERS.has(name) || TAGS.has(name) || QUALIFIERS.has(name) || TYPEOF.has(name);
}

/** What the parser of types needs of that of expressions. */
export interface TypeParsing {
  readonly tokens: TokenStream;
  /** Parses an expression up to a closing parenthesis. */
  expression(): Node;
}

/**
 * Parses a name of a type.
 * @throws DebugError where it is none
 */
export function parseTypeName(parsing: TypeParsing): TypeSyntax {
  const specifier = parseSpecifier(parsing);
  return parseDeclarator(parsing, 0)(specifier);
}

function parseSpecifier(parsing: TypeParsing): TypeSyntax {
  const { tokens } = parsing;
  const words: string[] = [];
  let found: TypeSyntax | undefined;
  for (let name = tokens.peekName(); name !== undefined; name = tokens.peekName()) {
    if (QUALIFIERS.has(name)) tokens.next();
    else if (SPECIFIERS.has(name) && !found) {
      tokens.next();
      words.push(name);
    } else if (found || words.length > 0) break;
    else found = parseOther(parsing, name);
  }
  return found ?? basic(words);
}

function parseOther({ tokens, expression }: TypeParsing, name: string): TypeSyntax {
  tokens.next();
  if (TAGS.has(name)) return { kind: 'named', name: `${name} ${tokens.takeName(`a name after ${name}`)}` };
  if (!TYPEOF.has(name)) return { kind: 'named', name };
  tokens.expect('(');
  const operand = expression();
  tokens.expect(')');
  return { kind: 'typeof', operand };
}

function basic(words: readonly string[]): TypeSyntax {
  const name =
    words.length === 0
      ? undefined
      : basicNames[
          words
            .filter((word) => word !== 'int' && (word !== 'signed' || words.includes('char')))
            .sort()
            .join(' ')
        ];
  if (name) return { kind: 'basic', name };
  throw new DebugError(words.length === 0 ? 'A type is missing.' : `${words.join(' ')} is no type of C.`);
}

type Declarator = (base: TypeSyntax) => TypeSyntax;

function parseDeclarator(parsing: TypeParsing, depth: number): Declarator {
  const { tokens } = parsing;
  if (depth > MAX_LAYERS) throw new DebugError('The type is nested too deeply.');
  let stars = 0;
  while (tokens.take('*')) {
    if (++stars > MAX_LAYERS) throw new DebugError('The type is nested too deeply.');
    while (QUALIFIERS.has(tokens.peekName() ?? '')) tokens.next();
  }
  let inner: Declarator = (base) => base;
  if (tokens.isOperator('(') && tokens.isOperator('*', 1)) {
    tokens.next();
    inner = parseDeclarator(parsing, depth + 1);
    tokens.expect(')');
  }
  const suffixes: Declarator[] = [];
  for (;;) {
    if (suffixes.length > MAX_LAYERS) throw new DebugError('The type is nested too deeply.');
    if (tokens.take('[')) suffixes.push(parseLength(tokens));
    else if (tokens.take('(')) suffixes.push(parseParameters(parsing, depth));
    else break;
  }
  return (base) => {
    let type = base;
    for (let i = 0; i < stars; i++) type = { kind: 'pointer', target: type };
    for (const suffix of suffixes.reverse()) type = suffix(type);
    return inner(type);
  };
}

function parseLength(tokens: TokenStream): Declarator {
  const token = tokens.peek();
  let count: number | undefined;
  if (token.kind === 'integer') {
    tokens.next();
    count = Number(token.value);
  }
  tokens.expect(']');
  return (element) => ({ kind: 'array', element, count });
}

function parseParameters(parsing: TypeParsing, depth: number): Declarator {
  const { tokens } = parsing;
  const parameters: TypeSyntax[] = [];
  let variadic = false;
  if (!tokens.take(')')) {
    do {
      if (tokens.take('...')) variadic = true;
      else parameters.push(parseDeclaratorOf(parsing, depth + 1));
    } while (tokens.take(','));
    tokens.expect(')');
  }
  const [only] = parameters;
  const isVoid = parameters.length === 1 && only.kind === 'basic' && only.name === 'void';
  return (result) => ({ kind: 'function', result, parameters: isVoid ? [] : parameters, variadic });
}

function parseDeclaratorOf(parsing: TypeParsing, depth: number): TypeSyntax {
  const specifier = parseSpecifier(parsing);
  return parseDeclarator(parsing, depth)(specifier);
}
