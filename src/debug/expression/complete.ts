/** What may come next in an expression: names that can be seen, members after `.` and `->`, registers after `$`. */
import type { DebugMember, DebugType } from '../../guest/dwarf/model';
import { DebugError } from '../frames/errors';
import { compileExpression } from './compile';
import { tokensOf, type Token } from './lexer';
import type { EvaluationContext } from './scope';
import { bare, isComposite, typeName, type CompositeType } from './types';

/** One proposal. */
export interface Completion {
  readonly label: string;
  readonly kind: 'variable' | 'member' | 'function' | 'constant' | 'register';
  /** Type, for a reader. */
  readonly detail?: string;
}

/** Proposals for the text from `start` on. */
export interface Completions {
  /** 0-based: where the word begins that a proposal replaces. */
  readonly start: number;
  readonly items: readonly Completion[];
}

/** More are no help. */
const MAX_ITEMS = 500;
const WORD = /(\$?)([A-Za-z_]\w*)?$/;
const MEMBER = /(?:\.|->)\s*$/;

/**
 * Proposals at a place of a text.
 * @param cursor 0-based: the word that ends there is completed
 */
export function complete(text: string, cursor: number, context: EvaluationContext): Completions {
  const before = text.slice(0, cursor);
  const match = WORD.exec(before);
  const dollar = match?.[1] ?? '';
  const word = match?.[2] ?? '';
  const start = cursor - word.length - dollar.length;
  const head = before.slice(0, start);
  const member = MEMBER.exec(head);
  const all =
    dollar !== ''
      ? registers(context)
      : member
        ? membersOf(head.slice(0, member.index), context)
        : names(context);
  const seen = new Set<string>();
  const items: Completion[] = [];
  for (const item of all) {
    if (!item.label.startsWith(dollar + word) || seen.has(item.label) || items.length >= MAX_ITEMS) continue;
    seen.add(item.label);
    items.push(item);
  }
  return { start, items };
}

function registers({ program }: EvaluationContext): Completion[] {
  return [...program.architecture.names.keys()].map((name) => ({ label: `$${name}`, kind: 'register' }));
}

function* names({ program, frame }: EvaluationContext): Generator<Completion> {
  for (const { variables } of frame.scopes)
    for (const { name, type } of variables) yield { label: name, kind: 'variable', detail: typeName(type) };
  const { debug, symbols } = program;
  for (const { name, type } of debug?.globalsOf(frame.callPc) ?? [])
    yield { label: name, kind: 'variable', detail: typeName(type) };
  for (const label of debug?.globalNames() ?? []) yield { label, kind: 'variable' };
  for (const { name } of symbols.functions()) yield { label: name, kind: 'function' };
}

/** Members of what stands before the dot. */
function membersOf(head: string, context: EvaluationContext): Completion[] {
  try {
    const object = operandAtEnd(head);
    if (object === '') return [];
    const value = compileExpression(object, context.program, context.frame).evaluate({
      program: context.program,
      frame: context.frame,
    });
    const composite = compositeOf(value.type);
    return composite ? proposals(composite, 0) : [];
  } catch (error) {
    if (error instanceof DebugError) return [];
    throw error;
  }
}

function compositeOf(type: DebugType): CompositeType | undefined {
  const own = bare(type);
  const target = own.kind === 'pointer' ? bare(own.target) : own;
  return isComposite(target) ? target : undefined;
}

function proposals(type: CompositeType, depth: number): Completion[] {
  return type.members.flatMap((member: DebugMember): Completion[] => {
    if (member.name !== undefined)
      return [{ label: member.name, kind: 'member', detail: typeName(member.type) }];
    const inner = bare(member.type);
    return isComposite(inner) && depth < 16 ? proposals(inner, depth + 1) : [];
  });
}

const CLOSING: Record<string, string | undefined> = { ')': '(', ']': '[' };

/** The postfix expression with which a text ends: `q.p[1]` of `x + q.p[1]`. */
function operandAtEnd(text: string): string {
  const tokens = tokensOf(text).slice(0, -1);
  let at = tokens.length - 1;
  let start = text.length;
  for (;;) {
    const token = tokens.at(at);
    if (at < 0 || !token) break;
    const opening = token.kind === 'operator' ? CLOSING[token.text] : undefined;
    if (opening !== undefined) {
      at = matching(tokens, at, opening, (token as { text: string }).text);
      if (at < 0) return '';
      start = tokens[at].at;
      at--;
      // An index or a parenthesis may belong to what stands before it.
      if (opening === '[' || isOperand(tokens.at(at))) continue;
    } else if (isOperand(token)) {
      start = token.at;
      at--;
      if (tokens.at(at)?.kind === 'scope' && at >= 0) start = tokens[at--].at;
    } else break;
    const before = at >= 0 ? tokens[at] : undefined;
    if (before?.kind !== 'operator' || (before.text !== '.' && before.text !== '->')) break;
    at--;
  }
  return text.slice(start);
}

function isOperand(token: Token | undefined): boolean {
  return token?.kind === 'name' || token?.kind === 'register';
}

/** Index of the bracket that a closing one belongs to; -1: there is none. */
function matching(tokens: readonly Token[], from: number, opening: string, closing: string): number {
  let depth = 0;
  for (let at = from; at >= 0; at--) {
    const token = tokens[at];
    if (token.kind !== 'operator') continue;
    if (token.text === closing) depth++;
    if (token.text === opening && --depth === 0) return at;
  }
  return -1;
}
