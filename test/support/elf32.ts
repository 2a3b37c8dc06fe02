/** Executables made by hand. */

/** Header of a Multiboot 1 kernel that asks for nothing (section 3.1.1). */
export const MULTIBOOT: readonly number[] = [0x1badb002, 0, -0x1badb002];

/** A 32-bit ELF executable at 1 MiB (System V ABI, i386): one segment with these words, then code, where it begins. */
export function elf32(header: readonly number[], code: readonly number[]): Uint8Array {
  const size = 4 * header.length + code.length;
  const bytes = new Uint8Array(84 + size);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  [2, 3].forEach((half, index) => view.setUint16(16 + 2 * index, half, true));
  [1, 0x100000 + 4 * header.length, 52].forEach((word, index) => view.setUint32(20 + 4 * index, word, true));
  [52, 32, 1].forEach((half, index) => view.setUint16(40 + 2 * index, half, true));
  const program = [1, 84, 0x100000, 0x100000, size, size, 7, 4];
  [...program, ...header].forEach((word, index) => view.setUint32(52 + 4 * index, word >>> 0, true));
  bytes.set(code, 84 + 4 * header.length);
  return bytes;
}
