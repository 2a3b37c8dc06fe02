/** What a case is made of: bytes to execute, registers, and bits of the state that a guest may have set before. */
import { Code } from 'iced-x86';
import * as L from '../../../src/machine/x86/core/state/layout';
import type { CpuVendor } from '../../../src/machine/x86/types';
import { planOf, randomBytes, type Random } from '../native-oracle/encodings';
import { CODE, DATA, DEVICE, GDT, IDT, RAM, STACK, type FuzzMachine } from './machine';

/** Longest code of a case, without what ends it. */
export const LONGEST = 24;
/** Prefixes and openings of what random bytes seldom make. */
const LIKELY = [
  ...[0x0f, 0x66, 0x67, 0xf3, 0xf2, 0xf0, 0x48, 0x4c, 0x41, 0xff],
  ...[0x8e, 0xcf, 0xcb, 0x9d, 0xc4, 0x2e, 0x36, 0x65, 0xf7],
];
/** Instructions of each encoding that cases choose from. */
const OF_EACH = 4;
const POINTERS = [0, CODE, CODE + 0x800, STACK, DATA, DEVICE, RAM - 4, GDT, IDT, 0x1000, 0x7fffffff, -8];

/** Valid instructions of every encoding that the vendor has in 64- and 32-bit code, to be put into cases whole. */
export function piecesOf(random: Random, vendor: CpuVendor): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (const code of Object.values(Code)) {
    if (typeof code !== 'number') continue;
    for (const bits of [64, 32] as const) {
      const plan = planOf(code, bits, vendor);
      if (!plan) continue;
      for (let n = 0; n < OF_EACH; n++) pieces.push(Uint8Array.from(randomBytes(plan, bits, random)));
    }
  }
  return pieces;
}

/** Fills `out` with the code of one case and returns its length. Half of all cases are instructions, some with a bit changed. */
export function randomCode(out: Uint8Array, random: Random, pieces: readonly Uint8Array[]): number {
  if (random() & 1) {
    let at = 0;
    for (let n = 1 + (random() % 3); n > 0; n--) {
      const piece = pieces[random() % pieces.length];
      if (at + piece.length > LONGEST) break;
      out.set(piece, at);
      at += piece.length;
    }
    if (at > 0 && random() % 3 === 0) out[random() % at] ^= 1 << (random() & 7);
    return at;
  }
  const length = 2 + (random() % 5) * (1 + (random() % 4));
  for (let i = 0; i < length; i += 4) {
    const word = random();
    const choice = random();
    for (let k = 0; k < 4 && i + k < length; k++) {
      const byte = (word >>> (8 * k)) & 255;
      const likely = ((choice >>> (2 * k)) & 3) === 0;
      out[i + k] = likely ? LIKELY[byte % LIKELY.length] : byte;
    }
  }
  return length;
}

/** Pointers, small numbers and any numbers; mostly a stack that is one. */
export function randomRegisters({ u32 }: FuzzMachine, random: Random): void {
  const kinds = random();
  for (let r = 0; r < 16; r++) {
    const value = random();
    let low = value;
    let high = 0;
    switch ((kinds >>> (2 * r)) & 3) {
      case 0:
        high = value & 0x10000 ? random() : 0;
        break;
      case 1:
        low = value & 63;
        break;
      default:
        low = POINTERS[value % POINTERS.length];
        high = low === -8 ? 0xffffffff : 0;
    }
    u32[2 * r] = low;
    u32[2 * r + 1] = high;
  }
  if (kinds & 3) setRegister(u32, 4, STACK);
  const flags = random() & 0x244cd5;
  u32[L.C_FLAGS / 4] = (u32[L.C_FLAGS / 4] & 0x100) | (flags & ~0x8d5) | 2;
  u32[L.C_CCA / 4] = flags & 0x8d5;
}

/** One register becomes a pointer; the stack is one again. */
export function nextRegisters({ u32 }: FuzzMachine, random: Random): void {
  setRegister(u32, random() & 15, POINTERS[random() % POINTERS.length]);
  setRegister(u32, 4, STACK);
}

function setRegister(u32: Uint32Array, register: number, value: number): void {
  u32[2 * register] = value;
  u32[2 * register + 1] = value >> 31 ? (value === DEVICE ? 0 : 0xffffffff) : 0;
}

/** A bit of a segment's attributes, by SEG_*. */
const attributesOf = (segment: number): number => (L.C_SEGMENTS + segment * L.SEG_SIZE + L.S_ATTR) / 4;
const limitOf = (segment: number): number => (L.C_SEGMENTS + segment * L.SEG_SIZE + L.S_LIMIT) / 4;
const TABLES = [L.C_GDT_BASE, L.C_GDT_LIMIT, L.C_IDT_BASE, L.C_IDT_LIMIT];
/** NE, TS, WP, AM, EM. */
const CR0_BITS = [0x20, 0x8, 0x10000, 0x40000, 0x4];
/** All of CR4 that the vCPU has, but PAE. */
const CR4_BITS = 0x371fdf & ~0x20;

const CHANGES: readonly ((u32: Uint32Array, random: Random) => void)[] = [
  (u32, random) => {
    u32[L.C_CR4 / 4] ^= random() & CR4_BITS;
  },
  (u32, random) => {
    u32[L.C_CR0 / 4] ^= CR0_BITS[random() % CR0_BITS.length];
  },
  (u32, random) => {
    u32[attributesOf(random() & 7)] ^= 1 << (random() & 15);
  },
  (u32, random) => {
    u32[limitOf(random() % 6)] = random() & 0xffff;
  },
  (u32) => {
    u32[L.C_EFER / 4] ^= 1; // SYSCALL
  },
  (u32, random) => {
    const at = L.C_DR / 4;
    u32[at] = CODE;
    u32[at + 2] = DATA;
    u32[at + 14] = (random() & 0xffff03ff) | 0x400;
  },
  (u32, random) => {
    u32[TABLES[random() & 3] / 4] = random() & 0xffff;
  },
  (u32) => {
    u32[L.C_NMI / 4] = L.NMI_BLOCKED;
  },
];

/** Half of the times nothing, else one bit or value of the system state. */
export function perturb({ u32 }: FuzzMachine, random: Random): void {
  CHANGES[random() % (2 * CHANGES.length)]?.(u32, random);
}
