/** What a reader's choices and bookmarks must look like, whether a page sends them or a file holds them. Knows no editor. */
import { z } from 'zod';
import { choiceLimits, clocks, groupings, type Bookmark, type LaneChoices } from '../../protocol/choices';

const id = z.string().max(choiceLimits.text);
const ids = z.array(id).max(choiceLimits.lanes);

/** Choices; what is not one of theirs is left out. */
export const laneChoices = z.object({
  grouping: z.enum(groupings),
  collapsed: ids,
  pinned: ids.exactOptional(),
  hidden: ids,
  order: ids,
  clock: z.enum(clocks),
  foldIdle: z.boolean(),
}) satisfies z.ZodType<LaneChoices>;

const bookmark = z.object({
  time: z.number().finite().min(0).max(Number.MAX_SAFE_INTEGER),
  name: z.string().max(choiceLimits.text),
  note: z.string().max(choiceLimits.note),
}) satisfies z.ZodType<Bookmark>;

export const bookmarkList = z.array(bookmark).max(choiceLimits.bookmarks);

/** The choices that a value holds; undefined when it holds none. */
export function choicesOf(value: unknown): LaneChoices | undefined {
  return laneChoices.safeParse(value).data;
}

/** A bookmark file: what it is, so that a reader of it knows, and its bookmarks. */
const bookmarkFile = z.object({ bookmarks: bookmarkList });

/** Text of a bookmark file. */
export function bookmarkText(bookmarks: readonly Bookmark[]): string {
  return `${JSON.stringify({ bookmarks }, undefined, 2)}\n`;
}

/**
 * The bookmarks of a bookmark file, in order of time.
 * @throws Error that says what is wrong, for a reader
 */
export function parseBookmarks(text: string): Bookmark[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`it is no JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  const parsed = bookmarkFile.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(`at ${issue?.path.join('.') ?? 'top'}: ${issue?.message ?? 'not a bookmark'}`);
  }
  return parsed.data.bookmarks.sort((a, b) => a.time - b.time);
}
