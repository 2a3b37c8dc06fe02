/**
 * Opens `*.trapline.arrow` by range. The footer says where the record batches lie; each is read when somebody asks for its rows. A
 * file cut short has no footer: its messages are walked through from the beginning, and it gives all its whole record batches.
 */
import { TraceFileError } from './error';
import { batchOf, type Batch } from './batch';
import { FileBlocks } from './file-blocks';
import { endsWhole, isMagic, readFooter } from './footer';
import { readStoredIndex } from './stored-index';
import { DAMAGED, HEADER_SCHEMA, MAGIC, NOT_A_TRACE } from './layout';
import { messageAt, type Message } from './messages';
import { bytesAccess, type RandomAccess } from './random-access';
import { readSchema, type FileTables } from './schema';
import type { TraceMeta } from '../model';
import { TraceStore } from '../query/store';
import { gapsEnd } from '../vocabulary/gaps';
import { countRows } from './verify';

/** Position of the first message: behind the magic word, padded to 8 bytes. */
const FIRST_MESSAGE = 8;
/** More rows than any recording has; row numbers have 32 bits. */
const MOST_ROWS = 2 ** 31;

/** How a trace is opened. */
export interface OpenOptions {
  /** Bytes of columns that are kept in memory. */
  keptBytes?: number;
}

/**
 * Opens a trace. A file cut short gives a store in state `truncated` with all whole record batches. What is damaged within a record
 * batch shows when its rows are read: the store then throws a `TraceFileError` as well.
 * @param access closed when the file cannot be opened, otherwise by the store's `close`
 * @throws TraceFileError and nothing else, when the bytes are no trace or are damaged
 */
export function openTrace(access: RandomAccess, options: OpenOptions = {}): TraceStore {
  try {
    return open(access, options);
  } catch (error) {
    access.close();
    if (error instanceof TraceFileError) throw error;
    const what = error instanceof Error ? error.message : String(error);
    throw new TraceFileError(`This trace cannot be read: ${what}`, 0, DAMAGED);
  }
}

/** Opens a trace whose bytes are in memory. @throws TraceFileError as `openTrace` does */
export function readTrace(bytes: Uint8Array, options?: OpenOptions): TraceStore {
  return openTrace(bytesAccess(bytes), options);
}

function open(access: RandomAccess, options: OpenOptions): TraceStore {
  requireArrow(access);
  const found = byFooter(access) ?? byMessages(access);
  const { tables, batches, rows } = found;
  if (rows > MOST_ROWS)
    throw new TraceFileError(`The file claims ${rows} events, more than a trace can have`, 0, DAMAGED);
  const blocks = new FileBlocks(access, batches, rows, tables.meta, options.keptBytes);
  const stored = found.whole ? readStoredIndex(access, tables.index, rows) : undefined;
  const store = new TraceStore(tables.meta, { blocks, rows, sides: stored?.sides });
  if (stored?.lanes !== undefined) store.useIndex(stored.lanes);
  if (found.whole && tables.rows >= 0 && tables.rows !== rows) {
    throw new TraceFileError(
      `The file has ${rows} events where its tables say ${tables.rows}`,
      found.end,
      DAMAGED,
    );
  }
  return found.whole ? store : truncated(store, tables.meta, tables.rows, found.end);
}

function requireArrow(access: RandomAccess): void {
  if (access.size === 0) throw new TraceFileError('The file is empty', 0, NOT_A_TRACE);
  const head = access.read(0, Math.min(access.size, MAGIC.length));
  if (isMagic(head)) return;
  const cut = MAGIC.startsWith(String.fromCharCode(...head))
    ? 'The file ends within its first bytes'
    : 'This is not an Apache Arrow file';
  throw new TraceFileError(cut, 0, NOT_A_TRACE);
}

/** What is known of a file before any of its rows has been read. */
interface Found {
  tables: FileTables;
  batches: Batch[];
  rows: number;
  /** The file has its end. */
  whole: boolean;
  /** Where the record batches end. */
  end: number;
}

function byFooter(access: RandomAccess): Found | undefined {
  const footer = readFooter(access);
  if (footer === undefined) return undefined;
  const tables = readSchema(footer.schema, footer.position);
  const batches: Batch[] = [];
  let rows = 0;
  let end = FIRST_MESSAGE;
  for (const position of footer.batches) {
    const message = messageAt(access, position);
    if (typeof message === 'string')
      throw new TraceFileError('The footer names a record batch that is not there', position, DAMAGED);
    const batch = batchOf(message, rows);
    batches.push(batch);
    rows += batch.rows;
    end = message.body + message.bodyLength;
  }
  return { tables, batches, rows, whole: true, end };
}

function byMessages(access: RandomAccess): Found {
  const first = messageAt(access, FIRST_MESSAGE);
  if (first === 'cut') {
    throw new TraceFileError(
      'The file ends within its tables: nothing can be recovered',
      access.size,
      DAMAGED,
    );
  }
  if (first === 'end' || first.headerType !== HEADER_SCHEMA)
    throw new TraceFileError('The file does not begin with a schema', FIRST_MESSAGE, DAMAGED);
  const tables = readSchema(first.header, first.position);
  const batches: Batch[] = [];
  let rows = 0;
  let position = endOf(first);
  let next = messageAt(access, position);
  while (typeof next !== 'string') {
    const batch = batchOf(next, rows);
    batches.push(batch);
    rows += batch.rows;
    position = endOf(next);
    next = messageAt(access, position);
  }
  // All messages and the magic word at the end: only the footer between them is damaged, of which nothing is needed.
  const whole = next === 'end' && endsWhole(access);
  return { tables, batches, rows, whole, end: position };
}

function endOf({ body, bodyLength }: Message): number {
  return body + bodyLength;
}

/** What is left of a trace that was cut short: its figures are those of the rows that are there. */
function truncated(store: TraceStore, meta: TraceMeta, rows: number, position: number): TraceStore {
  const { traceHash: _, ...rest } = meta;
  const of = rows >= 0 ? ` of ${rows}` : '';
  const end = Math.max(meta.facts.cycles, gapsEnd(meta.gaps));
  store.setMeta({
    ...rest,
    state: 'truncated',
    message:
      `The file ends at byte ${position}, before the trace does: ${store.rows}${of} events could be recovered. ` +
      'Figures are those of the recovered events. Copy the file again or run the scenario again.',
    facts: { ...meta.facts, cycles: store.endWithoutFacts },
    gaps: [{ from: store.endWithoutFacts, ...(end > store.endWithoutFacts && { to: end }), why: 'cut' }],
    ...countRows(store),
  });
  return store;
}
