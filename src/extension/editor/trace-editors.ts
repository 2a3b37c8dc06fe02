/** The trace editor: a read-only custom editor for traces of runs and files. */
import { EventEmitter, TabInputCustom, ViewColumn, commands, window } from 'vscode';
import type {
  CustomReadonlyEditorProvider,
  Disposable,
  LogOutputChannel,
  Tab,
  WebviewPanel,
  Uri,
} from 'vscode';
import { DisposableStore } from '../disposables';
import { importViewType, runScheme, traceViewType } from '../names';
import type { RunSession } from '../runs/run-session';
import type { ChoiceStore } from './choice-store';
import type { HostHandlers } from './page-calls';
import { isTextTrace, TraceDocument, type DocumentContext } from './trace-document';
import { TracePanel } from './trace-panel';

/** Makes the answers to a page's calls; `panel` is the page that calls. */
export type HandlerFactory = (document: TraceDocument, panel: WebviewPanel) => HostHandlers;

const viewTypes: readonly string[] = [traceViewType, importViewType];

const allTabs = (): Tab[] => window.tabGroups.all.flatMap((group) => group.tabs);

function isTraceTab({ input }: Tab): boolean {
  return input instanceof TabInputCustom && viewTypes.includes(input.viewType);
}

/** A file that is no Arrow file can only be a text trace. */
function viewTypeOf(uri: Uri): string {
  return isTextTrace(uri) ? importViewType : traceViewType;
}

/** Knows every open trace document and page. */
export class TraceEditors implements CustomReadonlyEditorProvider<TraceDocument>, Disposable {
  private readonly owned = new DisposableStore();
  private readonly openedEmitter = this.owned.add(new EventEmitter<TraceDocument>());
  private readonly documents = new Set<TraceDocument>();
  private readonly panels = new Set<TracePanel>();
  private readonly activatedEmitter = this.owned.add(new EventEmitter<TracePanel>());
  private readonly selectedEmitter = this.owned.add(new EventEmitter<{ panel: TracePanel; row: number }>());
  private readonly spanEmitter = this.owned.add(new EventEmitter<TracePanel>());
  /** A page has become the active editor. */
  readonly onDidActivate = this.activatedEmitter.event;
  /** The reader selected an event in a page, or none (-1). */
  readonly onDidSelect = this.selectedEmitter.event;
  /** Another stretch of time is in sight in a page. */
  readonly onDidShowSpan = this.spanEmitter.event;
  /** A trace was opened, or read again. */
  readonly onDidOpen = this.openedEmitter.event;

  constructor(
    private readonly extensionUri: Uri,
    private readonly context: DocumentContext,
    private readonly handlersFor: HandlerFactory,
    private readonly choices: ChoiceStore,
    private readonly log: LogOutputChannel,
  ) {
    for (const viewType of viewTypes)
      this.owned.add(
        window.registerCustomEditorProvider(viewType, this, { supportsMultipleEditorsPerDocument: true }),
      );
  }

  async openCustomDocument(uri: Uri): Promise<TraceDocument> {
    const document = await TraceDocument.open(uri, this.context);
    this.documents.add(document);
    document.onDidReload(() => this.openedEmitter.fire(document));
    document.onDidDispose(() => this.documents.delete(document));
    this.openedEmitter.fire(document);
    return document;
  }

  resolveCustomEditor(document: TraceDocument, webviewPanel: WebviewPanel): void {
    const handlers = this.handlersFor(document, webviewPanel);
    const { choices, extensionUri, log } = this;
    const panel = new TracePanel(webviewPanel, document, handlers, choices, extensionUri, log);
    this.panels.add(panel);
    panel.onDidSelect((row) => this.selectedEmitter.fire({ panel, row }));
    panel.onDidShowSpan(() => this.spanEmitter.fire(panel));
    webviewPanel.onDidChangeViewState(() => {
      if (webviewPanel.active) this.activatedEmitter.fire(panel);
    });
    webviewPanel.onDidDispose(() => {
      this.panels.delete(panel);
      panel.dispose();
    });
  }

  /** The document of a URI, when one is open. */
  document(uri: Uri): TraceDocument | undefined {
    return [...this.documents].find((document) => document.uri.toString() === uri.toString());
  }

  /** Pages of a document, the visible ones first. */
  panelsOf(uri: Uri): TracePanel[] {
    return [...this.panels]
      .filter((panel) => panel.document.uri.toString() === uri.toString())
      .sort((a, b) => Number(b.panel.visible) - Number(a.panel.visible));
  }

  /** Whether a page that shows it is on the screen. */
  isInView(uri: Uri): boolean {
    return this.panelsOf(uri).some(({ panel }) => panel.visible);
  }

  /** The page in the active editor, if that is a trace. */
  get active(): TracePanel | undefined {
    return [...this.panels].find((panel) => panel.panel.active);
  }

  /** Opens a trace, or brings it to the front. */
  async open(uri: Uri, column: ViewColumn = ViewColumn.Active, preserveFocus = false): Promise<void> {
    const [known] = this.panelsOf(uri);
    const options = { viewColumn: column, preview: false, preserveFocus };
    if (known) known.bringToFront(preserveFocus);
    else await commands.executeCommand('vscode.openWith', uri, viewTypeOf(uri), options);
  }

  /**
   * Opens the trace of a run that has just begun, in the place of the same scenario's previous run: running again and
   * again leaves one tab, not ten. A pinned tab stays.
   */
  async openRun(session: RunSession): Promise<void> {
    const tabs = allTabs();
    const previous = tabs.filter((tab) => this.isPrevious(tab, session));
    // Traces gather in one column, so that the drivers beside them stay in view.
    const [neighbour] = [...previous, ...tabs.filter(isTraceTab)];
    const column = neighbour?.group.viewColumn ?? (session.isDebugged ? ViewColumn.Beside : undefined);
    const elsewhere = column !== undefined && column !== window.tabGroups.activeTabGroup.viewColumn;
    await this.open(session.traceUri, column ?? ViewColumn.Active, elsewhere);
    // Looked up anew: tabs may have been closed while the trace opened.
    await window.tabGroups.close(
      allTabs().filter((tab) => this.isPrevious(tab, session)),
      true,
    );
  }

  private isPrevious({ input, isPinned }: Tab, { scenario, traceUri }: RunSession): boolean {
    if (isPinned || !(input instanceof TabInputCustom) || input.uri.scheme !== runScheme) return false;
    const document = this.document(input.uri);
    return (
      document?.scenario?.toString() === scenario.toString() &&
      document.uri.toString() !== traceUri.toString() &&
      !document.session?.running
    );
  }

  dispose(): void {
    this.owned.dispose();
  }
}
