/** The formats that a trace's events can be exported to. */
import type { TraceStore } from '../../query/store';
import { chromeParts } from './chrome';
import { csvParts } from './csv';
import { perfettoParts } from './perfetto';

/** One of them. */
export interface ExportFormat {
  /** As a reader knows it. */
  title: string;
  /** What files of it end with, without the dot. */
  ending: string;
  /** The bytes of the file, part after part. */
  parts(store: TraceStore): Generator<Uint8Array>;
}

/** By the name that the command line takes. */
export const exportFormats = {
  perfetto: { title: 'Perfetto', ending: 'pftrace', parts: perfettoParts },
  chrome: { title: 'Chrome JSON', ending: 'json', parts: chromeParts },
  csv: { title: 'CSV', ending: 'csv', parts: csvParts },
} as const satisfies Record<string, ExportFormat>;

/** Its name. */
export type ExportFormatName = keyof typeof exportFormats;
