/** What lies over the lanes: the pointer's time, the event under it, the selection, its chain, a marked range. */
import { kindRow } from '../../src/trace/vocabulary/events';
import type { EventRow } from '../../src/protocol/details';
import type { Model } from '../app/model';
import { chainLines, extentOf, type ChainLine } from '../lanes/chain-tree';
import { rowOfEvent, type Row } from '../lanes/layout';
import { formatDuration, formatTime } from '../time/format';
import { spanOf } from '../time/window';
import type { Theme } from '../ui/theme';
import { AXIS_HEIGHT } from './chart';
import type { Hit } from './hit';
import { bandOf, scaleOf, type LanePainter, type ToX } from './painter';

/** A chain narrower than this on screen is drawn without arrows. */
const LEAST_CHAIN = 36;
/** Arrows beyond this many would hide what they explain. */
const MOST_ARROWS = 200;

/** Half the width of the handle of the debugger's cursor, in pixels. */
const HANDLE = 6;

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Adds an arrow head whose point is at (x, y) to a path; (dx, dy) is where it points. */
function addHead(path: Path2D, x: number, y: number, dx: number, dy: number): void {
  path.moveTo(x, y);
  path.lineTo(x - 7 * dx - 3.5 * dy, y - 7 * dy - 3.5 * dx);
  path.lineTo(x - 7 * dx + 3.5 * dy, y - 7 * dy + 3.5 * dx);
  path.closePath();
}

export class Overlay {
  /** Pixels from the left; undefined when the pointer is elsewhere. */
  pointer: number | undefined;
  hover: Hit | undefined;
  #width = 0;
  #height = 0;
  #ratio = 1;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly model: Model,
    private readonly painter: LanePainter,
    public theme: Theme,
  ) {}

  resize(width: number, height: number): void {
    this.#ratio = devicePixelRatio;
    this.#width = width;
    this.#height = height;
    this.canvas.width = Math.round(width * this.#ratio);
    this.canvas.height = Math.round(height * this.#ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
  }

  draw(): void {
    const context = this.canvas.getContext('2d');
    if (!context) return;
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    context.clearRect(0, 0, this.#width, this.#height);
    const toX = scaleOf(this.model.window.value, 0, this.#width);
    this.#end(context, toX);
    this.#range(context, toX);
    context.save();
    context.beginPath();
    context.rect(0, AXIS_HEIGHT, this.#width, this.#height - AXIS_HEIGHT);
    context.clip();
    this.#chain(context, toX);
    this.#marked(context, toX);
    context.restore();
    this.#debugger(context, toX);
    this.#pointer(context);
  }

  /** Beyond the end of the trace there is nothing: say so by a shade. */
  #end(context: CanvasRenderingContext2D, toX: ToX): void {
    const x = toX(this.model.endTime);
    if (x >= this.#width) return;
    context.fillStyle = this.theme.grid;
    context.globalAlpha = 0.5;
    context.fillRect(x, AXIS_HEIGHT, this.#width - x, this.#height - AXIS_HEIGHT);
    context.globalAlpha = 1;
    context.strokeStyle = this.theme.muted;
    context.setLineDash(this.model.live ? [3, 3] : []);
    context.beginPath();
    context.moveTo(Math.round(x) + 0.5, AXIS_HEIGHT);
    context.lineTo(Math.round(x) + 0.5, this.#height);
    context.stroke();
    context.setLineDash([]);
  }

  #range(context: CanvasRenderingContext2D, toX: ToX): void {
    const range = this.model.range.value;
    if (!range) return;
    const left = toX(range.from);
    const right = toX(range.to);
    context.fillStyle = this.theme.selection;
    context.fillRect(left, 0, right - left, this.#height);
    context.strokeStyle = this.theme.focus;
    context.lineWidth = 1;
    context.beginPath();
    for (const x of [left, right]) {
      context.moveTo(Math.round(x) + 0.5, 0);
      context.lineTo(Math.round(x) + 0.5, this.#height);
    }
    context.stroke();
    this.#plate(
      context,
      formatDuration(spanOf(range), this.model.frequencyHz),
      (left + right) / 2,
      AXIS_HEIGHT / 2,
    );
  }

  /** A word on a plate, kept inside the canvas. */
  #plate(context: CanvasRenderingContext2D, text: string, centre: number, middle: number): void {
    context.font = this.theme.numberFont;
    const width = context.measureText(text).width + 10;
    const x = Math.min(Math.max(centre - width / 2, 1), this.#width - width - 1);
    context.fillStyle = this.theme.background;
    context.fillRect(x, middle - 9, width, 18);
    context.strokeStyle = this.theme.focus;
    context.lineWidth = 1;
    context.strokeRect(Math.round(x) + 0.5, Math.round(middle - 9) + 0.5, Math.round(width), 17);
    context.fillStyle = this.theme.foreground;
    context.textAlign = 'left';
    context.textBaseline = 'middle';
    context.fillText(text, x + 5, middle + 0.5);
  }

  #rowOf(event: Pick<EventRow, 'trackId' | 'kind'>): Row | undefined {
    return rowOfEvent(this.painter.layout, this.model.lanes.value, event.trackId, kindRow(event.kind).group);
  }

  #yOf(row: Row): number {
    return AXIS_HEIGHT + row.top - this.painter.scrollTop;
  }

  #boxOf(
    event: Pick<EventRow, 'row' | 'trackId' | 'kind' | 'start' | 'duration'>,
    toX: ToX,
  ): Box | undefined {
    const row = this.#rowOf(event);
    if (row?.type !== 'lane') return undefined;
    const prepared = this.painter.prepared.get(row.lane.id);
    const index = prepared?.type === 'events' ? prepared.data.row.indexOf(event.row) : -1;
    const depth = prepared?.type === 'events' && index >= 0 ? (prepared.depths[index] ?? 0) : 0;
    const { top, height } = bandOf(row, depth);
    const left = toX(event.start);
    const instant = kindRow(event.kind).shape === 'instant';
    const width = instant ? 0 : Math.max(1, toX(event.start + event.duration) - left);
    const air = instant ? 6 : 1;
    return { x: left - air, y: this.#yOf(row) + top - 1, width: width + 2 * air, height: height + 2 };
  }

  #marked(context: CanvasRenderingContext2D, toX: ToX): void {
    const { hover } = this;
    if (hover) {
      const box: Box | undefined =
        hover.type === 'event'
          ? this.#boxOf(hover.event, toX)
          : {
              x: toX(hover.from),
              y: this.#yOf(hover.line),
              width: Math.max(1, toX(hover.to) - toX(hover.from)),
              height: hover.line.height,
            };
      if (box) this.#frame(context, box, this.theme.foreground, 1);
    }
    const selected = this.model.details.value;
    if (!selected || this.model.selection.value < 0) return;
    const box = this.#boxOf(selected, toX);
    if (!box) return;
    context.fillStyle = this.theme.focus;
    context.globalAlpha = 0.45;
    context.fillRect(Math.round(toX(selected.start)), AXIS_HEIGHT, 1, this.#height);
    context.globalAlpha = 1;
    this.#frame(context, box, this.theme.focus, 2);
  }

  #frame(context: CanvasRenderingContext2D, box: Box, colour: string, line: number): void {
    context.strokeStyle = colour;
    context.lineWidth = line;
    const left = Math.max(box.x, -4);
    const right = Math.min(box.x + box.width, this.#width + 4);
    context.strokeRect(
      Math.round(left) + 0.5,
      Math.round(box.y) + 0.5,
      Math.round(right - left),
      Math.round(box.height) - 1,
    );
  }

  /** The selected chain: arrows from cause to consequence, or one line with a dot per lane where it is too small for them. */
  #chain(context: CanvasRenderingContext2D, toX: ToX): void {
    const chain = this.model.chain.value;
    const extent = extentOf(chain?.rows ?? []);
    if (!chain || !extent || chain.rows.length < 2) return;
    const lines = chainLines(chain.rows, chain.row);
    if (toX(extent.to) - toX(extent.from) < LEAST_CHAIN) return this.#knot(context, toX, lines);
    let drawn = 0;
    // The trunk is drawn last, over its side branches.
    for (const trunk of [false, true]) {
      for (const { event, cause, trunk: onTrunk } of lines) {
        if (onTrunk !== trunk || !cause || drawn >= MOST_ARROWS) continue;
        const from = this.#boxOf(cause, toX);
        const to = this.#boxOf(event, toX);
        if (!from || !to) continue;
        const x0 = toX(Math.min(Math.max(event.start, cause.start), cause.start + cause.duration));
        const x1 = toX(event.start);
        if (Math.max(x0, x1) < -200 || Math.min(x0, x1) > this.#width + 200) continue;
        drawn++;
        this.#arrow(context, x0, from, x1, to, trunk);
      }
    }
  }

  /** A chain within a few pixels. */
  #knot(context: CanvasRenderingContext2D, toX: ToX, lines: readonly ChainLine[]): void {
    const points = lines.flatMap(({ event }) => {
      const row = this.#rowOf(event);
      return row ? [{ x: toX(event.start), y: this.#yOf(row) + row.height / 2 }] : [];
    });
    const heights = points.map(({ y }) => y);
    const x = Math.round(points[0]?.x ?? 0) + 0.5;
    if (x < -10 || x > this.#width + 10) return;
    const path = new Path2D();
    path.moveTo(x, Math.min(...heights));
    path.lineTo(x, Math.max(...heights));
    this.#stroke(context, path, 1.4);
    context.fillStyle = this.theme.foreground;
    for (const y of new Set(heights)) {
      context.beginPath();
      context.arc(x, y, 3, 0, 2 * Math.PI);
      context.fill();
    }
  }

  /** A line with an edge in the background's colour, to stand out from whatever lies below. */
  #stroke(context: CanvasRenderingContext2D, path: Path2D, width: number): void {
    context.strokeStyle = this.theme.background;
    context.lineWidth = width + 2.6;
    context.globalAlpha = 0.8;
    context.stroke(path);
    context.globalAlpha = 1;
    context.strokeStyle = this.theme.foreground;
    context.lineWidth = width;
    context.stroke(path);
  }

  #arrow(
    context: CanvasRenderingContext2D,
    x0: number,
    from: Box,
    x1: number,
    to: Box,
    trunk: boolean,
  ): void {
    const down = to.y > from.y ? 1 : to.y < from.y ? -1 : 0;
    const y0 = down > 0 ? from.y + from.height : down < 0 ? from.y : from.y + from.height / 2;
    const y1 = down > 0 ? to.y : down < 0 ? to.y + to.height : to.y + to.height / 2;
    const dx = x1 - x0;
    if (Math.hypot(dx, y1 - y0) < 7) return;
    const path = new Path2D();
    path.moveTo(x0, y0);
    const head = new Path2D();
    if (down === 0) {
      path.lineTo(x1 - 6, y1);
      addHead(head, x1 - 1, y1, 1, 0);
    } else {
      // Leaves and arrives upright, so that the time of both ends can be read off.
      const bend = Math.min(Math.abs(y1 - y0) * 0.5, 40);
      path.bezierCurveTo(x0, y0 + down * bend, x1, y1 - down * bend, x1, y1 - down * 5);
      addHead(head, x1, y1, 0, down);
    }
    this.#stroke(context, path, trunk ? 1.6 : 0.9);
    context.fillStyle = this.theme.foreground;
    context.fill(head);
  }

  /** The debugger's cursor: a line with a handle on the axis, by which it can be dragged while it stands. */
  #debugger(context: CanvasRenderingContext2D, toX: ToX): void {
    const position = this.model.debugger.value;
    if (!position) return;
    const dragged = this.model.dragged.value;
    const x = Math.round(toX(dragged ?? position.cycles)) + 0.5;
    if (x < -HANDLE || x > this.#width + HANDLE) return;
    context.strokeStyle = context.fillStyle = this.theme.cursor;
    context.lineWidth = 2;
    context.setLineDash(position.stopped && dragged === undefined ? [] : [4, 3]);
    context.beginPath();
    context.moveTo(x, HANDLE);
    context.lineTo(x, this.#height);
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    context.moveTo(x - HANDLE, 0);
    context.lineTo(x + HANDLE, 0);
    context.lineTo(x + HANDLE, HANDLE * 0.9);
    context.lineTo(x, HANDLE * 1.9);
    context.lineTo(x - HANDLE, HANDLE * 0.9);
    context.closePath();
    context.fill();
    if (dragged === undefined) return;
    const { from, to } = this.model.window.value;
    const text = formatTime(dragged, this.model.frequencyHz, (to - from) / this.#width);
    this.#plate(context, text, x, AXIS_HEIGHT / 2);
  }

  /** Whether a point is on the handle of the debugger's cursor. */
  onHandle(x: number, y: number): boolean {
    const position = this.model.debugger.value;
    if (!position?.stopped || y > AXIS_HEIGHT) return false;
    const toX = scaleOf(this.model.window.value, 0, this.#width);
    return Math.abs(toX(position.cycles) - x) <= HANDLE + 3;
  }

  #pointer(context: CanvasRenderingContext2D): void {
    const x = this.pointer;
    if (x === undefined) return;
    context.fillStyle = this.theme.muted;
    context.globalAlpha = 0.5;
    context.fillRect(Math.round(x), AXIS_HEIGHT, 1, this.#height - AXIS_HEIGHT);
    context.globalAlpha = 1;
    const { from, to } = this.model.window.value;
    const pixel = (to - from) / this.#width;
    const at = from + x * pixel;
    if (at < 0) return;
    this.#plate(context, formatTime(at, this.model.frequencyHz, pixel), x, AXIS_HEIGHT / 2);
  }
}
