/**
 * Registers by their DWARF numbers (System V ABI, AMD64 supplement, figure 3.36; i386 supplement, table 2.14) and by the
 * names that one writes in an expression.
 */

/** A name in an expression, and which bits of which register it is. */
export interface NamedRegister {
  /** DWARF number. */
  readonly number: number;
  /** Lowest bit and number of bits. */
  readonly first: number;
  readonly bits: number;
}

/** What unwinding and expressions need to know of an architecture. */
export interface Architecture {
  readonly name: 'x86-64' | 'i386';
  /** Of an address and a general register. */
  readonly addressBytes: 4 | 8;
  /** DWARF numbers. */
  readonly stackPointer: number;
  readonly framePointer: number;
  readonly programCounter: number;
  readonly flags: number;
  /** DWARF numbers of CS and SS. */
  readonly codeSegment: number;
  readonly stackSegment: number;
  /** DWARF numbers of general registers that a function leaves as they are (System V ABI: figure 3.4 of AMD64's, table 2.3 of i386's). */
  readonly keptByCallees: ReadonlySet<number>;
  /** Names without `$`, in lower case. */
  readonly names: ReadonlyMap<string, NamedRegister>;
  /** Name of a register for a reader. */
  nameOf(number: number): string;
  /** Bytes of a register. */
  bytesOf(number: number): number;
}

/** Bytes of an SSE register; nothing that runs here has wider ones in its debug information. */
const VECTOR_BYTES = 16;

type Row = readonly [name: string, number: number, first?: number, bits?: number];

function make(
  given: Omit<Architecture, 'names' | 'nameOf' | 'bytesOf'>,
  rows: readonly Row[],
  vectors: { readonly first: number; readonly count: number },
): Architecture {
  const names = new Map<string, NamedRegister>();
  const primary = new Map<number, string>();
  const whole = 8 * given.addressBytes;
  for (const [name, number, first = 0, bits = whole] of rows) {
    names.set(name, { number, first, bits });
    if (!primary.has(number)) primary.set(number, name);
  }
  const isVector = (number: number): boolean =>
    number >= vectors.first && number < vectors.first + vectors.count;
  return {
    ...given,
    names,
    nameOf: (number) =>
      primary.get(number) ?? (isVector(number) ? `xmm${number - vectors.first}` : `register ${number}`),
    bytesOf: (number) => (isVector(number) ? VECTOR_BYTES : given.addressBytes),
  };
}

const segments = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;

/** `pc`, `sp`, `fp`: the architecture's own, whatever their names. */
function roles(programCounter: number, stackPointer: number, framePointer: number): Row[] {
  return [
    ['pc', programCounter],
    ['sp', stackPointer],
    ['fp', framePointer],
  ];
}

/** Letters of the registers that have halves: AX, AH, AL. */
function parts(letter: string, number: number): Row[] {
  return [
    [`${letter}x`, number, 0, 16],
    [`${letter}l`, number, 0, 8],
    [`${letter}h`, number, 8, 8],
  ];
}

const general64 = ['rax', 'rdx', 'rcx', 'rbx', 'rsi', 'rdi', 'rbp', 'rsp'] as const;
const general32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;

/** The 32-bit and 16-bit names of a register that has no halves, and its low byte where it has one. */
function narrow(name: string, number: number): Row[] {
  return [
    [name, number, 0, 16],
    [`${name}l`, number, 0, 8],
  ];
}

function rows64(): Row[] {
  const rows: Row[] = general64.map((name, number): Row => [name, number]);
  for (let number = 8; number < 16; number++)
    rows.push(
      [`r${number}`, number],
      [`r${number}d`, number, 0, 32],
      [`r${number}w`, number, 0, 16],
      [`r${number}b`, number, 0, 8],
    );
  rows.push(['rip', 16], ['rflags', 49], ['eflags', 49, 0, 32], ['fs_base', 58], ['gs_base', 59]);
  segments.forEach((name, index) => rows.push([name, 50 + index, 0, 16]));
  general64.forEach((name, number) => rows.push([`e${name.slice(1)}`, number, 0, 32]));
  rows.push(...parts('a', 0), ...parts('d', 1), ...parts('c', 2), ...parts('b', 3));
  rows.push(...narrow('si', 4), ...narrow('di', 5), ...narrow('bp', 6), ...narrow('sp', 7));
  return [...rows, ...roles(16, 7, 6)];
}

function rows32(): Row[] {
  const rows: Row[] = general32.map((name, number): Row => [name, number]);
  rows.push(['eip', 8], ['eflags', 9]);
  segments.forEach((name, index) => rows.push([name, 40 + index, 0, 16]));
  rows.push(...parts('a', 0), ...parts('c', 1), ...parts('d', 2), ...parts('b', 3));
  for (const [name, number] of [
    ['si', 6],
    ['di', 7],
    ['bp', 5],
  ] as const)
    rows.push([name, number, 0, 16]);
  return [...rows, ...roles(8, 4, 5)];
}

/** 64-bit code. */
export const X86_64: Architecture = make(
  {
    name: 'x86-64',
    addressBytes: 8,
    stackPointer: 7,
    framePointer: 6,
    programCounter: 16,
    flags: 49,
    codeSegment: 51,
    stackSegment: 52,
    keptByCallees: new Set([3, 6, 12, 13, 14, 15]),
  },
  rows64(),
  { first: 17, count: 16 },
);

/** Code of 32-bit files. */
export const I386: Architecture = make(
  {
    name: 'i386',
    addressBytes: 4,
    stackPointer: 4,
    framePointer: 5,
    programCounter: 8,
    flags: 9,
    codeSegment: 41,
    stackSegment: 42,
    keptByCallees: new Set([3, 5, 6, 7]),
  },
  rows32(),
  { first: 21, count: 8 },
);

/** By bytes of an address in the guest's file. */
export function architectureOf(addressBytes: 4 | 8): Architecture {
  return addressBytes === 8 ? X86_64 : I386;
}
