/** Walks through the tree of what a machine shows of its inside. */
import type { StateNode, StatePath } from '../../src/machine/inspect';

/** Whatever has such a tree. */
export interface Shown {
  inspect(path: StatePath): StateNode | undefined;
}

/**
 * Opens everything below a path, children of a node in turn, and hands each node with its path over.
 * @param most nodes that it opens: page tables and rings have thousands
 * @returns how many there were
 */
export function walkTree(
  shown: Shown,
  visit: (node: StateNode, path: StatePath) => void = () => undefined,
  { path = [], most = Infinity }: { path?: StatePath; most?: number } = {},
): number {
  let nodes = 0;
  const open = (at: StatePath): void => {
    const node = shown.inspect(at);
    if (!node) throw new Error(`nothing at ${at.join(' / ')}`);
    node.children?.forEach((child) => see(child, [...at, child.name]));
  };
  const see = (node: StateNode, at: StatePath): void => {
    nodes += 1;
    if (nodes > most) return;
    visit(node, at);
    if (node.more) open(at);
    node.children?.forEach((each) => see(each, [...at, each.name]));
  };
  open(path);
  return nodes;
}

/** The value of a register or a number at a path. @throws Error where there is none */
export function valueAt(shown: Shown, ...path: string[]): bigint {
  const value = shown.inspect(path)?.value;
  if (value && 'value' in value && typeof value.value === 'bigint') return value.value;
  throw new Error(`${path.join(' / ')} has no number`);
}
