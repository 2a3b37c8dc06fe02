/** The rows of one unit of a run, in the order in which what they tell took effect. */
import { Kind } from '../../../src/trace/vocabulary/events';
import type { TraceEvent, TraceStore } from '../../../src/trace/query/store';
import type { TrackType } from '../../../src/trace/model';

/** Something that took effect: a row at its start, a DMA row and a piece of work at its end. */
export interface Effect {
  time: number;
  row: TraceEvent;
}

const AT_END: ReadonlySet<number> = new Set([Kind.DmaRead, Kind.DmaWrite, Kind.DeviceWork]);

/** Rows by track. */
export class Rows {
  private readonly byTrack = new Map<number, TraceEvent[]>();

  constructor(private readonly store: TraceStore) {
    for (let row = 0; row < store.rows; row++) {
      const event = store.get(row);
      const known = this.byTrack.get(event.track);
      if (known) known.push(event);
      else this.byTrack.set(event.track, [event]);
    }
  }

  /** When the run ended. */
  get end(): number {
    return this.store.meta.facts.cycles;
  }

  row(number: number): TraceEvent {
    return this.store.get(number);
  }

  /** Of the tracks of some types that are called so, in time: a device's and its DMA have one name. */
  of(vm: string, name: string | undefined, types: readonly TrackType[]): Effect[] {
    const tracks = this.store.meta.tracks.filter(
      (track) => track.group === vm && types.includes(track.type) && (!name || track.name === name),
    );
    return tracks
      .flatMap((track) => this.byTrack.get(track.id) ?? [])
      .map((row) => ({ time: AT_END.has(row.kind) ? row.start + row.duration : row.start, row }))
      .sort((x, y) => x.time - y.time || x.row.row - y.row.row);
  }

  /** Of the first CPU's interrupts. */
  interruptsOf(vm: string): Effect[] {
    const track = this.store.meta.tracks.find((each) => each.group === vm && each.type === 'interrupts');
    const rows = track ? (this.byTrack.get(track.id) ?? []) : [];
    return rows
      .map((row) => ({ time: row.start, row }))
      .sort((x, y) => x.time - y.time || x.row.row - y.row.row);
  }
}
