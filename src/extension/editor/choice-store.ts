/** Keeps what readers chose, by scenario, and the bookmarks of traces: of a file beside it, of a run in the workspace's state. */
import { FileSystemError, l10n, workspace } from 'vscode';
import type { LogOutputChannel, Memento, Uri } from 'vscode';
import { choiceLimits, type Bookmark, type LaneChoices } from '../../protocol/choices';
import { runScheme, traceEnding } from '../names';
import { bookmarkList, bookmarkText, choicesOf, parseBookmarks } from './choice-shapes';
import type { TraceDocument } from './trace-document';

/** Scenarios, and runs, of which something is kept: of more, the latest. */
const most = 200;
/** Ending of the file with a trace's bookmarks. */
const bookmarkEnding = '.trapline.bookmarks.json';
/** A larger file is none of ours. */
const mostBytes = choiceLimits.bookmarks * (choiceLimits.note + choiceLimits.text) * 2;

type Kept = Record<string, unknown>;

/** The side file of a trace file. */
export function bookmarkFileOf(trace: Uri): Uri {
  const base = trace.path.endsWith(traceEnding) ? trace.path.slice(0, -traceEnding.length) : trace.path;
  return trace.with({ path: `${base}${bookmarkEnding}` });
}

export class ChoiceStore {
  constructor(
    private readonly state: Memento,
    private readonly log: LogOutputChannel,
  ) {}

  /** What was chosen at a scenario's traces. */
  choices(document: TraceDocument): LaneChoices | undefined {
    return choicesOf(this.kept('choices')[keyOf(document)]);
  }

  keepChoices(document: TraceDocument, choices: LaneChoices): Thenable<void> {
    return this.keep('choices', keyOf(document), choices);
  }

  /** The bookmarks of a trace. A side file that cannot be read counts as none, and the log says why. */
  async bookmarks(document: TraceDocument): Promise<Bookmark[]> {
    const { uri } = document;
    if (uri.scheme === runScheme) return bookmarkList.safeParse(this.kept('bookmarks')[uri.path]).data ?? [];
    const file = bookmarkFileOf(uri);
    try {
      const { size } = await workspace.fs.stat(file);
      if (size > mostBytes) throw new Error(`it has ${size} bytes, more than bookmarks can have`);
      return parseBookmarks(new TextDecoder().decode(await workspace.fs.readFile(file)));
    } catch (error) {
      const missing = error instanceof FileSystemError && error.code === 'FileNotFound';
      if (!missing) this.log.warn(`The bookmarks in ${file.fsPath} are not shown: ${String(error)}`);
      return [];
    }
  }

  /** @throws Error for the reader when the side file cannot be written, or holds something else. */
  async keepBookmarks(document: TraceDocument, bookmarks: readonly Bookmark[]): Promise<void> {
    const { uri } = document;
    if (uri.scheme === runScheme) return this.keep('bookmarks', uri.path, bookmarks);
    const file = bookmarkFileOf(uri);
    if (!(await this.isOurs(file))) {
      throw new Error(
        l10n.t(
          '{0} holds no bookmarks of Trapline and is left as it is. Move it away to keep bookmarks.',
          file.fsPath,
        ),
      );
    }
    await workspace.fs.writeFile(file, new TextEncoder().encode(bookmarkText(bookmarks)));
  }

  /** Whether a file may be written: it is not there, or has bookmarks. */
  private async isOurs(file: Uri): Promise<boolean> {
    try {
      const { size } = await workspace.fs.stat(file);
      if (size > mostBytes) return false;
      parseBookmarks(new TextDecoder().decode(await workspace.fs.readFile(file)));
      return true;
    } catch (error) {
      return error instanceof FileSystemError && error.code === 'FileNotFound';
    }
  }

  private kept(what: string): Kept {
    const value: unknown = this.state.get(`trapline.${what}`);
    return typeof value === 'object' && value !== null ? (value as Kept) : {};
  }

  private keep(what: string, key: string, value: unknown): Thenable<void> {
    const { [key]: _, ...others } = this.kept(what);
    const entries = [...Object.entries(others), [key, value] as const];
    return this.state.update(`trapline.${what}`, Object.fromEntries(entries.slice(-most)));
  }
}

/** What a scenario's traces have in common: its file's name. */
function keyOf({ content, uri }: TraceDocument): string {
  const name = content.view?.meta.scenarioName ?? '';
  return name === '' ? uri.path : name;
}
