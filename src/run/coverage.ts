/**
 * Which statements of the guests' sources were executed. Each statement's first instruction is a breakpoint that stops nothing and
 * is taken away once a CPU has come to it, so that code which runs often costs nothing. Changes nothing in the trace.
 *
 * Takes the stops of the host for itself: not to be used beside run control.
 */
import type { CoveredFile, CoveredStatement } from '../protocol/run';
import type { CodePoint, Hit } from '../vmm/stops';
import type { RunSession } from './session';

export class StatementCoverage {
  /** Statements by file, then by place. */
  private readonly byFile = new Map<string, Map<string, CoveredStatement>>();
  /** Statements that begin at an address of a VM to which no CPU has come yet. */
  private readonly waiting = new Map<string, { point: CodePoint; statements: CoveredStatement[] }>();
  private hasNew = false;

  /**
   * To be made before the run's first step.
   * @param folders absolute paths; only sources below them count
   */
  constructor(
    private readonly session: RunSession,
    folders: readonly string[],
  ) {
    const inside = folders.map((folder) => folder.replace(/[\\/]+$/, ''));
    const counts = (file: string): boolean =>
      inside.some((folder) => file.startsWith(folder) && /[\\/]/.test(file.charAt(folder.length)));
    session.images.forEach((image, vm) => {
      for (const file of image.lines.files.filter(counts)) {
        for (const { line, column, addresses } of image.lines.statementsIn(file, 0, Infinity)) {
          const statement = this.statementAt(file, line, column);
          for (const address of addresses) this.waitFor({ vm, address }, statement);
        }
      }
    });
    session.machine.host.stops.onHit = (hit) => this.came(hit);
    this.setPoints();
  }

  /** Between two steps of the run: takes away the breakpoints of what has been executed. */
  letGo(): void {
    if (!this.hasNew) return;
    this.hasNew = false;
    this.setPoints();
  }

  /** What is known so far, by path, line and column. */
  files(): CoveredFile[] {
    return [...this.byFile]
      .map(([file, places]) => ({
        file,
        statements: [...places.values()].sort((a, b) => a.line - b.line || a.column - b.column),
      }))
      .sort((a, b) => (a.file < b.file ? -1 : 1));
  }

  private statementAt(file: string, line: number, column: number): CoveredStatement {
    const places = this.byFile.get(file) ?? new Map<string, CoveredStatement>();
    this.byFile.set(file, places);
    const key = `${line}:${column}`;
    const statement = places.get(key) ?? { line, column, executed: false };
    places.set(key, statement);
    return statement;
  }

  private waitFor(point: CodePoint, statement: CoveredStatement): void {
    const key = keyOf(point.vm, point.address);
    const known = this.waiting.get(key);
    if (known) known.statements.push(statement);
    else this.waiting.set(key, { point, statements: [statement] });
  }

  /** Never stops the run. */
  private came(hit: Hit): boolean {
    if (hit.kind !== 'code') return false;
    const key = keyOf(hit.vm, hit.address);
    const found = this.waiting.get(key);
    if (!found) return false;
    for (const statement of found.statements) statement.executed = true;
    this.waiting.delete(key);
    this.hasNew = true;
    return false;
  }

  private setPoints(): void {
    this.session.machine.host.stops.setCode([...this.waiting.values()].map(({ point }) => point));
  }
}

function keyOf(vm: number, address: bigint): string {
  return `${vm}:${address}`;
}
