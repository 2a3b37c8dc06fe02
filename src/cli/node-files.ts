/** Files of the command line, with errors that say what to do. */
import { constants, createReadStream } from 'node:fs';
import { access, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readTrace as parseTrace, traceFileParts } from '../trace/file/file';
import type { OutputFile, OutputKind } from './host';
import type { TraceStore } from '../trace/query/store';

const REASONS: Record<string, string> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  ENAMETOOLONG: 'the name is too long',
};

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  return (code !== undefined && REASONS[code]) || error.message;
}

/** Reads a text file. Rejects with a message for a reader. */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`cannot read ${file}: ${reason(error)}`, { cause: error });
  }
}

/** A file piece by piece, or standard input. Rejects with a message for a reader. */
export async function* readPieces(file: string | undefined): AsyncGenerator<Uint8Array> {
  const stream: AsyncIterable<unknown> =
    file === undefined ? process.stdin : createReadStream(file, { highWaterMark: PIECE_BYTES });
  try {
    for await (const piece of stream) if (piece instanceof Uint8Array) yield piece;
  } catch (error) {
    throw new Error(`cannot read ${file ?? 'standard input'}: ${reason(error)}`, { cause: error });
  }
}
const PIECE_BYTES = 1 << 20;

/** Reads a trace file. Rejects with a message for a reader. */
export async function readTrace(file: string): Promise<TraceStore> {
  let bytes;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new Error(`cannot read ${file}: ${reason(error)}`, { cause: error });
  }
  try {
    return parseTrace(bytes);
  } catch (error) {
    throw new Error(`${file}: ${reason(error)}`, { cause: error });
  }
}

/** What a command writes: the option that names it, its own name, what a name for it may be, and what such files begin with. */
const OUTPUTS: Record<OutputKind, { option: string; what: string; example: string; magics: string[] }> = {
  // Arrow columnar format, "IPC File Format".
  trace: { option: '--out', what: 'trace', example: 'run.trapline.arrow', magics: [hexOf('ARROW1')] },
  // pcapng, and pcap of microseconds and nanoseconds in both orders of bytes.
  capture: {
    option: '--pcap',
    what: 'capture',
    example: 'run.pcapng',
    magics: ['0a0d0d0a', 'd4c3b2a1', 'a1b2c3d4', '4d3cb2a1', 'a1b23c4d'],
  },
  // The tag of a packet: field 1, length-delimited.
  perfetto: { option: '--out', what: 'Perfetto trace', example: 'run.pftrace', magics: ['0a'] },
  chrome: {
    option: '--out',
    what: 'trace in Chrome JSON',
    example: 'run.json',
    magics: [hexOf('{"disp'), hexOf('{"trac')],
  },
  csv: { option: '--out', what: 'trace in CSV', example: 'run.csv', magics: [hexOf('row,st')] },
};
const MAGIC_LENGTH = 6;

function hexOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}

/** Whether a file holds something, and that is not of its kind: a driver, a scenario, whatever was not meant. */
async function holdsOtherThan(magics: readonly string[], file: string): Promise<boolean> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (!handle) return false;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAGIC_LENGTH), 0, MAGIC_LENGTH, 0);
    const begins = buffer.toString('hex', 0, bytesRead);
    return bytesRead > 0 && !magics.some((magic) => begins.startsWith(magic));
  } finally {
    await handle.close();
  }
}

/** Rejects when a file could not be written there, or what is there is none that one of its kind should take the place of. */
export async function checkWritable(file: string, kind: OutputKind = 'trace'): Promise<void> {
  const { option, what, example, magics } = OUTPUTS[kind];
  const folder = dirname(file);
  try {
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Error(
      `cannot write ${file}: ${reason(error)} (${folder}). Give ${option} a path in a folder that you can write.`,
      {
        cause: error,
      },
    );
  }
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory()) {
    throw new Error(
      `cannot write ${file}: it is a folder. Give ${option} the name of a file, such as ${join(file, example)}.`,
    );
  }
  if (found && !found.isFile()) {
    throw new Error(`cannot write ${file}: it is a device or a pipe. Give ${option} the name of a file.`);
  }
  if (found && (await holdsOtherThan(magics, file))) {
    throw new Error(
      `will not overwrite ${file}: it is no ${what}. Give ${option} another name, such as ${example}, or remove the file first.`,
    );
  }
}

/** Writes a trace beside its place and moves it there when it is whole. */
export async function writeTrace(file: string, store: TraceStore): Promise<void> {
  const output = createFile(file, 'trace');
  try {
    for (const parts of traceFileParts(store)) for (const part of parts) await output.write(part);
  } catch (error) {
    await output.abandon();
    throw cannotWrite(file, 'trace', error);
  }
  await output.finish();
}

/** Writes a file piece by piece beside its place, and moves it there when it is whole. Nothing is there before the first piece. */
export function createFile(file: string, kind: OutputKind): OutputFile {
  const unfinished = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
  let handle: Awaited<ReturnType<typeof open>> | undefined;
  const abandon = async (): Promise<void> => {
    await handle?.close().catch(() => undefined);
    await rm(unfinished, { force: true });
  };
  return {
    abandon,
    write: async (bytes) => {
      try {
        handle ??= await open(unfinished, 'w');
        await writeAll(handle, bytes);
      } catch (error) {
        throw cannotWrite(file, kind, error);
      }
    },
    finish: async () => {
      try {
        handle ??= await open(unfinished, 'w');
        await handle.close();
        await rename(unfinished, file);
      } catch (error) {
        await abandon();
        throw cannotWrite(file, kind, error);
      }
    },
  };
}

/** The message says all that a reader needs. */
class WriteError extends Error {}

function cannotWrite(file: string, kind: OutputKind, error: unknown): WriteError {
  if (error instanceof WriteError) return error;
  const { option } = OUTPUTS[kind];
  return new WriteError(
    `cannot write ${file}: ${reason(error)}. Everything else went through; give ${option} another path and try again.`,
    { cause: error },
  );
}

async function writeAll(handle: Awaited<ReturnType<typeof open>>, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done)).bytesWritten;
}
