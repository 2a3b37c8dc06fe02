/** Entry point of a trace's thread (`dist/trace-worker.js`). */
import { parentPort, workerData } from 'node:worker_threads';
import { find } from '../../trace/query/find';
import { TraceImporter } from '../../trace/exchange/import/importer';
import { openTrace, bytesAccess } from '../../trace/file/file';
import type { RandomAccess } from '../../trace/file/random-access';
import { fileAccess } from '../../trace/file/file-access';
import { saveParts } from '../../trace/file/save';
import type { TraceStore } from '../../trace/query/store';
import { coursesOf, reportOf, rowAtTime, type NamedStore } from '../compare/comparing-thread';
import type {
  ComparingMethods,
  FromTraceThread,
  ToComparingThread,
  ToTraceThread,
  TraceSource,
  TraceThreadInput,
} from './messages';
import { TraceThread, messageOf, type TraceThreadWorld } from './trace-thread';

/** Columns of answers go over without a copy. */
function post(message: FromTraceThread): void {
  const buffers = message.type === 'answer' && 'result' in message ? buffersIn(message.result) : [];
  parentPort?.postMessage(message, buffers);
}

const world: TraceThreadWorld = { post, save: saveParts };

/** Buffers that belong to an answer alone: those of columns that fill theirs. */
function buffersIn(value: unknown): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>();
  const look = (each: unknown): void => {
    if (ArrayBuffer.isView(each)) {
      if (each.buffer instanceof ArrayBuffer && each.byteLength === each.buffer.byteLength)
        found.add(each.buffer);
    } else if (Array.isArray(each)) {
      if (typeof each[0] === 'object') each.forEach(look);
    } else if (typeof each === 'object' && each !== null) Object.values(each).forEach(look);
  };
  look(value);
  return [...found];
}

/** Bytes of a text trace that are read at once. */
const PIECE_BYTES = 1024 * 1024;

function storeOf(source: Exclude<TraceSource, { from: 'run' }>): TraceStore {
  const access = source.from === 'file' ? fileAccess(source.path) : bytesAccess(source.bytes);
  return source.text === undefined ? openTrace(access) : importFrom(access, source.text);
}

function importFrom(access: RandomAccess, file: string): TraceStore {
  const importer = new TraceImporter({ file });
  for (let at = 0; at < access.size; at += PIECE_BYTES)
    importer.push(access.read(at, Math.min(PIECE_BYTES, access.size - at)));
  access.close();
  return importer.finish();
}

function hold(source: TraceSource): void {
  const thread = source.from === 'run' ? TraceThread.ofRun(world) : new TraceThread(storeOf(source), world);
  parentPort?.on('message', (message: ToTraceThread) => thread.receive(message));
  if (source.from !== 'run') post({ type: 'opened', state: thread.state() });
}

/** Of the share of a comparison that is done: reading the files. */
const READING = 0.3;

function compare(runs: Extract<TraceThreadInput, { compare: unknown }>['compare']): void {
  const progress = (share: number): void => post({ type: 'comparing', share });
  const stores = runs.map(({ name, source }, i): NamedStore => {
    if (source.from === 'run') throw new Error(`${name} has not been kept`);
    const store = named(name, () => storeOf(source));
    progress((READING * (i + 1)) / runs.length);
    return { name, store };
  });
  post({ type: 'compared', report: reportOf(stores, (share) => progress(READING + (1 - READING) * share)) });
  const storeAt = (run: number): TraceStore => {
    const found = stores[run];
    if (!found) throw new RangeError('There is no such run in this comparison.');
    return found.store;
  };
  const methods: ComparingMethods = {
    courses: (query) => coursesOf(stores, query),
    find: (run, query) => find(storeAt(run), query, -1, 1).row,
    exitAt: (run, seconds) => rowAtTime(storeAt(run), seconds),
  };
  parentPort?.on('message', ({ id, method, args }: ToComparingThread) => {
    try {
      const ask = methods[method] as (...args: unknown[]) => unknown;
      post({ type: 'answer', id, result: ask(...args) });
    } catch (error) {
      post({ type: 'answer', id, error: messageOf(error) });
    }
  });
}

/** Says of which trace it is that something is wrong. */
function named<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`${name}: ${messageOf(error)}`, { cause: error });
  }
}

try {
  const input = workerData as TraceThreadInput;
  if ('hold' in input) hold(input.hold);
  else compare(input.compare);
} catch (error) {
  post({ type: 'refused', message: messageOf(error) });
  parentPort?.close();
}
