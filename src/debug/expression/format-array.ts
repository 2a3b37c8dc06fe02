/** Arrays as text: strings, and elements of which long runs are counted. */
import { DebugError } from '../frames/errors';
import { addressText } from './symbol-text';
import { REPEATS, stringText } from './format-string';
import type { DisplayFormat } from './display-format';
import { bare, isCharacter, sizeOf, type ArrayType } from './types';
import type { Value } from './value';

interface ArrayOptions {
  readonly elements: number;
  readonly length: number;
  readonly format?: DisplayFormat;
}

/** Bytes of an array that are read to write it. */
const MAX_BYTES = 1 << 16;

/** @param write an element as text */
export function arrayText(
  value: Value,
  type: ArrayType,
  options: ArrayOptions,
  write: (element: Value) => string,
): string {
  const { count } = type;
  if (count === undefined) return addressText(value.addressFor('An array'), value.frame.program);
  const size = sizeOf(type.element);
  const asString = isCharacter(bare(type.element)) && (!options.format || options.format === 's');
  if (asString) return characters(value, count, options.elements);
  if (count === 0) return '{}';
  if (value.address !== undefined) value.firstBytes(1); // what cannot be read at all is said once
  return elements(value, count, size, options, write);
}

function characters(value: Value, count: number, limit: number): string {
  const bytes = value.bytes();
  // The terminating zero is not written, zeros before it are.
  const end = count > 0 && bytes[count - 1] === 0 ? count - 1 : count;
  return stringText(bytes.subarray(0, end), limit, false);
}

function elements(
  value: Value,
  count: number,
  size: number,
  options: ArrayOptions,
  write: (element: Value) => string,
): string {
  const readable = size === 0 ? count : Math.min(count, Math.max(1, Math.floor(MAX_BYTES / size)));
  const bytes = bytesOf(value, readable * size);
  const parts: string[] = [];
  let written = 0;
  let length = 0;
  let at = 0;
  while (at < readable && written < options.elements && length <= options.length) {
    let end = at + 1;
    while (end < readable && bytes && same(bytes, at * size, end * size, size)) end++;
    const run = end - at;
    const shown = write(value.element(BigInt(at)));
    length += shown.length;
    if (run > REPEATS) {
      parts.push(`${shown} <repeats ${run} times>`);
      written += REPEATS;
      at = end;
    } else {
      parts.push(shown);
      written++;
      at++;
    }
  }
  return `{${parts.join(', ')}${at < count ? '...' : ''}}`;
}

/** Undefined where the array cannot be read as a whole: then no two elements are known to be equal. */
function bytesOf(value: Value, length: number): Uint8Array | undefined {
  try {
    return value.firstBytes(length);
  } catch (error) {
    if (error instanceof DebugError) return undefined;
    throw error;
  }
}

function same(bytes: Uint8Array, first: number, second: number, size: number): boolean {
  for (let i = 0; i < size; i++) if (bytes[first + i] !== bytes[second + i]) return false;
  return true;
}
