/** Nodes of the tree of a machine's inside, by the kind of their values. */
import type { BitField } from '../trace/vocabulary/kind-row';
import type { StateNode } from './inspect';

/** A count or an index. */
export const numberNode = (name: string, value: number, unit?: string): StateNode => ({
  name,
  value: { kind: 'number', value: BigInt(value), ...(unit !== undefined && { unit }) },
});

/** An address, exact below 2^53. */
export const addressNode = (name: string, value: number): StateNode => ({
  name,
  value: { kind: 'address', value: BigInt(value) },
});

export const textNode = (name: string, value: string): StateNode => ({
  name,
  value: { kind: 'text', value },
});

export const flagNode = (name: string, value: boolean): StateNode => ({
  name,
  value: { kind: 'flag', value },
});

/** Bits with a meaning each, where they are no register: the flags of a descriptor, an entry of a table. */
export const bitsNode = (
  name: string,
  value: number | bigint,
  bits: number,
  fields: readonly BitField[],
): StateNode => ({ name, value: { kind: 'register', value: BigInt(value), bits, fields } });

/** What stands in memory that nobody can read. */
export const unreadable = (name: string): StateNode => textNode(name, 'cannot be read there');

/** A number as manuals write addresses and identifiers. */
export const hex = (value: number | bigint, digits = 1): string =>
  `0x${value.toString(16).padStart(digits, '0')}`;
