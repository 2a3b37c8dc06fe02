/** The order of moments. */
import type { Moment } from './control';

/** Below 0: x is earlier; 0: the same moment. */
export function compareMoments(x: Moment, y: Moment): number {
  return x.instructions - y.instructions || x.cycles - y.cycles || x.rows - y.rows;
}

export function isBefore(x: Moment, y: Moment): boolean {
  return compareMoments(x, y) < 0;
}

/** Work of a row and of an event, in instructions: what it takes to simulate, about. */
const ROW_WORK = 300;
/** Simulated time in which nobody works costs something too, for its events. */
const CYCLES_OF_WORK = 50;

/** How much there is to simulate up to a moment, in instructions: only its differences mean something. */
export function workOf({ instructions, rows, cycles }: Moment): number {
  return instructions + rows * ROW_WORK + cycles / CYCLES_OF_WORK;
}
