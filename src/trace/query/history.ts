/** What registers of devices have been written and read, by the trace alone: how a value came to be, and what it was at a time. */
import type { Track } from '../model';
import type { RegisterAccess, RegisterHistory, TrackRegisters } from '../../protocol/state';
import { Kind } from '../vocabulary/events';
import { eventRow } from './describe';
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
const ACCESSES: ReadonlySet<number> = new Set([...WRITES, Kind.MmioRead, Kind.PioIn]);

/** Accesses of one track that are looked at to learn the state at a time: further back nothing is looked for. */
const MOST_ROWS_BACK = 200_000;

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

/** Writes that one answer holds. */
const MOST_CHANGES = 500;

/**
 * The history of a register: each write with the one before it and the line that made it.
 * @param path as in `registerWrites`
 */
export function registerHistory(store: TraceStore, path: readonly string[]): RegisterHistory {
  const writes = registerWrites(store, path);
  const first = Math.max(0, writes.length - MOST_CHANGES);
  const changes = writes.slice(first).map(({ row, time, value }, i) => {
    const before = writes[first + i - 1] as RegisterWrite | undefined;
    return {
      row,
      time,
      value,
      ...(before && { before: before.value }),
      place: eventRow(store, row).place,
    };
  });
  return { changes, total: writes.length };
}

/**
 * What was last seen of each device's registers by the end of an event: the value that a driver last wrote or read. Registers
 * that nobody had accessed by then are missing, for rows say nothing of them.
 * @param row the event; its own access counts
 */
export function registersAt(store: TraceStore, row: number): TrackRegisters[] {
  const { start } = store.get(row);
  return store.meta.tracks.flatMap((track) => {
    const registers = track.registers ? lastAccesses(store, track, start, row) : [];
    if (registers.length === 0) return [];
    return [{ track: track.id, name: track.name, group: track.group, registers }];
  });
}

function lastAccesses(store: TraceStore, track: Track, time: number, row: number): RegisterAccess[] {
  const names = track.registers ?? {};
  const wanted = new Set(Object.keys(names));
  const found: (RegisterAccess & { offset: number })[] = [];
  const stream = store.stream(track.id, 'register');
  if (!stream) return [];
  const end = stream.before(time + 1);
  for (let i = end - 1; i >= Math.max(0, end - MOST_ROWS_BACK) && wanted.size > 0; i--) {
    const at = stream.rowAt(i);
    const kind = store.kindOf(at);
    // Of several events of one cycle those count that were recorded by then.
    if (!ACCESSES.has(kind) || (store.startOf(at) === time && at > row)) continue;
    const { a, b, start } = store.get(at);
    if (!wanted.delete(String(a))) continue;
    const name = names[String(a)];
    const fields = track.fields?.[name];
    found.push({
      name,
      offset: a,
      value: b,
      row: at,
      time: start,
      written: WRITES.has(kind),
      ...(fields && { fields }),
    });
  }
  return found.sort((x, y) => x.offset - y.offset).map(({ offset: _, ...access }) => access);
}
