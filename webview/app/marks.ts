/** What the reader marks in time: two cursors, and bookmarks. */
import type { Bookmark } from '../../src/protocol/choices';
import type { HostClient } from '../host/client';
import { readDuration, readTime } from '../time/clock';
import type { Model } from './model';

/** The two cursors. */
export type CursorName = 'a' | 'b';

export class Marks {
  constructor(
    private readonly model: Model,
    private readonly host: HostClient,
    private readonly report: (error: unknown) => void,
    /** Reads aloud what has become of a mark, for those who do not see it. */
    private readonly say: (text: string) => void,
  ) {}

  /** Puts a cursor to a time in cycles; undefined takes it away. */
  setCursor(name: CursorName, time: number | undefined): void {
    const { [name]: _, ...other } = this.model.cursors.value;
    this.model.cursors.value =
      time === undefined ? other : { ...other, [name]: Math.min(Math.max(0, time), this.model.endTime) };
  }

  /** Reads aloud where a cursor stands, and how far from the other. */
  sayCursor(name: CursorName): void {
    const { clock, cursors } = this.model;
    const { a, b, [name]: at } = cursors.value;
    if (at === undefined) return;
    const apart = a === undefined || b === undefined ? '' : `; ${readDuration(clock, Math.abs(b - a))} apart`;
    this.say(`Cursor ${name.toUpperCase()} at ${readTime(clock, at, 1)}${apart}`);
  }

  clearCursors(): void {
    this.model.cursors.value = {};
    this.say('Cursors taken away');
  }

  /** The bookmark at a time, within `reach` cycles. */
  bookmarkAt(time: number, reach: number): Bookmark | undefined {
    return this.model.bookmarks.value.find((bookmark) => Math.abs(bookmark.time - time) <= reach);
  }

  /** Keeps a bookmark, in the place of the one given. */
  keep(bookmark: Bookmark, instead?: Bookmark): void {
    const others = this.model.bookmarks.value.filter(
      (each) => each !== instead && each.time !== bookmark.time,
    );
    this.#set([...others, bookmark].sort((a, b) => a.time - b.time));
    this.say(`Bookmark ${bookmark.name} kept`);
  }

  remove(bookmark: Bookmark): void {
    this.#set(this.model.bookmarks.value.filter((each) => each !== bookmark));
    this.say(`Bookmark ${bookmark.name} removed`);
  }

  /** The bookmark after or before a time. */
  next(time: number, direction: 1 | -1): Bookmark | undefined {
    const all = this.model.bookmarks.value;
    return direction > 0
      ? all.find((bookmark) => bookmark.time > time + 0.5)
      : all.findLast((bookmark) => bookmark.time < time - 0.5);
  }

  #set(bookmarks: readonly Bookmark[]): void {
    this.model.bookmarks.value = bookmarks;
    this.host.call('keepBookmarks', [...bookmarks]).catch(this.report);
  }
}
