/** Runs side by side by time: what each did in the same stretch of simulated time. */
import type { ModeRole } from '../vocabulary/events';
import { statistics } from './statistics';
import type { TraceStore } from './store';

/** VM exits of each run in stretches of the same length. */
export interface ExitsOverTime {
  /** Seconds of a stretch. */
  step: number;
  /** By run, by stretch; up to the run's end. */
  exits: number[][];
}

/** Time of all vCPUs of each run by mode. */
export interface TimeByMode {
  mode: ModeRole;
  name: string;
  /** By run. */
  seconds: number[];
}

/** Counts the exits of each run in `parts` equal parts of the longest run's time. */
export function exitsOverTime(stores: readonly TraceStore[], parts: number): ExitsOverTime {
  const lengths = stores.map((store) => store.endTime / store.meta.frequencyHz);
  const step = Math.max(...lengths, 0) / parts;
  return {
    step,
    exits: stores.map((store, run) => {
      const own = step > 0 ? Math.min(parts, Math.ceil((lengths[run] ?? 0) / step)) : 0;
      const counts = new Array<number>(own).fill(0);
      for (const { id } of store.meta.tracks) {
        const stream = store.stream(id, 'exit');
        if (stream === undefined) continue;
        let before = 0;
        for (let part = 0; part < own; part++) {
          const to = part === own - 1 ? Infinity : (part + 1) * step * store.meta.frequencyHz;
          const until = stream.before(to);
          counts[part] = (counts[part] ?? 0) + until - before;
          before = until;
        }
      }
      return counts;
    }),
  };
}

/** Modes that any run was in; each is called what the first run that was in it calls it. */
export function timeByMode(stores: readonly TraceStore[]): TimeByMode[] {
  const found = new Map<ModeRole, TimeByMode>();
  stores.forEach((store, run) => {
    for (const { mode, name, cycles } of statistics(store, 0, store.endTime + 1).modes) {
      if (cycles === 0) continue;
      let row = found.get(mode);
      if (row === undefined) found.set(mode, (row = { mode, name, seconds: stores.map(() => 0) }));
      row.seconds[run] = cycles / store.meta.frequencyHz;
    }
  });
  return [...found.values()];
}
