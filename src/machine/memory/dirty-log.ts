/**
 * Which pages of a piece of memory were written, for several readers who do not disturb each other: a snapshot that holds
 * only what changed, a migration that sends pages again. The hardware keeps one set of dirty bits; whoever reads first
 * takes them out of it, and into the logs of all.
 */
import type { Stateful } from '../bus';
import { requireVersion } from '../snapshot';

/** Bytes of a page. */
export const PAGE_SIZE = 4096;

/** Snapshot of a `DirtyLog`. */
export interface DirtyLogState {
  version: 1;
  /** Page numbers, ascending. */
  pages: Uint32Array;
}

/** One reader's log. Loading the memory itself is no write: a reader whose log matters then loads its log too. */
export interface DirtyLog extends Stateful<DirtyLogState> {
  /** Page numbers written since the last call, or since the log was opened, ascending; forgets them. */
  drain(): number[];
  /** Nothing is kept for this reader any more; its log is empty from now on. */
  close(): void;
}

/** The logs of one piece of memory. */
export class DirtyLogs {
  private readonly open = new Set<Log>();

  /**
   * @param pages of the memory
   * @param harvest takes the pages out of the hardware's dirty bits and passes each to `mark`; called before anybody reads
   */
  constructor(
    private readonly pages: number,
    private readonly harvest: () => void,
  ) {}

  /** A log for one more reader: of what is written from now on. */
  openLog(): DirtyLog {
    this.harvest();
    const log = new Log(this.pages, this.harvest, () => this.open.delete(log));
    this.open.add(log);
    return log;
  }

  /** A page was written: it stands in the log of every reader. */
  mark(page: number): void {
    for (const log of this.open) log.mark(page);
  }
}

class Log implements DirtyLog {
  /** By page, whether it was written. */
  private readonly bitmap: Uint32Array;

  constructor(
    private readonly pages: number,
    private readonly harvest: () => void,
    private readonly forget: () => void,
  ) {
    this.bitmap = new Uint32Array(Math.ceil(pages / 32));
  }

  mark(page: number): void {
    this.bitmap[page >>> 5] |= 1 << (page & 31);
  }

  drain(): number[] {
    const pages = this.read();
    this.bitmap.fill(0);
    return pages;
  }

  close(): void {
    this.forget();
    this.bitmap.fill(0);
  }

  save(): DirtyLogState {
    return { version: 1, pages: Uint32Array.from(this.read()) };
  }

  load(state: DirtyLogState): void {
    requireVersion('a dirty log', state.version, 1);
    // What was written up to now is the other readers' alone.
    this.harvest();
    this.bitmap.fill(0);
    for (const page of state.pages) if (page < this.pages) this.mark(page);
  }

  private read(): number[] {
    this.harvest();
    const pages: number[] = [];
    this.bitmap.forEach((word, index) => {
      for (let left = word; left !== 0; left &= left - 1)
        pages.push(index * 32 + 31 - Math.clz32(left & -left));
    });
    return pages;
  }
}
