/** Ranges of blocks that a driver names in a list: to discard them, or to have them zeroed. */

/** Blocks from one on. */
export interface BlockRange {
  readonly first: number;
  readonly blocks: number;
}

/** The same blocks, each in one range: many ranges of everything would be much work for one command. */
export function mergedRanges(ranges: readonly BlockRange[]): BlockRange[] {
  const out: { first: number; blocks: number }[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const last = out.at(-1);
    if (!last || range.first > last.first + last.blocks) out.push({ ...range });
    else last.blocks = Math.max(last.blocks, range.first + range.blocks - last.first);
  }
  return out;
}
