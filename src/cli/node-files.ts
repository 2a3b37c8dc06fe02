/** Files of the command line, with errors that say what to do. */
import { constants } from 'node:fs';
import { access, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readTrace as parseTrace, traceFileParts } from '../trace/file/file';
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

/** What every Arrow file begins with (Arrow columnar format, "IPC File Format"). */
const ARROW_MAGIC = 'ARROW1';

/** Whether a file holds something, and that is no trace: a driver, a scenario, whatever was not meant. */
async function holdsOtherThanTrace(file: string): Promise<boolean> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (!handle) return false;
  try {
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(ARROW_MAGIC.length),
      0,
      ARROW_MAGIC.length,
      0,
    );
    return bytesRead > 0 && buffer.toString('latin1', 0, bytesRead) !== ARROW_MAGIC;
  } finally {
    await handle.close();
  }
}

/** Rejects when a file could not be written there, or what is there is none that a trace should take the place of. */
export async function checkWritable(file: string): Promise<void> {
  const folder = dirname(file);
  try {
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Error(
      `cannot write ${file}: ${reason(error)} (${folder}). Give --out a path in a folder that you can write.`,
      {
        cause: error,
      },
    );
  }
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory()) {
    throw new Error(
      `cannot write ${file}: it is a folder. Give --out the name of a file, such as ${join(file, 'run.trapline.arrow')}.`,
    );
  }
  if (found && !found.isFile()) {
    throw new Error(`cannot write ${file}: it is a device or a pipe. Give --out the name of a file.`);
  }
  if (found && (await holdsOtherThanTrace(file))) {
    throw new Error(
      `will not overwrite ${file}: it is no trace. Give --out another name, such as run.trapline.arrow, or remove the file first.`,
    );
  }
}

/** Writes a trace beside its place and moves it there when it is whole. */
export async function writeTrace(file: string, store: TraceStore): Promise<void> {
  const unfinished = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
  try {
    const handle = await open(unfinished, 'w');
    try {
      for (const parts of traceFileParts(store)) for (const part of parts) await writeAll(handle, part);
    } finally {
      await handle.close();
    }
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw new Error(
      `cannot write ${file}: ${reason(error)}. The run itself went through; give --out another path and run again.`,
      {
        cause: error,
      },
    );
  }
}

async function writeAll(handle: Awaited<ReturnType<typeof open>>, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done)).bytesWritten;
}
