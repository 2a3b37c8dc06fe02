/** Queries asked of rows while they are recorded. */
import type { Place, Track } from '../../trace/model';
import { asks, findsExitsByRegister, prepare } from '../../trace/query/match';
import { parseLiveQuery } from '../../trace/query/query';
import type { QueryRows } from '../../trace/query/query-rows';
import type { Recorder } from '../../trace/record/recorder';
import type { RecordedRow, RowNews } from '../../trace/record/row-watch';
import { isExit, kindRow } from '../../trace/vocabulary/events';

/** The rows of a recorder at work: the one that it is at, and those about it that are not final. */
class LiveRows implements QueryRows {
  row: RecordedRow | undefined;

  constructor(
    readonly frequencyHz: number,
    private readonly recorder: Recorder,
  ) {}

  get rows(): number {
    return this.recorder.rows;
  }
  trackAt(id: number): Track | undefined {
    return this.recorder.trackAt(id);
  }
  placeAt(id: number): Place | undefined {
    return id === 0 ? undefined : this.recorder.placeAt(id);
  }
  kindOf(row: number): number {
    return this.at(row)?.kind ?? 0;
  }
  trackOf(row: number): number {
    return this.at(row)?.track ?? 0;
  }
  startOf(row: number): number {
    return this.at(row)?.start ?? 0;
  }
  durationOf(row: number): number {
    return this.at(row)?.duration ?? 0;
  }
  causeOf(row: number): number {
    return this.at(row)?.cause ?? -1;
  }
  aOf(row: number): number {
    return this.at(row)?.a ?? 0;
  }
  bOf(row: number): number {
    return this.at(row)?.b ?? 0;
  }
  placeOf(row: number): number {
    return this.at(row)?.place ?? 0;
  }

  private at(row: number): RecordedRow | undefined {
    if (row === this.row?.row) return this.row;
    return this.recorder.blockOf(row) && this.recorder.rowAt(row);
  }
}

/** Rows that have matched are remembered so long, for news of one may come again. */
const REMEMBERED_ROWS = 4096;

/** A query over the rows of a run, each of which matches once. */
export class EventQuery {
  private readonly live: LiveRows;
  /** Whether rows of a kind can match at all. */
  readonly looksAt: (kind: number) => boolean;
  private readonly matches: (row: number) => boolean;
  /** It asks for durations: only ended spans are looked at. */
  private readonly needsEnd: boolean;
  /** It asks for the registers that exits were about, which are known once an exit has ended. */
  private readonly needsEndOfExits: boolean;
  private readonly matched = new Set<number>();

  /** @throws QueryError when the query cannot be understood */
  constructor(query: string, frequencyHz: number, recorder: Recorder) {
    const parsed = parseLiveQuery(query);
    this.live = new LiveRows(frequencyHz, recorder);
    ({ looksAt: this.looksAt, matches: this.matches } = prepare(this.live, parsed));
    this.needsEnd = asks(parsed, 'dur');
    this.needsEndOfExits = findsExitsByRegister(parsed);
  }

  /** Whether a row matches, and has not before. */
  told(row: RecordedRow, news: RowNews): boolean {
    const needsEnd = this.needsEnd || (this.needsEndOfExits && isExit(row.kind));
    if (needsEnd && news !== 'closed' && isOpen(row)) return false;
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
