/** Names of the arithmetic types of C (C17, 6.7.2), which compilers write in several ways. */
import type { DebugType } from './model';

type Base = Extract<DebugType, { kind: 'base' }>;

/** Spellings by the words that they have, whatever their order. */
const SPELLINGS: Readonly<Record<string, string>> = {
  signed: 'int',
  'signed int': 'int',
  unsigned: 'unsigned int',
  short: 'short',
  'short int': 'short',
  'signed short': 'short',
  'signed short int': 'short',
  'unsigned short': 'unsigned short',
  'unsigned short int': 'unsigned short',
  long: 'long',
  'long int': 'long',
  'signed long': 'long',
  'signed long int': 'long',
  'unsigned long': 'unsigned long',
  'unsigned long int': 'unsigned long',
  'long long': 'long long',
  'long long int': 'long long',
  'signed long long': 'long long',
  'signed long long int': 'long long',
  'unsigned long long': 'unsigned long long',
  'unsigned long long int': 'unsigned long long',
};

/** Order of words within the keys of SPELLINGS. */
const WORDS = ['signed', 'unsigned', 'short', 'long', 'char', 'int', 'float', 'double', '_Bool'];

/** One spelling for all of an arithmetic type: `long unsigned int` is `unsigned long`. Any other name stays. */
export function canonicalTypeName(name: string): string {
  const words = name.trim().split(/\s+/);
  if (words.length > WORDS.length || !words.every((word) => WORDS.includes(word))) return name.trim();
  const sorted = words.sort((a, b) => WORDS.indexOf(a) - WORDS.indexOf(b)).join(' ');
  return SPELLINGS[sorted] ?? sorted;
}

/** The arithmetic types that every unit has, whether it uses them or not (System V ABI, AMD64 supplement, 3.1.2, and i386's, 2.1.1). */
export function standardType(name: string, addressBytes: 4 | 8): DebugType | undefined {
  const canonical = canonicalTypeName(name);
  if (canonical === 'void') return { kind: 'void' };
  const found = standard[canonical];
  if (!found) return undefined;
  const [bytes, encoding] = found;
  return { kind: 'base', name: canonical, bytes: bytes === 'address' ? addressBytes : bytes, encoding };
}

const standard: Readonly<
  Record<string, readonly [bytes: number | 'address', encoding: Base['encoding']] | undefined>
> = {
  char: [1, 'character'],
  'signed char': [1, 'character'],
  'unsigned char': [1, 'unsigned-character'],
  short: [2, 'signed'],
  'unsigned short': [2, 'unsigned'],
  int: [4, 'signed'],
  'unsigned int': [4, 'unsigned'],
  long: ['address', 'signed'],
  'unsigned long': ['address', 'unsigned'],
  'long long': [8, 'signed'],
  'unsigned long long': [8, 'unsigned'],
  float: [4, 'float'],
  double: [8, 'float'],
  _Bool: [1, 'boolean'],
};
