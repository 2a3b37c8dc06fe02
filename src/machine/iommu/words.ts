/** Entries of tables and descriptors as 32-bit words, low half of each 64-bit field first: arithmetic on them is exact and cheap. */

/** An entry or descriptor: two words for each 64 bits. */
export type Words = Uint32Array;

const WORD = 2 ** 32;
const PAGE_BITS = 0xfffff000;

/** The words of bytes that were read from memory (little-endian). */
export function wordsOf(bytes: Uint8Array): Words {
  const words = new Uint32Array(bytes.length >> 2);
  for (let at = 0; at < words.length; at++) {
    const byte = at * 4;
    words[at] = bytes[byte] | (bytes[byte + 1] << 8) | (bytes[byte + 2] << 16) | (bytes[byte + 3] << 24);
  }
  return words;
}

/** The bytes of words, as they stand in memory. */
export function bytesOf(words: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < words.length; at++) view.setUint32(at * 4, words[at], true);
  return bytes;
}

/** A field of at most 32 bits within one word. @param first lowest bit of the field */
export function field(word: number, first: number, length: number): number {
  return (word >>> first) & (2 ** length - 1);
}

/** Whether a bit of a word is set. */
export function isSet(word: number, bit: number): boolean {
  return ((word >>> bit) & 1) !== 0;
}

/** The page address in bits 51 to 12 of the 64-bit field that begins at a word. */
export function pageAddress(words: Words, at = 0): number {
  return (words[at + 1] & 0xfffff) * WORD + ((words[at] & PAGE_BITS) >>> 0);
}

/** The address in all bits but the lowest `clear` ones of two words; exact below 2^53. */
export function addressIn(low: number, high: number, clear: number): number {
  return (high >>> 0) * WORD + (low >>> 0) - ((low >>> 0) % 2 ** clear);
}

/** The upper word of an address or another whole number below 2^53. */
export function highWord(value: number): number {
  return Math.floor(value / WORD);
}

/** Those bits of an entry's upper word at and above bit `width` of the 64-bit field, up to bit 51: reserved where addresses end. */
export function bitsAboveWidth(width: number): number {
  return width >= 52 ? 0 : (0xfffff & ~(2 ** (width - 32) - 1)) >>> 0;
}
