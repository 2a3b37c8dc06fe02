/** Text traces of other tools as documents: their thread reads them; what came of it is told here. */
import { basename } from 'node:path';
import {
  CancellationError,
  ProgressLocation,
  l10n,
  window,
  workspace,
  type LogOutputChannel,
  type Uri,
} from 'vscode';
import { foreignSentence } from '../../trace/exchange/foreign-source';
import type { TraceClient } from '../trace-service/trace-client';

/** Larger files say that they are read, and can be given up. */
const QUICK_BYTES = 8 * 1024 * 1024;

/**
 * Waits for the import of a text trace.
 * @throws an error with a message for a reader for what is none, CancellationError when the reader has enough
 */
export async function importing(file: Uri, view: TraceClient, log: LogOutputChannel): Promise<void> {
  const { size } = await workspace.fs.stat(file);
  const name = basename(file.path);
  if (size <= QUICK_BYTES) await view.opened;
  else
    await window.withProgress(
      { location: ProgressLocation.Notification, title: l10n.t('Importing {0}', name), cancellable: true },
      async (_progress, token) => {
        token.onCancellationRequested(() => view.dispose());
        await view.opened.catch((error: unknown) => {
          throw token.isCancellationRequested ? new CancellationError() : error;
        });
      },
    );
  const { source, frequencyHz } = view.meta;
  if (source) log.info(foreignSentence(source, frequencyHz));
  for (const { reason, count, line, example } of source?.unknown ?? [])
    log.info(`${name}:${line}: ${reason}; ${count} lines, the first is: ${example}`);
}
