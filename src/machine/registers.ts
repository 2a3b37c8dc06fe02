/** What registers are called and made of, once for each device: the trace, its details, the view of a machine and its documentation read it here. */
import type { BitField } from '../trace/vocabulary/kind-row';
import type { StateNode, StatePath } from './inspect';

/** What a manual says of a register. */
export interface RegisterDescription {
  /** Heading that it stands under: `Receive`. Absent: none. */
  readonly group?: string;
  /** One sentence; ends with its section of the manual. */
  readonly meaning?: string;
  readonly fields?: readonly BitField[];
}

/** Descriptions of a device's registers by name. Registers with a number in their names may share that of the name without it. */
export type RegisterDescriptions = Readonly<Record<string, RegisterDescription | undefined>>;

/** A register and where it is: the offset that the device's manual counts by. */
export type RegisterPlace = readonly [name: string, offset: number];

/** A register and what it holds. */
export interface ShownRegister extends RegisterDescription {
  readonly name: string;
  readonly value: bigint;
  /** Width in bits. */
  readonly bits: number;
}

/** The names by which a register may be described: its own, the one without the number at its end, or without the first in it. */
export function describedNames(name: string): readonly string[] {
  return [name, name.replace(/\d+$/, ''), name.replace(/\d+/, '')];
}

/** The description of a register. */
export function describedAs(descriptions: RegisterDescriptions, name: string): RegisterDescription {
  const found = describedNames(name).find((each) => descriptions[each]);
  return (found === undefined ? undefined : descriptions[found]) ?? {};
}

const WORD_BITS = 32;

/** The part of a field that lies in the lower or the upper 32 bits; undefined: none of it does. */
function inHalf(field: BitField, upper: boolean): BitField | undefined {
  const { low, high, name } = field;
  const from = upper ? WORD_BITS : 0;
  const first = Math.max(low, from);
  const last = Math.min(high, from + WORD_BITS - 1);
  if (first > last) return undefined;
  const place = { low: first - from, high: last - from };
  if (last - first === high - low && !(upper && field.format === 'pointer')) return { ...field, ...place };
  // Of an address whose lower bits are in the other half the upper ones are a number.
  return { name, format: upper || field.format !== 'pointer' ? 'hex' : 'pointer', ...place };
}

/**
 * Descriptions of registers of 64 bits, and of their halves, where software accesses 32 bits at a time: the lower one has the register's
 * name, that of the upper one ends with `_HI`.
 */
export function inHalves(descriptions: RegisterDescriptions): RegisterDescriptions {
  const halves = Object.entries(descriptions).flatMap(([name, whole]): [string, RegisterDescription][] => {
    const { fields, ...rest } = whole ?? {};
    const of = (upper: boolean): RegisterDescription => {
      const parts = (fields ?? []).flatMap((field) => inHalf(field, upper) ?? []);
      return { ...rest, ...(parts.length > 0 && { fields: parts }) };
    };
    return [
      [name, of(false)],
      [`${name}_HI`, of(true)],
    ];
  });
  return Object.fromEntries(halves);
}

/** Fields of registers by name, for a trace's track: of those that have some. */
export function fieldsByName(
  descriptions: RegisterDescriptions,
  names: Iterable<string>,
): Record<string, readonly BitField[]> {
  const found: Record<string, readonly BitField[]> = {};
  for (const name of names) {
    const { fields } = describedAs(descriptions, name);
    if (fields) found[name] = fields;
  }
  return found;
}

/** A register as a node of the tree. */
export function registerNode({ name, value, bits, meaning, fields }: ShownRegister): StateNode {
  return {
    name,
    ...(meaning !== undefined && { description: meaning }),
    value: { kind: 'register', value, bits, ...(fields && { fields }) },
  };
}

/** Registers of one width as nodes, by their names, with what they hold; in that order. */
export function describedNodes(
  descriptions: RegisterDescriptions,
  bits: number,
  values: Readonly<Record<string, number | bigint>>,
): StateNode[] {
  return registerNodes(
    Object.entries(values).map(([name, value]) => ({
      ...describedAs(descriptions, name),
      name,
      value: BigInt(value),
      bits,
    })),
  );
}

/** Registers as nodes: those of a group together under its heading, in the order of their first member. */
export function registerNodes(registers: Iterable<ShownRegister>): StateNode[] {
  const nodes: StateNode[] = [];
  const groups = new Map<string, StateNode[]>();
  for (const register of registers) {
    const node = registerNode(register);
    const { group } = register;
    if (group === undefined) {
      nodes.push(node);
      continue;
    }
    let members = groups.get(group);
    if (!members) {
      groups.set(group, (members = []));
      nodes.push({ name: group, children: members });
    }
    members.push(node);
  }
  return nodes;
}

/** The node at a path below one whose children are all there; undefined where there is nothing of that name. */
export function nodeAt(node: StateNode | undefined, path: StatePath): StateNode | undefined {
  let found = node;
  for (const name of path) found = found?.children?.find((child) => child.name === name);
  return found;
}

/** A branch of a tree that is made when it is asked for: its node for the list, and what is below. */
export interface Branch {
  readonly name: string;
  readonly description?: string;
  /** What is at a path below it; [] is the branch itself. */
  at(path: StatePath): StateNode | undefined;
}

/** A node whose children are branches: at [] they stand there unopened. */
export function branches(
  name: string,
  all: readonly Branch[],
  path: StatePath,
  description?: string,
): StateNode | undefined {
  const [first, ...rest] = path;
  if (first !== undefined) {
    const found = all.find((branch) => branch.name === first)?.at(rest);
    return found && rest.length === 0 ? { ...found, name: first } : found;
  }
  return {
    name,
    ...(description !== undefined && { description }),
    children: all.map((branch) => ({
      name: branch.name,
      ...(branch.description !== undefined && { description: branch.description }),
      more: true,
    })),
  };
}

/** A branch that is small enough to be made as a whole. */
export function wholeBranch(name: string, make: () => StateNode, description?: string): Branch {
  return {
    name,
    ...(description !== undefined && { description }),
    at: (path) => nodeAt(make(), path),
  };
}

/** Children of a list of which more than this many stand in groups of as many. */
const LIST_GROUP = 128;

/**
 * A list of things that may be long: up to 128 stand there, more in groups that are opened one by one. Names of the things are
 * their numbers.
 * @param make the thing at an index
 */
export function listAt(
  node: Omit<StateNode, 'children'>,
  length: number,
  make: (index: number) => StateNode,
  path: StatePath,
): StateNode | undefined {
  const span = (from: number, to: number): StateNode[] =>
    Array.from({ length: to - from }, (_, i) => make(from + i));
  if (length <= LIST_GROUP) return nodeAt({ ...node, children: span(0, length) }, path);
  const groups: Branch[] = [];
  for (let from = 0; from < length; from += LIST_GROUP) {
    const to = Math.min(length, from + LIST_GROUP);
    const name = `${from} to ${to - 1}`;
    groups.push(wholeBranch(name, () => ({ name, children: span(from, to) })));
  }
  const found = branches(node.name, groups, path);
  return found && path.length === 0 ? { ...node, ...found } : found;
}
