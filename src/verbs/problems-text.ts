/** What is wrong with a scenario or its guests, for a model. */
import type { Problem } from '../protocol/problem';
import { baseName } from '../trace/vocabulary/format';

/** Problems that are told; the first ones explain the rest. */
const MOST_PROBLEMS = 5;

/** Errors with their places; where there are none, what else is known. */
export function problemsText(problems: readonly Problem[]): string {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const told = errors.length > 0 ? errors : problems;
  const texts = told
    .slice(0, MOST_PROBLEMS)
    .map(({ file, line, message }) => `${baseName(file)}:${line}: ${message}`);
  const left = told.length - texts.length;
  return [...texts, ...(left > 0 ? [`and ${left} more`] : [])].join('; ');
}
