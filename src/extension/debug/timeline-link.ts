/** The timeline as the debugger's time axis: its cursor follows the debugger, and a click on it moves the debugger. */
import { commands, debug, l10n, window, workspace, type Disposable, type Uri } from 'vscode';
import type { DebugPosition } from '../../protocol/webview';
import { DisposableStore } from '../disposables';
import type { TraceEditors } from '../editor/trace-editors';
import type { TraceDocument } from '../editor/trace-document';
import { debugType } from '../names';
import { DebugSessions, type DebuggedRun } from './debug-sessions';

/** What the page asks of the debugger. */
export interface TimelineDebugging {
  travel(document: TraceDocument, target: { cycles: number } | { row: number }): Promise<void>;
  /** @param trace of the run that the row is of */
  debugFrom(trace: Uri, scenario: Uri, row: number): Promise<void>;
  stopAtLike(document: TraceDocument, row: number): Promise<void>;
}

export class TimelineLink implements TimelineDebugging, Disposable {
  private readonly owned = new DisposableStore();

  constructor(
    private readonly sessions: DebugSessions,
    private readonly editors: () => TraceEditors,
  ) {
    this.owned.add(sessions.onDidMove((run) => this.show(run)));
  }

  /** Where the debugger stands in a trace, for a page that has just opened. */
  positionIn(uri: Uri): DebugPosition | undefined {
    const run = this.sessions.ofTrace(uri);
    return run && positionOf(run);
  }

  async travel(document: TraceDocument, target: { cycles: number } | { row: number }): Promise<void> {
    const run = this.sessions.ofTrace(document.uri);
    if (!run) throw new Error(l10n.t('No debugger stands in this run. Use “Debug from here”.'));
    await DebugSessions.request(run, 'trapline/seek', target);
  }

  async debugFrom(trace: Uri, scenario: Uri, row: number): Promise<void> {
    const run = this.sessions.ofTrace(trace);
    if (run) return void (await DebugSessions.request(run, 'trapline/seek', { row }));
    await debug.startDebugging(workspace.getWorkspaceFolder(scenario), {
      type: debugType,
      request: 'launch',
      name: l10n.t('Debug from event {0}', row),
      scenario: scenario.fsPath,
      at: { row },
    });
  }

  async stopAtLike(document: TraceDocument, row: number): Promise<void> {
    const query = document.content.view?.like(row);
    if (query === undefined) return;
    const run = this.sessions.ofTrace(document.uri);
    if (!run) {
      throw new Error(
        l10n.t('No debugger stands in this run: debug it, and it can stop at events that match {0}.', query),
      );
    }
    await DebugSessions.request(run, 'trapline/stopAt', { query });
    void window
      .showInformationMessage(
        l10n.t('The debugger stops at events that match {0}.', query),
        l10n.t('Continue'),
      )
      .then((pressed) =>
        pressed === undefined ? undefined : commands.executeCommand('workbench.action.debug.continue'),
      );
  }

  dispose(): void {
    this.owned.dispose();
  }

  private show(run: DebuggedRun): void {
    if (!run.traceUri) return;
    const position = positionOf(run);
    for (const panel of this.editors().panelsOf(run.traceUri)) panel.showDebugger(position);
  }
}

function positionOf({ moment, stopped }: DebuggedRun): DebugPosition | undefined {
  return moment && { cycles: moment.cycles, rows: moment.rows, stopped };
}
