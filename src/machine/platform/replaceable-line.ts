/** The interrupt wire of an old timer, from which an HPET may take its place (IA-PC HPET Specification 1.0a, 2.3.5). */
import type { IrqLine, Stateful } from '../bus';
import { requireVersion } from '../snapshot';

/** Snapshot of a `ReplaceableLine`. */
export interface ReplaceableLineState {
  version: 1;
  level: boolean;
  replaced: boolean;
}

/** While the source is replaced, its level is not seen. */
export class ReplaceableLine implements IrqLine, Stateful<ReplaceableLineState> {
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

  save(): ReplaceableLineState {
    return { version: 1, level: this.level, replaced: this.replaced };
  }

  load(state: ReplaceableLineState): void {
    requireVersion('the wire of a timer', state.version, 1);
    this.level = state.level;
    this.replaced = state.replaced;
  }
}
