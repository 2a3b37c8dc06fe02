/**
 * JSON with comments and trailing commas as a value whose every part knows where it stands in the text. Takes any text
 * whatever: what cannot be read becomes a list of faults.
 */
import { createScanner, parseTree, printParseErrorCode, type Node, type ParseError } from 'jsonc-parser';

/** Way from the root to a value. */
export type Path = readonly (string | number)[];

/** A stretch of the text, as offsets. */
export interface Range {
  offset: number;
  length: number;
}

/** Something that is wrong with the text itself. */
export interface TextFault extends Range {
  message: string;
  path: Path;
}

/** A parsed text. */
export interface JsonDocument {
  text: string;
  /** Plain objects, arrays and primitives. Undefined when there is no value. */
  value: unknown;
  faults: TextFault[];
  /** Where the value at a path stands; the nearest ancestor that exists when there is none. */
  valueRange(path: Path): Range;
  /** Where the name of the property at a path stands. */
  keyRange(path: Path): Range;
}

/** Deeper than any scenario, and far from where a recursive parser would run out of stack. */
const MAX_DEPTH = 32;
/** A scenario is a page of text; this bounds the time that validating anything else takes. */
const MAX_LENGTH = 1 << 20;

/** Tokens of the scanner that matter here; the library declares them as a const enum, which cannot be imported. */
const Token = { OpenBrace: 1, CloseBrace: 2, OpenBracket: 3, CloseBracket: 4, EndOfFile: 17 } as const;

const SYNTAX: Record<string, string> = {
  InvalidSymbol: 'this is not JSON: expected a value in quotes, a number, true, false, null, { or [',
  InvalidNumberFormat: 'this is not a JSON number',
  PropertyNameExpected: 'a property name in double quotes is missing here',
  ValueExpected: 'a value is missing here',
  ColonExpected: 'a ":" is missing after the property name',
  CommaExpected: 'a "," is missing here',
  CloseBraceExpected: 'a "}" is missing: the file ends inside an object',
  CloseBracketExpected: 'a "]" is missing: the file ends inside a list',
  EndOfFileExpected: 'there is more text after the end of the scenario',
  InvalidCommentToken: 'this comment is not allowed',
  UnexpectedEndOfComment: 'the comment is not closed: "*/" is missing',
  UnexpectedEndOfString: 'the string is not closed: a double quote is missing',
  UnexpectedEndOfNumber: 'the number ends too early',
  InvalidUnicode: 'this \\u escape is not four hexadecimal digits',
  InvalidEscapeCharacter: 'this escape is unknown: JSON has \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX',
  InvalidCharacter: 'a control character inside a string has to be written as an escape',
};

/** Parses a text. Never throws. */
export function parseDocument(text: string): JsonDocument {
  const bare = text.startsWith('\ufeff') ? text.slice(1) : text;
  const refused = refuse(bare);
  if (refused) return emptyDocument(bare, refused);
  const errors: ParseError[] = [];
  const root = parseTree(bare, errors, {
    allowTrailingComma: true,
    disallowComments: false,
    allowEmptyContent: true,
  });
  const faults: TextFault[] = errors.map(({ error, offset, length }) => {
    const code = printParseErrorCode(error);
    return { offset, length, message: SYNTAX[code] ?? code, path: [] };
  });
  if (!root)
    return emptyDocument(
      bare,
      faults[0] ?? {
        offset: 0,
        length: bare.length,
        message: 'the file is empty: a scenario is an object { … }',
        path: [],
      },
    );
  const value = toValue(root, [], faults);
  return {
    text: bare,
    value,
    faults,
    valueRange: (path) => rangeOf(nodeAt(root, path).node),
    keyRange: (path) => {
      const { node, found } = nodeAt(root, path);
      const key = found && node.parent?.type === 'property' ? node.parent.children![0] : node;
      return rangeOf(key);
    },
  };
}

function emptyDocument(text: string, fault: TextFault): JsonDocument {
  const whole: Range = { offset: fault.offset, length: fault.length };
  return { text, value: undefined, faults: [fault], valueRange: () => whole, keyRange: () => whole };
}

/** What is not even parsed. */
function refuse(text: string): TextFault | undefined {
  if (text.length > MAX_LENGTH) {
    return {
      offset: 0,
      length: 0,
      path: [],
      message: `the file is ${text.length} characters long: a scenario has at most ${MAX_LENGTH}`,
    };
  }
  // The parser recurses; the scanner does not.
  const scanner = createScanner(text, true);
  let depth = 0;
  for (;;) {
    const token: number = scanner.scan();
    if (token === Token.EndOfFile) return undefined;
    if (token === Token.OpenBrace || token === Token.OpenBracket) depth++;
    else if (token === Token.CloseBrace || token === Token.CloseBracket) depth--;
    if (depth > MAX_DEPTH) {
      return {
        offset: scanner.getTokenOffset(),
        length: 1,
        path: [],
        message: `nested deeper than ${MAX_DEPTH} levels: no scenario is`,
      };
    }
  }
}

function toValue(node: Node, path: Path, faults: TextFault[]): unknown {
  if (node.type === 'array')
    return (node.children ?? []).map((child, index) => toValue(child, [...path, index], faults));
  if (node.type !== 'object') return node.value;
  const value: Record<string, unknown> = {};
  const seen = new Set<string>();
  for (const property of node.children ?? []) {
    const [keyNode, valueNode] = property.children ?? [];
    if (!keyNode || !valueNode) continue;
    const key = String(keyNode.value);
    const at = { ...rangeOf(keyNode), path: [...path, key] };
    if (seen.has(key))
      faults.push({ ...at, message: `the field "${key}" appears twice in this object: remove one` });
    else if (key === '__proto__') faults.push({ ...at, message: 'unknown field "__proto__"' });
    else value[key] = toValue(valueNode, at.path, faults);
    seen.add(key);
  }
  return value;
}

/** The node at a path, or the deepest one on the way. */
function nodeAt(root: Node, path: Path): { node: Node; found: boolean } {
  let node = root;
  for (const step of path) {
    const next =
      typeof step === 'number'
        ? node.type === 'array'
          ? node.children?.[step]
          : undefined
        : node.type === 'object'
          ? node.children?.find((each) => each.children?.[0]?.value === step)?.children?.[1]
          : undefined;
    if (!next) return { node, found: false };
    node = next;
  }
  return { node, found: true };
}

function rangeOf(node: Node): Range {
  return { offset: node.offset, length: node.length };
}

/** `vms[0].guest.sources[1]`. */
export function printPath(path: Path): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : (index > 0 ? '.' : '') + step))
    .join('');
}
