/** The runs so far in the side bar: those that are going on, then those that are kept, the newest first. */
import {
  EventEmitter,
  MarkdownString,
  ThemeColor,
  ThemeIcon,
  TreeItem,
  TreeItemCollapsibleState,
  Uri,
  commands,
  l10n,
  window,
  type Disposable,
  type TreeDataProvider,
} from 'vscode';
import { formatCount, formatTime } from '../../trace/vocabulary/format';
import { DisposableStore } from '../disposables';
import { Command, runsView } from '../names';
import { runTraceUri, type RunArchive } from '../runs/run-archive';
import type { ArchivedRun } from '../runs/run-record';
import { scenarioName, type ActiveRun, type RunService } from '../runs/run-service';
import { VERDICT_ICONS, outcomeText, runDescription } from '../runs/run-description';

/** A run of the list. `trace` and `scenario` are what commands look for. */
export interface RunItem {
  readonly scenario: Uri;
  readonly trace: Uri | undefined;
  readonly run: { readonly active: ActiveRun } | { readonly kept: ArchivedRun };
}

/** How often the words that tell how long ago a run was are written anew, in milliseconds. */
const AGES_MS = 60_000;

/** The view. */
export class RunsView implements TreeDataProvider<RunItem>, Disposable {
  private readonly owned = new DisposableStore();
  private readonly changed = this.owned.add(new EventEmitter<undefined>());
  readonly onDidChangeTreeData = this.changed.event;

  constructor(
    private readonly runs: RunService,
    private readonly archive: RunArchive,
  ) {
    const view = this.owned.add(
      window.createTreeView(runsView, { treeDataProvider: this, canSelectMany: true }),
    );
    const refresh = (): void => this.changed.fire(undefined);
    this.owned.add(runs.onDidChangeActive(refresh));
    this.owned.add(archive.onDidChange(refresh));
    const timer = setInterval(() => {
      if (view.visible) refresh();
    }, AGES_MS);
    this.owned.add({ dispose: () => clearInterval(timer) });
    this.owned.add(
      commands.registerCommand(Command.deleteRuns, (item?: unknown, selection?: unknown) =>
        this.delete(item, selection),
      ),
    );
    this.owned.add(commands.registerCommand(Command.deleteAllRuns, () => this.deleteAll()));
  }

  async getChildren(parent?: RunItem): Promise<RunItem[]> {
    if (parent) return [];
    const active = this.runs.activeRuns.map((run): RunItem => ({
      scenario: run.scenario,
      trace: run.session?.traceUri,
      run: { active: run },
    }));
    const kept = (await this.archive.list()).map((run): RunItem => {
      const scenario = Uri.parse(run.scenario);
      return { scenario, trace: runTraceUri(run.id, scenarioName(scenario)), run: { kept: run } };
    });
    return [...active.reverse(), ...kept];
  }

  getTreeItem({ scenario, trace, run }: RunItem): TreeItem {
    const item = new TreeItem(scenarioName(scenario), TreeItemCollapsibleState.None);
    if (trace) item.command = { command: Command.openTrace, title: l10n.t('Open Trace'), arguments: [trace] };
    if ('active' in run) {
      item.iconPath = new ThemeIcon('sync~spin');
      item.description = run.active.session ? l10n.t('running') : l10n.t('preparing');
      item.contextValue = 'running';
      return item;
    }
    const { kept } = run;
    item.id = kept.id;
    item.contextValue = 'kept';
    item.description = runDescription(kept, new Date());
    item.tooltip = tooltipOf(kept);
    const [icon, colour] = VERDICT_ICONS[kept.figures?.verdict ?? 'stopped'];
    item.iconPath = kept.figures
      ? new ThemeIcon(icon, colour === undefined ? undefined : new ThemeColor(colour))
      : new ThemeIcon('graph-line');
    item.accessibilityInformation = {
      label: `${scenarioName(scenario)}, ${kept.figures ? `${outcomeText(kept.figures)}, ` : ''}${item.description}`,
    };
    return item;
  }

  dispose(): void {
    this.owned.dispose();
  }

  private async delete(item: unknown, selection: unknown): Promise<void> {
    const given: unknown[] = Array.isArray(selection) && selection.length > 0 ? selection : [item];
    const kept = given.flatMap((each) => keptRunOf(each) ?? []);
    if (kept.length === 0) return;
    if (kept.length > 1 && !(await confirmed(kept.length))) return;
    await this.remove(kept);
  }

  private async deleteAll(): Promise<void> {
    const kept = await this.archive.list();
    if (kept.length > 0 && (await confirmed(kept.length))) await this.remove(kept);
  }

  /** A trace that is open closes first: it would tell of a file that is gone. */
  private async remove(kept: readonly ArchivedRun[]): Promise<void> {
    const ids = kept.map(({ id }) => id);
    const uris = new Set(
      kept.map(({ id, scenario }) => runTraceUri(id, scenarioName(Uri.parse(scenario))).toString()),
    );
    const tabs = window.tabGroups.all
      .flatMap((group) => group.tabs)
      .filter(({ input }) => {
        const uri = typeof input === 'object' && input !== null && 'uri' in input ? input.uri : undefined;
        return uri instanceof Uri && uris.has(uri.toString());
      });
    await window.tabGroups.close(tabs, true);
    await this.archive.delete(ids);
  }
}

function keptRunOf(item: unknown): ArchivedRun | undefined {
  if (typeof item !== 'object' || item === null || !('run' in item)) return undefined;
  const { run } = item as RunItem;
  return 'kept' in run ? run.kept : undefined;
}

async function confirmed(count: number): Promise<boolean> {
  const yes = l10n.t('Delete');
  const pressed = await window.showWarningMessage(
    l10n.t('Delete {0} runs and their traces?', count),
    { modal: true, detail: l10n.t('Traces that were saved to files stay where they are.') },
    yes,
  );
  return pressed === yes;
}

function tooltipOf({ title, ended, figures }: ArchivedRun): MarkdownString {
  const text = new MarkdownString();
  text.appendText(`${title}\n\n${new Date(ended).toLocaleString()}`);
  if (!figures) return text;
  const { cycles, frequencyHz, wallSeconds, exits, expectations, missed } = figures;
  const lines = [
    outcomeText(figures),
    l10n.t('{0} simulated, {1} exits', formatTime(cycles, frequencyHz), formatCount(exits)),
    ...(wallSeconds === undefined ? [] : [l10n.t('took {0} s', wallSeconds.toFixed(2))]),
    ...(expectations === 0
      ? []
      : [l10n.t('{0} of {1} expectations held', expectations - missed, expectations)]),
  ];
  for (const line of lines) text.appendText(`\n\n${line}`);
  return text;
}
