/** The page of a comparison: figures, charts and differences of runs, each of which leads to its events. */
import {
  Uri,
  ViewColumn,
  env,
  l10n,
  window,
  type Disposable,
  type LogOutputChannel,
  type WebviewPanel,
} from 'vscode';
import {
  fromComparison,
  type ComparisonReport,
  type FromComparison,
  type ToComparison,
} from '../../protocol/comparison';
import { createNonce, tracePage } from '../editor/page-html';
import type { TraceEditors } from '../editor/trace-editors';
import { comparisonViewType } from '../names';
import { comparisonMarkdown } from '../runs/comparison-markdown';
import type { SourceOpener } from '../source/open-source';
import { locateSource } from '../source/source-files';
import type { Comparing } from './comparing';

/** What the page is shown by. */
export interface PanelServices {
  extensionUri: Uri;
  editors: TraceEditors;
  sources: SourceOpener;
  log: LogOutputChannel;
}

/** A run of a comparison. */
export interface ComparedTrace {
  name: string;
  trace: Uri;
}

/** One page; it lets go of the comparison's thread when it is closed. */
export class ComparisonPanel implements Disposable {
  private readonly panel: WebviewPanel;

  constructor(
    private readonly runs: readonly ComparedTrace[],
    private readonly report: ComparisonReport,
    private readonly comparing: Comparing,
    private readonly services: PanelServices,
    closed: (panel: ComparisonPanel) => void,
  ) {
    const folder = Uri.joinPath(services.extensionUri, 'dist', 'webview');
    const title = l10n.t('Compare: {0}', runs.map(({ name }) => name).join(', '));
    this.panel = window.createWebviewPanel(comparisonViewType, title, ViewColumn.Active, {
      enableScripts: true,
      localResourceRoots: [folder],
      enableFindWidget: true,
    });
    const { webview } = this.panel;
    const asset = (name: string): string => webview.asWebviewUri(Uri.joinPath(folder, name)).toString();
    webview.onDidReceiveMessage((message: unknown) => {
      const received = fromComparison(message);
      if (!received) return services.log.warn('A message of the comparison was refused.');
      this.take(received).catch((error: unknown) => {
        this.post({ type: 'problem', message: error instanceof Error ? error.message : String(error) });
      });
    });
    this.panel.onDidDispose(() => {
      comparing.dispose();
      closed(this);
    });
    webview.html = tracePage({
      cspSource: webview.cspSource,
      nonce: createNonce(),
      script: asset('compare.js'),
      style: asset('compare.css'),
      title,
      language: env.language,
      loading: l10n.t('Loading the comparison…'),
    });
  }

  dispose(): void {
    this.panel.dispose();
  }

  private post(message: ToComparison): void {
    void this.panel.webview.postMessage(message);
  }

  private async take(message: FromComparison): Promise<void> {
    const { comparing, report } = this;
    switch (message.type) {
      case 'ready':
        return this.post({ type: 'show', report });
      case 'copy':
        await env.clipboard.writeText(comparisonMarkdown(report.comparison));
        return void window.setStatusBarMessage(l10n.t('The comparison has been copied as Markdown.'), 4000);
      case 'event':
        return this.openEvent(message.run, message.row);
      case 'figure': {
        const found = report.comparison.rows.find(({ figure }) => figure === message.figure);
        const row = found?.rows?.[message.run];
        if (row !== undefined && row !== null) return this.openEvent(message.run, row);
        return this.openFirst(message.run, found?.query);
      }
      case 'cost':
        return this.openFirst(
          message.run,
          report.differences[message.difference]?.[message.of][message.index]?.query,
        );
      case 'time':
        return this.openEvent(message.run, await comparing.exitAt(message.run, message.seconds));
      case 'line': {
        const found = report.differences[message.difference]?.lines[message.index];
        return this.openSource(found?.file, found?.line);
      }
      case 'place': {
        const found = report.differences[message.difference]?.parting?.events[message.side];
        return this.openSource(found?.file, found?.line);
      }
      case 'courses': {
        const { difference, sort, index } = message;
        const query = { difference, sort, index };
        return this.post({ type: 'courses', query, courses: await comparing.courses(query) });
      }
    }
  }

  private async openFirst(run: number, query: string | undefined): Promise<void> {
    if (query !== undefined) await this.openEvent(run, await this.comparing.find(run, query));
  }

  /** Opens the run's trace beside the page, at an event. */
  private async openEvent(run: number, row: number): Promise<void> {
    const { trace, name } = this.runs[run] ?? {};
    if (!trace) return;
    if (row < 0) throw new Error(l10n.t('The trace of {0} has no such event.', name ?? ''));
    const { editors } = this.services;
    await editors.open(trace, ViewColumn.Beside);
    editors.panelsOf(trace)[0]?.reveal(row);
  }

  private async openSource(file: string | undefined, line: number | undefined): Promise<void> {
    if (file === undefined || line === undefined) return;
    const uri = await locateSource(
      file,
      this.runs.map(({ trace }) => trace),
    );
    if (!uri)
      throw new Error(
        l10n.t('{0} is not on this machine. Open the folder that holds it, then try again.', file),
      );
    await this.services.sources.open(uri, line, this.panel.viewColumn, { beside: true, focus: true });
  }
}
