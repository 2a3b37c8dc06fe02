/** The selected chain: arrows from cause to consequence, or one line with a dot per lane where it is too small for them. */
import type { EventRow } from '../../src/protocol/details';
import { bundled, type Arrow, type Bundle } from '../lanes/bundle';
import { chainLines, extentOf, type ChainLine } from '../lanes/chain-tree';
import type { Theme } from '../ui/theme';
import type { ToX } from './events-painter';

/** A chain narrower than this on screen is drawn without arrows. */
const LEAST_CHAIN = 36;
/** Arrows beyond this many would hide what they explain. */
const MOST_ARROWS = 200;
/** Pixels at either edge over which an arrow that leaves the window fades. */
const FADE = 36;

/** Where an event is drawn. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** What arrows are drawn on and between. */
export interface ArrowField {
  context: CanvasRenderingContext2D;
  width: number;
  toX: ToX;
  theme: Theme;
  boxOf(event: EventRow): Box | undefined;
  /** Top and height of the row of an event, and a number for it. */
  rowOf(event: EventRow): { id: number; top: number; height: number } | undefined;
}

/** Adds an arrow head whose point is at (x, y) to a path; (dx, dy) is where it points. */
function addHead(path: Path2D, x: number, y: number, dx: number, dy: number): void {
  path.moveTo(x, y);
  path.lineTo(x - 7 * dx - 3.5 * dy, y - 7 * dy - 3.5 * dx);
  path.lineTo(x - 7 * dx + 3.5 * dy, y - 7 * dy + 3.5 * dx);
  path.closePath();
}

/** Draws the chain of events of which `selected` is one. */
export function drawChain(field: ArrowField, rows: readonly EventRow[], selected: number): void {
  const extent = extentOf(rows);
  if (!extent || rows.length < 2) return;
  const lines = chainLines(rows, selected);
  const { toX, width } = field;
  if (toX(extent.to) - toX(extent.from) < LEAST_CHAIN) return drawKnot(field, lines);
  const boxes = new Map<string, { from: Box; to: Box }>();
  const arrows: Arrow[] = [];
  for (const { event, cause, trunk } of lines) {
    if (!cause || arrows.length >= MOST_ARROWS) continue;
    const from = field.boxOf(cause);
    const to = field.boxOf(event);
    const [first, last] = [field.rowOf(cause), field.rowOf(event)];
    if (!from || !to || !first || !last) continue;
    // It leaves where the cause ends, or where the consequence begins within it.
    const x0 = toX(Math.min(Math.max(event.start, cause.start), cause.start + cause.duration));
    const x1 = toX(event.start);
    if (Math.max(x0, x1) < 0 || Math.min(x0, x1) > width) continue;
    const arrow = { x0, from: first.id, x1, to: last.id, trunk };
    arrows.push(arrow);
    boxes.set(keyOf(arrow), { from, to });
  }
  // The trunk is drawn last, over its side branches.
  const ordered = bundled(arrows).sort((p, q) => Number(p.trunk) - Number(q.trunk));
  for (const bundle of ordered) {
    const ends = boxes.get(keyOf(bundle));
    if (ends) drawArrow(field, bundle, ends.from, ends.to);
  }
}

function keyOf({ x0, x1, from, to }: Arrow): string {
  return `${from} ${to} ${x0} ${x1}`;
}

/** A chain within a few pixels. */
function drawKnot(field: ArrowField, lines: readonly ChainLine[]): void {
  const { context, toX, width, theme } = field;
  const points = lines.flatMap(({ event }) => {
    const row = field.rowOf(event);
    return row ? [{ x: toX(event.start), y: row.top + row.height / 2 }] : [];
  });
  const heights = points.map(({ y }) => y);
  const x = Math.round(points[0]?.x ?? 0) + 0.5;
  if (x < -10 || x > width + 10) return;
  const path = new Path2D();
  path.moveTo(x, Math.min(...heights));
  path.lineTo(x, Math.max(...heights));
  stroke(field, path, 1.4, theme.foreground);
  context.fillStyle = theme.foreground;
  for (const y of new Set(heights)) {
    context.beginPath();
    context.arc(x, y, 3, 0, 2 * Math.PI);
    context.fill();
  }
}

/** A line with an edge in the background's colour, to stand out from whatever lies below. */
function stroke(
  { context, theme }: ArrowField,
  path: Path2D,
  width: number,
  colour: string | CanvasGradient,
): void {
  if (typeof colour === 'string') {
    context.strokeStyle = theme.background;
    context.lineWidth = width + 2.6;
    context.globalAlpha = 0.8;
    context.stroke(path);
    context.globalAlpha = 1;
  }
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}

/** The foreground, gone at the edges of the window. */
function fading({ context, width, theme }: ArrowField): CanvasGradient {
  const gradient = context.createLinearGradient(0, 0, width, 0);
  const share = Math.min(0.5, FADE / width);
  const clear = `color-mix(in srgb, ${theme.foreground} 0%, transparent)`;
  gradient.addColorStop(0, clear);
  gradient.addColorStop(share, theme.foreground);
  gradient.addColorStop(1 - share, theme.foreground);
  gradient.addColorStop(1, clear);
  return gradient;
}

function drawArrow(field: ArrowField, { x0, x1, trunk, count }: Bundle, from: Box, to: Box): void {
  const { context, width, theme } = field;
  const down = to.y > from.y ? 1 : to.y < from.y ? -1 : 0;
  const y0 = down > 0 ? from.y + from.height : down < 0 ? from.y : from.y + from.height / 2;
  const y1 = down > 0 ? to.y : down < 0 ? to.y + to.height : to.y + to.height / 2;
  if (Math.hypot(x1 - x0, y1 - y0) < 7) return;
  const leaves = Math.min(x0, x1) < 0 || Math.max(x0, x1) > width;
  // Far beyond the window a curve would be flat; its end stays near enough to show where it goes.
  const [a, b] = [x0, x1].map((x) => Math.min(Math.max(x, -width), 2 * width)) as [number, number];
  const path = new Path2D();
  path.moveTo(a, y0);
  const head = new Path2D();
  if (down === 0) {
    path.lineTo(b - 6, y1);
    addHead(head, b - 1, y1, 1, 0);
  } else {
    // Leaves and arrives upright, so that the time of both ends can be read off.
    const bend = Math.min(Math.abs(y1 - y0) * 0.5, 40);
    path.bezierCurveTo(a, y0 + down * bend, b, y1 - down * bend, b, y1 - down * 5);
    addHead(head, b, y1, 0, down);
  }
  stroke(
    field,
    path,
    (trunk ? 1.6 : 0.9) + Math.min(1.4, 0.35 * (count - 1)),
    leaves ? fading(field) : theme.foreground,
  );
  if (x1 < 0 || x1 > width) return;
  context.fillStyle = theme.foreground;
  context.fill(head);
  // Two lines can be seen to be two by their width.
  if (count < 3) return;
  context.font = theme.numberFont;
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  context.fillText(`×${count}`, b + 6, y1 - down * 9);
}
