/** The figures that stand beside the source: those of the trace that was active last, for the stretch of time in sight. */
import { EventEmitter, workspace } from 'vscode';
import type { Disposable, TextDocument, TextDocumentContentChangeEvent, Uri } from 'vscode';
import { ALL_TIME, type FunctionFigures, type TimeSpan } from '../../trace/query/source-figures';
import type { LineFigures } from '../../trace/query/statistics';
import { DisposableStore } from '../disposables';
import type { TraceView } from '../trace-service/trace-view';
import { LinePositions, followChange, type LineCost } from './line-costs';
import { locateSource } from './source-files';

/** The newest figures of one source file. */
export interface FileCosts {
  /** Trace that the figures are of. */
  trace: Uri;
  title: string;
  frequencyHz: number;
  /** Where they stand in the text as it is. */
  lines: LineFigures[];
  /** All functions of the guests with exits: which of them the file defines, its text says. */
  functions: readonly FunctionFigures[];
  /** Path of the file as the trace has it. */
  file: string;
  /** They are of a part of the run alone. */
  inSight: boolean;
  /** The text is another one than what ran. */
  outdated: boolean;
}

/** Where figures come from: read from a trace, shown in every editor of the file. */
export interface CostSource {
  uri: Uri;
  scenario: Uri | undefined;
  view: TraceView;
  /** When the trace was written, in milliseconds since 1970; 0: it is of a run of this window that has not been kept yet. */
  written: number;
}

interface KnownFile {
  costs: FileCosts;
  positions: LinePositions;
  outdated: boolean;
}

/** Milliseconds between a source and a trace of it within which neither is said to be newer: they are copied together. */
const SAME_TIME = 5_000;

export class SourceCosts implements Disposable {
  private readonly owned = new DisposableStore();
  private readonly changedEmitter = this.owned.add(new EventEmitter<Uri | undefined>());
  private readonly byFile = new Map<string, KnownFile>();
  /** Where files that traces name lie. */
  private readonly located = new Map<string, Promise<Uri | undefined>>();
  private current: { source: CostSource; span: TimeSpan | undefined } | undefined;
  private asking = false;
  private askAgain = false;
  /** Figures of a file have changed; undefined: of any. */
  readonly onDidChange = this.changedEmitter.event;

  /** @param report is told why figures could not be had */
  constructor(private readonly report: (why: string) => void) {
    this.owned.add(
      workspace.onDidChangeTextDocument(({ document, contentChanges }) =>
        this.follow(document, contentChanges),
      ),
    );
  }

  /** The trace whose figures count from now on. */
  get trace(): Uri | undefined {
    return this.current?.source.uri;
  }

  /** Takes the figures of a trace for every file that it names. Older figures of these files give way. */
  async show(source: CostSource, span: TimeSpan | undefined): Promise<void> {
    const isOther = this.current?.source.view !== source.view;
    this.current = { source, span };
    if (isOther) this.located.clear();
    if (this.asking) {
      this.askAgain = true;
      return;
    }
    this.asking = true;
    try {
      do {
        this.askAgain = false;
        await this.read(this.current.source, this.current.span);
      } while (this.askAgain);
    } catch (error) {
      this.report(error instanceof Error ? error.message : String(error));
    } finally {
      this.asking = false;
    }
  }

  /** Figures of a file. */
  of(file: Uri): FileCosts | undefined {
    return this.byFile.get(file.toString())?.costs;
  }

  /** Where a line of the text that ran is now; undefined: it is gone. */
  lineNow(trace: Uri, file: Uri, line: number): number | undefined {
    const known = this.byFile.get(file.toString());
    if (known?.costs.trace.toString() !== trace.toString()) return line;
    return known.positions.place([{ line }])[0]?.line;
  }

  /** The line that ran of a line as it is now; undefined: it was not there, or nothing is known of the file. */
  lineThen(file: Uri, line: number): number | undefined {
    return this.byFile.get(file.toString())?.positions.ranAt(line);
  }

  /** Figures shown for a file; for tests. */
  costsOf(file: Uri): { outdated: boolean; lines: readonly LineCost[] } | undefined {
    return this.of(file);
  }

  dispose(): void {
    this.owned.dispose();
  }

  private async read(source: CostSource, span: TimeSpan | undefined): Promise<void> {
    const { uri, view } = source;
    const whole = span === undefined;
    const { lines, functions } = await view.sourceFigures(span ?? ALL_TIME);
    const named = new Set([
      ...lines.map(({ file }) => file),
      ...functions.flatMap(({ files }) => files),
      // Files that are out of sight for now have no figures, and not older ones.
      ...[...this.byFile.values()].flatMap(({ costs }) =>
        costs.trace.toString() === uri.toString() ? [costs.file] : [],
      ),
    ]);
    for (const name of named) {
      const file = await this.locate(name, source);
      if (!file) continue;
      const known = await this.knownFile(file, source);
      known.costs = {
        trace: uri,
        title: view.meta.title,
        frequencyHz: view.meta.frequencyHz,
        lines: known.positions.place(lines.filter((each) => each.file === name)),
        functions,
        file: name,
        inSight: !whole,
        outdated: known.outdated,
      };
    }
    this.changedEmitter.fire(undefined);
  }

  private locate(name: string, { scenario, uri }: CostSource): Promise<Uri | undefined> {
    let found = this.located.get(name);
    if (!found) this.located.set(name, (found = locateSource(name, [scenario, uri])));
    return found;
  }

  /** What is known of a file's text against the text that ran: the same while the figures are of the same trace. */
  private async knownFile(file: Uri, { uri, written }: CostSource): Promise<KnownFile> {
    const key = file.toString();
    const before = this.byFile.get(key);
    if (before && before.costs.trace.toString() === uri.toString()) return before;
    const outdated = written > 0 && (await modified(file)) > written + SAME_TIME;
    const costs: FileCosts = {
      trace: uri,
      title: '',
      frequencyHz: 1,
      lines: [],
      functions: [],
      file: '',
      inSight: false,
      outdated,
    };
    const known = { costs, positions: new LinePositions(), outdated };
    this.byFile.set(key, known);
    return known;
  }

  private follow(document: TextDocument, changes: readonly TextDocumentContentChangeEvent[]): void {
    const known = this.byFile.get(document.uri.toString());
    if (!known || changes.length === 0) return;
    // Changes of one edit speak of the same text; from the bottom up, each leaves the others' lines where they were.
    const upwards = [...changes].sort((a, b) => b.range.start.compareTo(a.range.start));
    const removed = changes.reduce((sum, { range }) => sum + range.end.line - range.start.line, 0);
    for (const { range, text } of upwards) {
      const change = {
        startLine: range.start.line,
        startCharacter: range.start.character,
        endLine: range.end.line,
        text,
      };
      known.positions.follow(change, document.lineCount + removed);
      known.costs.lines = followChange(known.costs.lines, change);
    }
    known.outdated = true;
    known.costs.outdated = true;
    this.changedEmitter.fire(document.uri);
  }
}

/** When a file was changed last, in milliseconds since 1970; 0 where that is not known. */
async function modified(file: Uri): Promise<number> {
  try {
    return (await workspace.fs.stat(file)).mtime;
  } catch {
    return 0;
  }
}
