/** Runs of the scenarios of section A (no VMM), with what each guest itself has counted, for tests that compare the two. */
import { readFileSync } from 'node:fs';
import type { AccessLog } from '../../src/guest/access-log';
import { GuestImage } from '../../src/guest/image';
import type { RunSession } from '../../src/run/session';
import type { TraceEvent } from '../../src/trace/query/store';
import { Kind } from '../../src/trace/vocabulary/events';
import { accessLogOf } from './access-log';
import { jobOf, runJob, sample, type FinishedRun } from './runs';

/** A finished run, its rows, and the guest's memory as it was left. */
export interface CountedRun extends FinishedRun {
  /** All rows of the trace, in its order. */
  readonly rows: TraceEvent[];
  log: AccessLog;
  /** Values of a guest's structure, all of one width: 4 bytes, or 8 (exact up to 2^53). */
  words(symbol: string): number[];
  longs(symbol: string): number[];
}

/** Runs a sample to its end. `change` may make another scenario of its text. */
export async function countedRun(name: string, change = (text: string) => text): Promise<CountedRun> {
  const file = sample(name);
  const job = await jobOf(file, change(readFileSync(file, 'utf8')));
  const guest = job.guests[0];
  const image = GuestImage.parse(guest.elf, guest.elfFile);
  let log: AccessLog | undefined;
  let memory: ReturnType<RunSession['memory']> | undefined;
  const run = runJob(job, (session) => {
    log = accessLogOf(job, session);
    memory = session.memory(0);
  });
  const view = (symbol: string): DataView => {
    const place = image.symbol(symbol);
    if (!place || !memory) throw new Error(`${name}: the guest has no ${symbol}`);
    const bytes = memory.read(Number(place.address), Number(place.size));
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
  if (!log) throw new Error(`${name}: the run told nothing of its guest`);
  let rows: TraceEvent[] | undefined;
  return {
    ...run,
    log,
    // A long run has more of them than most of its tests look at.
    get rows() {
      return (rows ??= Array.from({ length: run.store.rows }, (_, row) => run.store.get(row)));
    },
    words: (symbol) => {
      const all = view(symbol);
      return Array.from({ length: all.byteLength / 4 }, (_, i) => all.getUint32(4 * i, true));
    },
    longs: (symbol) => {
      const all = view(symbol);
      return Array.from({ length: all.byteLength / 8 }, (_, i) => Number(all.getBigUint64(8 * i, true)));
    },
  };
}

/** Rows of a kind, on a track when one is given. */
export function ofKind(run: CountedRun, kind: number, track?: number): TraceEvent[] {
  return run.rows.filter((row) => row.kind === kind && (track === undefined || row.track === track));
}

/** The id of the track with this name that shows a unit's registers: its DMA has one of the same name. */
export function trackOf(run: CountedRun, name: string): number {
  const track = run.store.meta.tracks.find((each) => each.name === name && each.type !== 'dma');
  if (!track)
    throw new Error(`no track '${name}' among ${run.store.meta.tracks.map((each) => each.name).join(', ')}`);
  return track.id;
}

/** Tracks of the CPUs themselves, and of their interrupts, by CPU. */
export function cpuTracks(run: CountedRun, type: 'vcpu' | 'interrupts'): number[] {
  return run.store.meta.tracks.filter((track) => track.type === type).map((track) => track.id);
}

/** The one mark with this number; or that with this value among several. */
export function mark(run: CountedRun, id: number, value?: number): TraceEvent {
  const found = ofKind(run, Kind.Mark).filter(
    (row) => row.a === id && (value === undefined || row.b === value),
  );
  if (found.length !== 1) throw new Error(`${found.length} marks ${id} with value ${value ?? 'any'}`);
  return found[0];
}

/** Rows from the time of one row up to that of another. */
export function between(rows: readonly TraceEvent[], from: TraceEvent, to: TraceEvent): TraceEvent[] {
  return rows.filter((row) => row.start >= from.start && row.start < to.start);
}

export const endOf = (row: TraceEvent): number => row.start + row.duration;
