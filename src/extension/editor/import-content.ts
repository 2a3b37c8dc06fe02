/** Text traces of other tools as documents: read piece by piece, so that the editor stays quick whatever their size. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { CancellationError, ProgressLocation, Uri, l10n, window, workspace } from 'vscode';
import type { CancellationToken, LogOutputChannel } from 'vscode';
import { TraceImporter } from '../../trace/exchange/import/importer';
import { foreignSentence } from '../../trace/exchange/foreign-source';
import type { TraceStore } from '../../trace/query/store';

/** Each is read in a few milliseconds, after which the editor's other work has its turn. */
const PIECE_BYTES = 128 * 1024;
/** Larger files show how far they are. */
const QUICK_BYTES = 8 * 1024 * 1024;

async function* piecesOf(file: Uri): AsyncGenerator<Uint8Array> {
  if (file.scheme === 'file') {
    const stream: AsyncIterable<unknown> = createReadStream(file.fsPath, { highWaterMark: PIECE_BYTES });
    for await (const piece of stream) if (piece instanceof Uint8Array) yield piece;
    return;
  }
  const bytes = await workspace.fs.readFile(file);
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

async function read(
  file: Uri,
  told: (bytes: number) => void,
  token?: CancellationToken,
): Promise<TraceStore> {
  const importer = new TraceImporter({ file: basename(file.path) });
  for await (const piece of piecesOf(file)) {
    if (token?.isCancellationRequested) throw new CancellationError();
    importer.push(piece);
    told(piece.length);
    await setImmediate();
  }
  return importer.finish();
}

async function sizeOf(file: Uri): Promise<number> {
  return file.scheme === 'file' ? (await stat(file.fsPath)).size : (await workspace.fs.stat(file)).size;
}

/**
 * Imports a text trace.
 * @throws ImportError for what is none, CancellationError when the reader has enough, and what reading a file throws
 */
export async function importContent(file: Uri, log: LogOutputChannel): Promise<TraceStore> {
  const size = await sizeOf(file);
  const name = basename(file.path);
  const store =
    size <= QUICK_BYTES
      ? await read(file, () => undefined)
      : await window.withProgress(
          {
            location: ProgressLocation.Notification,
            title: l10n.t('Importing {0}', name),
            cancellable: true,
          },
          (progress, token) =>
            read(file, (bytes) => progress.report({ increment: (100 * bytes) / size }), token),
        );
  const { source, frequencyHz } = store.meta;
  if (source) log.info(foreignSentence(source, frequencyHz));
  for (const { reason, count, line, example } of source?.unknown ?? [])
    log.info(`${name}:${line}: ${reason}; ${count} lines, the first is: ${example}`);
  return store;
}
