/** “Open With: Trapline Scenario Form”: a scenario's text as fields, for those who do not write JSON. The text stays the document. */
import {
  Range,
  Uri,
  WorkspaceEdit,
  commands,
  env,
  l10n,
  window,
  workspace,
  type CustomTextEditorProvider,
  type Disposable,
  type LogOutputChannel,
  type TextDocument,
  type WebviewPanel,
} from 'vscode';
import { fromForm, type FormNode, type FromForm, type ToForm } from '../../protocol/form';
import { publishedJsonSchema } from '../../scenario/json-schema';
import { loadScenario } from '../../scenario/load';
import { scenarioOfArgument } from '../commands/command-arguments';
import { DisposableStore } from '../disposables';
import { createNonce, tracePage } from '../editor/page-html';
import { Command, scenarioFormViewType } from '../names';
import { editsFor, placed, valueOf } from './form-edits';
import { FormTree } from './form-tree';

/** The provider, and the command that opens it. */
export class ScenarioForms implements CustomTextEditorProvider, Disposable {
  private readonly owned = new DisposableStore();
  private readonly tree = new FormTree(publishedJsonSchema());

  constructor(
    private readonly extensionUri: Uri,
    private readonly log: LogOutputChannel,
  ) {
    this.owned.add(window.registerCustomEditorProvider(scenarioFormViewType, this));
    this.owned.add(
      commands.registerCommand(Command.openForm, async (given?: unknown) => {
        const scenario =
          scenarioOfArgument(given) ?? scenarioOfArgument(window.activeTextEditor?.document.uri);
        if (scenario) await commands.executeCommand('vscode.openWith', scenario, scenarioFormViewType);
      }),
    );
  }

  resolveCustomTextEditor(document: TextDocument, panel: WebviewPanel): void {
    const owned = new DisposableStore();
    const { webview } = panel;
    const folder = Uri.joinPath(this.extensionUri, 'dist', 'webview');
    webview.options = { enableScripts: true, localResourceRoots: [folder] };
    const asset = (name: string): string => webview.asWebviewUri(Uri.joinPath(folder, name)).toString();
    const post = (): void => void webview.postMessage(this.shown(document));
    owned.add(
      webview.onDidReceiveMessage((message: unknown) => {
        const received = fromForm(message);
        if (!received) return this.log.warn('A message of the scenario form was refused.');
        if (received.type === 'ready') return post();
        if (received.type === 'openText')
          return void commands.executeCommand('vscode.openWith', document.uri, 'default');
        return void this.edit(document, received);
      }),
    );
    owned.add(
      workspace.onDidChangeTextDocument(({ document: changed }) => {
        if (changed.uri.toString() === document.uri.toString()) post();
      }),
    );
    panel.onDidDispose(() => owned.dispose());
    webview.html = tracePage({
      cspSource: webview.cspSource,
      nonce: createNonce(),
      script: asset('form.js'),
      style: asset('form.css'),
      title: panel.title,
      language: env.language,
      loading: l10n.t('Loading the scenario…'),
    });
  }

  dispose(): void {
    this.owned.dispose();
  }

  private nodesOf(document: TextDocument): { nodes: readonly FormNode[]; problems: string[] } | undefined {
    const text = document.getText();
    const value = valueOf(text);
    if (value === undefined) return undefined;
    const loaded = loadScenario(text, document.uri.fsPath);
    const problems = placed(text, loaded.problems);
    return {
      nodes: this.tree.nodes(value, problems),
      problems: problems.filter(({ path }) => path.length === 0).map(({ message }) => message),
    };
  }

  private shown(document: TextDocument): ToForm {
    const found = this.nodesOf(document);
    return {
      type: 'show',
      nodes: found?.nodes ?? [],
      problems: found?.problems ?? [],
      isBroken: !found,
      words: {
        add: l10n.t('Add'),
        remove: l10n.t('Remove'),
        broken: l10n.t('The text of this scenario is no JSON at present. Mend it as text, then come back.'),
        openText: l10n.t('Open as Text'),
        notGiven: l10n.t('not given'),
      },
    };
  }

  private async edit(
    document: TextDocument,
    message: Exclude<FromForm, { type: 'ready' | 'openText' }>,
  ): Promise<void> {
    const found = this.nodesOf(document);
    if (!found) return;
    const settings = workspace.getConfiguration('editor', document);
    const tabSize = settings.get('tabSize', 2);
    const style = { tabSize, insertSpaces: settings.get('insertSpaces', true) };
    const change = new WorkspaceEdit();
    for (const { offset, length, content } of editsFor(
      document.getText(),
      message,
      found.nodes,
      this.tree,
      style,
    )) {
      const range = new Range(document.positionAt(offset), document.positionAt(offset + length));
      change.replace(document.uri, range, content);
    }
    if (change.size > 0) await workspace.applyEdit(change);
  }
}
