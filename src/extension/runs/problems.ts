/** What is wrong with scenarios and drivers, in the Problems panel. */
import {
  CodeAction,
  CodeActionKind,
  Diagnostic,
  DiagnosticRelatedInformation,
  DiagnosticSeverity,
  Location,
  Position,
  Range,
  Uri,
  l10n,
  languages,
  workspace,
  type CodeActionContext,
  type CodeActionProvider,
  type Disposable,
  type TextDocument,
} from 'vscode';
import type { Problem } from '../../protocol/problem';
import { DisposableStore } from '../disposables';
import { Command, scenarioEnding } from '../names';

/** A problem as it is shown: with the trace in which its event is, where it has one. */
export interface ShownProblem extends Problem {
  trace?: Uri;
}

/** What a diagnostic's quick fixes are about. */
interface EventOfProblem {
  trace: Uri;
  scenario: Uri;
  row: number;
}

const severities: Record<Problem['severity'], DiagnosticSeverity> = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  information: DiagnosticSeverity.Information,
};

function toDiagnostic(problem: ShownProblem): Diagnostic {
  const line = Math.max(0, problem.line - 1);
  const column = Math.max(0, problem.column - 1);
  // Without an end, the rest of the line: a single point is hard to see.
  const end =
    problem.endLine !== undefined
      ? { line: problem.endLine - 1, column: (problem.endColumn ?? 1) - 1 }
      : { line, column: problem.endColumn !== undefined ? problem.endColumn - 1 : 1_000 };
  const diagnostic = new Diagnostic(
    new Range(line, column, Math.max(line, end.line), Math.max(0, end.column)),
    problem.message,
    severities[problem.severity],
  );
  diagnostic.source = `Trapline ${problem.source}`;
  if (problem.related && problem.related.length > 0) {
    diagnostic.relatedInformation = problem.related.map(
      ({ file, line: at, message }) =>
        new DiagnosticRelatedInformation(new Location(Uri.file(file), new Position(at - 1, 0)), message),
    );
  }
  return diagnostic;
}

/** Problems by scenario: what a run or a check of one scenario found is replaced by its next run or check. */
export class ProblemReporter implements CodeActionProvider, Disposable {
  private readonly owned = new DisposableStore();
  private readonly collection = this.owned.add(languages.createDiagnosticCollection('trapline'));
  private readonly byScenario = new Map<string, ShownProblem[]>();
  private readonly events = new WeakMap<Diagnostic, EventOfProblem>();

  constructor() {
    const selector = { scheme: 'file', pattern: `**/*${scenarioEnding}` };
    const kinds = { providedCodeActionKinds: [CodeActionKind.QuickFix] };
    this.owned.add(languages.registerCodeActionsProvider(selector, this, kinds));
    this.owned.add(
      workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length > 0 && this.collection.has(document.uri))
          this.forgetFile(document.uri.fsPath);
      }),
    );
  }

  /** Shows these problems as all that is known of a scenario. */
  report(scenario: Uri, problems: readonly ShownProblem[]): void {
    this.byScenario.set(scenario.toString(), [...problems]);
    this.show();
  }

  /** Adds to what the current run of a scenario found. */
  add(scenario: Uri, problems: readonly ShownProblem[]): void {
    this.report(scenario, [...(this.byScenario.get(scenario.toString()) ?? []), ...problems]);
  }

  /** From a failed expectation to the event that broke it. */
  provideCodeActions(
    _document: TextDocument,
    _range: Range,
    { diagnostics }: CodeActionContext,
  ): CodeAction[] {
    return diagnostics.flatMap((diagnostic) => {
      const event = this.events.get(diagnostic);
      if (!event) return [];
      const { trace, scenario, row } = event;
      const action = (title: string, command: string, isPreferred: boolean): CodeAction => {
        const made = new CodeAction(title, CodeActionKind.QuickFix);
        made.command = { title, command, arguments: [trace.toString(), row, scenario.toString()] };
        made.diagnostics = [diagnostic];
        made.isPreferred = isPreferred;
        return made;
      };
      return [
        action(l10n.t('Show event {0} in the timeline', row), Command.showEvent, true),
        action(l10n.t('Debug from event {0}', row), Command.debugFromEvent, false),
      ];
    });
  }

  dispose(): void {
    this.owned.dispose();
  }

  private forgetFile(file: string): void {
    for (const [key, problems] of this.byScenario) {
      this.byScenario.set(
        key,
        problems.filter((problem) => problem.file !== file),
      );
    }
    this.show();
  }

  private show(): void {
    const byFile = new Map<string, Map<string, Diagnostic>>();
    for (const [scenario, problems] of this.byScenario) {
      for (const problem of problems) {
        const ofFile = byFile.get(problem.file) ?? new Map<string, Diagnostic>();
        // Two scenarios that share a driver report its warnings once.
        ofFile.set(
          `${problem.line}:${problem.column}:${problem.message}`,
          this.diagnostic(problem, scenario),
        );
        byFile.set(problem.file, ofFile);
      }
    }
    this.collection.clear();
    this.collection.set(
      [...byFile].map(([file, shown]): [Uri, Diagnostic[]] => [Uri.file(file), [...shown.values()]]),
    );
  }

  private diagnostic(problem: ShownProblem, scenario: string): Diagnostic {
    const diagnostic = toDiagnostic(problem);
    const { trace, row } = problem;
    if (trace && row !== undefined)
      this.events.set(diagnostic, { trace, row, scenario: Uri.parse(scenario) });
    return diagnostic;
  }
}
