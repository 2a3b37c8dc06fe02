/** Queries asked of rows while they are recorded. */
import type { Place, Track } from '../../trace/model';
import { kindMatcherOf, matcherOf, type QueryRows } from '../../trace/query/match';
import { parseQuery } from '../../trace/query/query';
import type { Recorder } from '../../trace/record/recorder';
import type { RecordedRow, RowNews } from '../../trace/record/row-watch';
import { kindRow } from '../../trace/vocabulary/events';

/** The one row that a recorder is at, as a query sees it. */
class LiveRow implements QueryRows {
  row: RecordedRow | undefined;

  constructor(
    readonly frequencyHz: number,
    private readonly recorder: Recorder,
  ) {}

  trackAt(id: number): Track | undefined {
    return this.recorder.trackAt(id);
  }
  placeAt(id: number): Place | undefined {
    return id === 0 ? undefined : this.recorder.placeAt(id);
  }
  kindOf(): number {
    return this.row?.kind ?? 0;
  }
  trackOf(): number {
    return this.row?.track ?? 0;
  }
  startOf(): number {
    return this.row?.start ?? 0;
  }
  durationOf(): number {
    return this.row?.duration ?? 0;
  }
  causeOf(): number {
    return this.row?.cause ?? -1;
  }
  get(): { a: number; b: number; place: number } {
    const { a = 0, b = 0, place = 0 } = this.row ?? {};
    return { a, b, place };
  }
}

/** Rows that have matched are remembered so long, for news of one may come again. */
const REMEMBERED_ROWS = 4096;

/** A query over the rows of a run, each of which matches once. */
export class EventQuery {
  private readonly live: LiveRow;
  /** Whether rows of a kind can match at all. */
  readonly looksAt: (kind: number) => boolean;
  private readonly matches: (row: number) => boolean;
  /** It asks for durations: only ended spans are looked at. */
  private readonly needsEnd: boolean;
  private readonly matched = new Set<number>();

  /** @throws QueryError when the query cannot be understood */
  constructor(query: string, frequencyHz: number, recorder: Recorder) {
    const parsed = parseQuery(query);
    this.live = new LiveRow(frequencyHz, recorder);
    this.matches = matcherOf(this.live, parsed);
    this.looksAt = kindMatcherOf(parsed);
    this.needsEnd = parsed.terms.some(({ field }) => field === 'dur');
  }

  /** Whether a row matches, and has not before. */
  told(row: RecordedRow, news: RowNews): boolean {
    if (this.needsEnd && news !== 'closed' && isOpen(row)) return false;
    this.live.row = row;
    if (!this.matches(row.row) || this.matched.has(row.row)) return false;
    if (this.matched.size >= REMEMBERED_ROWS) this.matched.clear();
    this.matched.add(row.row);
    return true;
  }

  /** The run goes another way: rows come anew. */
  forget(): void {
    this.matched.clear();
  }
}

/** A span without a duration has not ended. */
function isOpen({ kind, duration }: RecordedRow): boolean {
  return duration === 0 && kindRow(kind).shape === 'span';
}
