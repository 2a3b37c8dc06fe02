/**
 * Everything on a host that has a state of its own, by name: what a snapshot of the whole consists of, and what a reader of the
 * machine's inside finds, as far as units show themselves.
 */
import type { Stateful } from '../machine/bus';
import type { Inspectable, StateNode, StatePath } from '../machine/inspect';
import { SnapshotError } from '../machine/snapshot';

/** States of units by their names. */
export type UnitStates = Record<string, unknown>;

/** Parts of a unit's name. */
const SEPARATOR = '/';

function isInspectable(unit: object): unit is Inspectable {
  return 'inspect' in unit;
}

/** The units of one host. RAM is not among them: it is saved by its changed pages. */
export class Units {
  private readonly units = new Map<string, Stateful<unknown>>();
  private readonly shown = new Map<string, Inspectable>();

  /** Makes a unit part of every snapshot. The name must be the same in every run of the same scenario. */
  keep(name: string, unit: Stateful<unknown>): void {
    if (this.units.has(name)) throw new Error(`two units are called '${name}': give each a name of its own`);
    this.units.set(name, unit);
    if (isInspectable(unit)) this.show(name, unit);
  }

  /** Shows what is no unit, or is shown by another than the unit of that name: a view of memory. */
  show(name: string, view: Inspectable): void {
    this.shown.set(name, view);
  }

  /**
   * What is at a path: the parts of units' names are its first steps, the unit itself knows the rest. Where a unit and others
   * below it have one name, they stand side by side.
   */
  inspect(path: StatePath): StateNode | undefined {
    const children: StateNode[] = [];
    const found = new Set<string>();
    const add = (node: StateNode): void => {
      if (found.has(node.name)) return;
      found.add(node.name);
      children.push(node);
    };
    let own: StateNode | undefined;
    for (const [name, unit] of this.shown) {
      const parts = name.split(SEPARATOR);
      const shared = Math.min(parts.length, path.length);
      if (parts.slice(0, shared).join(SEPARATOR) !== path.slice(0, shared).join(SEPARATOR)) continue;
      if (parts.length > path.length) add({ name: parts[path.length], more: true });
      else own ??= unit.inspect(path.slice(parts.length));
    }
    if (!own) return children.length > 0 ? { name: path.at(-1) ?? '', children } : undefined;
    own.children?.forEach(add);
    return { ...own, ...(children.length > 0 && { children }) };
  }

  save(): UnitStates {
    return Object.fromEntries([...this.units].map(([name, unit]) => [name, unit.save()]));
  }

  /**
   * Puts saved states in place, in the order in which the units were built.
   * @throws SnapshotError, with nothing changed, when the units are not the same
   */
  load(states: UnitStates): void {
    const missing = [...this.units.keys()].find((name) => !Object.hasOwn(states, name));
    const unknown = Object.keys(states).find((name) => !this.units.has(name));
    if (missing !== undefined || unknown !== undefined) {
      const what =
        missing === undefined ? `has a unit '${unknown}', this machine has none` : `lacks '${missing}'`;
      throw new SnapshotError(`snapshot ${what}: it is of another machine; record the run again`);
    }
    for (const [name, unit] of this.units) unit.load(states[name]);
  }
}
