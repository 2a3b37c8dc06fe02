/** What a trace page's calls do in the editor. */
import type { Uri } from 'vscode';
import { l10n, window, workspace, type ViewColumn, type WebviewPanel } from 'vscode';
import { scenarioEnding } from '../names';
import type { TimelineDebugging } from '../debug/timeline-link';
import type { Disassemblies } from '../disassembly/disassemblies';
import type { SourceOpener } from '../source/open-source';
import { locateSource } from '../source/source-files';
import type { KeptQueryLanes } from './kept-query-lanes';
import type { ChoiceStore } from './choice-store';
import type { HostHandlers } from './page-calls';
import type { TraceDocument } from './trace-document';
import type { TraceView } from '../trace-service/trace-view';

/** What the handlers need besides the trace. */
export interface HandlerServices {
  disassemblies: Disassemblies;
  sources: SourceOpener;
  debugging: TimelineDebugging;
  queryLanes: KeptQueryLanes;
  choices: ChoiceStore;
  /** Runs a scenario as the command does, with its messages. */
  runScenario(scenario: Uri): Promise<unknown>;
}

/** The scenario a trace came from: known for runs, else the only file of that name in the workspace. */
export async function scenarioOf(document: TraceDocument): Promise<Uri> {
  if (document.scenario) return document.scenario;
  const { view } = document.content;
  if (!view) throw new Error(l10n.t('The trace cannot be shown.'));
  const { scenarioName, source } = view.meta;
  if (source)
    throw new Error(l10n.t('{0} is a trace of another tool: there is no scenario to run.', source.file));
  const base = scenarioName.replace(scenarioEnding, '').replace(/[*?[\]{}\\/]/g, '?');
  const found =
    scenarioName === ''
      ? []
      : await workspace.findFiles(`**/${base}${scenarioEnding}`, '**/node_modules/**', 2);
  const [only] = found;
  if (only && found.length === 1) return only;
  throw new Error(
    found.length === 0
      ? l10n.t(
          'The scenario {0} of this trace is not in the workspace. Open the folder that holds it.',
          scenarioName,
        )
      : l10n.t(
          'Several files are called {0}. Run the one you mean with “Trapline: Run Scenario”.',
          scenarioName,
        ),
  );
}

async function openSource(
  document: TraceDocument,
  view: TraceView,
  row: number,
  column: ViewColumn | undefined,
  how: { beside: boolean; focus: boolean },
  { sources, disassemblies }: HandlerServices,
): Promise<boolean> {
  const { file, line } = await view.describe(row);
  // Code that comes up unasked would only be in the way.
  if (file === undefined || line === undefined)
    return how.focus && disassemblies.openEvent(document, row, column, how);
  const uri = await locateSource(file, [document.scenario, document.uri]);
  if (!uri) {
    throw new Error(
      l10n.t('{0} is not on this machine. Open the folder that holds it, then try again.', file),
    );
  }
  // Who looks at the machine code keeps looking at it.
  if (!how.focus && disassemblies.isInSight(document.uri) && !isVisible(uri)) return true;
  await sources.open(uri, line, column, how);
  return true;
}

function isVisible(uri: Uri): boolean {
  return window.visibleTextEditors.some(({ document }) => document.uri.toString() === uri.toString());
}

/** Answers for the pages of a document. */
export function traceHandlers(
  document: TraceDocument,
  panel: WebviewPanel,
  services: HandlerServices,
): HostHandlers {
  const view = (): TraceView => {
    const { view: current, problem } = document.content;
    if (!current) throw new Error(problem.title);
    return current;
  };
  return {
    viewport: (query) => view().viewport(query),
    describe: (row) => view().describe(row),
    chain: (row, reach) => view().chain(row, reach),
    criticalPath: (row) => view().criticalPath(row),
    find: (query, fromRow, direction) => view().find(query, fromRow, direction),
    density: (query, from, to, parts) => view().density(query, from, to, parts),
    complete: (query, cursor) => view().complete(query, cursor),
    events: (query) => view().events(query),
    statistics: (from, to) => view().statistics(from, to),
    operations: (from, to) => view().operations(from, to),
    mappings: (track, time, address) => view().mappings(track, time, address),
    openSource: (row, beside, focus) =>
      openSource(document, view(), row, panel.viewColumn, { beside, focus }, services),
    openDisassembly: (row, beside, focus) =>
      services.disassemblies.openEvent(document, row, panel.viewColumn, { beside, focus }),
    travel: (target) => services.debugging.travel(document, target),
    debugFrom: async (row) => {
      // The line is opened beside first: there the editor shows where the debugger stands, and the timeline stays in view.
      const how = { beside: true, focus: true };
      await openSource(document, view(), row, panel.viewColumn, how, services).catch(() => false);
      await services.debugging.debugFrom(document.uri, await scenarioOf(document), row);
    },
    stopAtLike: (row) => services.debugging.stopAtLike(document, row),
    queryLanes: () => services.queryLanes.of(view().meta.scenarioName),
    keepQueryLanes: (lanes) => services.queryLanes.keep(view().meta.scenarioName, lanes),
    keepChoices: (choices) => services.choices.keepChoices(document, choices) as Promise<void>,
    keepBookmarks: (bookmarks) => services.choices.keepBookmarks(document, bookmarks),
    stop: () => document.session?.cancel(),
    runAgain: async () => {
      // Not awaited to its end: the page's answer is that the run was asked for.
      void services.runScenario(await scenarioOf(document));
    },
  };
}
