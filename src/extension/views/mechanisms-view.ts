/** The mechanisms as a gallery in the side bar: the samples by chapter, then what else the workspace has. */
import {
  EventEmitter,
  MarkdownString,
  ThemeColor,
  ThemeIcon,
  TreeItem,
  TreeItemCollapsibleState,
  type Uri,
  commands,
  l10n,
  window,
  workspace,
  type Disposable,
  type TreeDataProvider,
  type TreeView,
} from 'vscode';
import { DisposableStore } from '../disposables';
import { scenarioOfArgument } from '../commands/command-arguments';
import { Command, mechanismsView } from '../names';
import { runTraceUri, type RunArchive } from '../runs/run-archive';
import type { ArchivedRun } from '../runs/run-record';
import { scenarioName, type RunService } from '../runs/run-service';
import type { ScenarioFile, ScenarioFiles } from '../runs/scenario-files';
import { chapters } from './chapters';
import { shelves } from './gallery';
import { VERDICT_ICONS, runDescription } from '../runs/run-description';

interface ShelfNode {
  readonly title: string;
  readonly sentence: string;
  readonly letter: string | undefined;
  readonly children: readonly ScenarioNode[];
}

/** `scenario` is what commands look for. */
interface ScenarioNode extends ScenarioFile {
  /** It is one of those that Trapline brings, where it brings them. */
  readonly isBundled: boolean;
}

type GalleryNode = ShelfNode | ScenarioNode;

/** The view. */
export class MechanismsView implements TreeDataProvider<GalleryNode>, Disposable {
  private readonly owned = new DisposableStore();
  private readonly changed = this.owned.add(new EventEmitter<undefined>());
  readonly onDidChangeTreeData = this.changed.event;
  private readonly view: TreeView<GalleryNode>;
  /** The newest kept run of each scenario, by its URI. */
  private latest = new Map<string, ArchivedRun>();

  constructor(
    private readonly files: ScenarioFiles,
    private readonly runs: RunService,
    private readonly archive: RunArchive,
    openTrace: (trace: Uri) => Promise<void>,
  ) {
    this.view = this.owned.add(
      window.createTreeView(mechanismsView, { treeDataProvider: this, showCollapseAll: true }),
    );
    const refresh = (): void => this.changed.fire(undefined);
    this.owned.add(files.onDidChange(refresh));
    this.owned.add(runs.onDidChangeActive(refresh));
    this.owned.add(archive.onDidChange(refresh));
    this.owned.add(workspace.onDidGrantWorkspaceTrust(refresh));
    this.owned.add(commands.registerCommand(Command.refreshScenarios, () => files.refresh()));
    this.owned.add(
      commands.registerCommand(Command.openScenario, async (given?: unknown) => {
        const scenario = scenarioOfArgument(given);
        if (scenario) await commands.executeCommand('vscode.open', scenario);
      }),
    );
    this.owned.add(
      commands.registerCommand(Command.openLastTrace, async (given?: unknown) => {
        const scenario = scenarioOfArgument(given);
        const run = (await archive.list()).find((each) => each.scenario === scenario?.toString());
        if (run && scenario) await openTrace(runTraceUri(run.id, scenarioName(scenario)));
        else
          void window.showInformationMessage(
            l10n.t('This scenario has no run that is kept. Run it first: its trace opens by itself.'),
          );
      }),
    );
  }

  async getChildren(parent?: GalleryNode): Promise<GalleryNode[]> {
    if (parent) return 'children' in parent ? [...parent.children] : [];
    const [own, samples, kept] = await Promise.all([
      this.files.ofWorkspace(),
      this.files.samples(),
      this.archive.list(),
    ]);
    this.latest = new Map(kept.reverse().map((run) => [run.scenario, run]));
    const names = chapters();
    const node = (file: ScenarioFile, isBundled: boolean): ScenarioNode => ({ ...file, isBundled });
    const shown = shelves(
      names.map(({ letter }) => letter),
      samples.map((file) => node(file, true)),
      own.map((file) => node(file, false)),
    );
    this.tell(shown.every(({ scenarios }) => scenarios.every(({ isBundled }) => isBundled)));
    return shown.map(({ letter, scenarios }): ShelfNode => {
      const chapter = names.find((each) => each.letter === letter);
      return {
        letter,
        title: chapter?.name ?? l10n.t('In this workspace'),
        sentence: chapter?.sentence ?? l10n.t('Scenarios of your own.'),
        children: scenarios,
      };
    });
  }

  getTreeItem(node: GalleryNode): TreeItem {
    return 'children' in node ? shelfItem(node) : this.scenarioItem(node);
  }

  dispose(): void {
    this.owned.dispose();
  }

  /** One line above the list that says what to do next. */
  private tell(onlySamples: boolean): void {
    this.view.message = !workspace.isTrusted
      ? l10n.t('This workspace is not trusted: traces open, but nothing is compiled or run.')
      : onlySamples
        ? l10n.t('Press ▸ at any of these. To change them, create the sample workspace.')
        : undefined;
  }

  private scenarioItem(node: ScenarioNode): TreeItem {
    const { scenario, name, title, about, isBundled } = node;
    const key = scenario.toString();
    const running = this.runs.activeRuns.some((run) => run.scenario.toString() === key);
    const last = this.latest.get(key);
    const item = new TreeItem(title ?? name, TreeItemCollapsibleState.None);
    item.id = key;
    if (title !== undefined) item.description = name;
    item.contextValue = ['scenario', ...(running ? ['running'] : []), ...(last ? ['ran'] : [])].join(' ');
    item.command = { command: Command.openScenario, title: l10n.t('Open Scenario'), arguments: [scenario] };
    const tooltip = new MarkdownString();
    tooltip.appendText([title ?? name, about].filter((each) => each !== undefined).join('\n\n'));
    if (last) tooltip.appendText(`\n\n${l10n.t('Last run: {0}', runDescription(last, new Date()))}`);
    if (isBundled) tooltip.appendText(`\n\n${l10n.t('A sample that comes with Trapline.')}`);
    item.tooltip = tooltip;
    item.iconPath = running ? new ThemeIcon('sync~spin') : iconOf(last);
    return item;
  }
}

function iconOf(run: ArchivedRun | undefined): ThemeIcon {
  if (!run?.figures) return new ThemeIcon('circuit-board');
  const [icon, colour] = VERDICT_ICONS[run.figures.verdict];
  return new ThemeIcon(icon, colour === undefined ? undefined : new ThemeColor(colour));
}

function shelfItem({ letter, title, sentence, children }: ShelfNode): TreeItem {
  const label = letter === undefined || letter === '' ? title : `${letter}  ${title}`;
  // The first steps and the reader's own scenarios are open at once.
  const open = letter === undefined || letter === '';
  const item = new TreeItem(
    label,
    open ? TreeItemCollapsibleState.Expanded : TreeItemCollapsibleState.Collapsed,
  );
  item.id = `chapter:${letter ?? 'own'}`;
  item.description = sentence;
  item.tooltip = l10n.t('{0} {1} scenarios.', sentence, children.length);
  item.contextValue = 'chapter';
  return item;
}
