/** The workspace's scenarios in the Test Explorer: one test each, which holds where the run comes out as the scenario expects. */
import { basename } from 'node:path';
import {
  Location,
  Position,
  Range,
  TestMessage,
  TestRunProfileKind,
  Uri,
  debug,
  l10n,
  tests,
  workspace,
  type CancellationToken,
  type TestController,
  type TestItem,
  type TestRun,
  type TestRunRequest,
} from 'vscode';
import type { CoveredFile, RunEnd } from '../../protocol/run';
import type { Problem } from '../../protocol/problem';
import { DisposableStore } from '../disposables';
import { debugType } from '../names';
import type { RunOutcome } from '../runs/run-session';
import { ProblemsFound, type RunService } from '../runs/run-service';
import { resultText } from '../runs/result-text';
import type { ScenarioFile, ScenarioFiles } from '../runs/scenario-files';
import { failuresOf, positionAt, terminalText, type Failure } from './failures';
import { CoverageSum, detailsOf } from './test-coverage';

/** What the profiles are made of. */
const PROFILES = {
  run: TestRunProfileKind.Run,
  debug: TestRunProfileKind.Debug,
  coverage: TestRunProfileKind.Coverage,
} as const;
export type How = keyof typeof PROFILES;

/** How a test came out. */
export interface TestReport {
  readonly state: 'passed' | 'failed' | 'errored' | 'skipped';
  /** Why, where it has failed. */
  readonly messages: readonly TestMessage[];
  /** Of a run with coverage. */
  readonly coverage?: readonly CoveredFile[];
}

/** What is known of a test's run. */
interface TestContext {
  readonly item: TestItem;
  readonly scenario: Uri;
  readonly run: TestRun;
  readonly token: CancellationToken;
}

/** The controller of the tests, and what it needs. */
export class ScenarioTests {
  private readonly owned = new DisposableStore();
  private readonly controller: TestController;
  private discovered: Promise<void>;

  constructor(
    private readonly files: ScenarioFiles,
    private readonly runs: RunService,
  ) {
    this.controller = this.owned.add(
      tests.createTestController('trapline.scenarios', l10n.t('Trapline Scenarios')),
    );
    const names: Record<How, string> = {
      run: l10n.t('Run'),
      debug: l10n.t('Debug'),
      coverage: l10n.t('Run with Coverage'),
    };
    for (const how of Object.keys(PROFILES) as How[]) {
      const profile = this.controller.createRunProfile(
        names[how],
        PROFILES[how],
        async (request, token) => void (await this.perform(how, request, token)),
        how === 'run',
      );
      if (how === 'coverage')
        profile.loadDetailedCoverage = (_run, coverage) => Promise.resolve(detailsOf(coverage));
    }
    this.controller.refreshHandler = () => files.refresh();
    this.discovered = this.discover();
    this.owned.add(files.onDidChange(() => (this.discovered = this.discover())));
  }

  dispose(): void {
    this.owned.dispose();
  }

  /** Items of the tests, by the URIs of their scenarios, once all are found. */
  async items(): Promise<ReadonlyMap<string, TestItem>> {
    await this.discovered;
    return new Map([...this.controller.items].map(([id, item]) => [id, item]));
  }

  private async discover(): Promise<void> {
    const found = await this.files.ofWorkspace();
    this.controller.items.replace(await Promise.all(found.map((file) => this.itemOf(file))));
  }

  /** The same item as before where there was one: the editor keeps its results. */
  private async itemOf({ scenario, name, title, expectations }: ScenarioFile): Promise<TestItem> {
    const item =
      this.controller.items.get(scenario.toString()) ??
      this.controller.createTestItem(scenario.toString(), name, scenario);
    if (title !== undefined) item.description = title;
    item.sortText = name.replace(/\d+/g, (digits) => digits.padStart(4, '0'));
    const at = expectations ? await placeOf(scenario, expectations.offset) : new Position(0, 0);
    item.range = new Range(at, at);
    return item;
  }

  /** Runs tests and shows how they come out. Resolves to the reports by the URIs of the scenarios. */
  async perform(
    how: How,
    request: TestRunRequest,
    token: CancellationToken,
  ): Promise<ReadonlyMap<string, TestReport>> {
    await this.discovered;
    const all = [...this.controller.items].map(([, item]) => item);
    const chosen = (request.include ?? all).filter((item) => !request.exclude?.includes(item));
    const run = this.controller.createTestRun(request);
    const coverage = new CoverageSum();
    const reports = new Map<string, TestReport>();
    try {
      for (const item of chosen) run.enqueued(item);
      for (const item of chosen) {
        const scenario = item.uri;
        const started = performance.now();
        const report: TestReport =
          token.isCancellationRequested || !scenario
            ? SKIPPED
            : await this.one(how, { item, scenario, run, token });
        show(run, item, report, performance.now() - started);
        if (report.coverage) coverage.add(report.coverage);
        reports.set(item.id, report);
      }
      for (const file of coverage.all()) run.addCoverage(file);
    } finally {
      run.end();
    }
    return reports;
  }

  private async one(how: How, context: TestContext): Promise<TestReport> {
    const { item, scenario, run, token } = context;
    run.started(item);
    const listening = this.listen(context);
    const cancelling = token.onCancellationRequested(() =>
      this.runs.activeRuns.find((each) => each.scenario.toString() === scenario.toString())?.stop(),
    );
    try {
      const outcome = await (how === 'debug' ? this.debugged(context) : this.simulated(how, context));
      return reportOf(context, outcome);
    } catch (error) {
      return { state: 'errored', messages: messagesOf(error) };
    } finally {
      listening.dispose();
      cancelling.dispose();
    }
  }

  private simulated(how: How, { scenario }: TestContext): Promise<RunOutcome | undefined> {
    const folders = (workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
    return this.runs.run(scenario, {
      inBackground: true,
      ...(how === 'coverage' && { covers: folders }),
    });
  }

  /** Ends with the debug session. Undefined: it never came to a run, of which the debugger has told, or it was left. */
  private async debugged({ scenario, token, run }: TestContext): Promise<RunOutcome | undefined> {
    const owned = new DisposableStore();
    try {
      const outcome = new Promise<RunOutcome | undefined>((resolve) => {
        let isRunning = false;
        owned.add(
          this.runs.onDidStart((session) => {
            if (!session.isDebugged || session.scenario.fsPath !== scenario.fsPath) return;
            isRunning = true;
            owned.add(session.onDidEnd(resolve));
          }),
        );
        owned.add(
          debug.onDidTerminateDebugSession(({ type, configuration }) => {
            if (type === debugType && configuration.scenario === scenario.fsPath && !isRunning)
              resolve(undefined);
          }),
        );
      });
      owned.add(token.onCancellationRequested(() => void debug.stopDebugging()));
      const configuration = {
        type: debugType,
        request: 'launch',
        name: l10n.t('Debug'),
        scenario: scenario.fsPath,
      };
      const folder = workspace.getWorkspaceFolder(scenario);
      return (await debug.startDebugging(folder, configuration, { testRun: run }))
        ? await outcome
        : undefined;
    } finally {
      owned.dispose();
    }
  }

  /** What the guests print is the test's output. */
  private listen({ item, scenario, run }: TestContext): DisposableStore {
    const owned = new DisposableStore();
    owned.add(
      this.runs.onDidStart((session) => {
        if (session.scenario.toString() !== scenario.toString()) return;
        owned.add(session.onDidPrint(({ text }) => run.appendOutput(terminalText(text), undefined, item)));
      }),
    );
    return owned;
  }
}

const SKIPPED: TestReport = { state: 'skipped', messages: [] };

function reportOf({ item, scenario, run }: TestContext, outcome: RunOutcome | undefined): TestReport {
  if (outcome?.failure !== undefined)
    return { state: 'errored', messages: [new TestMessage(outcome.failure)] };
  const end = outcome?.end;
  if (!end || end.meta.state === 'cancelled') return SKIPPED;
  run.appendOutput(terminalText(`${resultText(item.label, end).text}\n`), undefined, item);
  const messages = failuresOf(end).map((failure) => messageOf(failure, scenario, end));
  return {
    state: messages.length === 0 ? 'passed' : 'failed',
    messages,
    ...(end.coverage && { coverage: end.coverage }),
  };
}

function show(run: TestRun, item: TestItem, { state, messages }: TestReport, took: number): void {
  if (state === 'skipped') run.skipped(item);
  else if (state === 'passed') run.passed(item, took);
  else run[state](item, [...messages], took);
}

async function placeOf(scenario: Uri, offset: number): Promise<Position> {
  try {
    const text = new TextDecoder().decode(await workspace.fs.readFile(scenario));
    const { line, character } = positionAt(text, offset);
    return new Position(line, character);
  } catch {
    return new Position(0, 0);
  }
}

function messageOf({ text, difference, span }: Failure, scenario: Uri, { meta }: RunEnd): TestMessage {
  const message = difference
    ? TestMessage.diff(text, difference.expected, difference.actual)
    : new TestMessage(text);
  if (span) {
    const from = positionAt(meta.scenarioText, span.offset);
    const to = positionAt(meta.scenarioText, span.offset + span.length);
    message.location = new Location(scenario, new Range(from.line, from.character, to.line, to.character));
  }
  return message;
}

/** What kept a scenario from running, at the places where it is wrong. */
function messagesOf(error: unknown): TestMessage[] {
  if (error instanceof ProblemsFound && error.problems.length > 0) return error.problems.map(problemMessage);
  return [new TestMessage(error instanceof Error ? error.message : String(error))];
}

function problemMessage({ file, line, column, message }: Problem): TestMessage {
  const at = new Position(Math.max(0, line - 1), Math.max(0, column - 1));
  const told = new TestMessage(`${basename(file)}:${line}: ${message}`);
  told.location = new Location(Uri.file(file), at);
  return told;
}
