/** Answers of at most 2 KB: long texts are cut, and lists end where there is no more room, with how many are left and how to go on. */
import { THIN_SPACE } from '../trace/vocabulary/format';

/** Longest answer, in bytes of UTF-8. */
export const MOST_BYTES = 2048;

/** A list of an answer, of which as much is given as there is room for. */
export interface DraftList {
  readonly items: readonly unknown[];
  /** How many there are before the first of `items`. Default 0. */
  readonly offset?: number;
  /** How many there are in all; absent: those of `items` and before. */
  readonly total?: number;
  /** How the rest is had: text behind `ask on with`, by the place of the first that is missing. */
  readonly rest: (next: number) => string;
}

/** An answer before it is made to fit. */
export interface Draft {
  /** What is always there. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly lists?: Readonly<Record<string, DraftList>>;
  /** By which events open in the editor: never cut, but left out where it would take the room of the answer. */
  readonly open?: string | readonly string[];
}

/** An answer as it is given. */
export type Answer = Record<string, unknown>;

/** Longest link, in bytes. */
const MOST_LINK = 700;
/** Characters that texts are cut to: the first that makes everything fit. */
const LENGTHS = [240, 120, 60, 30, 12];
/** Deeper than this nothing is told: answers are flat, and what is in them may be anybody's. */
const MOST_DEPTH = 6;

const encoder = new TextEncoder();

/** Bytes of a value as JSON in UTF-8. */
export function bytesOf(value: unknown): number {
  return encoder.encode(JSON.stringify(value)).length;
}

/** The most of an answer that fits. */
export function fitted(draft: Draft): Answer {
  for (const length of LENGTHS) {
    const answer = withLists(draft, length);
    if (answer) return answer;
  }
  return { more: ['the answer is too long to be given: ask for less'] };
}

/** Cuts a text to a number of characters, and takes out what would drive a terminal. */
export function clipped(text: string, most: number): string {
  const plain = text.replaceAll(THIN_SPACE, ' ').replace(/[\p{Cc}\p{Cs}]/gu, ' ');
  return plain.length <= most ? plain : `${plain.slice(0, most - 1).replace(/[\ud800-\udbff]$/u, '')}…`;
}

/** Lists are cut until everything fits, the longest one first; undefined: it does not fit without any. */
function withLists({ body, lists = {}, open }: Draft, length: number): Answer | undefined {
  const fixed = clip(body, length) as Answer;
  const kept = Object.entries(lists).map(([name, list]) => {
    const items = list.items.map((item) => clip(item, length));
    return { name, list, items, sizes: items.map((item) => bytesOf(item) + 1) };
  });
  const sizeOf = (sizes: readonly number[]): number => sizes.reduce((sum, size) => sum + size, 0);
  for (;;) {
    const more = kept.flatMap(({ name, list, items }) => leftOf(name, list, items.length));
    const answer: Answer = {
      ...fixed,
      ...(open !== undefined && bytesOf(open) <= MOST_LINK && { open }),
      ...Object.fromEntries(kept.map(({ name, items }) => [name, items])),
      ...(more.length > 0 && { more }),
    };
    if (bytesOf(answer) <= MOST_BYTES) return answer;
    const [longest] = kept
      .filter(({ items }) => items.length > 0)
      .sort((x, y) => sizeOf(y.sizes) - sizeOf(x.sizes));
    if (!longest) return undefined;
    longest.items.pop();
    longest.sizes.pop();
  }
}

function leftOf(name: string, { offset = 0, items, total, rest }: DraftList, given: number): string[] {
  const all = Math.max(total ?? 0, offset + items.length);
  const next = offset + given;
  if (next >= all) return [];
  return [
    `${name}: ${given} of ${all} given${offset > 0 ? ` from ${offset} on` : ''}; ask on with ${rest(next)}`,
  ];
}

function clip(value: unknown, length: number, depth = 0): unknown {
  if (typeof value === 'string') return clipped(value, length);
  if (typeof value === 'bigint') return `0x${value.toString(16)}`;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MOST_DEPTH) return '…';
  if (Array.isArray(value)) return value.map((each) => clip(each, length, depth + 1));
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) =>
      each === undefined ? [] : [[key, clip(each, length, depth + 1)]],
    ),
  );
}
