/** VM exits by the device that they were about. */
import { Kind, byKind, isExit } from '../../trace/vocabulary/events';
import { consequencesOf } from '../../trace/query/chain';
import type { TraceStore } from '../../trace/query/store';

/** Exits about one device. */
export interface DeviceExits {
  /** Its name with its VM's; of the rest: what they have in common. */
  device: string;
  /** Name of its track; absent: about no device. */
  track?: string;
  exits: number;
  cycles: number;
}

/** Consequences of an exit, and of these, among which the access is that the exit was for. */
const REACH = 16;
const MOST_STEPS = 3;

const ACCESSES = byKind(({ id, group }) => (group === 'register' || id === Kind.Doorbell ? 1 : 0));

const NO_DEVICE = 'no device';

/** Exits that begin in [from, to) by device, the dearest first. */
export function exitsByDevice(store: TraceStore, from: number, to: number): DeviceExits[] {
  const found = new Map<number, { exits: number; cycles: number }>();
  for (const { id, type } of store.meta.tracks) {
    const stream = type === 'vcpu' ? store.stream(id, 'exit') : undefined;
    if (!stream) continue;
    const end = stream.before(to);
    for (let i = stream.before(from); i < end; i++) {
      const row = stream.rowAt(i);
      const device = deviceOf(store, row);
      const figures = found.get(device) ?? { exits: 0, cycles: 0 };
      figures.exits += 1;
      figures.cycles += store.durationOf(row);
      found.set(device, figures);
    }
  }
  return [...found]
    .map(([id, figures]): DeviceExits => {
      const track = store.meta.tracks[id];
      return track
        ? { device: `${track.group} ${track.name}`, track: track.name, ...figures }
        : { device: NO_DEVICE, ...figures };
    })
    .sort((x, y) => y.cycles - x.cycles || x.device.localeCompare(y.device));
}

/** The track of the first access to a register that an exit led to; -1: none. An access of another exit is that one's. */
function deviceOf(store: TraceStore, exit: number): number {
  let rows = [exit];
  for (let step = 0; step < MOST_STEPS && rows.length > 0; step++) {
    rows = rows.flatMap((row) => consequencesOf(store, row, REACH));
    const access = rows.find((row) => ACCESSES[store.kindOf(row)] === 1);
    if (access !== undefined) return store.trackOf(access);
    rows = rows.filter((row) => !isExit(store.kindOf(row))).slice(0, REACH);
  }
  return -1;
}
