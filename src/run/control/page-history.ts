/** RAM as it was at checkpoints: each holds the pages that were written since the checkpoint before it. */
import { RAM_STATE_VERSION, type RamState } from '../../machine/memory/guest-ram';
import { PAGE_SIZE } from '../../machine/memory/dirty-log';

/** Contents by page number. */
export type Pages = Map<number, Uint8Array>;

/** Bytes that a page takes with its place in a table, about. */
export const PAGE_HELD = PAGE_SIZE + 64;

const ZEROS = new Uint8Array(PAGE_SIZE);

/** The pages of a state of RAM, each with memory of its own. */
export function pagesOf({ pages, bytes }: RamState): Pages {
  const found: Pages = new Map();
  pages.forEach((page, i) => found.set(page, bytes.slice(i * PAGE_SIZE, (i + 1) * PAGE_SIZE)));
  return found;
}

/**
 * What some pages held at a checkpoint, as RAM loads it.
 * @param history the pages of the checkpoint and of all before it, the first of which is complete: what it lacks is zeros
 * @param wanted page numbers
 * @param size of RAM in bytes
 * @param whole all other pages are zeros
 */
export function pagesAt(
  history: readonly Pages[],
  wanted: ReadonlySet<number>,
  size: number,
  whole: boolean,
): RamState {
  const pages = Uint32Array.from(wanted).sort();
  const bytes = new Uint8Array(pages.length * PAGE_SIZE);
  pages.forEach((page, i) => bytes.set(contentAt(history, page), i * PAGE_SIZE));
  return { version: RAM_STATE_VERSION, size, whole, pages, bytes };
}

/** What a page held at the last of the checkpoints. */
export function contentAt(history: readonly Pages[], page: number): Uint8Array {
  for (let at = history.length - 1; at >= 0; at--) {
    const found = history[at].get(page);
    if (found) return found;
  }
  return ZEROS;
}
