/** The entries of the software TLB that spares page walks, and what addresses have to be like. */
import {
  CONTEXT0,
  CONTEXTS,
  CONTEXT_SIZE,
  TAG_ASK,
  T_DATA,
  T_WRITE,
  TLB_ENTRIES,
  TLB_ENTRY,
  TLB_FOLD,
} from '../state/layout';
import { ramBase } from '../state/state';

export const PAGE_MASK: i64 = ~0xfff;

/** True while an address on the stack segment is being translated: chooses #SS over #GP. */
export let stackAccess: bool = false;
export function setStackAccess(value: bool): void {
  stackAccess = value;
}

// @ts-ignore: decorator of AssemblyScript
@inline
export function canonical(address: i64): bool {
  return (address << 16) >> 16 == address;
}

/**
 * The one TLB entry that may serve an address. Pages a power of two apart (a stack, the data it stands beside) must not
 * drive each other out in turn: higher bits of the page number take part. The compiled regions work it out likewise.
 */
// @ts-ignore: decorator of AssemblyScript
@inline
export function tlbEntry(context: i32, address: i64): i32 {
  const low = <i32>address;
  return context + ((((low >>> TLB_FOLD) ^ low) >>> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY;
}

/** Takes the right to store without asking from every TLB entry of a RAM page. */
export function forbidQuietStores(cpu: i32, physicalPage: i32): void {
  const host = physicalPage + ramBase;
  const first = cpu + CONTEXT0;
  for (let c = 0; c < CONTEXTS; c++) {
    let entry = first + c * CONTEXT_SIZE;
    for (let i = 0; i < TLB_ENTRIES; i++, entry += TLB_ENTRY) {
      const tag = load<i64>(entry, T_WRITE);
      if (!(tag & 0xfff) && <i32>tag + load<i32>(entry, T_DATA) == host) {
        store<i64>(entry, tag | TAG_ASK, T_WRITE);
      }
    }
  }
}
