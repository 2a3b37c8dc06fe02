/**
 * What is compiled together: a hot block and what it reaches by direct branches, calls and falling through within its page.
 * All blocks of a page are forgotten at once, so a region is alive as a whole or not at all.
 */
import * as L from '../core/state/layout';
import { CONDITIONS } from '../operations/definition';
import { REGION, numberOf } from '../operations/table';

const CALL = numberOf('CALL');
const GOTO = numberOf('GOTO');
/** Direct branches, which may lead to blocks of the same page. */
const BRANCHES: ReadonlySet<number> = new Set(
  ['JMP', 'CALL', ...CONDITIONS.map((name) => `J${name}`)].map(numberOf),
);

/** Most blocks and micro-ops of a region. */
const MOST_BLOCKS = 24;
const MOST_UOPS = 400;

/** The core's memory as the compiler reads it. */
export interface CodeView {
  data: DataView;
  hashHeads: number;
}

/** A block by the addresses of its first micro-op and the one after its last. */
export interface Block {
  head: number;
  end: number;
  rip: string;
}

/** Blocks in the order of compiling, the hot one first, and where direct branches among them lead. */
export interface Region {
  blocks: Block[];
  /** Index of the block that begins at a RIP (`ripKey`). */
  byRip: Map<string, number>;
}

/** A 64-bit field as a key of maps. */
export function ripKey(data: DataView, at: number): string {
  return `${data.getUint32(at + 4, true).toString(16)}:${data.getUint32(at, true).toString(16)}`;
}

/** The inner loop's operation of a micro-op, also where a region stands before it. */
export function fastOf(data: DataView, uop: number): number {
  const fast = data.getUint16(uop + L.U_FAST, true);
  return fast === REGION ? data.getUint16(uop - L.UOP_SIZE + L.B_FAST, true) : fast;
}

/** Where a micro-op may go within its page besides to the next one: offset of the field with the RIP; undefined: nowhere. */
function targetField(data: DataView, uop: number, fast: number): number | undefined {
  if (fast === GOTO) return L.U_IMM;
  return BRANCHES.has(fast) && data.getUint8(uop + L.U_FLAGS) & L.UF_NEAR ? L.U_IMM : undefined;
}

/** Gathers the region of the block whose first micro-op is `head`; undefined when the block lies in two pages. */
export function gather(code: CodeView, head: number): Region | undefined {
  const { data } = code;
  const root = head - L.UOP_SIZE;
  if (data.getInt32(root + L.B_PAGE, true) < 0 || data.getInt32(root + L.B_PAGE2, true) >= 0)
    return undefined;
  const region: Region = { blocks: [], byRip: new Map() };
  let uops = 0;
  const visit = (header: number): void => {
    const rip = ripKey(data, header + L.B_RIP);
    if (region.byRip.has(rip)) return;
    const count = data.getInt32(header + L.B_COUNT, true);
    if (region.blocks.length >= MOST_BLOCKS || uops + count > MOST_UOPS) return;
    uops += count;
    const first = header + L.UOP_SIZE;
    const end = first + count * L.UOP_SIZE;
    region.byRip.set(rip, region.blocks.length);
    region.blocks.push({ head: first, end, rip });
    for (let uop = first; uop < end; uop += L.UOP_SIZE) {
      const fast = fastOf(data, uop);
      const field = targetField(data, uop, fast);
      const next = field === undefined ? 0 : find(code, root, uop + field);
      if (next) visit(next);
      const back = fast === CALL ? find(code, root, uop + L.U_DISP) : 0;
      if (back) visit(back);
    }
  };
  visit(root);
  return region;
}

/** Header of the block at the RIP in that field, if it was translated and lies in the root's page alone; otherwise 0. */
function find(code: CodeView, root: number, field: number): number {
  const { data, hashHeads } = code;
  const from = data.getUint32(root + L.B_PHYS, true);
  const distance = (data.getUint32(field, true) - data.getUint32(root + L.B_RIP, true)) | 0;
  const physical = from + distance;
  if (physical >>> 12 !== from >>> 12) return 0;
  let header = data.getUint32(hashHeads + ((physical ^ (physical >>> 14)) & (L.HASH_HEADS - 1)) * 4, true);
  while (header) {
    const same =
      data.getUint32(header + L.B_PHYS, true) === physical &&
      data.getUint32(header + L.B_RIP, true) === data.getUint32(field, true) &&
      data.getUint32(header + L.B_RIP + 4, true) === data.getUint32(field + 4, true) &&
      data.getInt32(header + L.B_MODE, true) === data.getInt32(root + L.B_MODE, true) &&
      data.getUint32(header + L.B_LIMIT, true) === data.getUint32(root + L.B_LIMIT, true);
    if (same) return data.getInt32(header + L.B_PAGE2, true) < 0 ? header : 0;
    header = data.getUint32(header + L.B_NEXT_HASH, true);
  }
  return 0;
}
