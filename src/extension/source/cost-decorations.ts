/** What each line of a driver cost, written behind the line. */
import { DecorationRangeBehavior, MarkdownString, Range, ThemeColor, l10n, window, workspace } from 'vscode';
import type { DecorationOptions, Disposable, TextDocument, TextEditor, Uri } from 'vscode';
import { formatCount, formatTime } from '../../trace/vocabulary/format';
import type { LineFigures } from '../../trace/query/statistics';
import { DisposableStore } from '../disposables';
import type { TraceView } from '../trace-service/trace-view';
import { Command, exitCostColour } from '../names';
import { costLabel, followChange, type LineCost } from './line-costs';
import { locateSource } from './source-files';

/** The newest figures of one source file. */
interface FileCosts {
  /** Trace that the figures are of. */
  trace: Uri;
  title: string;
  frequencyHz: number;
  lines: LineFigures[];
  /** The text is another one than what ran. */
  outdated: boolean;
}

/** Where a figure comes from: read from a trace, shown in every editor of the file. */
export interface CostSource {
  uri: Uri;
  scenario: Uri | undefined;
  view: TraceView;
}

/** Keeps the newest figures by file and draws them. */
export class CostDecorations implements Disposable {
  private readonly owned = new DisposableStore();
  private readonly byFile = new Map<string, FileCosts>();
  private readonly current = this.owned.add(decorationType(new ThemeColor(exitCostColour)));
  private readonly outdated = this.owned.add(decorationType(new ThemeColor('disabledForeground')));

  constructor() {
    this.owned.add(
      window.onDidChangeVisibleTextEditors((editors) => editors.forEach((editor) => this.draw(editor))),
    );
    this.owned.add(
      workspace.onDidChangeTextDocument((event) => this.follow(event.document, event.contentChanges)),
    );
    this.owned.add(
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('trapline.decorations')) this.drawAll();
      }),
    );
  }

  /** Takes the figures of a trace for every file that it names. Older figures of these files give way. */
  async show({ uri, scenario, view }: CostSource): Promise<void> {
    const costs = await view.perLine();
    for (const name of new Set(costs.map((cost) => cost.file))) {
      const file = await locateSource(name, [scenario, uri]);
      if (!file) continue;
      this.byFile.set(file.toString(), {
        trace: uri,
        title: view.meta.title,
        frequencyHz: view.meta.frequencyHz,
        lines: costs.filter((cost) => cost.file === name),
        outdated: false,
      });
    }
    this.drawAll();
  }

  /** Figures shown for a file; for tests. */
  costsOf(file: Uri): { outdated: boolean; lines: readonly LineCost[] } | undefined {
    return this.byFile.get(file.toString());
  }

  dispose(): void {
    this.owned.dispose();
  }

  private follow(document: TextDocument, changes: readonly { range: Range; text: string }[]): void {
    const costs = this.byFile.get(document.uri.toString());
    if (!costs || changes.length === 0) return;
    // Changes of one edit speak of the same text; from the bottom up, each leaves the others' lines where they were.
    const upwards = [...changes].sort((a, b) => b.range.start.compareTo(a.range.start));
    for (const { range, text } of upwards) {
      costs.lines = followChange(costs.lines, {
        startLine: range.start.line,
        startCharacter: range.start.character,
        endLine: range.end.line,
        text,
      });
    }
    costs.outdated = true;
    window.visibleTextEditors
      .filter((editor) => editor.document === document)
      .forEach((editor) => this.draw(editor));
  }

  private drawAll(): void {
    window.visibleTextEditors.forEach((editor) => this.draw(editor));
  }

  private draw(editor: TextEditor): void {
    const enabled = workspace.getConfiguration('trapline').get<boolean>('decorations.enabled', true);
    const costs = enabled ? this.byFile.get(editor.document.uri.toString()) : undefined;
    const options = costs ? costs.lines.flatMap((line) => decorate(editor.document, costs, line)) : [];
    editor.setDecorations(this.current, costs?.outdated ? [] : options);
    editor.setDecorations(this.outdated, costs?.outdated ? options : []);
  }
}

function decorationType(color: ThemeColor) {
  return window.createTextEditorDecorationType({
    after: { color, margin: '0 0 0 3ch', fontStyle: 'italic' },
    rangeBehavior: DecorationRangeBehavior.ClosedClosed,
  });
}

function decorate(document: TextDocument, costs: FileCosts, cost: LineFigures): DecorationOptions[] {
  if (cost.line > document.lineCount) return [];
  const { range, lineNumber, firstNonWhitespaceCharacterIndex } = document.lineAt(cost.line - 1);
  const label = costLabel(cost, costs.frequencyHz);
  return [
    {
      range: new Range(lineNumber, firstNonWhitespaceCharacterIndex, lineNumber, range.end.character),
      hoverMessage: hover(costs, cost),
      renderOptions: {
        after: { contentText: costs.outdated ? l10n.t('{0} before the edit', label) : label },
      },
    },
  ];
}

function hover(costs: FileCosts, cost: LineFigures): MarkdownString {
  const text = new MarkdownString(undefined, true);
  text.isTrusted = { enabledCommands: [Command.revealLine] };
  const average = formatTime(cost.cycles / Math.max(1, cost.exits), costs.frequencyHz);
  text.appendMarkdown(`**${costLabel(cost, costs.frequencyHz)}** — ${l10n.t('{0} each', average)}`);
  text.appendText(l10n.t(' in {0}', costs.title));
  text.appendMarkdown('\n\n');
  for (const { reason, exits, cycles } of cost.byReason) {
    text.appendMarkdown(`- \`${reason}\` ${formatCount(exits)} · ${formatTime(cycles, costs.frequencyHz)}
`);
  }
  const args = encodeURIComponent(JSON.stringify([costs.trace.toString(), cost.query]));
  text.appendMarkdown(
    `\n[$(graph-line) ${l10n.t('Show in timeline')}](command:${Command.revealLine}?${args})`,
  );
  return text;
}
