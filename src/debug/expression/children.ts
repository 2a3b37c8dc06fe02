/** What a value has inside: members, elements by pages, what a pointer points to. */
import type { DebugMember } from '../../guest/dwarf/model';
import { bare, isComposite, isScalar, type CompositeType } from './types';
import type { Value } from './value';

/** A part of a value. */
export interface Child {
  /** `head`, `[3]`, `*p`. */
  readonly name: string;
  readonly value: Value;
  /** The expression that leads to it. */
  readonly expression: string;
}

/** How many parts a value has, by the two ways in which they are asked for. */
export interface ChildCount {
  readonly named: number;
  readonly indexed: number;
}

/** Anonymous members within one another. */
const MAX_NESTING = 16;

/** Members by name; those of anonymous ones are the outer one's (C11, 6.7.2.1). */
function namedMembers(type: CompositeType, depth = 0): (readonly DebugMember[])[] {
  return type.members.flatMap((member): (readonly DebugMember[])[] => {
    if (member.name !== undefined) return [[member]];
    const inner = bare(member.type);
    if (!isComposite(inner) || depth >= MAX_NESTING) return [];
    return namedMembers(inner, depth + 1).map((path) => [member, ...path]);
  });
}

/** The struct or union whose members a value shows: its own, or those of what it points to. */
function compositeOf(value: Value): CompositeType | undefined {
  const type = value.bare;
  if (isComposite(type)) return type;
  const target = type.kind === 'pointer' ? bare(type.target) : undefined;
  return target && isComposite(target) ? target : undefined;
}

/** Whether a pointer's target is shown: it has a value, and there is one to point to. */
function pointsToValue(value: Value): boolean {
  const type = value.bare;
  if (type.kind !== 'pointer') return false;
  const target = bare(type.target);
  return isScalar(target) || target.kind === 'array';
}

/** How many parts a value has; nothing is read. */
export function countChildren(value: Value): ChildCount {
  const type = value.bare;
  if (type.kind === 'array') return { named: 0, indexed: type.count ?? 0 };
  const composite = compositeOf(value);
  if (composite) return { named: namedMembers(composite).length, indexed: 0 };
  return { named: pointsToValue(value) ? 1 : 0, indexed: 0 };
}

/**
 * Parts of a value.
 * @param expression that leads to the value
 * @param start and count: of an array the elements that are wanted; others give all their parts
 * @throws DebugError when a pointer cannot be read
 */
export function childrenOf(value: Value, expression: string, start = 0, count = 100): Child[] {
  const type = value.bare;
  const parent = parenthesised(expression);
  if (type.kind === 'array')
    return elements(value, parent, start, Math.min(count, (type.count ?? 0) - start));
  const composite = compositeOf(value);
  if (composite) {
    const isPointer = type.kind === 'pointer';
    const whole = isPointer ? value.pointee() : value;
    return namedMembers(composite).map((path) => {
      const name = path[path.length - 1].name ?? '';
      const member = path.reduce((outer, each) => outer.member(each), whole);
      return { name, value: member, expression: `${parent}${isPointer ? '->' : '.'}${name}` };
    });
  }
  if (!pointsToValue(value)) return [];
  return [{ name: `*${expression}`, value: value.pointee(), expression: `*${parent}` }];
}

function elements(value: Value, parent: string, start: number, count: number): Child[] {
  return Array.from({ length: Math.max(0, count) }, (_, index) => {
    const name = `[${start + index}]`;
    return { name, value: value.element(BigInt(start + index)), expression: `${parent}${name}` };
  });
}

/** What a postfix operator may follow as it is. */
const POSTFIX = /^\$?[\w.]+(?:(?:->|\.)\w+|\[\d+\])*$/;

function parenthesised(expression: string): string {
  return POSTFIX.test(expression) ? expression : `(${expression})`;
}
