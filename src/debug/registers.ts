/** The registers of a vCPU as groups of variables. */
import type { RegisterFile, RegisterName } from '../run/control/control';
import { registerFields } from '../machine/x86/inspect/register-fields';
import type { BitField } from '../trace/vocabulary/kind-row';

/** A register as it is shown. */
export interface RegisterRow {
  readonly name: string;
  readonly value: bigint;
  /** In bits. */
  readonly width: number;
  readonly fields?: readonly BitField[];
  /** What is said in place of the bare number. */
  readonly text?: string;
  /** By which it can be written. */
  readonly write?: RegisterName;
}

export interface RegisterGroup {
  readonly name: string;
  readonly rows: readonly RegisterRow[];
}

/** In the order of the instruction set. */
export const GENERAL_NAMES = [
  ...['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'],
  ...Array.from({ length: 8 }, (_, index) => `r${index + 8}`),
] as const;
const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;

/** All groups of a vCPU. */
export function registerGroups(file: RegisterFile): readonly RegisterGroup[] {
  return [
    { name: 'General', rows: generalRows(file) },
    { name: 'Flags', rows: flagRows(file) },
    { name: 'Control', rows: controlRows(file) },
    { name: 'Segments', rows: segmentRows(file) },
  ];
}

function generalRows({ general, rip }: RegisterFile): RegisterRow[] {
  const rows = GENERAL_NAMES.map((name, index) => ({
    name,
    value: general[index] ?? 0n,
    width: 64,
    write: { general: index },
  }));
  return [...rows, { name: 'rip', value: rip, width: 64, write: 'rip' }];
}

function flagRows({ rflags }: RegisterFile): RegisterRow[] {
  return [{ name: 'rflags', value: rflags, width: 64, fields: registerFields.RFLAGS, write: 'rflags' }];
}

function controlRows({ cr0, cr2, cr3, cr4, cr8, efer, cpl, mode }: RegisterFile): RegisterRow[] {
  return [
    { name: 'cr0', value: cr0, width: 64, fields: registerFields.CR0 },
    { name: 'cr2', value: cr2, width: 64 },
    { name: 'cr3', value: cr3, width: 64, fields: registerFields.CR3 },
    { name: 'cr4', value: cr4, width: 64, fields: registerFields.CR4 },
    { name: 'cr8', value: cr8, width: 4 },
    { name: 'efer', value: efer, width: 64, fields: registerFields.EFER },
    { name: 'cpl', value: BigInt(cpl), width: 2 },
    { name: 'mode', value: 0n, width: 0, text: mode },
  ];
}

function segmentRows({ segments }: RegisterFile): RegisterRow[] {
  return segments.map(({ selector, base, limit }, index) => ({
    name: SEGMENT_NAMES[index] ?? `segment ${index}`,
    value: BigInt(selector),
    width: 16,
    text: `0x${selector.toString(16).padStart(4, '0')} (base 0x${base.toString(16)}, limit 0x${limit.toString(16)})`,
  }));
}

/** A register's number, and which flags it holds. */
export function registerText({ value, width, fields, text }: RegisterRow): string {
  if (text !== undefined) return text;
  const digits = `0x${value.toString(16).padStart(Math.ceil(width / 4), '0')}`;
  const flags = fields ? setFields(fields, value) : '';
  return flags === '' ? digits : `${digits} [${flags}]`;
}

/** The bits of a field in a value. */
export function fieldValue({ low, high }: BitField, value: bigint): bigint {
  return BigInt.asUintN(high - low + 1, value >> BigInt(low));
}

/** A field as a variable of its register: `1`, `0x3 (bits 12 to 13)`. */
export function fieldText(field: BitField, value: bigint): string {
  const { low, high, format } = field;
  const found = fieldValue(field, value);
  if (low === high) return String(found);
  const shown = format === 'pointer' ? found << BigInt(low) : found;
  return `0x${shown.toString(16)} (bits ${low} to ${high})`;
}

/** Names of the flags that are set, with the values of wider fields: `IF ZF IOPL=3`. */
function setFields(all: readonly BitField[], value: bigint): string {
  const words = all.flatMap((field) => {
    const found = fieldValue(field, value);
    if (found === 0n || field.format === 'pointer') return [];
    return [field.low === field.high ? field.name : `${field.name}=${found}`];
  });
  return words.join(' ');
}
