/** Commands about traces: open, save, and from a source line back to the timeline. */
import {
  Uri,
  ViewColumn,
  commands,
  l10n,
  window,
  workspace,
  type Disposable,
  type QuickPickItem,
} from 'vscode';
import { basename } from 'node:path';
import { isTextTrace } from '../editor/trace-document';
import type { TraceEditors } from '../editor/trace-editors';
import type { TimelineDebugging } from '../debug/timeline-link';
import { Command, traceEnding } from '../names';
import { traceOfArgument } from './command-arguments';
import { runTraceUri, type RunArchive } from '../runs/run-archive';
import { scenarioName } from '../runs/run-service';

interface TraceItem extends QuickPickItem {
  uri?: Uri;
}

/** Registers the commands. */
export class TraceCommands implements Disposable {
  private readonly registrations: Disposable[];

  constructor(
    private readonly editors: TraceEditors,
    private readonly archive: RunArchive,
    private readonly debugging: TimelineDebugging,
  ) {
    this.registrations = [
      commands.registerCommand(Command.openTrace, (uri?: unknown) => this.open(uri)),
      commands.registerCommand(Command.saveTraceAs, (uri?: unknown, target?: unknown) =>
        this.saveAs(uri, target),
      ),
      commands.registerCommand(Command.revealLine, (trace: unknown, query: unknown) =>
        this.revealQuery(trace, query),
      ),
      commands.registerCommand(Command.showEvent, (trace: unknown, row: unknown) =>
        this.showEvent(trace, row),
      ),
      commands.registerCommand(Command.debugFromEvent, (trace: unknown, row: unknown, scenario: unknown) =>
        this.debugFromEvent(trace, row, scenario),
      ),
    ];
  }

  dispose(): void {
    for (const registration of this.registrations) registration.dispose();
  }

  private async open(uri: unknown): Promise<void> {
    const chosen = traceOfArgument(uri) ?? (await this.choose());
    if (chosen) await this.editors.open(chosen);
  }

  /** Kept runs first, then files of the workspace, then any file. */
  private async choose(): Promise<Uri | undefined> {
    const [runs, files] = await Promise.all([
      this.archive.list(),
      workspace.findFiles(`**/*${traceEnding}`, '**/{node_modules,.git}/**', 200),
    ]);
    const items: TraceItem[] = [
      ...runs.map((run): TraceItem => {
        const scenario = Uri.parse(run.scenario);
        const when = new Date(run.ended).toLocaleString();
        const uri = runTraceUri(run.id, scenarioName(scenario));
        return { label: `$(history) ${scenarioName(scenario)}`, description: when, detail: run.title, uri };
      }),
      ...files.map((uri): TraceItem => ({
        label: `$(graph-line) ${basename(uri.path)}`,
        description: workspace.asRelativePath(uri),
        uri,
      })),
    ];
    const other: TraceItem = { label: l10n.t('$(folder-opened) Another file…') };
    const picked =
      items.length === 0
        ? other
        : await window.showQuickPick([...items, other], {
            placeHolder: l10n.t('Which trace should open?'),
            matchOnDescription: true,
            matchOnDetail: true,
          });
    if (picked !== other) return picked?.uri;
    const [file] =
      (await window.showOpenDialog({ filters: { [l10n.t('Trapline traces')]: ['arrow'] } })) ?? [];
    return file;
  }

  /** Copies a trace to a file that the reader names. A second argument names it without asking. */
  private async saveAs(uri: unknown, given: unknown): Promise<void> {
    const source = traceOfArgument(uri) ?? this.editors.active?.document.uri;
    if (!source) {
      void window.showInformationMessage(l10n.t('Open the trace that you want to save first.'));
      return;
    }
    const target = given instanceof Uri ? given : await this.askTarget(source);
    if (!target) return;
    const imported = isTextTrace(source) ? this.editors.document(source)?.content.view : undefined;
    const bytes = imported ? await imported.bytes() : await workspace.fs.readFile(source);
    await workspace.fs.writeFile(target, bytes);
  }

  private async askTarget(source: Uri): Promise<Uri | undefined> {
    const scenario = this.editors.document(source)?.scenario;
    const beside = scenario ?? (isTextTrace(source) ? source : undefined);
    const folder = beside ? Uri.joinPath(beside, '..') : workspace.workspaceFolders?.[0]?.uri;
    const name = basename(source.path);
    const trace = isTextTrace(source) ? `${name.replace(/\.[^.]*$/, '')}${traceEnding}` : name;
    return window.showSaveDialog({
      ...(folder && { defaultUri: Uri.joinPath(folder, trace) }),
      filters: { [l10n.t('Trapline traces')]: [traceEnding.slice(1)] },
      saveLabel: l10n.t('Save Trace'),
    });
  }

  /** Opens a trace at one of its events. */
  private async showEvent(trace: unknown, row: unknown): Promise<void> {
    if (typeof trace !== 'string' || typeof row !== 'number') return;
    const uri = Uri.parse(trace);
    await this.editors.open(uri);
    this.editors.panelsOf(uri)[0]?.reveal(row);
  }

  /** Runs the scenario of a trace again to one of its events, and debugs it from there. */
  private async debugFromEvent(trace: unknown, row: unknown, scenario: unknown): Promise<void> {
    if (typeof trace !== 'string' || typeof row !== 'number' || typeof scenario !== 'string') return;
    await this.debugging.debugFrom(Uri.parse(trace), Uri.parse(scenario), row);
  }

  /** Writes a query into the find box of the trace's editor, and goes to its first event. */
  private async revealQuery(trace: unknown, query: unknown): Promise<void> {
    if (typeof trace !== 'string' || typeof query !== 'string') return;
    const uri = Uri.parse(trace);
    await this.editors.open(uri, ViewColumn.One);
    const [panel] = this.editors.panelsOf(uri);
    if (panel && this.editors.document(uri)?.content.view) panel.find(query);
    else
      void window.showInformationMessage(
        l10n.t('The trace of these figures is no longer there. Run the scenario again.'),
      );
  }
}
