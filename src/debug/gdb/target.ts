/** Registers as GDB knows them: the description of the target that it reads, and their values (GDB manual, appendix G). */
import { registerFields } from '../../machine/x86/inspect/register-fields';
import { Reg } from '../../machine/x86/types';
import type { RegisterFile, RegisterName } from '../../run/control/control';
import type { BitField } from '../../trace/vocabulary/kind-row';

/** A register by its place in the description. */
export interface TargetRegister {
  readonly name: string;
  readonly bits: number;
  /** Type of GDB's own, or one of the description's. */
  readonly type: string;
  /** Undefined: the simulated processor has none, as of the FPU. */
  readonly read: (file: RegisterFile) => bigint | undefined;
  /** Absent: it cannot be written. */
  readonly write?: RegisterName;
}

/** What GDB is told of a processor. */
export interface Target {
  readonly isWide: boolean;
  readonly registers: readonly TargetRegister[];
  /** `target.xml`. */
  readonly xml: string;
  /** Numbers of the registers that a stop is told with: instruction, stack and frame pointer. */
  readonly expedited: readonly number[];
}

/** Positions among `RegisterFile.segments`. */
const SEGMENT = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5 } as const;

const general = (name: string, index: number, bits: number, type: string): TargetRegister => ({
  name,
  bits,
  type,
  read: (file) => file.general[index],
  write: { general: index },
});

/** In GDB's order, which is not that of the instruction set for RBX and RDX. */
const GENERAL_64: readonly (readonly [name: string, index: number])[] = [
  ['rax', Reg.RAX],
  ['rbx', Reg.RBX],
  ['rcx', Reg.RCX],
  ['rdx', Reg.RDX],
  ['rsi', Reg.RSI],
  ['rdi', Reg.RDI],
  ['rbp', Reg.RBP],
  ['rsp', Reg.RSP],
  ...Array.from({ length: 8 }, (_, index): [string, number] => [`r${index + 8}`, Reg.R8 + index]),
];
const GENERAL_32: readonly (readonly [name: string, index: number])[] = [
  ['eax', Reg.RAX],
  ['ecx', Reg.RCX],
  ['edx', Reg.RDX],
  ['ebx', Reg.RBX],
  ['esp', Reg.RSP],
  ['ebp', Reg.RBP],
  ['esi', Reg.RSI],
  ['edi', Reg.RDI],
];

const dataPointers: ReadonlySet<string> = new Set(['rsp', 'rbp', 'esp', 'ebp']);

/** `org.gnu.gdb.i386.core`, all of which GDB insists on: general, flags, selectors, and an FPU, which is not there. */
function core(isWide: boolean): TargetRegister[] {
  const bits = isWide ? 64 : 32;
  const absent = (name: string, width: number, type: string): TargetRegister => ({
    name,
    bits: width,
    type,
    read: () => undefined,
  });
  return [
    ...(isWide ? GENERAL_64 : GENERAL_32).map(([name, index]) =>
      general(name, index, bits, dataPointers.has(name) ? 'data_ptr' : `int${bits}`),
    ),
    { name: isWide ? 'rip' : 'eip', bits, type: 'code_ptr', read: ({ rip }) => rip, write: 'rip' },
    { name: 'eflags', bits: 32, type: 'RFLAGS', read: ({ rflags }) => rflags, write: 'rflags' },
    ...(['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const).map((name): TargetRegister => ({
      name,
      bits: 32,
      type: 'int32',
      read: ({ segments }) => BigInt(segments[SEGMENT[name]]?.selector ?? 0),
    })),
    ...Array.from({ length: 8 }, (_, index) => absent(`st${index}`, 80, 'i387_ext')),
    ...['fctrl', 'fstat', 'ftag', 'fiseg', 'fioff', 'foseg', 'fooff', 'fop'].map((name) =>
      absent(name, 32, 'int'),
    ),
  ];
}

/** `org.gnu.gdb.i386.segments`. */
function bases(): TargetRegister[] {
  return (['fs', 'gs'] as const).map((name) => ({
    name: `${name}_base`,
    bits: 64,
    type: 'int64',
    read: ({ segments }) => segments[SEGMENT[name]]?.base,
  }));
}

/** Control registers, by the names that QEMU gives them. */
function system(isWide: boolean): TargetRegister[] {
  const bits = isWide ? 64 : 32;
  const plain = `int${bits}`;
  return [
    { name: 'cr0', bits, type: 'CR0', read: ({ cr0 }) => cr0 },
    { name: 'cr2', bits, type: plain, read: ({ cr2 }) => cr2 },
    { name: 'cr3', bits, type: plain, read: ({ cr3 }) => cr3 },
    { name: 'cr4', bits, type: 'CR4', read: ({ cr4 }) => cr4 },
    ...(isWide ? [{ name: 'cr8', bits, type: plain, read: ({ cr8 }: RegisterFile) => cr8 }] : []),
    { name: 'efer', bits, type: 'EFER', read: ({ efer }) => efer },
  ];
}

function flagsXml(id: keyof typeof registerFields, bits: number): string {
  const fields: readonly BitField[] = registerFields[id];
  const lines = fields
    .filter(({ high }) => high < bits)
    .map(({ name, low, high }) => `<field name="${name}" start="${low}" end="${high}"/>`);
  return `<flags id="${id}" size="${bits / 8}">${lines.join('')}</flags>`;
}

function registersXml(registers: readonly TargetRegister[]): string {
  return registers
    .map(({ name, bits, type }) => `<reg name="${name}" bitsize="${bits}" type="${type}"/>`)
    .join('\n');
}

function targetOf(architecture: string, isWide: boolean): Target {
  const [cores, segments, controls] = [core(isWide), isWide ? bases() : [], system(isWide)];
  const bits = isWide ? 64 : 32;
  const registers = [...cores, ...segments, ...controls];
  const xml = [
    '<?xml version="1.0"?>',
    '<!DOCTYPE target SYSTEM "gdb-target.dtd">',
    '<target version="1.0">',
    `<architecture>${architecture}</architecture>`,
    '<feature name="org.gnu.gdb.i386.core">',
    flagsXml('RFLAGS', 32),
    registersXml(cores),
    '</feature>',
    ...(isWide ? ['<feature name="org.gnu.gdb.i386.segments">', registersXml(segments), '</feature>'] : []),
    '<feature name="trapline.i386.system">',
    ...(['CR0', 'CR4', 'EFER'] as const).map((id) => flagsXml(id, bits)),
    registersXml(controls),
    '</feature>',
    '</target>',
  ].join('\n');
  const numberOf = (name: string): number => registers.findIndex((each) => each.name === name);
  const expedited = (isWide ? ['rip', 'rsp', 'rbp'] : ['eip', 'esp', 'ebp']).map(numberOf);
  return { isWide, registers, xml, expedited };
}

const TARGETS: Readonly<Record<RegisterFile['mode'], Target>> = {
  long: targetOf('i386:x86-64', true),
  compatibility: targetOf('i386:x86-64', true),
  protected: targetOf('i386', false),
  real: targetOf('i8086', false),
};

/** The description of a processor in a mode. GDB reads one when it connects, and keeps it. */
export function targetFor(mode: RegisterFile['mode']): Target {
  return TARGETS[mode];
}

/** What GDB shows wrongly of a processor in a mode, by the description that it has read; undefined: nothing. */
export function modeNote(target: Target, mode: RegisterFile['mode']): string | undefined {
  if (mode === 'real')
    return 'The vCPU is in real mode: GDB takes IP for an address, but code lies at the base of CS (16 times the selector) plus IP.';
  if (target.isWide && mode !== 'long')
    return `The vCPU is in ${mode} mode: registers are right, but GDB disassembles 64-bit code (set architecture i386), and unwinds as if it were.`;
  if (!target.isWide && mode === 'long')
    return 'The vCPU is in long mode, but GDB has read a description of 32-bit registers when it connected: give "disconnect" and "target remote" again.';
  return undefined;
}

/** A register as `g`, `p` and stops tell it: bytes of the target's order, or `x` for what is not there. */
export function registerHex({ bits, read }: TargetRegister, file: RegisterFile): string {
  const value = read(file);
  if (value === undefined) return 'xx'.repeat(bits / 8);
  let text = '';
  for (let at = 0; at < bits; at += 8)
    text += Number((value >> BigInt(at)) & 0xffn)
      .toString(16)
      .padStart(2, '0');
  return text;
}
