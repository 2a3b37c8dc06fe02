/** Where the operations of a trace end: found block by block, once, and gone on with as the trace grows. */
import { BLOCK_SHIFT } from '../block';
import { Kind, byKind } from '../vocabulary/events';
import { Numbers } from './index/numbers';
import { patient, type Patience } from './search';
import type { TraceStore } from './store';

const HANDLER = 1;
/** An operation ends there where no handler learns of it, as with a driver that polls. */
const WITHOUT_HANDLER = 2;
const endOf = byKind(({ id }) =>
  id === Kind.Handler ? HANDLER : id === Kind.PacketRx || id === Kind.IoComplete ? WITHOUT_HANDLER : 0,
);

export class OperationEnds {
  /** Rows in order, when each begins, and whether it is on the way of a later one. */
  private rows = new Numbers();
  private starts = new Numbers();
  private passed = new Numbers();
  /** Rows that have been looked at. */
  private looked = 0;
  private cuts: number;

  constructor(private readonly store: TraceStore) {
    this.cuts = store.truncations;
  }

  /** Goes on, at least by a block; true when the whole trace has been looked at. */
  advance(patience: Patience = patient): boolean {
    const { store } = this;
    if (store.truncations !== this.cuts) this.restart();
    while (this.looked < store.rows) {
      this.takeBlock();
      if (!patience()) break;
    }
    return this.looked >= store.rows;
  }

  /** Share of the trace that has been looked at, 0 to 1. */
  get share(): number {
    return this.store.rows === 0 ? 1 : Math.min(1, this.looked / this.store.rows);
  }

  /** Rows at which operations end that begin in [from, to), ascending; of what has been looked at. */
  between(from: number, to: number): number[] {
    const found: number[] = [];
    for (let i = 0; i < this.rows.length; i++) {
      const start = this.starts.at(i);
      if (start >= from && start < to && this.passed.at(i) === 0) found.push(this.rows.at(i));
    }
    return found;
  }

  private restart(): void {
    this.rows = new Numbers();
    this.starts = new Numbers();
    this.passed = new Numbers();
    this.looked = 0;
    this.cuts = this.store.truncations;
  }

  private takeBlock(): void {
    const { store } = this;
    const block = store.block(this.looked >>> BLOCK_SHIFT);
    if (block === undefined) {
      this.looked = store.rows;
      return;
    }
    const { firstRow, kind, start, cause } = block;
    const end = Math.min(store.rows, firstRow + kind.length);
    for (let row = this.looked; row < end; row++) {
      const what = endOf[kind[row - firstRow]];
      // Most rows end nothing; what nothing led to ends no operation.
      if (what === 0 || cause[row - firstRow] === 0) continue;
      const by = store.causeOf(row);
      if (by < 0 || store.kindOf(by) === Kind.Handler) continue;
      this.rows.push(row);
      this.starts.push(start[row - firstRow]);
      this.passed.push(0);
      if (what === HANDLER) this.pass(by);
    }
    this.looked = end;
  }

  /** A packet or request that an interrupt was raised for ends with its handler. */
  private pass(from: number): void {
    const { store } = this;
    for (let row = from; row >= 0; row = store.causeOf(row)) {
      const kind = store.kindOf(row);
      if (kind === Kind.Handler) return;
      if (endOf[kind] === WITHOUT_HANDLER) {
        const i = this.rows.below(row);
        if (i < this.rows.length && this.rows.at(i) === row) {
          // Whatever is before has been found with it.
          if (this.passed.at(i) === 1) return;
          this.passed.set(i, 1);
        }
      }
    }
  }
}

const known = new WeakMap<TraceStore, OperationEnds>();

/** Where the operations of a trace end, as far as that has been found. */
export function operationEndsOf(store: TraceStore): OperationEnds {
  let ends = known.get(store);
  if (ends === undefined) known.set(store, (ends = new OperationEnds(store)));
  return ends;
}
