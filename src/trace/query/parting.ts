/**
 * Where two runs part: the first event that one of them has and the other has not, whatever time each has. VM exits of a vCPU
 * are compared by reason and place, accesses to a device's registers by register and value; each track with the one of its name,
 * and vCPUs that no other bears the name of by their order. What stands behind a gap of a trace is not compared.
 */
import type { Pair, Parting, PartingEvent } from '../../protocol/difference';
import type { Track, TrackType } from '../model';
import type { KindGroup } from '../vocabulary/events';
import { formatPlace } from './arguments';
import { describe, eventRow } from './describe';
import type { TraceStore } from './store';

/** Events of a track that are the guest's doing. */
const COMPARED: Partial<Record<TrackType, KindGroup>> = { vcpu: 'exit', device: 'register' };

type Stores = Pair<TraceStore>;

/** The parting of two runs that comes first in the first one's time; undefined when they are the same but for times. */
export function partingOf(first: TraceStore, second: TraceStore): Parting | undefined {
  const stores = [first, second] as const;
  const same = sameEvents(stores);
  let earliest: { seconds: number; track: Track; same: number; rows: Pair } | undefined;
  for (const [track, other] of pairedTracks(stores)) {
    const group = COMPARED[track.type];
    const found = group && partingOfTracks(stores, [track.id, other.id], group, same[track.type === 'device' ? 'access' : 'exit']);
    if (!found) continue;
    const side = found.rows[0] >= 0 ? 0 : 1;
    const seconds = stores[side].startOf(found.rows[side]) / stores[side].meta.frequencyHz;
    if (earliest === undefined || seconds < earliest.seconds) earliest = { ...found, seconds, track };
  }
  if (earliest === undefined) return undefined;
  const { rows } = earliest;
  return {
    track: nameOf(earliest.track),
    same: earliest.same,
    rows,
    what: [textOf(first, rows[0]), textOf(second, rows[1])],
    events: [eventOf(first, rows[0]), eventOf(second, rows[1])],
  };
}

/** When a trace's first gap begins, in cycles; Infinity: it has none. */
export function wholeUntil({ meta }: TraceStore): number {
  return meta.gaps.reduce((least, { from }) => Math.min(least, from), Infinity);
}

/** Tracks of the same name; vCPUs that are left over, as of another tool's trace, by their order. */
function pairedTracks([first, second]: Stores): Pair<Track>[] {
  const named = new Map(second.meta.tracks.map((track) => [keyOf(track), track]));
  const pairs: Pair<Track>[] = [];
  const left: Track[] = [];
  for (const track of first.meta.tracks) {
    const other = named.get(keyOf(track));
    if (other) {
      named.delete(keyOf(track));
      pairs.push([track, other]);
    } else if (track.type === 'vcpu') left.push(track);
  }
  const others = [...named.values()].filter(({ type }) => type === 'vcpu');
  left.forEach((track, i) => {
    const other = others[i];
    if (other) pairs.push([track, other]);
  });
  return pairs;
}

/** A vCPU and the local APIC of it bear one name. */
function keyOf(track: Track): string {
  return `${track.type} ${nameOf(track)}`;
}

function nameOf({ group, name }: Track): string {
  return `${group}: ${name}`;
}

type SameEvents = (first: number, second: number) => boolean;

/** Whether events of either run are the same: exits by reason and place, accesses by register and value. */
function sameEvents([first, second]: Stores): Record<'exit' | 'access', SameEvents> {
  const [place, otherPlace] = [placesOf(first), placesOf(second)];
  return {
    exit: (row, other) =>
      first.kindOf(row) === second.kindOf(other) &&
      place(first.placeOf(row)) === otherPlace(second.placeOf(other)),
    access: (row, other) =>
      first.kindOf(row) === second.kindOf(other) &&
      first.aOf(row) === second.aOf(other) &&
      first.bOf(row) === second.bOf(other),
  };
}

/** Names of places by their ids, each made once. */
function placesOf(store: TraceStore): (id: number) => string {
  const names: string[] = [];
  return (id) => (names[id] ??= formatPlace(store.placeAt(id)));
}

function partingOfTracks(
  stores: Stores,
  tracks: Pair,
  group: KindGroup,
  isSame: SameEvents,
): { same: number; rows: Pair } | undefined {
  const sides = [0, 1] as const;
  const streams = sides.map((side) => stores[side].stream(tracks[side], group));
  const lengths = sides.map((side) => streams[side]?.before(wholeUntil(stores[side])) ?? 0);
  const isWhole = sides.map((side) => wholeUntil(stores[side]) === Infinity);
  const rowAt = (side: 0 | 1, i: number): number =>
    i < (lengths[side] ?? 0) ? (streams[side]?.rowAt(i) ?? -1) : -1;
  for (let same = 0; ; same++) {
    const rows = [rowAt(0, same), rowAt(1, same)] as const;
    if (rows[0] < 0 && rows[1] < 0) return undefined;
    // Whether a run had more events is not known where its trace has a gap.
    if (sides.some((side) => rows[side] < 0 && isWhole[side] !== true)) return undefined;
    if (rows[0] >= 0 && rows[1] >= 0 && isSame(rows[0], rows[1])) continue;
    return { same, rows };
  }
}

function textOf(store: TraceStore, row: number): string {
  if (row < 0) return 'nothing more';
  const { name, text, place } = eventRow(store, row);
  return [name, text, place === '' ? '' : `at ${place}`].filter((word) => word !== '').join(' ');
}

function eventOf(store: TraceStore, row: number): PartingEvent | null {
  if (row < 0) return null;
  const { sentence, place, file, line } = describe(store, row);
  return { row, sentence, place, ...(file !== undefined && { file }), ...(line !== undefined && { line }) };
}
