/** “Import Trace…” and “Export Trace…”: other people's traces in, ours in other tools. */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import {
  CancellationError,
  ProgressLocation,
  Uri,
  commands,
  l10n,
  window,
  workspace,
  type CancellationToken,
  type Disposable,
  type QuickPickItem,
} from 'vscode';
import { exportFormats, type ExportFormatName } from '../../trace/exchange/export/formats';
import type { TraceEditors } from '../editor/trace-editors';
import type { TraceView } from '../editor/trace-view';
import { Command, importViewType, traceEnding } from '../names';

interface FormatItem extends QuickPickItem {
  format?: ExportFormatName;
}

/** Registers the commands. */
export class ExchangeCommands implements Disposable {
  private readonly registrations: Disposable[];

  constructor(private readonly editors: TraceEditors) {
    this.registrations = [
      commands.registerCommand(Command.importTrace, (uri?: unknown) => this.import(uri)),
      commands.registerCommand(Command.exportTrace, (uri?: unknown, format?: unknown, target?: unknown) =>
        this.export(uri, format, target),
      ),
    ];
  }

  dispose(): void {
    for (const registration of this.registrations) registration.dispose();
  }

  private async import(uri: unknown): Promise<void> {
    const file = uri instanceof Uri ? uri : await this.askSource();
    if (file) await commands.executeCommand('vscode.openWith', file, importViewType, { preview: false });
  }

  private async askSource(): Promise<Uri | undefined> {
    const [file] =
      (await window.showOpenDialog({
        title: l10n.t('A text trace of trace-cmd, ftrace or perf script'),
        openLabel: l10n.t('Import'),
        filters: { [l10n.t('Text traces')]: ['txt', 'dat', 'trace', 'log'], [l10n.t('All files')]: ['*'] },
      })) ?? [];
    return file;
  }

  /** A second and a third argument name the format and the file without asking. */
  private async export(uri: unknown, given: unknown, place: unknown): Promise<void> {
    const document = uri instanceof Uri ? this.editors.document(uri) : this.editors.active?.document;
    const view = document?.content.view;
    if (!document || !view)
      return void window.showInformationMessage(l10n.t('Open the trace that you want to export first.'));
    const format = isFormat(given) ? given : await this.askFormat(document.uri);
    if (!format) return;
    const target =
      place instanceof Uri ? place : await this.askTarget(document.scenario ?? document.uri, format);
    if (!target) return;
    const name = basename(target.path);
    try {
      await window.withProgress(
        {
          location: ProgressLocation.Notification,
          title: l10n.t('Exporting {0}', name),
          cancellable: true,
        },
        (_progress, token) => write(view, format, target, token),
      );
    } catch (error) {
      if (error instanceof CancellationError) return;
      const reason = error instanceof Error ? error.message : String(error);
      return void window.showErrorMessage(l10n.t('The trace could not be exported: {0}', reason));
    }
    void window.showInformationMessage(l10n.t('The trace is in {0}.', name));
  }

  private async askFormat(trace: Uri): Promise<ExportFormatName | undefined> {
    const details: Record<ExportFormatName, string> = {
      perfetto: l10n.t('for ui.perfetto.dev and trace_processor, with the causes as flows'),
      chrome: l10n.t('for viewers that read nothing else; small traces only'),
      csv: l10n.t('for spreadsheets, all columns by their names'),
    };
    const packets: FormatItem = {
      label: l10n.t('Packets (pcapng)'),
      detail: l10n.t('for Wireshark; the scenario is run again'),
    };
    const items = Object.entries(exportFormats).map(([format, { title }]): FormatItem => ({
      label: title,
      detail: details[format as ExportFormatName],
      format: format as ExportFormatName,
    }));
    const picked = await window.showQuickPick([...items, packets], {
      placeHolder: l10n.t('Which tool is the trace for?'),
      matchOnDetail: true,
    });
    if (picked === packets) await commands.executeCommand(Command.exportPackets, trace);
    return picked?.format;
  }

  private async askTarget(beside: Uri, format: ExportFormatName): Promise<Uri | undefined> {
    const { ending, title } = exportFormats[format];
    const folder =
      beside.scheme === 'file' ? Uri.joinPath(beside, '..') : workspace.workspaceFolders?.[0]?.uri;
    const name = basename(beside.path)
      .replace(traceEnding, '')
      .replace(/\.[^.]*$/, '');
    return window.showSaveDialog({
      ...(folder && { defaultUri: Uri.joinPath(folder, `${name}.${ending}`) }),
      filters: { [title]: [ending] },
      saveLabel: l10n.t('Export Trace'),
    });
  }
}

function isFormat(value: unknown): value is ExportFormatName {
  return typeof value === 'string' && Object.hasOwn(exportFormats, value);
}

/** Part after part, with the editor's other work between them. A file is there when it is whole. */
async function write(
  view: TraceView,
  format: ExportFormatName,
  target: Uri,
  token: CancellationToken,
): Promise<void> {
  if (target.scheme !== 'file') {
    const parts = [...view.exported(format)];
    return workspace.fs.writeFile(target, Buffer.concat(parts));
  }
  const unfinished = `${target.fsPath}.${process.pid}.tmp`;
  const stream = createWriteStream(unfinished);
  try {
    await once(stream, 'open');
    for (const part of view.exported(format)) {
      if (token.isCancellationRequested) throw new CancellationError();
      if (!stream.write(part)) await once(stream, 'drain');
      await setImmediate();
    }
    stream.end();
    await once(stream, 'close');
    await rename(unfinished, target.fsPath);
  } catch (error) {
    stream.destroy();
    await rm(unfinished, { force: true });
    throw error;
  }
}
