/** What a register of a device has been written, by the trace alone: for a view that shows how a value came to be. */
import type { Track } from '../model';
import { Kind } from '../vocabulary/events';
import type { TraceStore } from './store';

/** One write. */
export interface RegisterWrite {
  row: number;
  /** Cycles. */
  time: number;
  /** As it was written: what the register made of it may be something else. */
  value: number;
}

const WRITES: ReadonlySet<number> = new Set([Kind.MmioWrite, Kind.PioOut]);

/** The unit of a machine that a track shows: its name in the tree of the machine's inside may differ in the case of letters. */
function showsUnit({ group, vm, name }: Track, [machine, unit]: readonly string[]): boolean {
  return (group === machine || vm < 0) && name.toLowerCase() === unit.toLowerCase();
}

/**
 * The writes of a register, in the order of time.
 * @param path of the register in the tree of the machine's inside: machine, unit, and last the register's name
 * @returns none where no track has a register of that name
 */
export function registerWrites(store: TraceStore, path: readonly string[]): RegisterWrite[] {
  const register = path.at(-1);
  if (path.length < 3 || register === undefined) return [];
  const found: RegisterWrite[] = [];
  for (const track of store.meta.tracks) {
    if (!track.registers || !showsUnit(track, path)) continue;
    const stream = store.stream(track.id, 'register');
    for (let i = 0; stream && i < stream.length; i++) {
      const row = stream.rowAt(i);
      if (!WRITES.has(store.kindOf(row))) continue;
      const { a, b, start } = store.get(row);
      if (track.registers[String(a)] === register) found.push({ row, time: start, value: b });
    }
  }
  return found.sort((x, y) => x.time - y.time || x.row - y.row);
}
