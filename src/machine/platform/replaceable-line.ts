/** The interrupt wire of an old timer, from which an HPET may take its place (IA-PC HPET Specification 1.0a, 2.3.5). */
import type { IrqLine } from '../bus';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';

/** What the hardware has of a `ReplaceableLine`; the run has nothing of it. */
export interface ReplaceableLineHardware extends HardwareState {
  version: 1;
  level: boolean;
  replaced: boolean;
}

/** While the source is replaced, its level is not seen. */
export class ReplaceableLine implements IrqLine, Migratable<ReplaceableLineHardware> {
  private level = false;
  private replaced = false;

  constructor(private readonly wire: IrqLine) {}

  set(asserted: boolean): void {
    this.level = asserted;
    if (!this.replaced) this.wire.set(asserted);
  }

  setReplaced(replaced: boolean): void {
    this.replaced = replaced;
    this.wire.set(this.level && !replaced);
  }

  /** As after power-on; the wire is taken to be low. */
  reset(): void {
    this.level = this.replaced = false;
  }

  save(): Checkpoint<ReplaceableLineHardware, RunState> {
    return { hardware: { version: 1, level: this.level, replaced: this.replaced }, run: {} };
  }

  load({ hardware }: Checkpoint<ReplaceableLineHardware, RunState>): void {
    requireVersion('the wire of a timer', hardware.version, 1);
    this.level = hardware.level;
    this.replaced = hardware.replaced;
  }

  adopt(hardware: ReplaceableLineHardware): void {
    this.load({ hardware, run: {} });
    this.wire.set(this.level && !this.replaced);
  }
}
