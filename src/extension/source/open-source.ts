/** From an event to its line of C. */
import {
  Position,
  Range,
  Selection,
  TabInputText,
  TextEditorRevealType,
  ThemeColor,
  ViewColumn,
  commands,
  window,
} from 'vscode';
import type { Disposable, Uri } from 'vscode';
import { sourceOpenedContext } from '../names';

/** How long the line stays lit. */
const highlightMs = 1_200;

/** Opens source lines and lights them for a moment. */
export class SourceOpener implements Disposable {
  private readonly highlight = window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new ThemeColor('editor.rangeHighlightBackground'),
    borderColor: new ThemeColor('editor.rangeHighlightBorder'),
  });
  private timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Shows a line and puts the cursor there. A column that shows the file already is used again; otherwise `beside` takes
   * the column next to `from`. Without `focus` the keyboard stays where it is.
   */
  async open(
    file: Uri,
    line: number,
    from: ViewColumn | undefined,
    { beside, focus }: { beside: boolean; focus: boolean },
  ): Promise<void> {
    const column = columnShowing(file, from) ?? (beside ? besideColumn(from) : (from ?? ViewColumn.Active));
    const at = new Position(Math.max(0, line - 1), 0);
    const editor = await window.showTextDocument(file, {
      viewColumn: column,
      preserveFocus: !focus,
      preview: true,
    });
    const { range } = editor.document.lineAt(editor.document.validatePosition(at));
    const text = editor.document.lineAt(range.start.line);
    const start = new Position(text.lineNumber, text.firstNonWhitespaceCharacterIndex);
    editor.selection = new Selection(start, start);
    editor.revealRange(new Range(start, start), TextEditorRevealType.InCenterIfOutsideViewport);
    clearTimeout(this.timer);
    editor.setDecorations(this.highlight, [range]);
    this.timer = setTimeout(() => editor.setDecorations(this.highlight, []), highlightMs);
    void commands.executeCommand('setContext', sourceOpenedContext, true);
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.highlight.dispose();
  }
}

/** Beside the page, not beside whatever happens to be active. */
function besideColumn(from: ViewColumn | undefined): ViewColumn {
  return from === undefined ? ViewColumn.Beside : from + 1;
}

/** A column other than the page's whose tabs hold the file. */
function columnShowing(file: Uri, from: ViewColumn | undefined): ViewColumn | undefined {
  const holds = window.tabGroups.all.filter((group) =>
    group.tabs.some(
      (tab) => tab.input instanceof TabInputText && tab.input.uri.toString() === file.toString(),
    ),
  );
  const group = holds.find((candidate) => candidate.viewColumn !== from);
  return group?.viewColumn;
}
