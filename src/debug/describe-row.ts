/** An event of the trace in one sentence. */
import { describe } from '../trace/query/describe';
import type { Debuggee } from './debuggee';

/** What happened in a row; empty when there is no such row. */
export function describeRow({ trace }: Debuggee, row: number | undefined): string {
  if (row === undefined || row < 0 || row >= trace.rows) return '';
  return describe(trace, row).sentence;
}
