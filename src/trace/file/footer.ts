/** The footer of an IPC file (File.fbs): the schema once more, and where every record batch lies. */
import { Table } from './flatbuffer';
import { MAGIC } from './layout';
import { MOST_HEADER_BYTES, viewOf } from './messages';
import type { RandomAccess } from './random-access';

/** Length of the footer and the magic word, which close the file. */
const TAIL_BYTES = 4 + MAGIC.length;

/** What a footer tells. */
export interface Footer {
  /** Of its first byte. */
  position: number;
  schema: Table;
  /** Positions of the record batches' messages, in order. */
  batches: number[];
}

/** Whether bytes are the magic word, or as much of it as there is room for. */
export function isMagic(bytes: Uint8Array): boolean {
  return String.fromCharCode(...bytes) === MAGIC;
}

/** Whether the file closes as one does that was written to its end. */
export function endsWhole(access: RandomAccess): boolean {
  return access.size >= TAIL_BYTES && isMagic(access.read(access.size - MAGIC.length, MAGIC.length));
}

/** The footer; undefined where there is none that can be read. */
export function readFooter(access: RandomAccess): Footer | undefined {
  if (!endsWhole(access)) return undefined;
  const end = access.size - TAIL_BYTES;
  const length = viewOf(access.read(end, 4)).getInt32(0, true);
  if (length <= 0 || length > end || length > MOST_HEADER_BYTES) return undefined;
  const position = end - length;
  try {
    const table = Table.root(access.read(position, length));
    const schema = table.table(1);
    const dictionaries = table.fileBlocks(2);
    if (schema === undefined || dictionaries.length > 0) return undefined;
    return { position, schema, batches: table.fileBlocks(3) };
  } catch {
    // Damaged: the messages themselves say as much, read from the beginning.
    return undefined;
  }
}
