/** “Compare Runs…”: what several runs cost and how they differ, side by side on one page. */
import { basename } from 'node:path';
import {
  ProgressLocation,
  QuickPickItemKind,
  Uri,
  commands,
  l10n,
  window,
  workspace,
  type Disposable,
  type QuickPickItem,
} from 'vscode';
import type { Comparison } from '../../trace/query/compare';
import { Comparing } from '../compare/comparing';
import { ComparisonPanel, type ComparedTrace, type PanelServices } from '../compare/comparison-panel';
import { isTextTrace } from '../editor/trace-document';
import { Command, scenarioEnding, traceEnding } from '../names';
import { tracesOfArguments } from './command-arguments';
import { runIdOf, runTraceUri, type RunArchive } from '../runs/run-archive';
import { scenarioName, type RunResult } from '../runs/run-service';
import type { TraceSource } from '../trace-service/messages';

interface RunItem extends QuickPickItem {
  uri?: Uri;
}

const NOT_SEARCHED = '**/{node_modules,.git}/**';
const MOST_FILES = 200;

/** A trace that is to be compared, and where its rows are. */
interface Chosen extends ComparedTrace {
  source: TraceSource;
}

/** Registers the command, and knows its pages. */
export class CompareCommand implements Disposable {
  private readonly registration: Disposable;
  private readonly panels = new Set<ComparisonPanel>();

  /**
   * @param distDir folder of the scripts of threads
   * @param runScenario runs a scenario to its end and tells the user how it came out
   */
  constructor(
    private readonly archive: RunArchive,
    private readonly distDir: string,
    private readonly services: PanelServices,
    private readonly runScenario: (scenario: Uri) => Promise<RunResult>,
  ) {
    this.registration = commands.registerCommand(
      Command.compareRuns,
      (given?: unknown, selection?: unknown) => this.compare(given, selection),
    );
  }

  dispose(): void {
    this.registration.dispose();
    for (const panel of this.panels) panel.dispose();
  }

  /** Opens a page; resolves to its figures, undefined where there is nothing to compare. */
  private async compare(given: unknown, selection: unknown): Promise<Comparison | undefined> {
    const uris = await this.runsFor(given, selection);
    if (!uris || uris.length === 0) return undefined;
    const names = namesOf(uris);
    try {
      const runs: Chosen[] = [];
      for (const [i, uri] of uris.entries()) {
        const chosen = await this.chosen(uri, names[i] ?? '');
        // Why a scenario has not come to a trace was said by its run.
        if (!chosen) return undefined;
        runs.push(chosen);
      }
      return await this.show(runs);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      void window.showErrorMessage(l10n.t('{0} cannot be compared: {1}', names.join(', '), reason));
      return undefined;
    }
  }

  private async show(runs: readonly Chosen[]): Promise<Comparison | undefined> {
    const title = l10n.t('Comparing {0}', runs.map(({ name }) => name).join(', '));
    const location = ProgressLocation.Notification;
    return window.withProgress({ location, title, cancellable: true }, async (progress, cancelled) => {
      let done = 0;
      const comparing = new Comparing(
        this.distDir,
        runs.map(({ name, source }) => ({ name, source })),
        (share) => {
          progress.report({ increment: 100 * (share - done) });
          done = share;
        },
      );
      const stop = cancelled.onCancellationRequested(() => comparing.dispose());
      try {
        const report = await comparing.report;
        const panel = new ComparisonPanel(runs, report, comparing, this.services, (closed) =>
          this.panels.delete(closed),
        );
        this.panels.add(panel);
        return report.comparison;
      } catch (error) {
        comparing.dispose();
        if (cancelled.isCancellationRequested) return undefined;
        throw error;
      } finally {
        stop.dispose();
      }
    });
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

  private async chosen(uri: Uri, name: string): Promise<Chosen | undefined> {
    const trace = uri.path.endsWith(scenarioEnding) ? (await this.runScenario(uri))?.session.traceUri : uri;
    return trace && { name, trace, source: await this.sourceOf(trace) };
  }

  private async sourceOf(trace: Uri): Promise<TraceSource> {
    const text = isTextTrace(trace) ? { text: basename(trace.path) } : {};
    if (trace.scheme === 'file') return { from: 'file', path: trace.fsPath, ...text };
    const id = runIdOf(trace);
    const kept = id === undefined ? undefined : await this.archive.find(id);
    if (kept) return { from: 'file', path: this.archive.traceFile(kept).fsPath };
    return { from: 'bytes', bytes: await workspace.fs.readFile(trace), ...text };
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
}

function nameOf(uri: Uri): string {
  return basename(uri.path).replace(traceEnding, '').replace(scenarioEnding, '');
}

/** A name for each, with a number where two would be the same: runs of one scenario are often compared. */
function namesOf(uris: readonly Uri[]): string[] {
  const names = uris.map(nameOf);
  return names.map((name, i) => {
    const same = names.flatMap((each, at) => (each === name ? [at] : []));
    return same.length === 1 ? name : `${name} (${same.indexOf(i) + 1})`;
  });
}
