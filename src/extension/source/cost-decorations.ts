/** What each line of a driver cost, written behind the line. */
import { DecorationRangeBehavior, Range, ThemeColor, window, workspace } from 'vscode';
import type { DecorationOptions, Disposable, TextDocument, TextEditor } from 'vscode';
import type { LineFigures } from '../../trace/query/statistics';
import { DisposableStore } from '../disposables';
import { exitCostColour } from '../names';
import { costHover, costText } from './cost-hover';
import type { FileCosts, SourceCosts } from './source-costs';

/** Draws the figures in every editor of their file. */
export class CostDecorations implements Disposable {
  private readonly owned = new DisposableStore();
  private readonly current = this.owned.add(textBehind(new ThemeColor(exitCostColour)));
  private readonly outdated = this.owned.add(textBehind(new ThemeColor('disabledForeground')));

  constructor(private readonly costs: SourceCosts) {
    this.owned.add(
      window.onDidChangeVisibleTextEditors((editors) => editors.forEach((editor) => this.draw(editor))),
    );
    this.owned.add(costs.onDidChange(() => window.visibleTextEditors.forEach((editor) => this.draw(editor))));
    this.owned.add(
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('trapline.decorations'))
          window.visibleTextEditors.forEach((editor) => this.draw(editor));
      }),
    );
  }

  dispose(): void {
    this.owned.dispose();
  }

  private draw(editor: TextEditor): void {
    const enabled = workspace.getConfiguration('trapline').get<boolean>('decorations.enabled', true);
    const costs = enabled ? this.costs.of(editor.document.uri) : undefined;
    const options = costs ? costs.lines.flatMap((line) => decorate(editor.document, costs, line)) : [];
    editor.setDecorations(this.current, costs?.outdated ? [] : options);
    editor.setDecorations(this.outdated, costs?.outdated ? options : []);
  }
}

/** Words behind lines. */
export function textBehind(color: ThemeColor) {
  return window.createTextEditorDecorationType({
    after: { color, margin: '0 0 0 3ch', fontStyle: 'italic' },
    rangeBehavior: DecorationRangeBehavior.ClosedClosed,
  });
}

/** From the first character of a line to its end. */
export function textOfLine(document: TextDocument, line: number): Range {
  const { range, firstNonWhitespaceCharacterIndex } = document.lineAt(line);
  return new Range(line, firstNonWhitespaceCharacterIndex, line, range.end.character);
}

function decorate(document: TextDocument, costs: FileCosts, cost: LineFigures): DecorationOptions[] {
  if (cost.line > document.lineCount) return [];
  return [
    {
      range: textOfLine(document, cost.line - 1),
      hoverMessage: costHover(costs, cost),
      renderOptions: { after: { contentText: costText(costs, cost) } },
    },
  ];
}
