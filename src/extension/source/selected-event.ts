/** At the line of the selected event: what happened there and how long it took. */
import { MarkdownString, Range, ThemeColor, l10n, window, workspace } from 'vscode';
import type { DecorationOptions, Disposable, TextEditor, Uri } from 'vscode';
import type { EventDetails } from '../../protocol/details';
import { kindRow } from '../../trace/vocabulary/events';
import { formatTime } from '../../trace/vocabulary/format';
import { DisposableStore } from '../disposables';
import type { TraceEditors } from '../editor/trace-editors';
import type { TracePanel } from '../editor/trace-panel';
import { selectedEventColour } from '../names';
import { textOfLine } from './cost-decorations';
import { locateSource } from './source-files';
import type { SourceCosts } from './source-costs';

/** Longest text behind a line. */
const MOST_TEXT = 100;

/** Where an event is shown. */
interface Shown {
  trace: Uri;
  file: Uri;
  line: number;
  text: string;
  sentence: string;
}

/** `▸ EPT_MISCONFIG TDT ← 0x3 · 1.2 µs`. */
export function eventText(event: EventDetails, frequencyHz: number): string {
  const { reason, name } = kindRow(event.kind);
  const text = [reason ?? name, event.text].filter((part) => part !== '').join(' ');
  const cut = text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text;
  return event.duration > 0 ? `▸ ${cut} · ${formatTime(event.duration, frequencyHz)}` : `▸ ${cut}`;
}

export class SelectedEvent implements Disposable {
  private readonly owned = new DisposableStore();
  private readonly decoration = this.owned.add(
    window.createTextEditorDecorationType({
      isWholeLine: false,
      after: { color: new ThemeColor(selectedEventColour), margin: '0 0 0 3ch' },
      overviewRulerColor: new ThemeColor(selectedEventColour),
    }),
  );
  private shown: Shown | undefined;
  /** Grows with each selection: an answer about an older one is of no use. */
  private generation = 0;

  constructor(
    editors: TraceEditors,
    private readonly costs: SourceCosts,
  ) {
    this.owned.add(editors.onDidSelect(({ panel, row }) => void this.select(panel, row)));
    this.owned.add(window.onDidChangeVisibleTextEditors(() => this.drawAll()));
    this.owned.add(
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('trapline.selectedEvent')) this.drawAll();
      }),
    );
  }

  /** What stands at which line; for tests. */
  get text(): string | undefined {
    return this.shown?.text;
  }

  dispose(): void {
    this.owned.dispose();
  }

  private async select({ document }: TracePanel, row: number): Promise<void> {
    const generation = ++this.generation;
    const { view } = document.content;
    const event = row < 0 ? undefined : await view?.describe(row).catch(() => undefined);
    const { file, line } = event ?? {};
    const uri = file === undefined ? undefined : await locateSource(file, [document.scenario, document.uri]);
    if (generation !== this.generation) return;
    this.shown =
      event && uri && line !== undefined
        ? {
            trace: document.uri,
            file: uri,
            line,
            text: eventText(event, view?.meta.frequencyHz ?? 1),
            sentence: event.sentence,
          }
        : undefined;
    this.drawAll();
  }

  private drawAll(): void {
    const enabled = workspace.getConfiguration('trapline').get<boolean>('selectedEvent.enabled', true);
    for (const editor of window.visibleTextEditors)
      editor.setDecorations(this.decoration, enabled ? this.optionsFor(editor) : []);
  }

  private optionsFor({ document }: TextEditor): DecorationOptions[] {
    const { shown } = this;
    if (!shown || shown.file.toString() !== document.uri.toString()) return [];
    // Where the text has been edited since, the line may stand elsewhere, or be gone.
    const line = this.costs.lineNow(shown.trace, shown.file, shown.line);
    if (line === undefined || line > document.lineCount) return [];
    const hoverMessage = new MarkdownString();
    hoverMessage.appendText(l10n.t('Selected in the timeline: {0}', shown.sentence));
    const { end } = textOfLine(document, line - 1);
    return [
      {
        range: new Range(end, end),
        hoverMessage,
        renderOptions: { after: { contentText: shown.text } },
      },
    ];
  }
}
