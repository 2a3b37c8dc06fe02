/** One trace as a document: a run of this window, a kept run, or a file. */
import { basename } from 'node:path';
import {
  CancellationError,
  Disposable,
  EventEmitter,
  FileSystemError,
  RelativePattern,
  Uri,
  l10n,
  window,
  workspace,
} from 'vscode';
import type { CustomDocument, LogOutputChannel } from 'vscode';
import { ImportError } from '../../trace/exchange/import/importer';
import { damageOf, readTrace } from '../../trace/file/file';
import { importContent } from './import-content';
import { storeView } from './store-view';
import { DisposableStore } from '../disposables';
import { runScheme } from '../names';
import { runIdOf, type RunArchive } from '../runs/run-archive';
import type { RunService } from '../runs/run-service';
import type { RunSession } from '../runs/run-session';
import type { TraceProblem } from './page-html';
import type { TraceView } from './trace-view';

/** Of Arrow files; everything else is text of another tool. */
const ARROW_ENDING = '.arrow';

/** Whether a document is a text trace of another tool. */
export function isTextTrace(uri: Uri): boolean {
  return uri.scheme !== runScheme && !uri.path.endsWith(ARROW_ENDING);
}

/** What a document is opened with. */
export interface DocumentContext {
  runs: RunService;
  archive: RunArchive;
  log: LogOutputChannel;
}

/** Either a trace, or the honest reason why there is none. */
export type TraceContent =
  { view: TraceView; problem?: undefined } | { view?: undefined; problem: TraceProblem };

function runIsGone(): TraceProblem {
  return {
    title: l10n.t('This run is no longer kept'),
    detail: l10n.t(
      'Trapline keeps the traces of the latest runs of a workspace, as many as the setting trapline.runs.keep says, and only of runs that came to an end before the window was closed.',
    ),
    advice: l10n.t('Run the scenario again. To keep a trace for good, use “Trapline: Save Trace As…”.'),
  };
}

function unreadable(uri: Uri, error: unknown): TraceProblem {
  if (error instanceof FileSystemError && error.code === 'FileNotFound') {
    return {
      title: l10n.t('The trace is not there'),
      detail: uri.fsPath,
      advice: l10n.t('It was moved or deleted. Close this editor, or run the scenario again.'),
    };
  }
  if (error instanceof CancellationError) {
    return {
      title: l10n.t('The import was stopped'),
      detail: uri.fsPath,
      advice: l10n.t('Close this editor and open the file again to import it after all.'),
    };
  }
  if (error instanceof ImportError) {
    return {
      title: l10n.t('This file is not a text trace that Trapline can import'),
      detail: l10n.t('{0} cannot be imported: {1}', basename(uri.path), error.message),
      advice: l10n.t(
        'The file is left as it is. Trapline reads what “trace-cmd report”, ftrace and “perf script” print of KVM’s tracepoints.',
      ),
    };
  }
  return {
    title: l10n.t('This file is not a trace that Trapline can show'),
    detail: error instanceof Error ? error.message : String(error),
    advice: l10n.t(
      'The file is left as it is. A Trapline trace is an Apache Arrow IPC file that “Trapline: Save Trace As…” or the trapline command has written; make it anew by running its scenario.',
    ),
  };
}

/** A document of the trace editor. Several editors may show it. */
export class TraceDocument implements CustomDocument {
  private readonly owned = new DisposableStore();
  private readonly grewEmitter = this.owned.add(new EventEmitter<void>());
  private readonly reloadedEmitter = this.owned.add(new EventEmitter<void>());
  private readonly disposedEmitter = new EventEmitter<void>();
  /** Rows were added or the state changed. */
  readonly onDidGrow = this.grewEmitter.event;
  /** The content is another one: the file changed on disk. */
  readonly onDidReload = this.reloadedEmitter.event;
  readonly onDidDispose = this.disposedEmitter.event;

  private constructor(
    readonly uri: Uri,
    /** The run behind the trace, if it is one of this window. */
    readonly session: RunSession | undefined,
    /** The scenario that was run, as far as known. */
    readonly scenario: Uri | undefined,
    private current: TraceContent,
  ) {}

  get content(): TraceContent {
    return this.current;
  }

  /** Opens whatever the URI stands for. Never rejects: what cannot be shown becomes a problem to show. */
  static async open(uri: Uri, context: DocumentContext): Promise<TraceDocument> {
    return uri.scheme === runScheme
      ? TraceDocument.openRun(uri, context)
      : TraceDocument.openFile(uri, context);
  }

  dispose(): void {
    this.disposedEmitter.fire();
    this.disposedEmitter.dispose();
    this.owned.dispose();
  }

  private static async openRun(uri: Uri, context: DocumentContext): Promise<TraceDocument> {
    const id = runIdOf(uri);
    const session = id === undefined ? undefined : context.runs.session(id);
    if (session?.store) {
      const document = new TraceDocument(uri, session, session.scenario, { view: storeView(session.store) });
      document.owned.add(session.onDidGrow(() => document.grewEmitter.fire()));
      document.owned.add({ dispose: () => context.runs.release(session) });
      return document;
    }
    const kept = id === undefined ? undefined : await context.archive.find(id);
    if (!kept) return new TraceDocument(uri, undefined, undefined, { problem: runIsGone() });
    const content = await readContent(context.archive.traceFile(kept), context.log);
    return new TraceDocument(uri, undefined, Uri.parse(kept.scenario), content);
  }

  private static async openFile(uri: Uri, context: DocumentContext): Promise<TraceDocument> {
    const document = new TraceDocument(uri, undefined, undefined, await readContent(uri, context.log));
    document.owned.add(document.watchFile(context.log));
    return document;
  }

  /** A trace written anew, by the command line for example, is shown anew. */
  private watchFile(log: LogOutputChannel): Disposable {
    const name = this.uri.path.slice(this.uri.path.lastIndexOf('/') + 1);
    const pattern = new RelativePattern(Uri.joinPath(this.uri, '..'), name.replace(/[*?[\]{}]/g, '?'));
    const watcher = workspace.createFileSystemWatcher(pattern);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const reload = (): void => {
      clearTimeout(timer);
      // A writer changes the file many times; wait until it has been quiet for a moment.
      timer = setTimeout(() => void this.reload(log), 300);
    };
    watcher.onDidChange(reload);
    watcher.onDidCreate(reload);
    return new Disposable(() => {
      clearTimeout(timer);
      watcher.dispose();
    });
  }

  private async reload(log: LogOutputChannel): Promise<void> {
    const content = await readContent(this.uri, log);
    log.debug(`${this.uri.fsPath} changed on disk and was read again`);
    this.current = content;
    this.reloadedEmitter.fire();
  }
}

async function readContent(file: Uri, log: LogOutputChannel): Promise<TraceContent> {
  try {
    if (isTextTrace(file)) return { view: storeView(await importContent(file, log)) };
    const store = readTrace(await workspace.fs.readFile(file));
    const damage = damageOf(store);
    if (damage !== undefined) void window.showWarningMessage(`${basename(file.path)}: ${damage}`);
    return { view: storeView(store) };
  } catch (error) {
    return { problem: unreadable(file, error) };
  }
}
