/** Moments of a run made again: how answers name them, and who stands where. */
import { z } from 'zod';
import type { Debuggee } from '../../debug/debuggee';
import type { Frame } from '../../debug/language';
import type { Moment } from '../../run/control/control';
import { baseName } from '../../trace/vocabulary/format';
import type { OpenedTrace } from '../context';
import { microseconds } from '../fields';

/** What is said where a guest is no longer what it was. */
export const OTHER_GUEST =
  'A guest has changed since this trace was recorded: this is the state of a new run.';

export const momentOut = {
  us: z.number().describe('Time in µs since the start.'),
  before: z.int().describe('Number of the event that is recorded next: those before it have happened.'),
  instructions: z.int().describe('Guest instructions so far.'),
};

/** A moment as `momentOut` has it. */
export function momentOf({ store }: OpenedTrace, { cycles, rows, instructions }: Moment) {
  return { us: microseconds(store, cycles), before: rows, instructions };
}

/** Where a frame stands. */
export function frameAt(frame: Frame | undefined): { function?: string; place?: string } {
  if (!frame) return {};
  const { name, place } = frame;
  return { function: name, ...(place && { place: `${baseName(place.file)}:${place.line}` }) };
}

/** The vCPU that an event is of, by its lane; the first of its VM where it is a device's. */
export function cpuOfRow({ control }: Debuggee, { store }: OpenedTrace, row: number): number {
  const track = store.meta.tracks[store.trackOf(row)];
  const own = control.cpus.find(
    ({ vm, number }) => vm === track?.vm && track.name.includes('CPU') && track.name.endsWith(` ${number}`),
  );
  return own?.index ?? control.cpus.find(({ vm }) => vm === track?.vm)?.index ?? 0;
}
