/** Dense lanes as pixels: one strip per lane, drawn once per answer and then only placed. */
import { modeRoles } from '../../src/protocol/viewport';
import { kindRow, type ColourRole } from '../../src/trace/vocabulary/events';
import { calmCounts, calmShares } from '../lanes/calm';
import type { Columns } from '../lanes/columns';
import { densityHeight, stackOf } from '../lanes/density';
import type { Rgba, Theme } from '../ui/theme';
import { isHatchLine } from './hatch';

/** Pixels of the tick that marks a fault, and where ticks would run together to a band. */
const FAULT_TICK = 7;
const FAULT_BAND = 2;
/** Share of columns with a fault from which on ticks are a band. */
const BAND_FROM = 0.3;
/** Opacity below the edge of a dense column: the edge tells how dense, the body whose it is. */
const BODY = 0.4;
const BODY_HIGH_CONTRAST = 0.5;
/** What makes a packed colour opaque. */
const OPAQUE = 0xff000000;
/** Pixels of the edge. */
const EDGE = 2;
/** Share of a column that a mode has nearly to itself. */
const ALONE = 0.85;
/** Height of a column in which nothing begins but a span goes on. */
const GOES_ON = 0.4;

/** A colour as `ImageData` has it in one number, on a little-endian machine. */
function packed([r, g, b]: Rgba, opacity: number): number {
  return ((Math.round(opacity * 255) << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/**
 * Draws columns, one a pixel, from the bottom up: in a mode lane the share of each mode, elsewhere how many events a pixel holds,
 * `full` being all of the height. A fault is a tick at the top. Colours are flat, for a hatch of single pixels would be noise; in high
 * contrast a mode that fills its column has its hatch, and piled ones, always in the same order, have a line between them.
 * @param tracks number of tracks whose modes the lane shows together
 * @param canvas one to draw on anew, if there is one
 */
export function stripOf(
  columns: Columns,
  tracks: number,
  full: number,
  height: number,
  theme: Theme,
  canvas: HTMLCanvasElement = document.createElement('canvas'),
): HTMLCanvasElement {
  const width = columns.count.length;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext('2d');
  if (!context) return canvas;
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const body = theme.highContrast ? BODY_HIGH_CONTRAST : BODY;
  const edges = new Map<ColourRole, number>();
  const edgeOf = (role: ColourRole): number => {
    let value = edges.get(role);
    if (value === undefined) edges.set(role, (value = packed(theme.rolesRgba[role], 1)));
    return value;
  };
  const bodies = new Map<number, number>();
  const bodyOf = (kind: number): number => {
    let value = bodies.get(kind);
    if (value === undefined) bodies.set(kind, (value = packed(theme.rolesRgba[kindRow(kind).role], body)));
    return value;
  };
  /** Fills pixel rows `from` to `to`, counted from the bottom. */
  const fill = (x: number, from: number, to: number, value: number): void => {
    for (let at = (height - to) * width + x; at < (height - from) * width; at += width) pixels[at] = value;
  };
  const first = Math.round(columns.from / columns.pixel);
  /** The same in a role's colour: with its hatch where it has the column to itself, else with a line of the background above it. */
  const distinct = (x: number, from: number, to: number, role: ColourRole): void => {
    const alone = to - from >= ALONE * height;
    const end = to < height ? to - 1 : to;
    for (let row = from; row < end; row++)
      if (!alone || !isHatchLine(role, first + x, row)) pixels[(height - 1 - row) * width + x] = edgeOf(role);
  };
  const { shares } = columns;
  if (shares) {
    const calm = calmShares(shares, width, modeRoles.length, first);
    for (let x = 0; x < width; x++)
      for (const { role, from, to } of stackOf(calm, x, tracks, height)) {
        if (theme.highContrast) distinct(x, from, to, role);
        else fill(x, from, to, edgeOf(role));
      }
  } else {
    const counts = calmCounts(columns.count, first);
    for (let x = 0; x < width; x++) {
      const count = counts[x] ?? 0;
      const cover = columns.cover[x] ?? 0;
      if (count === 0 && cover === 0) continue;
      const kind = columns.kind[x] ?? 0;
      if (count === 0) {
        fill(x, 0, Math.max(EDGE, Math.round(GOES_ON * height * Math.min(1, cover))), bodyOf(kind));
        continue;
      }
      const top = Math.max(EDGE, Math.round(densityHeight(count, full) * height));
      fill(x, 0, top - EDGE, bodyOf(kind));
      fill(x, top - EDGE, top, (bodyOf(kind) | OPAQUE) >>> 0);
    }
  }
  const faults = columns.fault.reduce((sum, fault) => sum + fault, 0);
  const tick = faults > BAND_FROM * width ? FAULT_BAND : FAULT_TICK;
  for (let x = 0; x < width; x++) {
    if (columns.fault[x] !== 1) continue;
    for (const beside of [x - 1, x])
      if (beside >= 0) fill(beside, Math.max(0, height - tick), height, edgeOf('fault'));
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
