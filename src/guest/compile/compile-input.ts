/** What a compilation is made from: checks of what a scenario asks for, and the compiler's arguments. */
import { dirname, extname } from 'node:path';
import type { PathRemap } from '../image';

/** `-O0`, `-O1`, `-O2`, `-Os`. */
export type Optimisation = '0' | '1' | '2' | 's';

/** Preprocessor macros by name. */
export type Defines = Readonly<Record<string, string | number>>;

/** What is compiled by a compiler, and what only linked. */
const CXX = ['.cpp', '.cc', '.cxx'] as const;
export const COMPILED = ['.c', ...CXX, '.S', '.s'] as const;
export const LINKED = ['.o'] as const;

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
/** Printable ASCII: a line break would let a value end the macro and begin something else. */
const VALUE = /^[\x20-\x7e]{0,256}$/;

/** Code for ring 0 of a computer without anything, in any language: no host headers, no SSE, no red zone below an interrupt's stack. */
const COMMON = [
  '-g',
  '-gdwarf-5',
  '-ffreestanding',
  '-fno-pic',
  '-fno-pie',
  '-mgeneral-regs-only',
  '-mno-red-zone',
  '-mcmodel=small',
  '-fno-stack-protector',
  '-fno-asynchronous-unwind-tables',
  '-fcf-protection=none',
  '-fno-omit-frame-pointer', // so that a debugger can walk the stack by RBP
  '-Wall',
  '-Wextra',
  '-fdiagnostics-color=never',
] as const;

/** What leads to a guest that does not do what it says, as a call without a declaration, is an error and no warning. */
const C_ONLY = [
  '-std=gnu11',
  '-Werror=implicit-function-declaration',
  '-Werror=implicit-int',
  '-Werror=int-conversion',
] as const;

/** C++ without what needs a library behind it. */
const CXX_ONLY = ['-std=gnu++17', '-fno-exceptions', '-fno-rtti', '-fno-threadsafe-statics'] as const;

const LINK = ['-no-pie', '-static', '-nostdlib', '-Wl,--build-id=sha1', '-Wl,-z,noexecstack'] as const;

/** What is wrong with the sources' names or the macros, for a reader; undefined when nothing is. */
export function problemWith(sources: readonly string[], defines: Defines): string | undefined {
  if (sources.length === 0) return 'There is no source to compile.';
  const allowed: readonly string[] = [...COMPILED, ...LINKED];
  for (const [index, source] of sources.entries()) {
    if (!allowed.includes(extname(source))) {
      return `${source} is not a source of a guest: files ending in ${allowed.join(', ')} can be compiled and linked.`;
    }
    if (/[\0\n\r]/.test(source))
      return `The path ${JSON.stringify(source)} has a control character: rename it.`;
    if (sources.indexOf(source) !== index) return `${source} is named twice: name it once.`;
  }
  for (const [name, value] of Object.entries(defines)) {
    if (!IDENTIFIER.test(name)) {
      return `The macro name ${JSON.stringify(name)} is not a C identifier: letters, digits and _, not beginning with a digit.`;
    }
    if (typeof value === 'number' ? !Number.isFinite(value) : !VALUE.test(value)) {
      return `The value ${JSON.stringify(value)} of macro ${name} cannot be used: a number, or up to 256 printable ASCII characters in one line.`;
    }
  }
  return undefined;
}

/** Whether a source is C++, by its ending. */
export function isCxx(file: string): boolean {
  return (CXX as readonly string[]).includes(extname(file));
}

/** Arguments that depend on the language of a source alone. */
export function languageFlags(file: string): readonly string[] {
  return isCxx(file) ? CXX_ONLY : C_ONLY;
}

/** Arguments that decide what an object file holds, without the names of the files and without those of its language. */
export function compileFlags(
  kitDir: string,
  sourceDirs: readonly string[],
  defines: Defines,
  optimise: Optimisation,
  prefixMap: readonly PathRemap[],
): string[] {
  return [
    ...COMMON,
    `-O${optimise}`,
    '-I',
    kitDir,
    ...Object.entries(defines)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `-D${name}=${value}`),
    ...prefixMap.map(({ from, to }) => `-ffile-prefix-map=${from}=${to}`),
    // __FILE__ becomes the bare name: then the code is the same wherever the workspace lies.
    ...[kitDir, ...sourceDirs]
      .filter((each) => !each.includes('='))
      .map((each) => `-fmacro-prefix-map=${each}/=`),
  ];
}

/** The macros that are the guest kit's own switches: another one of a driver's must not change what the kit's files mean. */
export function switchesOfKit(defines: Defines): Defines {
  return Object.fromEntries(Object.entries(defines).filter(([name]) => name.startsWith('TL_')));
}

/** Arguments of the linking step, without the names of the files. */
export function linkFlags(script: string): string[] {
  return [...LINK, '-T', script];
}

/** Folders of the sources, each once, in order. */
export function foldersOf(sources: readonly string[]): string[] {
  return [...new Set(sources.map((each) => dirname(each)))];
}
