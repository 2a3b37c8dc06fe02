/** Machine code beside the timeline: read-only documents with the exits of each instruction, which follow the selection and lead it. */
import {
  EventEmitter,
  Position,
  Range,
  Selection,
  TextEditorRevealType,
  TextEditorSelectionChangeKind,
  ThemeColor,
  ViewColumn,
  commands,
  l10n,
  languages,
  window,
  workspace,
} from 'vscode';
import type { Disposable, TextDocumentContentProvider, TextEditor, Uri } from 'vscode';
import type { GuestListing, ListingTarget } from '../../debug/disassembly/guest-listing';
import { ALL_TIME, type InstructionFigures } from '../../trace/query/source-figures';
import { DisposableStore } from '../disposables';
import type { TraceDocument } from '../editor/trace-document';
import type { TraceEditors } from '../editor/trace-editors';
import type { TracePanel } from '../editor/trace-panel';
import { Command, disassemblyLanguage, disassemblyScheme, exitCostColour } from '../names';
import { costHover, costText } from '../source/cost-hover';
import { textBehind, textOfLine } from '../source/cost-decorations';
import { locateSource } from '../source/source-files';
import type { SourceCosts } from '../source/source-costs';
import { disassemblyOf, disassemblyUri } from './disassembly-uri';
import type { GuestCode } from './guest-code';
import { renderListing, type RenderedListing } from './render';

/** Documents whose code is remembered. */
const MOST_DOCUMENTS = 32;

/** A listing that has been made. */
interface Listed extends RenderedListing {
  trace: Uri;
  vm: number;
}

/** How a document is shown. */
interface How {
  beside: boolean;
  focus: boolean;
}

/** What it takes of the rest of the extension. */
export interface DisassemblyServices {
  editors: TraceEditors;
  costs: SourceCosts;
  code: GuestCode;
  scenarioOf(document: TraceDocument): Promise<Uri>;
}

export class Disassemblies implements TextDocumentContentProvider, Disposable {
  private readonly owned = new DisposableStore();
  private readonly changedEmitter = this.owned.add(new EventEmitter<Uri>());
  readonly onDidChange = this.changedEmitter.event;
  private readonly listed = new Map<string, Listed>();
  private readonly counts = this.owned.add(textBehind(new ThemeColor(exitCostColour)));
  private readonly selected = this.owned.add(
    window.createTextEditorDecorationType({
      isWholeLine: true,
      backgroundColor: new ThemeColor('editor.stackFrameHighlightBackground'),
    }),
  );
  /** The event at hand: of which trace, at which instruction. */
  private at: { trace: string; vm: number; rip: string } | undefined;

  constructor(private readonly services: DisassemblyServices) {
    const { editors, costs } = services;
    this.owned.add(workspace.registerTextDocumentContentProvider(disassemblyScheme, this));
    this.owned.add(commands.registerCommand(Command.openDisassembly, () => this.openAtHand()));
    this.owned.add(
      commands.registerTextEditorCommand(
        Command.showInstruction,
        (editor) => void this.lead(editor, editor.selection.active.line),
      ),
    );
    this.owned.add(editors.onDidSelect(({ panel, row }) => void this.follow(panel, row)));
    this.owned.add(costs.onDidChange(() => this.drawAll()));
    this.owned.add(editors.onDidShowSpan(() => this.drawAll()));
    this.owned.add(window.onDidChangeVisibleTextEditors(() => this.drawAll()));
    this.owned.add(
      window.onDidChangeTextEditorSelection(({ textEditor, kind, selections }) => {
        const [selection] = selections;
        if (kind === TextEditorSelectionChangeKind.Mouse && selection?.isEmpty === true)
          void this.lead(textEditor, selection.active.line);
      }),
    );
  }

  dispose(): void {
    this.owned.dispose();
  }

  /** The text of a document that the editor has opened, or opens again after the window was closed. */
  async provideTextDocumentContent(uri: Uri): Promise<string> {
    const known = this.listed.get(uri.toString());
    if (known) return known.text;
    const of = disassemblyOf(uri);
    const document = of && this.services.editors.document(of.trace);
    if (!of || !document) {
      return `; ${l10n.t('The trace of this machine code is not open. Open it, and then this from one of its events.')}\n`;
    }
    try {
      const { listed } = await this.make(document, of.vm, { address: of.address });
      this.remember(uri, listed);
      return listed.text;
    } catch (error) {
      return `; ${error instanceof Error ? error.message : String(error)}\n`;
    }
  }

  /**
   * Opens the code about the instruction of an event.
   * @returns false where the event is about no instruction; rejects with a message for a reader
   */
  async openEvent(
    document: TraceDocument,
    row: number,
    from: ViewColumn | undefined,
    how: How,
  ): Promise<boolean> {
    const { rip, vm } = (await document.content.view?.describe(row)) ?? {};
    if (rip === undefined || vm === undefined) return false;
    this.at = { trace: document.uri.toString(), vm, rip };
    const column = this.columnOf(document.uri) ?? (how.beside && from !== undefined ? from + 1 : from);
    await this.open(document, vm, { address: rip }, column ?? ViewColumn.Beside, how.focus, rip);
    return true;
  }

  /** Whether code of a trace is on the screen. */
  isInSight(trace: Uri): boolean {
    return this.editorsOf(trace).length > 0;
  }

  /** From the palette or a menu: of the event selected in the active trace, or of the line at the cursor of a driver. */
  private async openAtHand(): Promise<void> {
    const { editors, costs } = this.services;
    try {
      const { active } = editors;
      if (active) {
        const row = active.state.selectedRow;
        const column = active.panel.viewColumn;
        const isOpen =
          row >= 0 && (await this.openEvent(active.document, row, column, { beside: true, focus: true }));
        if (!isOpen)
          void window.showInformationMessage(
            l10n.t('Select an event of a guest’s instruction in the timeline first.'),
          );
        return;
      }
      const editor = window.activeTextEditor;
      const figures = editor && costs.of(editor.document.uri);
      const document = figures && editors.document(figures.trace);
      if (!editor || !figures || !document) {
        void window.showInformationMessage(
          l10n.t('Open a trace, and select an event in it or a line of its driver, to see the machine code.'),
        );
        return;
      }
      const line = costs.lineThen(editor.document.uri, editor.selection.active.line + 1);
      const target = { file: figures.file, line: line ?? editor.selection.active.line + 1 };
      await this.open(document, vmOf(document, target), target, ViewColumn.Beside, true, undefined);
    } catch (error) {
      void window.showErrorMessage(error instanceof Error ? error.message : String(error));
    }
  }

  private async open(
    document: TraceDocument,
    vm: number,
    target: ListingTarget,
    column: ViewColumn,
    focus: boolean,
    rip: string | undefined,
  ): Promise<void> {
    const shown = rip === undefined ? undefined : this.documentWith(document.uri, vm, rip);
    let uri = shown;
    if (!uri) {
      const { listing, listed } = await this.make(document, vm, target);
      const [first] = listing.instructions;
      uri = disassemblyUri(
        { trace: document.uri, vm, address: first?.address ?? '0x0' },
        `${listing.name} ${document.content.view?.meta.guests[vm]?.vm ?? ''}`.trim(),
      );
      this.remember(uri, listed);
      this.changedEmitter.fire(uri);
    }
    const text = await workspace.openTextDocument(uri);
    if (text.languageId !== disassemblyLanguage)
      await languages.setTextDocumentLanguage(text, disassemblyLanguage);
    const editor = await window.showTextDocument(text, {
      viewColumn: column,
      preserveFocus: !focus,
      preview: true,
    });
    const listed = this.listed.get(uri.toString());
    const line = rip === undefined ? firstOfLine(listed, target) : listed?.lineOf.get(rip);
    if (line !== undefined) reveal(editor, line, focus);
    this.drawAll();
  }

  private async make(
    document: TraceDocument,
    vm: number,
    target: ListingTarget,
  ): Promise<{ listing: GuestListing; listed: Listed }> {
    const { view } = document.content;
    if (!view) throw new Error(l10n.t('The trace cannot be shown.'));
    if (!workspace.isTrusted) {
      throw new Error(
        l10n.t('Guests are compiled and read only in trusted workspaces. Trust this one to see their code.'),
      );
    }
    const { code, scenarioOf } = this.services;
    const scenario = await scenarioOf(document);
    const listing = await code.list(view.meta, vm, scenario.fsPath, target);
    const files = new Set(listing.instructions.flatMap(({ file }) => file ?? []));
    const texts = new Map<string, readonly string[] | undefined>();
    for (const file of files) texts.set(file, await this.sourceOf(file, document));
    const count = listing.instructions.length;
    const head = [
      l10n.t(
        '{0} of {1}: {2} instructions, as the guest’s file has them',
        listing.name,
        view.meta.guests[vm]?.vm ?? '',
        count,
      ),
      ...(listing.bits === 32 ? [l10n.t('Taken for code of 32 bits.')] : []),
    ];
    const rendered = renderListing(listing, head, (file) => texts.get(file));
    return { listing, listed: { ...rendered, trace: document.uri, vm } };
  }

  /** Lines of a source, unless they are others than those that were compiled. */
  private async sourceOf(file: string, document: TraceDocument): Promise<readonly string[] | undefined> {
    const uri = await locateSource(file, [document.scenario, document.uri]);
    if (!uri || this.services.costs.of(uri)?.outdated === true) return undefined;
    try {
      return new TextDecoder().decode(await workspace.fs.readFile(uri)).split(/\r?\n/);
    } catch {
      return undefined;
    }
  }

  private remember(uri: Uri, listed: Listed): void {
    if (this.listed.size >= MOST_DOCUMENTS) {
      const [oldest] = this.listed.keys();
      if (oldest !== undefined) this.listed.delete(oldest);
    }
    this.listed.set(uri.toString(), listed);
  }

  /** A document that has an instruction. */
  private documentWith(trace: Uri, vm: number, rip: string): Uri | undefined {
    const editor = this.editorsOf(trace).find(({ listed }) => listed.vm === vm && listed.lineOf.has(rip));
    return editor?.editor.document.uri;
  }

  private editorsOf(trace: Uri): { editor: TextEditor; listed: Listed }[] {
    return window.visibleTextEditors.flatMap((editor) => {
      const listed = this.listed.get(editor.document.uri.toString());
      return listed?.trace.toString() === trace.toString() ? [{ editor, listed }] : [];
    });
  }

  private columnOf(trace: Uri): ViewColumn | undefined {
    return this.editorsOf(trace)[0]?.editor.viewColumn;
  }

  /** The timeline's selection has moved: code that is in sight follows it. */
  private async follow({ document, panel }: TracePanel, row: number): Promise<void> {
    if (this.editorsOf(document.uri).length === 0) return;
    if (row < 0) {
      this.at = undefined;
      this.drawAll();
      return;
    }
    // Code that cannot be listed leaves what is in sight where it is; who opens it hears why.
    await this.openEvent(document, row, panel.viewColumn, { beside: true, focus: false }).catch(() => false);
  }

  /** The reader went to an instruction: the timeline goes to its events. */
  private async lead(editor: TextEditor, line: number): Promise<void> {
    const listed = this.listed.get(editor.document.uri.toString());
    const address = listed?.addressOf.get(line);
    if (!listed || address === undefined) return;
    const { trace, vm } = listed;
    if (this.at?.rip === address && this.at.vm === vm && this.at.trace === trace.toString()) return;
    const [panel] = this.services.editors.panelsOf(trace);
    const figures = await this.figuresOf(listed, undefined);
    const found = figures.find(({ rip }) => rip === address);
    if (!panel || !found) return;
    this.at = { trace: trace.toString(), vm, rip: address };
    panel.find(found.query, true);
  }

  private async figuresOf(
    { trace, vm }: Listed,
    panel: TracePanel | undefined,
  ): Promise<InstructionFigures[]> {
    const view = this.services.editors.document(trace)?.content.view;
    return (await view?.perInstruction(vm, panel?.span ?? ALL_TIME).catch(() => [])) ?? [];
  }

  private drawAll(): void {
    for (const editor of window.visibleTextEditors) {
      const listed = this.listed.get(editor.document.uri.toString());
      if (listed) void this.draw(editor, listed);
    }
  }

  private async draw(editor: TextEditor, listed: Listed): Promise<void> {
    const { editors } = this.services;
    const { document } = editor;
    const here = this.at?.trace === listed.trace.toString() && this.at.vm === listed.vm ? this.at.rip : '';
    const line = listed.lineOf.get(here);
    const isThere = line !== undefined && line < document.lineCount;
    editor.setDecorations(this.selected, isThere ? [new Range(line, 0, line, 0)] : []);
    const enabled = workspace.getConfiguration('trapline').get<boolean>('decorations.enabled', true);
    const meta = editors.document(listed.trace)?.content.view?.meta;
    const [panel] = editors.panelsOf(listed.trace);
    const figures = enabled ? await this.figuresOf(listed, panel) : [];
    const of = {
      trace: listed.trace,
      title: meta?.title ?? '',
      frequencyHz: meta?.frequencyHz ?? 1,
      inSight: panel?.span !== undefined,
      outdated: false,
    };
    editor.setDecorations(
      this.counts,
      figures.flatMap((each) => {
        const at = listed.lineOf.get(each.rip);
        if (at === undefined || at >= document.lineCount) return [];
        return [
          {
            range: textOfLine(document, at),
            hoverMessage: costHover(of, each),
            renderOptions: { after: { contentText: costText(of, each) } },
          },
        ];
      }),
    );
  }
}

/** The guest that has code of a line: that of the line's exits, else the first. */
function vmOf(document: TraceDocument, { file, line }: { file: string; line: number }): number {
  const places = document.content.view?.meta.places ?? [];
  const place =
    places.find((each) => each.file === file && each.line === line) ??
    places.find((each) => each.file === file);
  return place?.vm ?? 0;
}

/** The first instruction of the listing that belongs to a line. */
function firstOfLine(listed: Listed | undefined, target: ListingTarget): number | undefined {
  if (!listed || 'address' in target) return undefined;
  const name = target.file.slice(Math.max(target.file.lastIndexOf('/'), target.file.lastIndexOf('\\')) + 1);
  const at = listed.text
    .split('\n')
    .findIndex((text) => text.startsWith(`; ${name}:${target.line} `) || text === `; ${name}:${target.line}`);
  return at < 0 ? undefined : at + 1;
}

function reveal(editor: TextEditor, line: number, select: boolean): void {
  const at = new Position(Math.min(line, editor.document.lineCount - 1), 0);
  if (select) editor.selection = new Selection(at, at);
  editor.revealRange(new Range(at, at), TextEditorRevealType.InCenterIfOutsideViewport);
}
