/** A trace as the editor asks it questions: the same for a live run and for a file. Knows no editor. */
import type { FailedExpectations, HostMethods } from '../../protocol/webview';
import type { ExportFormatName } from '../../trace/exchange/export/formats';
import type { TraceMeta } from '../../trace/model';
import type { LineFigures } from '../../trace/query/statistics';

/** Answers about one trace. Times in cycles, rows from 0. */
export interface TraceView extends Pick<
  HostMethods,
  'viewport' | 'describe' | 'chain' | 'find' | 'events' | 'statistics' | 'mappings'
> {
  readonly meta: TraceMeta;
  readonly rows: number;
  /** End of the last event or of the run, whichever is later. */
  readonly endTime: number;
  /** What the run was to keep and did not, once it is over. */
  readonly failed: FailedExpectations | undefined;
  /** A query that matches an event and those like it. */
  like(row: number): string;
  /** The bytes of the trace in another format, part after part. */
  exported(format: ExportFormatName): Generator<Uint8Array>;
  /** The bytes of a trace file, part after part. */
  fileParts(): Generator<Uint8Array[]>;
  /** Exits by guest source line with their reasons, dearest first. */
  perLine(): LineFigures[];
}
