/** What is wrong with scenarios and drivers, in the Problems panel. */
import { Diagnostic, DiagnosticSeverity, Range, Uri, languages, workspace, type Disposable } from 'vscode';
import { findNodeAtLocation, parseTree } from 'jsonc-parser';
import type { Problem } from '../../protocol/problem';
import type { ExpectationResult } from '../../trace/query/summary';
import { DisposableStore } from '../disposables';
import { expectationText } from './result-text';

const severities: Record<Problem['severity'], DiagnosticSeverity> = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  information: DiagnosticSeverity.Information,
};

function toDiagnostic(problem: Problem): Diagnostic {
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
  return diagnostic;
}

/** Failed expectations of a scenario as problems at their lines. */
export function expectationProblems(
  file: string,
  text: string,
  results: readonly ExpectationResult[],
): Problem[] {
  const tree = parseTree(text);
  return results
    .filter((result) => !result.held)
    .map((result): Problem => {
      const node = tree && findNodeAtLocation(tree, ['expect', result.figure]);
      const before = text.slice(0, node?.offset ?? 0);
      const line = before.split('\n').length;
      const column = before.length - before.lastIndexOf('\n');
      const length =
        node && !text.slice(node.offset, node.offset + node.length).includes('\n') ? node.length : undefined;
      return {
        file,
        line,
        column,
        ...(length !== undefined && { endLine: line, endColumn: column + length }),
        severity: 'error',
        message: `Expectation failed: ${expectationText(result)}.`,
        source: 'scenario',
      };
    });
}

/** Problems by scenario: what a run or a check of one scenario found is replaced by its next run or check. */
export class ProblemReporter implements Disposable {
  private readonly owned = new DisposableStore();
  private readonly collection = this.owned.add(languages.createDiagnosticCollection('trapline'));
  private readonly byScenario = new Map<string, Problem[]>();

  constructor() {
    this.owned.add(
      workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length > 0 && this.collection.has(document.uri))
          this.forgetFile(document.uri.fsPath);
      }),
    );
  }

  /** Shows these problems as all that is known of a scenario. */
  report(scenario: Uri, problems: readonly Problem[]): void {
    this.byScenario.set(scenario.toString(), [...problems]);
    this.show();
  }

  /** Adds to what the current run of a scenario found. */
  add(scenario: Uri, problems: readonly Problem[]): void {
    this.report(scenario, [...(this.byScenario.get(scenario.toString()) ?? []), ...problems]);
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
    const byFile = new Map<string, Map<string, Problem>>();
    for (const problem of [...this.byScenario.values()].flat()) {
      const ofFile = byFile.get(problem.file) ?? new Map<string, Problem>();
      // Two scenarios that share a driver report its warnings once.
      ofFile.set(`${problem.line}:${problem.column}:${problem.message}`, problem);
      byFile.set(problem.file, ofFile);
    }
    this.collection.clear();
    this.collection.set(
      [...byFile].map(([file, problems]): [Uri, Diagnostic[]] => [
        Uri.file(file),
        [...problems.values()].map(toDiagnostic),
      ]),
    );
  }
}
