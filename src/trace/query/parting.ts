/**
 * Where two runs part: the first event that one of them has and the other has not, whatever time each has. VM exits of a vCPU
 * are compared by reason and place, accesses to a device's registers by register and value; each track with the one of its name.
 */
import type { Parting } from '../../protocol/difference';
import type { Track, TrackType } from '../model';
import type { KindGroup } from '../vocabulary/events';
import { formatPlace, placeOf } from './arguments';
import { eventRow } from './describe';
import type { TraceStore } from './store';

/** Events of a track that are the guest's doing. */
const COMPARED: Partial<Record<TrackType, KindGroup>> = { vcpu: 'exit', device: 'register' };

/** The parting of two runs that comes first in the first one's time; undefined when they are the same but for times. */
export function partingOf(first: TraceStore, second: TraceStore): Parting | undefined {
  const tracks = new Map(second.meta.tracks.map((track) => [keyOf(track), track]));
  let earliest: { time: number; parting: Parting } | undefined;
  for (const track of first.meta.tracks) {
    const group = COMPARED[track.type];
    const other = tracks.get(keyOf(track));
    if (group === undefined || other === undefined) continue;
    const parting = partingOfTracks(first, second, [track.id, other.id], group, nameOf(track));
    if (parting === undefined) continue;
    const [row, its] = parting.rows;
    const time = row >= 0 ? first.startOf(row) : second.startOf(its);
    if (earliest === undefined || time < earliest.time) earliest = { time, parting };
  }
  return earliest?.parting;
}

/** A vCPU and the local APIC of it bear one name. */
function keyOf(track: Track): string {
  return `${track.type} ${nameOf(track)}`;
}

function nameOf({ group, name }: Track): string {
  return `${group}: ${name}`;
}

function partingOfTracks(
  first: TraceStore,
  second: TraceStore,
  ids: readonly [number, number],
  group: KindGroup,
  track: string,
): Parting | undefined {
  const streams = [first.stream(ids[0], group), second.stream(ids[1], group)] as const;
  const [length, otherLength] = [streams[0]?.length ?? 0, streams[1]?.length ?? 0];
  const rowAt = (side: 0 | 1, i: number): number =>
    i < (side === 0 ? length : otherLength) ? (streams[side]?.rowAt(i) ?? -1) : -1;
  for (let same = 0; same < Math.max(length, otherLength); same++) {
    const rows = [rowAt(0, same), rowAt(1, same)] as const;
    if (rows[0] >= 0 && rows[1] >= 0 && identity(first, rows[0]) === identity(second, rows[1])) continue;
    return { track, same, rows, what: [textOf(first, rows[0]), textOf(second, rows[1])] };
  }
  return undefined;
}

/** What an event has in common with the same event of another run. */
function identity(store: TraceStore, row: number): string {
  const event = store.get(row);
  const isAccess = store.meta.tracks[event.track]?.type === 'device';
  return isAccess
    ? `${event.kind} ${event.a} ${event.b}`
    : `${event.kind} ${formatPlace(placeOf(store, event))}`;
}

function textOf(store: TraceStore, row: number): string {
  if (row < 0) return 'nothing more';
  const { name, text, place } = eventRow(store, row);
  return [name, text, place === '' ? '' : `at ${place}`].filter((word) => word !== '').join(' ');
}
