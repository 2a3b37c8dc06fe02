/** For those who find out later that a value of a scenario will not do (a file that is missing, a guest too large). */
import type { Problem } from '../protocol/problem';
import { parseDocument, type Path } from './document';
import { ProblemList } from './problems';

/** An error with the value at a path of a scenario's text. */
export function problemAt(text: string, file: string, path: Path, message: string): Problem {
  const list = new ProblemList(parseDocument(text), file);
  list.add('value', path, message);
  return list.problems[0];
}
