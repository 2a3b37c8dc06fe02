/** Commands of the debugger beside those that the editor has. */
import { commands, debug, l10n, window, workspace, type Disposable } from 'vscode';
import type { DebugRequests, WatchTarget } from '../../protocol/debug';
import { DisposableStore } from '../disposables';
import { completeQuery, vocabularyValues } from '../../trace/query/complete';
import type { TraceEditors } from '../editor/trace-editors';
import type { TraceView } from '../trace-service/trace-view';
import { scenarioOfArgument } from '../commands/command-arguments';
import { pickScenario } from '../commands/scenario-picker';
import { Command, debugType } from '../names';
import { DebugSessions, type DebuggedRun } from './debug-sessions';
import type { MachineItem, MachineView } from './machine-view';
import { pickLiveQuery } from './query-picker';

type ChangeRequest = 'trapline/lastWriter' | 'trapline/previousChange' | 'trapline/nextChange';

/** What the editor's variable menu hands to a command. */
interface VariableContext {
  variable?: { evaluateName?: string; name?: string };
}

/** Marks that make a number a time: `1.5ms`, `300`, `42%`. */
const timeText = /^(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|%|)$/;
const SECONDS: Readonly<Record<string, number>> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1 };

export class DebugCommands implements Disposable {
  private readonly owned = new DisposableStore();

  constructor(
    private readonly sessions: DebugSessions,
    private readonly editors: TraceEditors,
    machine: MachineView,
  ) {
    const register = (command: string, act: (argument?: unknown) => unknown): void => {
      this.owned.add(commands.registerCommand(command, act));
    };
    register(Command.debugScenario, (uri) => this.debug(uri));
    register(Command.lastWriter, (item) => this.change('trapline/lastWriter', item));
    register(Command.previousChange, (item) => this.change('trapline/previousChange', item));
    register(Command.nextChange, (item) => this.change('trapline/nextChange', item));
    register(Command.goToTime, () => this.goToTime());
    register(Command.stopAtEvents, () => this.stopAtEvents());
    register(Command.logInPast, () => this.logInPast());
    register(Command.refreshMachine, () => machine.refresh());
    register(Command.copyValue, (item) => machine.copy(item as MachineItem));
  }

  dispose(): void {
    this.owned.dispose();
  }

  private async debug(uri: unknown): Promise<boolean> {
    const scenario =
      scenarioOfArgument(uri) ??
      (await pickScenario(
        l10n.t('Which scenario should be debugged?'),
        this.editors.active?.document.scenario,
      ));
    if (!scenario) return false;
    return debug.startDebugging(workspace.getWorkspaceFolder(scenario), {
      type: debugType,
      request: 'launch',
      name: l10n.t('Debug'),
      scenario: scenario.fsPath,
      stopOnEntry: true,
    });
  }

  /** The session at hand, or a sentence. */
  private get run(): DebuggedRun | undefined {
    const { active } = this.sessions;
    if (!active)
      void window.showInformationMessage(
        l10n.t('No run is being debugged. Press F5 in a driver or a scenario.'),
      );
    return active;
  }

  private async ask<R extends keyof DebugRequests>(
    run: DebuggedRun,
    request: R,
    args: DebugRequests[R]['arguments'],
  ): Promise<DebugRequests[R]['body'] | undefined> {
    try {
      return await DebugSessions.request(run, request, args);
    } catch (error) {
      void window.showErrorMessage(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  private async change(request: ChangeRequest, item: unknown): Promise<void> {
    const { run } = this;
    if (!run) return;
    const target = targetOf(item) ?? (await this.askForExpression());
    if (!target) return;
    const found = await this.ask(run, request, target);
    if (found) void window.showInformationMessage(found.sentence);
  }

  private async askForExpression(): Promise<WatchTarget | undefined> {
    const editor = window.activeTextEditor;
    const word =
      editor &&
      editor.document.getText(
        editor.selection.isEmpty
          ? editor.document.getWordRangeAtPosition(editor.selection.active)
          : editor.selection,
      );
    const expression = await window.showInputBox({
      prompt: l10n.t('Which variable, or expression of C that names a place in memory?'),
      value: word ?? '',
    });
    return expression ? { expression } : undefined;
  }

  private async goToTime(): Promise<void> {
    const { run } = this;
    if (!run) return;
    const places = await this.ask(run, 'trapline/moment', {});
    if (!places) return;
    const trace = run.traceUri && this.editors.document(run.traceUri)?.content.view;
    const hz = trace?.meta.frequencyHz ?? 1e9;
    const text = await window.showInputBox({
      prompt: l10n.t('Time to go to: 1.5ms, 42%, 12000 (cycles)'),
      validateInput: (value) =>
        timeText.test(value.trim()) ? undefined : l10n.t('A number with ns, us, ms, s, % or nothing.'),
    });
    const [, number, unit] = timeText.exec(text?.trim() ?? '') ?? [];
    if (number === undefined || unit === undefined) return;
    const value = Number(number);
    const cycles =
      unit === '%'
        ? (value / 100) * places.frontier.cycles
        : unit === ''
          ? value
          : value * (SECONDS[unit] ?? 1) * hz;
    await this.ask(run, 'trapline/seek', { cycles: Math.round(cycles) });
  }

  private async stopAtEvents(): Promise<void> {
    const { run } = this;
    if (!run) return;
    const traceOf = (): TraceView | undefined =>
      run.traceUri && this.editors.document(run.traceUri)?.content.view;
    // What the trace of the run has so far is offered; before there is any, what every trace may have.
    const query = await pickLiveQuery(
      (text, cursor) => traceOf()?.complete(text, cursor) ?? completeQuery(text, cursor, vocabularyValues),
    );
    if (query) await this.ask(run, 'trapline/stopAt', { query });
  }

  private async logInPast(): Promise<void> {
    const { run } = this;
    const editor = window.activeTextEditor;
    if (!run || !editor) return;
    const message = await window.showInputBox({
      prompt: l10n.t('What to print at this line, from the beginning of the run: head {ring->head}'),
    });
    if (!message) return;
    const source = editor.document.uri.fsPath;
    const line = editor.selection.active.line + 1;
    await this.ask(run, 'trapline/logInPast', { message, source, line });
    await commands.executeCommand('workbench.debug.action.focusRepl');
  }
}

/** The memory or variable that an item of a menu means. */
export function targetOf(item: unknown): WatchTarget | undefined {
  if (typeof item !== 'object' || item === null) return undefined;
  const { variable } = item as VariableContext;
  const expression = variable?.evaluateName ?? variable?.name;
  if (expression !== undefined) return { expression };
  const { node } = item as Partial<MachineItem>;
  if (node?.memory?.space !== 'physical') return undefined;
  return { address: `0x${node.memory.address.toString(16)}`, length: node.memory.length };
}
