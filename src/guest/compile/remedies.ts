/** What to do about messages of a compiler or linker that say what is wrong, but not what a guest has instead. */

/** A kind of message, by what it says, and the sentence that is put behind it. */
interface Remedy {
  pattern: RegExp;
  /** `name`: what the pattern's first group is. */
  sentence: (name: string) => string;
}

/** Functions of the C library, and what the guest kit has in their place. */
const INSTEAD: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['printf', 'vprintf', 'fprintf', 'puts', 'perror'].map((name) => [
      name,
      'tl_printf of trapline.h prints to the UART',
    ]),
  ),
  ...Object.fromEntries(['putchar', 'putc', 'fputc'].map((name) => [name, 'tl_putc of trapline.h'])),
  ...Object.fromEntries(
    ['malloc', 'calloc', 'realloc', 'aligned_alloc', 'free'].map((name) => [
      name,
      'tl_alloc of trapline.h, whose memory is never given back',
    ]),
  ),
  ...Object.fromEntries(['exit', '_exit', 'abort'].map((name) => [name, 'tl_exit of trapline.h'])),
  ...Object.fromEntries(['assert', '__assert_fail'].map((name) => [name, 'tl_check of trapline.h'])),
};

const NO_SSE = 'floating-point numbers need SSE, which this machine does not have';
const USE_INTEGERS = 'use integers (a fixed point where fractions are needed)';

const REMEDIES: readonly Remedy[] = [
  {
    pattern: /\bSSE\b.*\bdisabled\b|\bwithout SSE\b/,
    sentence: () =>
      `${NO_SSE}: ${USE_INTEGERS}. Guests are compiled with -mgeneral-regs-only, which is why the compiler refuses it`,
  },
  {
    // Names of libgcc's arithmetic: an operation, then the modes of its operands (GCC internals, "Soft float library routines").
    pattern: /undefined reference to .(__[a-z]+(?:[sdxt]f|[sdt]i)[a-z]*[0-9]?)'/,
    sentence: (name) =>
      /[sdxt]f/.test(name.slice(2))
        ? `this is arithmetic with floating-point numbers: ${NO_SSE}; ${USE_INTEGERS}`
        : 'this is arithmetic of 128 bits, for which the compiler calls a library that a guest does not have: use 64 bits',
  },
  {
    pattern: /'(\w+)' was not declared in this scope/,
    sentence: insteadOf,
  },
  {
    pattern:
      /(?:undefined reference to|implicit declaration of function|call to undeclared (?:library )?function|use of undeclared identifier) .(\w+)'/,
    sentence: insteadOf,
  },
];

function insteadOf(name: string): string {
  if (Object.hasOwn(INSTEAD, name)) return `a guest has no C library: use ${INSTEAD[name]}`;
  return name.startsWith('tl_') ? 'include "trapline.h", the header of the guest kit' : '';
}

/** A message with what to do about it, where that is known. */
export function withRemedy(message: string): string {
  for (const { pattern, sentence } of REMEDIES) {
    const match = pattern.exec(message);
    const text = match ? sentence(match[1] ?? '') : '';
    if (text !== '') return `${message}; ${text}`;
  }
  return message;
}
