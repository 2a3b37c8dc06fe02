/** What of a board moves to another host: the hardware of all its units, as one. */
import { SnapshotError, requireVersion, type HardwareState, type Migratable } from '../snapshot';

/** The hardware of a board. CPUs and RAM are not on it. */
export interface BoardHardware extends HardwareState {
  version: 1;
  /** By their names on the board: `interrupts`, `pit`, `e1000.1`. */
  units: Record<string, HardwareState>;
}

/** The units of one board that have a state, in the order of building. */
export class BoardUnits {
  private readonly units = new Map<string, Migratable>();

  /**
   * @param board its name, which stands before those of its units in the run
   * @param keep makes a unit part of every snapshot of the run
   */
  constructor(
    private readonly board: string,
    private readonly keep: (name: string, unit: Migratable) => void,
  ) {}

  /** Adds a unit by its name on the board. */
  add(name: string, unit: Migratable): void {
    this.keep(`${this.board}/${name}`, unit);
    this.units.set(name, unit);
  }

  /** As `PcBoard.hardware`. */
  save(): BoardHardware {
    const units = [...this.units].map(([name, unit]): [string, HardwareState] => [
      name,
      unit.save().hardware,
    ]);
    return { version: 1, units: Object.fromEntries(units) };
  }

  /** As `PcBoard.adopt`. The controllers were built first: when a device drives its line they know its level. */
  adopt({ version, units }: BoardHardware): void {
    requireVersion('a board', version, 1);
    const lacking = [...this.units.keys()].find((name) => !Object.hasOwn(units, name));
    const unknown = Object.keys(units).find((name) => !this.units.has(name));
    if (lacking !== undefined || unknown !== undefined) {
      const what = lacking === undefined ? `has '${unknown}', which` : `lacks '${lacking}', which`;
      const other = lacking === undefined ? 'does not have' : 'has';
      throw new SnapshotError(
        `the board that moves ${what} ${this.board} ${other}: give both the same devices in the same order`,
      );
    }
    for (const [name, unit] of this.units) unit.adopt(units[name]);
  }
}
