/** One page of a trace document: messages in, answers and news out. */
import { EventEmitter, TabInputCustom, Uri, commands, env, l10n, window } from 'vscode';
import type { Disposable, LogOutputChannel, ViewColumn, WebviewPanel } from 'vscode';
import type { DebugPosition, FailedExpectations, PageNotice, ToPage } from '../../protocol/webview';
import { DisposableStore } from '../disposables';
import type { TimeSpan } from '../../trace/query/source-figures';
import type { TraceView } from '../trace-service/trace-view';
import { eventSelectedContext } from '../names';
import type { ChoiceStore } from './choice-store';
import { receivePageMessage, type HostHandlers } from './page-calls';
import { createNonce, problemPage, tracePage } from './page-html';
import { Throttle } from './throttle';
import type { TraceDocument } from './trace-document';

/** Least time between two `grown` notices. */
const growthIntervalMs = 100;

/** What a page has told of itself; for tests. */
export interface PageState {
  ready: boolean;
  /** Times that the page was initialised. */
  inits: number;
  selectedRow: number;
  failures: string[];
}

/** Joins a webview panel to its document. */
export class TracePanel implements Disposable {
  private readonly owned = new DisposableStore();
  private readonly growth = new Throttle(() => this.postGrown(), growthIntervalMs);
  private readonly selectedEmitter = this.owned.add(new EventEmitter<number>());
  private readonly windowEmitter = this.owned.add(new EventEmitter<void>());
  private isDisposed = false;
  /** What it is to show as soon as it can. */
  private pending: ToPage | undefined;
  private window: TimeSpan | undefined;
  private debuggerAt: DebugPosition | undefined;
  /** What the run was to keep and did not, and the trace that was asked for it. */
  private failed: FailedExpectations | undefined;
  private judged: TraceView | undefined;
  /** The reader selected an event, or none (-1). */
  readonly onDidSelect = this.selectedEmitter.event;
  /** Another stretch of time is in sight. */
  readonly onDidShowSpan = this.windowEmitter.event;
  readonly state: PageState = { ready: false, inits: 0, selectedRow: -1, failures: [] };

  constructor(
    readonly panel: WebviewPanel,
    readonly document: TraceDocument,
    private readonly handlers: HostHandlers,
    private readonly choices: ChoiceStore,
    private readonly extensionUri: Uri,
    private readonly log: LogOutputChannel,
  ) {
    const pages = Uri.joinPath(extensionUri, 'dist', 'webview');
    panel.webview.options = { enableScripts: true, localResourceRoots: [pages] };
    this.owned.add(panel.webview.onDidReceiveMessage((message: unknown) => this.receive(message)));
    this.owned.add(document.onDidGrow(() => this.growth.request()));
    this.owned.add(document.onDidReload(() => this.render()));
    this.owned.add(
      panel.onDidChangeViewState(() => {
        // A hidden page is thrown away; when it comes back it says `ready` again.
        if (!panel.visible) this.state.ready = false;
      }),
    );
    this.owned.add(this.growth);
    this.render();
  }

  /** Selects an event and brings it into view, as soon as the page can. */
  reveal(row: number): void {
    this.bringToFront(false);
    this.postWhenReady({ type: 'reveal', row });
  }

  /** Writes a query into the find box and goes to its first event, as soon as the page can. */
  find(query: string, preserveFocus = false): void {
    this.bringToFront(preserveFocus);
    this.postWhenReady({ type: 'find', query });
  }

  /** The stretch of time in sight; undefined: all of it. */
  get span(): TimeSpan | undefined {
    return this.window;
  }

  /** Shows where the debugger stands in this trace's run; undefined: nowhere. */
  showDebugger(position: DebugPosition | undefined): void {
    this.debuggerAt = position;
    if (this.state.ready) this.postDebugger();
  }

  /** Shows the page where it is; without its column it would be moved to the active one. */
  bringToFront(preserveFocus: boolean): void {
    this.panel.reveal(this.panel.viewColumn ?? this.tabColumn(), preserveFocus);
  }

  dispose(): void {
    this.isDisposed = true;
    this.owned.dispose();
  }

  /** Column of the page's tab: a page behind other tabs may not know it. */
  private tabColumn(): ViewColumn | undefined {
    const uri = this.document.uri.toString();
    return window.tabGroups.all.find((group) =>
      group.tabs.some(({ input }) => input instanceof TabInputCustom && input.uri.toString() === uri),
    )?.viewColumn;
  }

  private render(): void {
    const { webview } = this.panel;
    const asset = (name: string): string =>
      webview.asWebviewUri(Uri.joinPath(this.extensionUri, 'dist', 'webview', name)).toString();
    const parts = {
      cspSource: webview.cspSource,
      nonce: createNonce(),
      style: asset('main.css'),
      title: this.panel.title,
      loading: l10n.t('Loading the trace…'),
      language: env.language,
    };
    const { problem } = this.document.content;
    this.state.ready = false;
    webview.html = problem ? problemPage(parts, problem) : tracePage({ ...parts, script: asset('main.js') });
  }

  private receive(message: unknown): void {
    const received = receivePageMessage(message, this.handlers);
    if (received.is === 'notice') this.heed(received.notice);
    else if (received.is === 'call') void received.answer.then((answer) => this.post(answer));
    else this.log.warn(`A message of the trace page was refused, ${received.reason}`);
  }

  private heed(notice: PageNotice): void {
    switch (notice.type) {
      case 'ready':
        void this.init();
        return;
      case 'selected':
        this.state.selectedRow = notice.row;
        this.selectedEmitter.fire(notice.row);
        if (notice.row < 0) return;
        void commands.executeCommand('setContext', eventSelectedContext, true);
        return;
      case 'window':
        this.window = notice.span;
        this.windowEmitter.fire();
        return;
      case 'failed':
        this.state.failures.push(notice.message);
        this.log.error(`The trace page failed: ${notice.message}`);
    }
  }

  private async init(): Promise<void> {
    const bookmarks = await this.choices.bookmarks(this.document);
    const choices = this.choices.choices(this.document);
    const { view } = this.document.content;
    this.judged = undefined;
    this.failed = undefined;
    // Its tables may be large: they come over once for each page, and not with every report of a run.
    const trace = await view?.refresh().catch(() => undefined);
    if (!trace || view !== this.document.content.view) return;
    const { session } = this.document;
    this.state.ready = true;
    this.state.inits += 1;
    this.post({
      type: 'init',
      ...trace,
      ...(session?.running && { liveUntil: session.progress?.cycles ?? 0 }),
      ...(choices && { choices }),
      bookmarks,
    });
    // A run that stands still reports nothing more: what each lane has so far is told now.
    if (session?.running) this.postGrown();
    else void this.tellFailure();
    if (this.pending) this.post(this.pending);
    this.pending = undefined;
    if (this.debuggerAt) this.postDebugger();
  }

  private postDebugger(): void {
    const { debuggerAt: position } = this;
    this.post({ type: 'debugger', ...(position && { position }) });
  }

  private postGrown(): void {
    const { view } = this.document.content;
    if (!view || !this.state.ready || !this.panel.visible) return;
    const { meta, rows, endTime } = view;
    const progress = this.document.session?.progress;
    this.post({
      type: 'grown',
      rows,
      endTime,
      state: meta.state,
      tracks: meta.tracks,
      gaps: meta.gaps,
      ...(meta.message !== undefined && { message: meta.message }),
      ...(progress && { progress }),
      ...(this.failed && { failed: this.failed }),
    });
    void this.tellFailure();
  }

  /** Tells the page once what the run was to keep and did not. */
  private async tellFailure(): Promise<void> {
    const { view } = this.document.content;
    if (view?.meta.state !== 'finished' || this.judged === view) return;
    this.judged = view;
    this.failed = await view.failed().catch(() => undefined);
    if (this.failed && view === this.document.content.view) this.postGrown();
  }

  private postWhenReady(message: ToPage): void {
    if (this.state.ready) this.post(message);
    else this.pending = message;
  }

  private post(message: ToPage): void {
    // An answer of the trace's thread may come after its page has been closed.
    if (this.isDisposed) return;
    void this.panel.webview.postMessage(message);
  }
}
