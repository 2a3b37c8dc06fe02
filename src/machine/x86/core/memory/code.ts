/**
 * Which bytes of RAM were decoded, and how the blocks of micro-ops made from them are forgotten.
 *
 * A block that is forgotten stays where it is, each micro-op turned into OP_RESOLVE: whoever still holds a pointer into it
 * (a chained branch, the jump cache, the running loop) looks its RIP up again.
 */
import {
  B_COUNT,
  B_NEXT_HASH,
  B_NEXT_PAGE,
  B_PAGE,
  B_PHYS,
  B_RIP,
  CPU_BASE,
  CPU_SIZE,
  HASH_HEADS,
  PAGE_CODE,
  U_FAST,
  U_OP,
  U_RIP,
  UOP_SIZE,
} from '../state/layout';
import { OP_RESOLVE } from '../generated/ops';
import { cpuCount, granules, hashHeads, pageFlags, pageLists, ramSize } from '../state/state';
import { forbidQuietStores } from './tlb';

/** Where the chain of the blocks at a physical address begins. */
// @ts-ignore: decorator of AssemblyScript
@inline
export function hashHead(physical: i32): i32 {
  return hashHeads + ((physical ^ (physical >>> 14)) & (HASH_HEADS - 1)) * 4;
}

/** Puts a block on the list of a page; the page's stores have to ask from now on. Blocks are 64-byte aligned. */
export function own(block: i32, link: i32, page: i32): void {
  const list = pageLists + page * 4;
  store<i32>(block + B_NEXT_PAGE + link * 4, load<i32>(list));
  store<i32>(list, block | link);
  const flags = load<u8>(pageFlags + page);
  if (flags & PAGE_CODE) return;
  store<u8>(pageFlags + page, flags | PAGE_CODE);
  for (let c = 0; c < cpuCount; c++) forbidQuietStores(CPU_BASE + c * CPU_SIZE, page << 12);
}

/** Notes that bytes were decoded: stores to them will forget the page's blocks. */
export function markGranules(physical: i32, length: i32): void {
  const last = <u32>(physical + length - 1) >> 4;
  for (let g = <u32>physical >> 4; g <= last; g++) {
    const at = granules + (g >> 3);
    store<u8>(at, load<u8>(at) | (<u8>1 << <u8>(g & 7)));
  }
}

/** Bytes `from`..`to` (one page) were stored to: forgets the page's blocks if any of the bytes had been decoded. */
export function invalidateCode(from: u32, to: u32): void {
  for (let g = from >> 4; g <= to >> 4; g++) {
    if (load<u8>(granules + (g >> 3)) & (1 << (g & 7))) {
      forgetPage(from >> 12);
      return;
    }
  }
}

/** Takes a block out of its hash chain, so that code which keeps changing does not leave a trail to be searched. */
function unlink(block: i32): void {
  let link = hashHead(load<i32>(block, B_PHYS));
  while (load<i32>(link)) {
    const at = load<i32>(link);
    if (at == block) {
      store<i32>(link, load<i32>(block, B_NEXT_HASH));
      return;
    }
    link = at + B_NEXT_HASH;
  }
}

/** Turns the crossing block whose OP_CROSS is at `uop` into one that is looked up, and translated, again. */
export function forgetCrossing(uop: i32): void {
  unlink(uop - UOP_SIZE);
  store<i32>(uop - UOP_SIZE, -1, B_PAGE);
  store<u16>(uop, OP_RESOLVE, U_OP);
}

/** Forgets the code of all pages in which a block has an instruction that begins at this offset of a page. */
export function forgetCodeAt(offset: i32): void {
  const pages = ramSize >>> 12;
  for (let page: u32 = 0; page < pages; page++) {
    let link = load<i32>(pageLists + page * 4);
    while (link) {
      const block = link & ~1;
      link = load<i32>(block + B_NEXT_PAGE + (link & 1) * 4);
      if (!beginsAt(block, offset)) continue;
      forgetPage(page);
      break;
    }
  }
}

/** Of the page offsets of linear and physical addresses one is the other. */
function beginsAt(block: i32, offset: i32): bool {
  const distance = load<i32>(block, B_PHYS) - load<i32>(block, B_RIP);
  let uop = block + UOP_SIZE;
  for (let i = load<i32>(block, B_COUNT); i > 0; i--, uop += UOP_SIZE) {
    if (((load<i32>(uop, U_RIP) + distance) & 0xfff) == offset) return true;
  }
  return false;
}

function forgetPage(page: u32): void {
  const list = pageLists + page * 4;
  let link = load<i32>(list);
  store<i32>(list, 0);
  memory.fill(granules + (page << 5), 0, 32);
  while (link) {
    const block = link & ~1;
    link = load<i32>(block + B_NEXT_PAGE + (link & 1) * 4);
    if (load<i32>(block, B_PAGE) >= 0) unlink(block);
    store<i32>(block, -1, B_PAGE);
    let uop = block + UOP_SIZE;
    for (let i = load<i32>(block, B_COUNT); i > 0; i--, uop += UOP_SIZE) {
      store<u16>(uop, 0, U_FAST);
      store<u16>(uop, OP_RESOLVE, U_OP);
    }
  }
}
