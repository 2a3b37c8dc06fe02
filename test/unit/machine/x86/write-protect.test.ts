/** CR0.WP and CR4 against translations that are kept: what a walk would deny is denied, whatever passed before. */
import { describe, expect, it } from 'vitest';
import { StopReason } from '../../../../src/machine/x86/types';
import { CODE, bench, type Bench } from './harness';

const RCX = 1;
const RBX = 3;
/** The page directory of the bench, whose second entry maps this page. */
const PAGE_DIRECTORY = 0x3000;
const PAGE = 0x200000;
const PRESENT_LARGE = 0x81n;
const WRITABLE = 2n;
const USER = 4n;
/** First entries of the tables above. */
const UPPER_TABLES = [0x1000, 0x2000];
const MOV_CR0_RAX = [0x0f, 0x22, 0xc0];
const MOV_RAX_CR0 = [0x0f, 0x20, 0xc0];
const MOV_CR4_RAX = [0x0f, 0x22, 0xe0];
const MOV_RAX_CR4 = [0x0f, 0x20, 0xe0];
const CLEAR_WP = [0x25, 0xff, 0xff, 0xfe, 0xff];
const SET_WP = [0x0d, 0x00, 0x00, 0x01, 0x00];
const SET_SMAP = [0x0d, 0x00, 0x00, 0x20, 0x00];
const STORE_ECX_AT_RBX = [0x89, 0x0b];
const HLT = 0xf4;

function prepared(code: number[], entry: bigint): Bench {
  const b = bench(code);
  b.poke(PAGE_DIRECTORY + 8, BigInt(PAGE) | entry);
  b.cpu.setReg(RBX, BigInt(PAGE));
  b.cpu.setReg(RCX, 0x1234n);
  b.cpu.callouts = { ...b.cpu.callouts, hlt: () => b.cpu.requestAttention() };
  return b;
}

describe('CR0.WP', () => {
  const off = [...MOV_RAX_CR0, ...CLEAR_WP, ...MOV_CR0_RAX, ...STORE_ECX_AT_RBX];
  const on = [...SET_WP, ...MOV_CR0_RAX, ...STORE_ECX_AT_RBX];

  it('set again protects a page that was stored to while it was clear (SDM vol. 3, 4.6.1)', () => {
    const b = prepared([...off, ...on, HLT], PRESENT_LARGE);
    // There is no handler: the fault ends in a shutdown, at the second store.
    expect(b.cpu.run(1_000_000)).toBe(StopReason.Shutdown);
    expect(b.peek(PAGE)).toBe(0x1234n);
    expect(b.cpu.ripLow).toBe(CODE + off.length + on.length - STORE_ECX_AT_RBX.length);
  });

  it('is nothing to a page that may be written', () => {
    const b = prepared([...off, ...on, HLT], PRESENT_LARGE | WRITABLE);
    expect(b.cpu.run(1_000_000)).not.toBe(StopReason.Shutdown);
    expect(b.cpu.ripLow).toBe(CODE + off.length + on.length + 1);
  });
});

it('CR4.SMAP, set, denies a page of users that was stored to before', () => {
  const set = [...MOV_RAX_CR4, ...SET_SMAP, ...MOV_CR4_RAX];
  const code = [...STORE_ECX_AT_RBX, ...set, ...STORE_ECX_AT_RBX, HLT];
  const b = prepared(code, PRESENT_LARGE | WRITABLE | USER);
  for (const table of UPPER_TABLES) b.poke(table, b.peek(table) | USER);
  expect(b.cpu.run(1_000_000)).toBe(StopReason.Shutdown);
  expect(b.peek(PAGE)).toBe(0x1234n);
  expect(b.cpu.ripLow).toBe(CODE + STORE_ECX_AT_RBX.length + set.length);
});
