/** What the extension exports: enough for tests and other extensions to see what stands on the screen. */
import { CancellationTokenSource, TestRunRequest, type TestItem, type Uri } from 'vscode';
import type { TraceMeta } from '../trace/model';
import type { PageState } from './editor/trace-panel';
import type { TraceEditors } from './editor/trace-editors';
import type { RunService } from './runs/run-service';
import type { SelectedEvent } from './source/selected-event';
import type { SourceCosts } from './source/source-costs';
import type { How, ScenarioTests, TestReport } from './tests/scenario-tests';
import type { LineCost } from './source/line-costs';

/** One open trace. */
export interface OpenTrace {
  uri: Uri;
  rows: number;
  endTime: number;
  meta: TraceMeta;
  /** Of every page that shows it, the visible ones first. */
  pages: readonly PageState[];
}

/** Exported by `activate`. */
export interface TraplineApi {
  /** URI of the newest run's trace in this window. */
  readonly lastTraceUri: Uri | undefined;
  /** Names of scenarios that are running or being prepared. */
  readonly running: readonly string[];
  /** An open trace by URI; undefined when it is not open or cannot be shown. */
  trace(uri: Uri): OpenTrace | undefined;
  /** Why an open trace cannot be shown; undefined when it can. */
  traceProblem(uri: Uri): string | undefined;
  /** Figures written behind the lines of a source file. */
  lineCosts(file: Uri): { outdated: boolean; lines: readonly LineCost[] } | undefined;
  /** What stands at the line of the selected event; undefined: it has no line, or none is selected. */
  readonly selectedEventText: string | undefined;
  /** Tests of the workspace's scenarios, by URI, once all are found. */
  tests(): Promise<ReadonlyMap<string, TestItem>>;
  /** Runs the tests of scenarios as the Test Explorer does; reports by URI. */
  runTests(how: How, scenarios: readonly Uri[]): Promise<ReadonlyMap<string, TestReport>>;
}

/** The exported face of the extension's parts. */
export function createTestApi(parts: {
  runs: RunService;
  editors: TraceEditors;
  costs: SourceCosts;
  selectedEvent: SelectedEvent;
  tests: ScenarioTests;
}): TraplineApi {
  const { runs, editors, costs, selectedEvent, tests } = parts;
  let lastTraceUri: Uri | undefined;
  runs.onDidStart((session) => (lastTraceUri = session.traceUri));
  return {
    get lastTraceUri() {
      return lastTraceUri;
    },
    get running() {
      return runs.activeRuns.map((run) => run.name);
    },
    trace(uri) {
      const view = editors.document(uri)?.content.view;
      if (!view) return undefined;
      const pages = editors.panelsOf(uri).map((panel) => panel.state);
      return { uri, rows: view.rows, endTime: view.endTime, meta: view.meta, pages };
    },
    traceProblem: (uri) => editors.document(uri)?.content.problem?.title,
    lineCosts: (file) => costs.costsOf(file),
    get selectedEventText() {
      return selectedEvent.text;
    },
    tests: () => tests.items(),
    async runTests(how, scenarios) {
      const items = await tests.items();
      const include = scenarios.flatMap((uri) => items.get(uri.toString()) ?? []);
      return tests.perform(how, new TestRunRequest(include), new CancellationTokenSource().token);
    },
  };
}
