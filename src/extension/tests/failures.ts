/** Why a scenario that was run as a test has failed: sentences with their places in its text. Knows no editor. */
import type { RunEnd } from '../../protocol/run';
import { uncoveredExits, verdictOf } from '../../trace/query/verdict';
import { expectationText } from '../runs/result-text';
import { expectationSpan, type TextSpan } from '../runs/scenario-text';

/** One reason. */
export interface Failure {
  readonly text: string;
  /** What was expected, and what was found, to be shown side by side. */
  readonly difference?: { readonly expected: string; readonly actual: string };
  /** In the text of the scenario that was run; absent: the test as a whole. */
  readonly span?: TextSpan;
}

/** Reasons in the order in which a reader wants them: what ended the run first. Empty where all was as expected. */
export function failuresOf({ meta, summary }: RunEnd): Failure[] {
  const verdict = verdictOf(meta, summary);
  if (verdict === 'passed' || verdict === 'stopped') return [];
  const failures: Failure[] = [];
  if (verdict === 'failed') failures.push({ text: meta.message ?? `The run ${meta.state}.` });
  if (summary.unfinished !== undefined)
    failures.push({ text: `Not ended when the time was up: ${summary.unfinished}.` });
  for (const result of summary.expectations) {
    if (result.held) continue;
    const span = expectationSpan(meta.scenarioText, result.figure);
    failures.push({
      text: expectationText(result),
      difference: { expected: result.expected, actual: String(result.actual ?? 'absent') },
      ...(span && { span }),
    });
  }
  for (const { name, exitCode } of uncoveredExits(summary)) {
    failures.push({
      text: `${name} ended with exit code ${exitCode}. If that is right, expect it: "vms.${name}.exitCode": ${exitCode}`,
    });
  }
  return failures;
}

/** Line and column of a place in a text, counted from 0. Lines end in LF, CR or both, as the editor counts them. */
export function positionAt(text: string, offset: number): { line: number; character: number } {
  const lines = text.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 };
}

/** What a guest prints, for the terminal that shows the output of tests: control characters are shown, not obeyed. */
export function terminalText(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[^\P{Cc}\t\n]/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replace(/\n/g, '\r\n');
}
