/** What lies under a point of the lanes. */
import { modeRoles } from '../../src/protocol/viewport';
import type { Model } from '../app/model';
import { binAt, eventAt } from '../lanes/geometry';
import { rowAt, type LaneRow } from '../lanes/layout';
import { timeScale } from '../time/fold';
import { AXIS_HEIGHT } from './chart';
import type { LanePainter } from './painter';

/** Pixels beside an event that still mean it. */
const REACH = 5;

export type Hit =
  | {
      type: 'event';
      line: LaneRow;
      event: { row: number; start: number; duration: number; kind: number; a: number; trackId: number };
    }
  /** One pixel of a dense lane: `row` stands for the `count` events in [from, to). */
  | {
      type: 'bin';
      line: LaneRow;
      row: number;
      kind: number;
      count: number;
      cover: number;
      /** A fault is among them, and `row` is one. */
      fault: boolean;
      /** Of a mode lane: fractions of the pixel by `modeRoles`. */
      shares?: Float32Array;
      from: number;
      to: number;
    };

/** Row of what was hit. */
export function rowOfHit(hit: Hit): number {
  return hit.type === 'event' ? hit.event.row : hit.row;
}

/**
 * Finds what is under a point of the canvas.
 * @param width of the canvas in pixels
 */
export function hitAt(
  model: Model,
  painter: LanePainter,
  x: number,
  y: number,
  width: number,
): Hit | undefined {
  if (y < AXIS_HEIGHT) return undefined;
  const line = rowAt(painter.layout, y - AXIS_HEIGHT, painter.scrollTop);
  if (line?.type !== 'lane') return undefined;
  const prepared = painter.prepared(line.lane.id);
  if (!prepared) return undefined;
  const { pixel, toTime } = timeScale(model.window.value, 0, width, painter.folding);
  const time = toTime(x);
  if (prepared.type === 'events') {
    const { data } = prepared;
    const index = eventAt(data, time, REACH * pixel);
    if (index < 0) return undefined;
    const at = (column: ArrayLike<number>): number => column[index] ?? 0;
    const event = {
      row: at(data.row),
      start: at(data.start),
      duration: at(data.duration),
      kind: at(data.kind),
      a: at(data.a),
      trackId: line.lane.trackIds[0] ?? -1,
    };
    return { type: 'event', line, event };
  }
  for (const { columns } of prepared.parts) {
    const { from, pixel: step } = columns;
    const bin = binAt(columns, (time - from) / step, 2);
    if (bin < 0) continue;
    const { row, kind, count, cover, fault, shares } = columns;
    const modes = modeRoles.length;
    return {
      type: 'bin',
      line,
      row: row[bin] ?? -1,
      kind: kind[bin] ?? 0,
      count: count[bin] ?? 0,
      cover: cover[bin] ?? 0,
      fault: fault[bin] === 1,
      ...(shares && { shares: shares.slice(bin * modes, (bin + 1) * modes) }),
      from: from + bin * step,
      to: from + (bin + 1) * step,
    };
  }
  return undefined;
}
