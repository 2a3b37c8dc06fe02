/** Commands that run and check scenarios. */
import { commands, l10n, window, workspace, type Disposable, type LogOutputChannel, type Uri } from 'vscode';
import { Command } from '../names';
import type { TraceEditors } from '../editor/trace-editors';
import type { GuestOutput } from '../runs/guest-output';
import { resultText, type ResultText } from '../runs/result-text';
import { ProblemsFound, scenarioName, type RunResult, type RunService } from '../runs/run-service';
import { scenarioOfArgument } from './command-arguments';
import { pickScenario } from './scenario-picker';

/** What the commands work with. */
export interface RunCommandServices {
  runs: RunService;
  editors: TraceEditors;
  output: GuestOutput;
  log: LogOutputChannel;
}

/** Shows a message of a level with buttons; resolves to the button's index, -1 for none. */
async function showMessage({ level, text }: ResultText, ...buttons: string[]): Promise<number> {
  const show = {
    information: window.showInformationMessage,
    warning: window.showWarningMessage,
    error: window.showErrorMessage,
  }[level];
  const pressed = await show(text, ...buttons);
  return pressed === undefined ? -1 : buttons.indexOf(pressed);
}

/** Runs scenarios on behalf of the user: every end of a run has its message. */
export class RunCommands implements Disposable {
  private readonly registrations: Disposable[];

  constructor(private readonly services: RunCommandServices) {
    this.registrations = [
      commands.registerCommand(Command.runScenario, (uri?: unknown) => this.run(uri)),
      commands.registerCommand(Command.checkScenario, (uri?: unknown) => this.check(uri)),
      commands.registerCommand(Command.stopRun, (uri?: unknown) => this.stop(uri)),
      commands.registerCommand(Command.showGuestOutput, () => this.showOutput()),
      commands.registerCommand(Command.showLog, () => services.log.show(true)),
    ];
  }

  /** Runs a scenario to its end and says how it came out. Never rejects. */
  async runScenario(scenario: Uri): Promise<RunResult> {
    try {
      const result = await this.services.runs.run(scenario);
      // The message stays until it is answered; the run does not wait for that.
      if (result) void this.tellResult(result);
      return result;
    } catch (error) {
      void this.tellRefusal(error);
      return undefined;
    }
  }

  dispose(): void {
    for (const registration of this.registrations) registration.dispose();
  }

  private async run(uri: unknown): Promise<RunResult> {
    const scenario = await this.choose(uri, l10n.t('Which scenario should run?'));
    return scenario && this.runScenario(scenario);
  }

  private async check(uri: unknown): Promise<void> {
    const scenario = await this.choose(uri, l10n.t('Which scenario should be checked?'));
    if (!scenario) return;
    try {
      const { ok, problems } = await this.services.runs.check(scenario);
      const name = scenarioName(scenario);
      if (ok && problems === 0) void window.showInformationMessage(l10n.t('{0} is ready to run.', name));
      else if (ok)
        void this.tellProblems({
          level: 'warning',
          text: l10n.t('{0} can run, with {1} warnings.', name, problems),
        });
      else
        void this.tellProblems({
          level: 'error',
          text: l10n.t('{0} cannot run: {1} problems.', name, problems),
        });
    } catch (error) {
      void this.tellRefusal(error);
    }
  }

  /** Stops the run of a scenario that is given; without one the only run, or those that the reader chooses. */
  private async stop(given: unknown): Promise<void> {
    const active = this.services.runs.activeRuns;
    const scenario = scenarioOfArgument(given)?.toString();
    const named = active.find((run) => run.scenario.toString() === scenario);
    if (named) return named.stop();
    const [only] = active;
    if (active.length === 0) return void window.showInformationMessage(l10n.t('No scenario is running.'));
    if (only && active.length === 1) return only.stop();
    const picked = await window.showQuickPick(
      active.map((run) => ({ label: run.name, description: workspace.asRelativePath(run.scenario), run })),
      { placeHolder: l10n.t('Which run should stop?'), canPickMany: true },
    );
    picked?.forEach(({ run }) => run.stop());
  }

  private showOutput(): void {
    if (!this.services.output.show())
      void window.showInformationMessage(l10n.t('No guest has printed anything yet. Run a scenario first.'));
  }

  /** The scenario of an argument, of the active editor, or of the reader's choice. */
  private async choose(uri: unknown, question: string): Promise<Uri | undefined> {
    return scenarioOfArgument(uri) ?? pickScenario(question, this.services.editors.active?.document.scenario);
  }

  private async tellResult(result: NonNullable<RunResult>): Promise<void> {
    const { session, end, failure } = result;
    if (!end && failure === undefined) return;
    // Who looks at the trace reads it there and in the status bar.
    if (this.services.editors.isInView(session.traceUri)) return;
    const wanted = workspace.getConfiguration('trapline').get<string>('notifications', 'whenHidden');
    if (wanted === 'never') return;
    const text: ResultText = end
      ? resultText(session.name, end)
      : { level: 'error', text: l10n.t('Trapline failed to run {0}: {1}', session.name, failure ?? '') };
    if (wanted === 'problems' && text.level === 'information') return;
    const row = end?.summary.expectations.find(({ held }) => !held)?.event?.row;
    const event = [session.traceUri.toString(), row, session.scenario.toString()] as const;
    const steps: readonly (readonly [title: string, act: () => PromiseLike<unknown> | void])[] =
      row === undefined
        ? [[l10n.t('Show Trace'), () => this.services.editors.open(session.traceUri)]]
        : [
            [l10n.t('Show in Timeline'), () => commands.executeCommand(Command.showEvent, ...event)],
            [l10n.t('Debug from Here'), () => commands.executeCommand(Command.debugFromEvent, ...event)],
          ];
    const all = [...steps, [l10n.t('Show Output'), () => this.showOutput()] as const];
    const pressed = await showMessage(text, ...all.map(([title]) => title));
    await all[pressed]?.[1]();
  }

  private async tellProblems(text: ResultText): Promise<void> {
    if ((await showMessage(text, l10n.t('Show Problems'))) === 0)
      await commands.executeCommand('workbench.actions.view.problems');
  }

  private async tellRefusal(error: unknown): Promise<void> {
    const text = error instanceof Error ? error.message : String(error);
    this.services.log.error(text);
    if (error instanceof ProblemsFound) return this.tellProblems({ level: 'error', text });
    const manage = workspace.isTrusted ? undefined : l10n.t('Manage Workspace Trust');
    const pressed = await showMessage(
      { level: 'error', text },
      ...(manage ? [manage] : [l10n.t('Show Log')]),
    );
    if (pressed !== 0) return;
    if (manage) await commands.executeCommand('workbench.trust.manage');
    else this.services.log.show(true);
  }
}
