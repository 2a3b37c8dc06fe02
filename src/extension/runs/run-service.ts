/** Runs scenarios: from the editor's text to a finished trace, one run at a time for each scenario. */
import { basename } from 'node:path';
import type { Uri } from 'vscode';
import { EventEmitter, l10n, window, workspace, type Disposable, type LogOutputChannel } from 'vscode';
import type { RunEnd } from '../../protocol/run';
import type { PrepareRun, RunEnvironment, StartRun } from '../../run/api';
import { RunReceiver } from '../../run/receiver';
import { traceFileParts } from '../../trace/file/file';
import { scenarioEnding, traceEnding } from '../names';
import type { Problem } from '../../protocol/problem';
import { locateSource } from '../source/source-files';
import { expectationProblems } from './expectation-problems';
import type { ProblemReporter, ShownProblem } from './problems';
import { runTraceUri, type RunArchive } from './run-archive';
import { figuresOf } from './run-record';
import { RunSession, type RunOutcome } from './run-session';

/** What runs are made with; given by the extension, so that tests can give others. */
export interface RunTools {
  prepare: PrepareRun;
  start: StartRun;
  /** Asked anew for each run: settings may have changed. */
  environment(): RunEnvironment;
}

/** How a run is made. */
export interface RunOptions {
  /** One of many, as tests are: its trace does not open, and is kept only where the run did not come out as expected. */
  inBackground?: boolean;
  /** Folders of sources: of the statements in them it is found out which were executed. */
  covers?: string[];
}

/** A scenario on its way from the first check to the last event. */
export interface ActiveRun {
  scenario: Uri;
  /** Name of the scenario file without its ending. */
  name: string;
  /** Undefined while the scenario is checked and its guests are compiled. */
  session: RunSession | undefined;
  stop(): void;
  /** Settles when the run is over, however it ended. */
  over: Promise<unknown>;
}

/** What `run` resolves to: the session with its outcome; undefined when it never came to a run. */
export type RunResult = (RunOutcome & { session: RunSession }) | undefined;

let lastId = '';

/** When the run began, in UTC: `2026-11-22_16-49-19-640`. Unique in this window. */
function newRunId(): string {
  const time = new Date().toISOString().replace('T', '_').replace(/[:.]/g, '-').replace('Z', '');
  lastId = time === lastId.slice(0, time.length) ? `${lastId}-2` : time;
  return lastId;
}

/** `b7` of `…/b7.trapline.json`. */
export function scenarioName(scenario: Uri): string {
  return basename(scenario.path).replace(scenarioEnding, '');
}

const cSource = /\.(c|h|s|inc|ld)$/i;

/** Compilers read files: what the reader sees in the editor must be on disk. */
async function saveDrivers(): Promise<void> {
  const dirty = workspace.textDocuments.filter(
    (document) => document.isDirty && document.uri.scheme === 'file' && cSource.test(document.uri.path),
  );
  await Promise.all(dirty.map((document) => document.save()));
}

/** Text of a scenario that the editor holds unsaved. */
function unsavedText(scenario: Uri): string | undefined {
  const open = workspace.textDocuments.find((document) => document.uri.toString() === scenario.toString());
  return open?.isDirty ? open.getText() : undefined;
}

/** Throws with a message for a reader: compilers and runs need files of this machine. */
function requireOnDisk(scenario: Uri): void {
  if (scenario.scheme === 'file') return;
  throw new Error(
    l10n.t(
      '{0} is not on this disk. Copy the workspace to a folder to run its scenarios.',
      scenario.toString(),
    ),
  );
}

/** Starts, follows and stops runs. */
export class RunService implements Disposable {
  private readonly active = new Map<string, ActiveRun>();
  private readonly sessions = new Map<string, RunSession>();
  private readonly background = new WeakSet<RunSession>();
  private readonly changedEmitter = new EventEmitter<void>();
  private readonly startedEmitter = new EventEmitter<RunSession>();
  private readonly endedEmitter = new EventEmitter<RunSession>();

  /** The set of active runs changed. */
  readonly onDidChangeActive = this.changedEmitter.event;
  /** A run's trace exists: its editor can open. */
  readonly onDidStart = this.startedEmitter.event;
  /** A run is over and its trace is kept. */
  readonly onDidEnd = this.endedEmitter.event;

  constructor(
    private readonly tools: RunTools,
    private readonly archive: RunArchive,
    private readonly problems: ProblemReporter,
    private readonly log: LogOutputChannel,
  ) {}

  /** Runs that are being prepared or are going on, oldest first. */
  get activeRuns(): readonly ActiveRun[] {
    return [...this.active.values()];
  }

  /** A run of this window that is going on or still in memory. */
  session(id: string): RunSession | undefined {
    return this.sessions.get(id);
  }

  /** Whether a run is one of many that nobody looks at. */
  isInBackground(session: RunSession): boolean {
    return this.background.has(session);
  }

  /** Lets go of a finished run's memory; its trace stays in the archive. */
  release(session: RunSession): void {
    if (!session.running) this.sessions.delete(session.id);
  }

  /**
   * Runs a scenario. A run of the same scenario that is still going on is stopped first. Resolves at the end of the run;
   * rejects with a message for a reader when it may not start at all.
   */
  async run(scenario: Uri, options: RunOptions = {}): Promise<RunResult> {
    if (!workspace.isTrusted) {
      throw new Error(
        l10n.t(
          'Trapline compiles and runs guest code only in trusted workspaces. Trust this workspace to run scenarios.',
        ),
      );
    }
    requireOnDisk(scenario);
    const key = scenario.toString();
    for (let previous = this.active.get(key); previous; previous = this.active.get(key)) {
      this.log.info(`${previous.name}: stopping the previous run`);
      previous.stop();
      await previous.over;
    }
    const abort = new AbortController();
    let settle = (): void => undefined;
    const run: ActiveRun = {
      scenario,
      name: scenarioName(scenario),
      session: undefined,
      stop: () => {
        abort.abort();
        run.session?.cancel();
      },
      over: new Promise<void>((resolve) => (settle = resolve)),
    };
    const over = (): void => {
      if (this.active.get(key) === run) {
        this.active.delete(key);
        this.changedEmitter.fire();
      }
      settle();
    };
    this.active.set(key, run);
    this.changedEmitter.fire();
    return this.perform(run, options, abort.signal, over).finally(over);
  }

  /** Checks a scenario and compiles its guests; the findings go to Problems. Resolves to their number. */
  async check(scenario: Uri): Promise<{ ok: boolean; problems: number }> {
    if (!workspace.isTrusted) {
      throw new Error(l10n.t('Checking a scenario compiles its guests, which needs a trusted workspace.'));
    }
    requireOnDisk(scenario);
    const prepared = await this.prepare(scenario, new AbortController().signal);
    return { ok: prepared.ok, problems: prepared.problems.length };
  }

  /**
   * Takes up a run that somebody else has started, a debugger: its trace opens, grows and is kept as that of any other.
   * @param cancel asks it to stop
   */
  record(scenario: Uri, cancel: () => void): { session: RunSession; receiver: RunReceiver } {
    const id = newRunId();
    const name = scenarioName(scenario);
    const session = new RunSession(id, scenario, name, runTraceUri(id, name), true);
    this.sessions.set(id, session);
    session.onDidStart(() => this.startedEmitter.fire(session));
    const receiver = new RunReceiver(session);
    void session
      .follow({ ended: receiver.ended, cancel })
      .then((outcome) => this.keep(session, outcome, session.store?.meta.scenarioText ?? ''));
    return { session, receiver };
  }

  dispose(): void {
    for (const run of this.active.values()) run.stop();
    for (const session of this.sessions.values()) session.dispose();
    this.changedEmitter.dispose();
    this.startedEmitter.dispose();
    this.endedEmitter.dispose();
  }

  private async prepare(scenario: Uri, signal: AbortSignal) {
    await saveDrivers();
    const text = unsavedText(scenario);
    const prepared = await this.tools.prepare({
      ...this.tools.environment(),
      file: scenario.fsPath,
      ...(text !== undefined && { text }),
      signal,
      log: (line) => this.log.info(`${scenarioName(scenario)}: ${line}`),
    });
    // Of a preparation that was stopped nothing is known, but that it was stopped.
    if (!signal.aborted) this.problems.report(scenario, prepared.problems);
    return prepared;
  }

  /** `over` is called when the machine has stopped; keeping a long trace on disk may take a while longer. */
  private async perform(
    run: ActiveRun,
    { inBackground = false, covers }: RunOptions,
    signal: AbortSignal,
    over: () => void,
  ): Promise<RunResult> {
    this.problems.report(run.scenario, []);
    const prepared = await this.prepare(run.scenario, signal);
    if (signal.aborted) return undefined;
    if (!prepared.ok) {
      const count = prepared.problems.length;
      this.log.error(`${run.name}: not run, ${count} problem(s)`);
      for (const problem of prepared.problems)
        this.log.error(`${problem.file}:${problem.line}: ${problem.message}`);
      const [first] = prepared.problems;
      throw new ProblemsFound(
        first && count === 1
          ? l10n.t('{0} was not run. {1}:{2}: {3}', run.name, basename(first.file), first.line, first.message)
          : l10n.t('{0} was not run: {1} problems.', run.name, count),
        prepared.problems,
      );
    }
    const id = newRunId();
    const session = new RunSession(id, run.scenario, run.name, runTraceUri(id, run.name));
    this.sessions.set(id, session);
    if (inBackground) this.background.add(session);
    run.session = session;
    session.onDidStart(() => {
      this.log.info(`${run.name}: running`);
      this.startedEmitter.fire(session);
    });
    const job = covers ? { ...prepared.job, covers } : prepared.job;
    const outcome = await session.follow(this.tools.start(job, this.tools.environment(), session));
    over();
    await this.keep(session, outcome, prepared.job.scenarioText);
    return { session, ...outcome };
  }

  private async keep(session: RunSession, outcome: RunOutcome, scenarioText: string): Promise<void> {
    const { end, failure } = outcome;
    if (failure !== undefined) this.log.error(`${session.name}: ${failure}`);
    if (end) {
      this.log.info(
        `${session.name}: ${end.meta.state}, ${end.summary.events} events, trace ${end.summary.traceHash}`,
      );
      // Of a run that was stopped nothing was expected yet.
      if (end.meta.state !== 'cancelled')
        this.problems.add(session.scenario, await brokenExpectations(session, end, scenarioText));
    }
    try {
      const figures = end && figuresOf(end);
      const isExpected = figures?.verdict === 'passed' || figures?.verdict === 'stopped';
      if (session.store && !(this.background.has(session) && isExpected)) {
        const fileName = `${session.name}${traceEnding}`;
        const title = session.store.meta.title || session.name;
        const record = {
          id: session.id,
          fileName,
          scenario: session.scenario.toString(),
          title,
          ended: new Date().toISOString(),
          ...(figures && { figures }),
        };
        await this.archive.save(record, traceFileParts(session.store));
      }
    } catch (error) {
      // The run itself is fine and stays on screen; only its copy for later is missing.
      this.log.warn(`${session.name}: its trace could not be kept: ${String(error)}`);
      void window.showWarningMessage(
        l10n.t(
          'The trace of {0} could not be kept and will be gone when this window closes. Save it with “Trapline: Save Trace As…”.',
          session.name,
        ),
      );
    }
    this.endedEmitter.fire(session);
  }
}

/** What a run has not kept, with its events in the trace and their sources where they are on this machine. */
async function brokenExpectations(
  { scenario, traceUri }: RunSession,
  end: RunEnd,
  scenarioText: string,
): Promise<ShownProblem[]> {
  const problems = expectationProblems(scenario.fsPath, scenarioText, end);
  return Promise.all(
    problems.map(async (problem): Promise<ShownProblem> => {
      const places = await Promise.all(
        (problem.related ?? []).map(async (place) => {
          const found = await locateSource(place.file, [scenario]);
          return found ? [{ ...place, file: found.fsPath }] : [];
        }),
      );
      return { ...problem, related: places.flat(), trace: traceUri };
    }),
  );
}

/** The scenario or a driver has errors; they are in the Problems panel. */
export class ProblemsFound extends Error {
  constructor(
    message: string,
    readonly problems: readonly Problem[],
  ) {
    super(message);
  }
}
