/** Everything on a host that has a state of its own, by name: what a snapshot of the whole consists of. */
import type { Stateful } from '../machine/bus';
import { SnapshotError } from '../machine/snapshot';

/** States of units by their names. */
export type UnitStates = Record<string, unknown>;

/** The units of one host. RAM is not among them: it is saved by its changed pages. */
export class Units {
  private readonly units = new Map<string, Stateful<unknown>>();

  /** Makes a unit part of every snapshot. The name must be the same in every run of the same scenario. */
  keep(name: string, unit: Stateful<unknown>): void {
    if (this.units.has(name)) throw new Error(`two units are called '${name}': give each a name of its own`);
    this.units.set(name, unit);
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
