/** The inside of a machine as a list of names and values. */
import { valueText } from '../../debug/state-text';
import type { StateNode } from '../../machine/inspect';
import type { ControlReader } from '../../run/control/control';
import { VerbError } from '../verb';

/** How deep groups are opened. */
const MOST_DEPTH = 2;
/** Steps of a path that lead to a unit: what is within one is opened, too, and units of a machine are only named. */
const UNIT_STEPS = 2;

/**
 * What is at a path of the machine, and within that to a few levels; registers that hold 0 come last.
 * @param path names as a reader writes them: their case does not matter
 * @throws VerbError where nothing is at the path, with what is there instead
 */
export function insideOf(
  reader: ControlReader,
  path: readonly string[],
  most: number,
): { name: string; value: string }[] {
  const { top, at } = nodeAt(reader, path);
  const found: { name: string; value: string }[] = [];
  const add = (node: StateNode, name: string, depth: number): void => {
    if (found.length >= most) return;
    const { children = [], more = false } = node;
    const isClosed = more || (children.length > 0 && depth === MOST_DEPTH);
    const value = valueText(node);
    if (value !== '' || isClosed) found.push({ name, value: value === '' ? '(more within)' : value });
    if (!isClosed)
      for (const child of children) add(child, name === '' ? child.name : `${name}/${child.name}`, depth + 1);
  };
  if (valueText(top) !== '') found.push({ name: top.name, value: valueText(top) });
  for (const child of top.children ?? []) {
    const opened = child.more === true && at.length >= UNIT_STEPS && found.length < most;
    add((opened ? reader.inspect([...at, child.name]) : undefined) ?? child, child.name, 1);
  }
  const isZero = ({ value }: { value: string }): number => (/^0x0+$/.test(value) ? 1 : 0);
  return found.sort((x, y) => isZero(x) - isZero(y));
}

/** The node at a path, and the path as the machine names it. */
function nodeAt(reader: ControlReader, path: readonly string[]): { top: StateNode; at: readonly string[] } {
  let at: string[] = [];
  for (const wanted of path) {
    const names = (reader.inspect(at)?.children ?? []).map(({ name }) => name);
    const name =
      names.find((each) => each === wanted) ??
      names.find((each) => each.toLowerCase() === wanted.toLowerCase());
    if (name === undefined) {
      const where = at.length === 0 ? 'The machine' : at.join('/');
      throw new VerbError(
        `${where} has no ${wanted}. It has: ${names.length === 0 ? 'nothing within' : names.join(', ')}.`,
      );
    }
    at = [...at, name];
  }
  const top = reader.inspect(at);
  if (!top) throw new VerbError(`There is nothing at ${at.join('/')}.`);
  return { top, at };
}
