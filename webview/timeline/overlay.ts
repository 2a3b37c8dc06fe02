/** What lies over the lanes: the pointer's time, the event under it, the selection, its chain, a marked range. */
import { kindRow } from '../../src/trace/vocabulary/events';
import type { EventRow } from '../../src/protocol/details';
import type { Model } from '../app/model';
import { rowOfEvent, topOf, type LaneRow, type Row } from '../lanes/layout';
import { nearestEdge } from '../lanes/snap';
import type { CursorName } from '../app/marks';
import { readDuration, readTime } from '../time/clock';
import { formatCount } from '../time/format';
import { timeScale, type TimeScale } from '../time/fold';
import { spanOf } from '../time/window';
import type { Theme } from '../ui/theme';
import { drawChain, type Box } from './arrows';
import { AXIS_HEIGHT } from './chart';
import type { Hit } from './hit';
import { bandOf, type ToX } from './events-painter';
import type { LanePainter } from './painter';

/** Half the width of the handle of the debugger's cursor, in pixels. */
const HANDLE = 6;
/** Pixels within which a cursor takes the edge of an event. */
const SNAP = 7;
/** Size of a bookmark's mark. */
const PENNANT = 9;
/** Least width of a folded stretch that says how long it is. */
const FOLD_LABEL = 11;

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

  #scale(): TimeScale {
    return timeScale(this.model.window.value, 0, this.#width, this.painter.folding);
  }

  draw(): void {
    const context = this.canvas.getContext('2d');
    if (!context) return;
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    context.clearRect(0, 0, this.#width, this.#height);
    const { toX } = this.#scale();
    this.#end(context, toX);
    this.#range(context, toX);
    context.save();
    context.beginPath();
    context.rect(0, AXIS_HEIGHT, this.#width, this.#height - AXIS_HEIGHT);
    context.clip();
    this.#folds(context);
    this.#chain(context, toX);
    this.#marked(context, toX);
    context.restore();
    this.#bookmarks(context, toX);
    this.#cursors(context, toX);
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
    const { measured, clock } = this.model;
    const events = measured.value === undefined ? '' : ` · ${formatCount(measured.value)} events`;
    this.#plate(
      context,
      `${readDuration(clock, spanOf(range))}${events}`,
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
    const { pinned, lanes } = this.model.arranged.value;
    const all = [...pinned, ...lanes];
    return rowOfEvent(this.painter.layout, all, event.trackId, kindRow(event.kind).group);
  }

  #yOf(row: Row): number {
    return AXIS_HEIGHT + topOf(row, this.painter.scrollTop);
  }

  /** Whether a row has scrolled away under those that stay. */
  #isCovered(row: Row): boolean {
    const { layout, scrollTop } = this.painter;
    const isPinned = row.type === 'lane' && row.pinned;
    return !isPinned && topOf(row, scrollTop) + row.height <= layout.pinnedHeight;
  }

  #chain(context: CanvasRenderingContext2D, toX: ToX): void {
    const chain = this.model.chain.value;
    if (!chain) return;
    const edge = AXIS_HEIGHT + this.painter.layout.pinnedHeight;
    const field = {
      context,
      width: this.#width,
      toX,
      theme: this.theme,
      boxOf: (event: EventRow): Box | undefined => {
        const box = this.#boxOf(event, toX);
        const row = this.#rowOf(event);
        // An arrow to what is covered ends at the edge.
        return box && row && this.#isCovered(row) ? { ...box, y: edge, height: 0 } : box;
      },
      rowOf: (event: EventRow) => {
        const row = this.#rowOf(event);
        return row && { id: this.painter.layout.rows.indexOf(row), top: this.#yOf(row), height: row.height };
      },
    };
    drawChain(field, chain.rows, chain.row);
  }

  #boxOf(
    event: Pick<EventRow, 'row' | 'trackId' | 'kind' | 'start' | 'duration'>,
    toX: ToX,
  ): Box | undefined {
    const row = this.#rowOf(event);
    return row?.type === 'lane' ? this.#boxIn(row, event, toX) : undefined;
  }

  /** Where an event stands in a lane; of a lane of a query only if it is one of those that the lane shows singly. */
  #boxIn(
    row: LaneRow,
    event: Pick<EventRow, 'row' | 'kind' | 'start' | 'duration'>,
    toX: ToX,
  ): Box | undefined {
    const prepared = this.painter.prepared(row.lane.id);
    const index = prepared?.type === 'events' ? prepared.data.row.indexOf(event.row) : -1;
    if (index < 0 && row.lane.query !== undefined) return undefined;
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
      if (box && !this.#isCovered(hover.line)) this.#frame(context, box, this.theme.foreground, 1);
    }
    const selected = this.model.details.value;
    if (!selected || this.model.selection.value < 0) return;
    const box = this.#boxOf(selected, toX);
    if (!box) return;
    context.fillStyle = this.theme.focus;
    context.globalAlpha = 0.45;
    context.fillRect(Math.round(toX(selected.start)), AXIS_HEIGHT, 1, this.#height);
    context.globalAlpha = 1;
    const row = this.#rowOf(selected);
    if (row && !this.#isCovered(row)) this.#frame(context, box, this.theme.focus, 2);
    // A lane of a query shows it once more.
    for (const line of this.painter.layout.lanes) {
      if (line.lane.query === undefined || this.#isCovered(line)) continue;
      const again = this.#boxIn(line, selected, toX);
      if (again) this.#frame(context, again, this.theme.focus, 2);
    }
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
    const text = readTime(this.model.clock, dragged, this.#scale().pixel);
    this.#plate(context, text, x, AXIS_HEIGHT / 2);
  }

  /** The cursor at whose handle a point is; the debugger's only while it can be moved. */
  handleAt(x: number, y: number): CursorName | 'debugger' | undefined {
    if (y > AXIS_HEIGHT) return undefined;
    const { toX } = this.#scale();
    const isNear = (time: number | undefined): boolean =>
      time !== undefined && Math.abs(toX(time) - x) <= HANDLE + 3;
    const { a, b } = this.model.cursors.value;
    if (isNear(a)) return 'a';
    if (isNear(b)) return 'b';
    const position = this.model.debugger.value;
    return position?.stopped && isNear(position.cycles) ? 'debugger' : undefined;
  }

  /** The time at a point across, at the edge of an event when one is near. */
  snap(x: number): number {
    const { toTime, pixel } = this.#scale();
    const lanes = this.painter.layout.lanes.flatMap(({ lane }) => {
      const prepared = this.painter.prepared(lane.id);
      return prepared?.type === 'events' ? [prepared.data] : [];
    });
    return nearestEdge(lanes, toTime(x), SNAP * pixel);
  }

  /** Idle stretches that are shown short: a broken band that says how long each is. */
  #folds(context: CanvasRenderingContext2D): void {
    const { toX } = this.#scale();
    for (const fold of this.painter.folding.within(this.model.window.value)) {
      const left = Math.max(-4, toX(fold.from));
      const right = Math.min(this.#width + 4, toX(fold.to));
      context.fillStyle = this.theme.background;
      context.fillRect(left, AXIS_HEIGHT, right - left, this.#height - AXIS_HEIGHT);
      context.fillStyle = this.theme.heading;
      context.fillRect(left, AXIS_HEIGHT, right - left, this.#height - AXIS_HEIGHT);
      context.strokeStyle = this.theme.muted;
      context.lineWidth = 1;
      for (const x of [left, right]) {
        context.beginPath();
        for (let y = AXIS_HEIGHT, side = 1; y <= this.#height; y += 5, side = -side)
          context.lineTo(x + 1.5 * side, y);
        context.stroke();
      }
      if (right - left < FOLD_LABEL) continue;
      context.save();
      context.translate((left + right) / 2, (AXIS_HEIGHT + this.#height) / 2);
      context.rotate(-Math.PI / 2);
      context.font = this.theme.numberFont;
      context.fillStyle = this.theme.muted;
      context.textAlign = 'center';
      context.textBaseline = 'middle';
      context.fillText(`idle ${readDuration(this.model.clock, fold.to - fold.from)}`, 0, 0);
      context.restore();
    }
  }

  /** Pennants on the axis. */
  #bookmarks(context: CanvasRenderingContext2D, toX: ToX): void {
    for (const { time } of this.model.bookmarks.value) {
      const x = Math.round(toX(time)) + 0.5;
      if (x < -PENNANT || x > this.#width) continue;
      context.strokeStyle = context.fillStyle = this.theme.cursor;
      context.lineWidth = 1;
      context.setLineDash([1, 3]);
      context.beginPath();
      context.moveTo(x, AXIS_HEIGHT);
      context.lineTo(x, this.#height);
      context.stroke();
      context.setLineDash([]);
      context.beginPath();
      context.moveTo(x, AXIS_HEIGHT - PENNANT);
      context.lineTo(x + PENNANT, AXIS_HEIGHT - PENNANT / 2);
      context.lineTo(x, AXIS_HEIGHT);
      context.closePath();
      context.fill();
    }
  }

  /** The reader's two cursors, each with its letter, and what lies between them. */
  #cursors(context: CanvasRenderingContext2D, toX: ToX): void {
    const { a, b } = this.model.cursors.value;
    const bottom = AXIS_HEIGHT + this.painter.layout.pinnedHeight;
    for (const [letter, time] of [
      ['A', a],
      ['B', b],
    ] as const) {
      if (time === undefined) continue;
      const x = Math.round(toX(time)) + 0.5;
      if (x < -HANDLE || x > this.#width + HANDLE) continue;
      context.strokeStyle = context.fillStyle = this.theme.focus;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(x, AXIS_HEIGHT - 14);
      context.lineTo(x, this.#height);
      context.stroke();
      context.fillRect(x - 6.5, AXIS_HEIGHT - 14, 13, 13);
      context.font = this.theme.numberFont;
      context.textAlign = 'center';
      context.textBaseline = 'middle';
      context.fillStyle = this.theme.background;
      context.fillText(letter, x, AXIS_HEIGHT - 7);
    }
    if (a === undefined || b === undefined) return;
    const [left, right] = [Math.max(0, toX(Math.min(a, b))), Math.min(this.#width, toX(Math.max(a, b)))];
    if (right < 0 || left > this.#width) return;
    const y = bottom + 8.5;
    context.strokeStyle = this.theme.focus;
    context.beginPath();
    context.moveTo(left, y);
    context.lineTo(right, y);
    context.stroke();
    this.#plate(context, `Δ ${readDuration(this.model.clock, Math.abs(b - a))}`, (left + right) / 2, y);
  }

  #pointer(context: CanvasRenderingContext2D): void {
    const x = this.pointer;
    if (x === undefined) return;
    context.fillStyle = this.theme.muted;
    context.globalAlpha = 0.5;
    context.fillRect(Math.round(x), AXIS_HEIGHT, 1, this.#height - AXIS_HEIGHT);
    context.globalAlpha = 1;
    const { toTime, pixel } = this.#scale();
    const at = toTime(x);
    if (at < 0) return;
    this.#plate(context, readTime(this.model.clock, at, pixel), x, AXIS_HEIGHT / 2);
  }
}
