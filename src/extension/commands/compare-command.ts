/** “Compare Runs…”: what several runs cost, side by side in one document. */
import { basename } from 'node:path';
import {
  EventEmitter,
  QuickPickItemKind,
  Uri,
  commands,
  l10n,
  window,
  workspace,
  type Disposable,
  type QuickPickItem,
  type TextDocumentContentProvider,
} from 'vscode';
import { readTrace } from '../../trace/file/file';
import { compareRuns } from '../../trace/query/compare';
import type { TraceStore } from '../../trace/query/store';
import { Command, comparisonScheme, scenarioEnding, traceEnding } from '../names';
import { comparisonMarkdown } from '../runs/comparison-markdown';
import { tracesOfArguments } from './command-arguments';
import { runTraceUri, type RunArchive } from '../runs/run-archive';
import { scenarioName, type RunResult } from '../runs/run-service';

interface RunItem extends QuickPickItem {
  uri?: Uri;
}

const NOT_SEARCHED = '**/{node_modules,.git}/**';
const MOST_FILES = 200;
/** Documents that are kept for their tabs; one that is older has to be made anew. */
const MOST_DOCUMENTS = 20;

/** Registers the command, and what gives its documents their text. */
export class CompareCommand implements TextDocumentContentProvider, Disposable {
  private readonly changed = new EventEmitter<Uri>();
  readonly onDidChange = this.changed.event;
  private readonly texts = new Map<string, string>();
  private readonly registrations: Disposable[];

  /** @param runScenario runs a scenario to its end and tells the user how it came out */
  constructor(
    private readonly archive: RunArchive,
    private readonly runScenario: (scenario: Uri) => Promise<RunResult>,
  ) {
    this.registrations = [
      commands.registerCommand(Command.compareRuns, (given?: unknown, selection?: unknown) =>
        this.compare(given, selection),
      ),
      workspace.registerTextDocumentContentProvider(comparisonScheme, this),
      this.changed,
    ];
  }

  provideTextDocumentContent(uri: Uri): string {
    return (
      this.texts.get(uri.toString()) ??
      l10n.t('This comparison is no longer kept. Use “Trapline: Compare Runs…” again.')
    );
  }

  dispose(): void {
    for (const registration of this.registrations) registration.dispose();
  }

  /** Resolves to the document's URI; undefined where there is nothing to compare. */
  private async compare(given: unknown, selection: unknown): Promise<Uri | undefined> {
    const uris = await this.runsFor(given, selection);
    if (!uris || uris.length === 0) return undefined;
    const runs: { name: string; store: TraceStore }[] = [];
    for (const uri of uris) {
      const store = await this.storeOf(uri);
      // Why a scenario has not come to a trace was said by its run.
      if (!store) return undefined;
      runs.push({ name: nameOf(uri), store });
    }
    return this.show(
      runs.map(({ name }) => name),
      comparisonMarkdown(compareRuns(runs)),
    );
  }

  /** URIs that are given as such; two or more selected items of a list; one item and whatever the reader puts beside it. */
  private async runsFor(given: unknown, selection: unknown): Promise<Uri[] | undefined> {
    if (Array.isArray(given)) return given.filter((each): each is Uri => each instanceof Uri);
    const selected = tracesOfArguments(given, selection);
    if (selected.length > 1) return selected;
    const [first] = selected;
    const others = await this.choose(first);
    return others && first ? [first, ...others] : others;
  }

  private async storeOf(uri: Uri): Promise<TraceStore | undefined> {
    if (uri.path.endsWith(scenarioEnding)) return (await this.runScenario(uri))?.session.store;
    try {
      return readTrace(await workspace.fs.readFile(uri));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      void window.showErrorMessage(l10n.t('{0} cannot be compared: {1}', basename(uri.path), reason));
      return undefined;
    }
  }

  /** Kept runs, then traces and scenarios of the workspace, without the one that is chosen already. */
  private async choose(first?: Uri): Promise<Uri[] | undefined> {
    const find = (ending: string): Thenable<Uri[]> =>
      workspace.findFiles(`**/*${ending}`, NOT_SEARCHED, MOST_FILES);
    const [kept, traces, scenarios] = await Promise.all([
      this.archive.list(),
      find(traceEnding),
      find(scenarioEnding),
    ]);
    const heading = (label: string): RunItem => ({ label, kind: QuickPickItemKind.Separator });
    const fileItem =
      (icon: string) =>
      (uri: Uri): RunItem => ({
        label: `$(${icon}) ${nameOf(uri)}`,
        description: workspace.asRelativePath(uri),
        uri,
      });
    const byPath = (x: Uri, y: Uri): number => x.path.localeCompare(y.path, undefined, { numeric: true });
    const isOther = ({ uri }: RunItem): boolean => !first || uri?.toString() !== first.toString();
    const items: RunItem[] = [
      heading(l10n.t('runs')),
      ...kept.map((run): RunItem => {
        const name = scenarioName(Uri.parse(run.scenario));
        const description = new Date(run.ended).toLocaleString();
        return {
          label: `$(history) ${name}`,
          description,
          detail: run.title,
          uri: runTraceUri(run.id, name),
        };
      }),
      heading(l10n.t('traces in this workspace')),
      ...traces.sort(byPath).map(fileItem('graph-line')),
      heading(l10n.t('scenarios, which will be run')),
      ...scenarios.sort(byPath).map(fileItem('circuit-board')),
    ];
    const picked = await window.showQuickPick(items.filter(isOther), {
      placeHolder: first
        ? l10n.t('Runs to compare with {0}', nameOf(first))
        : l10n.t('Runs to compare, each with the first'),
      canPickMany: true,
      matchOnDescription: true,
      matchOnDetail: true,
    });
    return picked?.flatMap(({ uri }) => (uri ? [uri] : []));
  }

  private async show(names: readonly string[], text: string): Promise<Uri> {
    const uri = Uri.from({ scheme: comparisonScheme, path: `/${names.join(', ').slice(0, 100)}.md` });
    const key = uri.toString();
    this.texts.delete(key);
    this.texts.set(key, text);
    for (const old of this.texts.keys()) if (this.texts.size > MOST_DOCUMENTS) this.texts.delete(old);
    this.changed.fire(uri);
    await commands.executeCommand('markdown.showPreview', uri);
    return uri;
  }
}

function nameOf(uri: Uri): string {
  return basename(uri.path).replace(traceEnding, '').replace(scenarioEnding, '');
}
