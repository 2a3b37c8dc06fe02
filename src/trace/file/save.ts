/** Writes a trace to a file on disk. */
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import type { TraceStore } from '../query/store';
import { traceFileParts } from './write';

/** The bytes of a trace's file, part after part. */
export function* filePartsOf(store: TraceStore): Generator<Uint8Array> {
  for (const parts of traceFileParts(store)) yield* parts;
}

/** Writes a trace to a file. @throws what the file system says */
export function saveTrace(path: string, store: TraceStore): void {
  saveParts(path, filePartsOf(store));
}

/**
 * Writes a file beside its place and moves it there when it is whole, so that what is there is the old file or wholly the new one.
 * @throws what the file system says
 */
export function saveParts(path: string, parts: Iterable<Uint8Array>): void {
  const unfinished = `${path}.${process.pid}.tmp`;
  const descriptor = openSync(unfinished, 'w');
  try {
    try {
      for (const part of parts)
        for (let done = 0; done < part.length;) done += writeSync(descriptor, part, done);
    } finally {
      closeSync(descriptor);
    }
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}
