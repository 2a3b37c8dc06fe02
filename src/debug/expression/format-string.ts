/** Characters and strings as C writes them. */
import type { MachineReader } from '../frames/machine';
import { hex } from '../frames/machine';

/** A run of equal characters longer than this is counted and not written out; gdb's `print repeats`. */
export const REPEATS = 10;

const escapes: Record<number, string | undefined> = {
  7: '\\a',
  8: '\\b',
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  27: '\\033',
  0x5c: '\\\\',
};

/** One byte between quotes. */
function escaped(byte: number, quote: string): string {
  const known = escapes[byte];
  if (known !== undefined) return known;
  const character = String.fromCharCode(byte);
  if (character === quote) return `\\${quote}`;
  if (byte >= 0x20 && byte < 0x7f) return character;
  return `\\${byte.toString(8).padStart(3, '0')}`;
}

/** `97 'a'`. */
export function characterText(value: bigint): string {
  return `${value} '${escaped(Number(value & 0xffn), "'")}'`;
}

/**
 * Bytes as a string, long runs counted: `"ab", '\000' <repeats 30 times>`.
 * @param limit nothing is written behind so many characters, those of runs among them
 * @param isCut whether more follows than is given
 */
export function stringText(bytes: Uint8Array, limit: number, isCut: boolean): string {
  const parts: string[] = [];
  let open = '';
  const close = (): void => {
    if (open !== '') parts.push(`"${open}"`);
    open = '';
  };
  let written = 0;
  let at = 0;
  while (at < bytes.length && written < limit) {
    let end = at + 1;
    while (end < bytes.length && bytes[end] === bytes[at]) end++;
    const count = end - at;
    if (count > REPEATS) {
      close();
      parts.push(`'${escaped(bytes[at], "'")}' <repeats ${count} times>`);
      written += count;
      at = end;
    } else {
      open += escaped(bytes[at], '"');
      written++;
      at++;
    }
  }
  close();
  const shown = parts.length === 0 ? '""' : parts.join(', ');
  return at < bytes.length || isCut ? `${shown}...` : shown;
}

/** What a `char *` points to, up to its end or `limit` characters. */
export function pointedString(machine: MachineReader, address: bigint, limit: number): string {
  const bytes = machine.readMemory(address, limit);
  const end = bytes.indexOf(0);
  if (end >= 0) return stringText(bytes.subarray(0, end), limit, false);
  if (bytes.length === limit) return stringText(bytes, limit, true);
  const fault = `<error: Cannot access memory at address ${hex(address + BigInt(bytes.length))}>`;
  return bytes.length === 0 ? fault : `${stringText(bytes, limit, false)}${fault}`;
}
