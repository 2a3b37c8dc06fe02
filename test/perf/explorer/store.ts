/** The explorer's files: how large, how fast opened, how fast read. */
import { readFile, stat } from 'node:fs/promises';
import { ROW_BYTES } from '../../../src/trace/block';
import { openTrace } from '../../../src/trace/file/file';
import { fileAccess } from '../../../src/trace/file/file-access';
import type { Figures } from '../side-by-side';

const MIB = 1024 * 1024;

const median = (values: readonly number[]): number =>
  [...values].sort((x, y) => x - y)[Math.floor(values.length / 2)] ?? 0;

/**
 * @param file a trace of ten million events
 * @param turns measurements of which the median is given
 */
export async function measureStore(
  file: string,
  turns: number,
  say: (line: string) => void,
): Promise<Figures> {
  const { size } = await stat(file);
  const opened: number[] = [];
  const read: number[] = [];
  let rows = 0;
  for (let turn = 0; turn < turns; turn++) {
    const start = performance.now();
    const store = openTrace(fileAccess(file));
    if (store.endTime === 0) throw new Error('the trace is empty');
    opened.push(performance.now() - start);
    ({ rows } = store);
    const from = performance.now();
    for (let row = 0; row < rows; row += store.block(0)?.start.length ?? rows) store.startOf(row);
    read.push((rows * ROW_BYTES) / MIB / ((performance.now() - from) / 1000));
    store.close();
  }
  // What a reader of whole files waits for before it can begin.
  const whole = performance.now();
  await readFile(file);
  say(`explorer: the disk gives ${Math.round(size / MIB / ((performance.now() - whole) / 1000))} MiB/s`);
  return {
    'explorer.open10M.ms': median(opened),
    'explorer.read.mbPerSecond': median(read),
    'explorer.bytesPerEvent': size / rows,
  };
}
