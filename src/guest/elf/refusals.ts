/** Files that are no guest, and what to tell the person who named one. */
import { GuestImageError } from '../errors';

/** Names of the machines one may meet (ELF e_machine). */
const machines: Record<number, string> = {
  2: 'SPARC',
  3: 'i386',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC64',
  22: 'S/390',
  40: 'ARM',
  43: 'SPARC V9',
  50: 'IA-64',
  62: 'x86-64',
  183: 'AArch64',
  243: 'RISC-V',
  247: 'BPF',
  258: 'LoongArch',
};

/** How other kinds of files begin. */
const otherFormats: readonly (readonly [bytes: readonly number[], what: string])[] = [
  [[0x4d, 0x5a], 'a Windows (PE) executable'],
  [[0xcf, 0xfa, 0xed, 0xfe], 'a macOS (Mach-O) executable'],
  [[0xca, 0xfe, 0xba, 0xbe], 'a macOS (Mach-O) executable'],
  [[0x21, 0x3c, 0x61, 0x72, 0x63, 0x68, 0x3e], 'a static library (.a)'],
  [[0x23, 0x21], 'a script'],
  [[0x1f, 0x8b], 'packed with gzip'],
];

/** e_machine of i386 and x86-64. */
const X86: readonly number[] = [3, 62];

/** ELF e_type, and what is wrong with each that is not ET_EXEC. */
const types: Record<number, string> = {
  1: 'is an object file (.o): name it among the sources, and it will be linked with the guest kit',
  3: 'is a shared object or an executable for a dynamic linker, which a guest has not: link it with -static-pie -nostdlib, or with -static -no-pie',
  4: 'is a core dump',
};

const build =
  'A guest is a static ELF executable for x86-64, or a kernel with a Multiboot header: name C sources instead, or build one with the guest kit';

/**
 * Throws when a file's first bytes show that it cannot be a guest.
 * @throws GuestImageError that names what was found
 */
export function refuseHeader(bytes: Uint8Array, name: string): void {
  const fail = (what: string): never => {
    throw new GuestImageError(`${name} ${what}.`);
  };
  if (bytes.length === 0) fail('is empty');
  if (!isElf(bytes)) {
    const other = otherFormats.find(([magic]) => startsWith(bytes, magic));
    fail(`is ${other ? other[1] : 'not an ELF file'}. ${build}`);
  }
  if (bytes.length < 20) fail(`is truncated: ${bytes.length} bytes, less than an ELF header`);
  const little = bytes[5] === 1;
  const half = (at: number): number =>
    little ? bytes[at] | (bytes[at + 1] << 8) : (bytes[at] << 8) | bytes[at + 1];
  const machine = half(18);
  if (!X86.includes(machine)) {
    fail(`is made for ${machines[machine] ?? `machine ${machine}`}, not for x86. ${build}`);
  }
  if (bytes[4] !== 1 && bytes[4] !== 2)
    fail(`is of ELF class ${bytes[4]}, which does not exist: the file is damaged`);
  if (!little) fail('is big-endian, which x86 is not: the file is damaged');
  const type = half(16);
  if (type !== 2) fail(types[type] ?? `is of ELF type ${type}, not an executable`);
}

/** Whether a file begins as an ELF file does. */
export function isElf(bytes: Uint8Array): boolean {
  return startsWith(bytes, [0x7f, 0x45, 0x4c, 0x46]);
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}
