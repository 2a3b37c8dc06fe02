/** What guests have executed, as the editor shows coverage. */
import { FileCoverage, Position, StatementCoverage, Uri } from 'vscode';
import type { CoveredFile, CoveredStatement } from '../../protocol/run';

/** Coverage of one source by one or several runs. */
class SourceCoverage extends FileCoverage {
  constructor(
    uri: Uri,
    readonly statements: readonly CoveredStatement[],
  ) {
    const executed = statements.filter((each) => each.executed).length;
    super(uri, { covered: executed, total: statements.length });
  }
}

/** Sums up what several runs have executed. */
export class CoverageSum {
  private readonly files = new Map<string, Map<string, CoveredStatement>>();

  add(files: readonly CoveredFile[]): void {
    for (const { file, statements } of files) {
      const sum = this.files.get(file) ?? new Map<string, CoveredStatement>();
      this.files.set(file, sum);
      for (const statement of statements) {
        const key = `${statement.line}:${statement.column}`;
        const executed = statement.executed || (sum.get(key)?.executed ?? false);
        sum.set(key, { ...statement, executed });
      }
    }
  }

  /** One for each source. */
  all(): FileCoverage[] {
    return [...this.files].map(([file, sum]) => new SourceCoverage(Uri.file(file), [...sum.values()]));
  }
}

/** The statements of a file's coverage, when the editor asks for them. */
export function detailsOf(coverage: FileCoverage): StatementCoverage[] {
  if (!(coverage instanceof SourceCoverage)) return [];
  return coverage.statements.map(
    ({ line, column, executed }) =>
      new StatementCoverage(executed, new Position(Math.max(0, line - 1), Math.max(0, column - 1))),
  );
}
