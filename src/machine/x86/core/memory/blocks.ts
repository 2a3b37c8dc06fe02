/**
 * The micro-op cache: blocks of decoded instructions, found by mode, RIP and physical address, forgotten by physical page
 * (`code.ts`). Space comes back when the cache is full and emptied as a whole.
 */
import {
  B_COUNT,
  B_LIMIT,
  B_MODE,
  B_CREDIT,
  B_NEXT_HASH,
  B_PAGE,
  B_PAGE2,
  B_PHYS,
  B_RIP,
  BLOCK_MAX,
  C_CODE_LIMIT,
  C_MMU,
  C_MODE,
  CPU_BASE,
  CPU_SIZE,
  CONTEXT0,
  CONTEXTS,
  CONTEXT_SIZE,
  EMPTY_BYTE,
  HASH_HEADS,
  JUMP_CACHE,
  JUMP_ENTRIES,
  JUMP_ENTRY,
  MODE_64,
  PAGE_CODE,
  REASON_FETCH,
  U_OP,
  UOP_SIZE,
} from '../state/layout';
import { OP_RESOLVE } from '../generated/ops';
import { hostCacheEmptied, hostTranslate } from '../state/host';
import { hashHead, own } from './code';
import { FETCH_OUTSIDE, translateFetch } from './paging';
import { codeAddress, codeAllowed } from './segmentation';
import {
  VECTOR_GP,
  cpuCount,
  faultWith,
  granules,
  hashHeads,
  pageFlags,
  pageLists,
  ramSize,
  uopBase,
  uopEnd,
} from '../state/state';

/** Where the next block goes. */
let uopNext: i32 = 0;
/** Why `lookup` returned 0 without a fault. */
export let lookupReason: i32 = 0;

/** Counts how often the cache was emptied: a pointer from before must not be written through. */
export let generation: i32 = 0;

export function emptyCache(): void {
  generation++;
  hostCacheEmptied();
  uopNext = uopBase;
  memory.fill(hashHeads, 0, HASH_HEADS * 4);
  const pages = ramSize >>> 12;
  memory.fill(pageLists, 0, pages * 4);
  memory.fill(granules, 0, ramSize >>> 7);
  for (let i: u32 = 0; i < pages; i++) store<u8>(pageFlags + i, load<u8>(pageFlags + i) & ~PAGE_CODE);
  for (let c = 0; c < cpuCount; c++) {
    const context = CPU_BASE + c * CPU_SIZE + CONTEXT0;
    for (let i = 0; i < CONTEXTS; i++) {
      memory.fill(context + i * CONTEXT_SIZE + JUMP_CACHE, <u8>EMPTY_BYTE, JUMP_ENTRIES * JUMP_ENTRY);
    }
  }
}

// @ts-ignore: decorator of AssemblyScript
@inline
function jumpEntry(context: i32, rip: i64): i32 {
  return context + JUMP_CACHE + ((<i32>rip & (JUMP_ENTRIES - 1)) * JUMP_ENTRY);
}

/** The micro-op of `rip` in the running mode; 0 when the fetch faulted or (see `lookupReason`) cannot be served. */
export function lookup(cpu: i32, rip: i64): i32 {
  lookupReason = 0;
  const context = load<i32>(cpu, C_MMU);
  const cached = jumpEntry(context, rip);
  if (load<i64>(cached) == rip) {
    const known = load<i32>(cached, 8);
    if (load<u16>(known, U_OP) != OP_RESOLVE) return known;
  }
  if (!codeAllowed(cpu, rip)) return 0;
  const physical = translateFetch(cpu, context, codeAddress(cpu, rip));
  if (physical == FETCH_OUTSIDE) lookupReason = REASON_FETCH;
  if (physical < 0) return 0;
  const at = <i32>physical;
  const mode = load<i32>(cpu, C_MODE);
  const limit = load<u32>(cpu, C_CODE_LIMIT);
  let block = load<i32>(hashHead(at));
  while (block) {
    const here = load<i64>(block, B_RIP) == rip && load<i32>(block, B_PHYS) == at;
    if (here && load<i32>(block, B_MODE) == mode && load<u32>(block, B_LIMIT) == limit) break;
    block = load<i32>(block, B_NEXT_HASH);
  }
  if (!block) {
    block = build(cpu, context, rip, at);
    if (!block) return 0;
  }
  store<i64>(cached, rip);
  store<i32>(cached, block + UOP_SIZE, 8);
  return block + UOP_SIZE;
}

/** Linear address of the page after that of the code at `rip`. */
export function pageAfter(cpu: i32, rip: i64): i64 {
  const next = (codeAddress(cpu, rip) | 0xfff) + 1;
  return load<i32>(cpu, C_MODE) == MODE_64 ? next : next & 0xffffffff;
}

function build(cpu: i32, context: i32, rip: i64, at: i32): i32 {
  if (uopNext + (BLOCK_MAX + 4) * UOP_SIZE > uopEnd) emptyCache();
  const block = uopNext;
  const mode = load<i32>(cpu, C_MODE);
  const limit = load<u32>(cpu, C_CODE_LIMIT);
  const room = mode == MODE_64 ? <f64>0x100000000 : <f64>limit - <f64>rip + 1;
  let page2 = -1;
  let count = hostTranslate(at, -1, <i32>rip, <i32>(rip >> 32), mode, room, block + UOP_SIZE);
  if (count == -1) {
    const second = translateFetch(cpu, context, pageAfter(cpu, rip));
    if (second == FETCH_OUTSIDE) lookupReason = REASON_FETCH;
    if (second < 0) return 0;
    page2 = <i32>second;
    count = hostTranslate(at, page2, <i32>rip, <i32>(rip >> 32), mode, room, block + UOP_SIZE);
  }
  if (count < 0) {
    faultWith(VECTOR_GP, 0);
    return 0;
  }
  uopNext = block + (count + 1) * UOP_SIZE;
  const head = hashHead(at);
  store<i32>(block, load<i32>(head), B_NEXT_HASH);
  store<i32>(head, block);
  store<i32>(block, at >>> 12, B_PAGE);
  store<i32>(block, count, B_COUNT);
  store<i64>(block, rip, B_RIP);
  store<i32>(block, at, B_PHYS);
  store<i32>(block, page2, B_PAGE2);
  store<i32>(block, mode, B_MODE);
  store<u32>(block, limit, B_LIMIT);
  store<i32>(block, 0, B_CREDIT);
  own(block, 0, at >>> 12);
  if (page2 >= 0) own(block, 1, page2 >>> 12);
  return block;
}
