/** Draws headings' bands and lanes with what the last answer holds; positions follow the window of the moment. */
import type { ChartArea } from 'chart.js';
import type { LaneBins, LaneEvents, ViewportResult } from '../../src/protocol/viewport';
import { kindRow, type ColourRole } from '../../src/trace/vocabulary/events';
import type { Track } from '../../src/trace/model';
import { binned, depthsOf, nextInstant } from '../lanes/geometry';
import { eventLabel } from '../lanes/labels';
import type { LaneRow, Layout } from '../lanes/layout';
import { formatCountShort } from '../time/format';
import type { TimeWindow } from '../time/window';
import type { Rgba, Theme } from '../ui/theme';
import type { Painter } from './chart';
import { fillOf } from './hatch';
import { stripOf } from './strip';

/** Pixels above and below a lane's content. */
const PAD = 4;
/** Of a dense lane's height, pixels kept for its counts. */
const COUNT_ROOM = 9;
/** Pixels of a dense lane that share one printed count. */
const COUNT_CHUNK = 96;
/** Events nearer than this are one cluster with a count. */
const CLUSTER_GAP = 10;
const DIAMOND = 4.5;
/** More events per pixel than this are drawn as density. */
const CROWDED = 0.25;
/** Modes lie side by side without gaps, and are told apart at a smaller size. */
const CROWDED_MODES = 0.4;

export interface PreparedEvents {
  type: 'events';
  data: LaneEvents;
  depths: Uint8Array;
}
export interface PreparedBins {
  type: 'bins';
  data: LaneBins;
  strip: HTMLCanvasElement;
}
export type Prepared = PreparedEvents | PreparedBins;

/** Turns cycles into pixels. */
export type ToX = (cycles: number) => number;

export function scaleOf(window: TimeWindow, left: number, width: number): ToX {
  const factor = width / (window.to - window.from);
  return (cycles) => left + (cycles - window.from) * factor;
}

/** Top and height of an event inside its lane. */
export function bandOf(row: LaneRow, depth: number): { top: number; height: number } {
  const inner = row.height - 2 * PAD;
  if (row.lane.kind === 'mode') return { top: PAD, height: inner };
  return { top: PAD + depth * 4, height: inner - depth * 4 };
}

export class LanePainter implements Painter {
  layout: Layout = { rows: [], lanes: [], height: 0 };
  scrollTop = 0;
  activeLane = '';
  /** Window and width of the answer that is drawn. */
  answer: { from: number; to: number; width: number } | undefined;
  readonly prepared = new Map<string, Prepared>();
  #fills = new Map<ColourRole, string | CanvasPattern>();
  #background: Rgba = [0, 0, 0, 255];
  readonly #widths = new Map<string, number>();

  constructor(
    private theme: Theme,
    private readonly track: (id: number) => Track | undefined,
    private readonly resolve: (colour: string) => Rgba,
    private readonly options: { compact?: boolean } = {},
  ) {
    this.restyle(theme);
  }

  /** Takes the colours of a theme; strips are drawn again in them. */
  restyle(theme: Theme): void {
    this.theme = theme;
    this.#background = this.resolve(theme.background);
    this.#fills = new Map();
    this.#widths.clear();
    for (const row of this.layout.lanes) {
      const prepared = this.prepared.get(row.lane.id);
      if (prepared?.type === 'bins') this.prepared.set(row.lane.id, this.#prepare(row, prepared.data));
    }
  }

  /** Takes an answer for these lanes. */
  accept(result: ViewportResult, rows: readonly LaneRow[]): void {
    this.answer = { from: result.from, to: result.to, width: result.width };
    this.prepared.clear();
    rows.forEach((row, index) => {
      const data = result.lanes[index];
      if (data) this.prepared.set(row.lane.id, this.#prepare(row, data));
    });
  }

  #prepare(row: LaneRow, data: LaneEvents | LaneBins): Prepared {
    const { answer } = this;
    if (data.type === 'events') {
      const { kind } = row.lane;
      const most = kind === 'mode' ? CROWDED_MODES : CROWDED;
      if (!answer || data.start.length <= answer.width * most)
        return { type: 'events', data, depths: depthsOf(data) };
      return this.#prepare(row, binned(data, answer.from, answer.to, answer.width, kind));
    }
    const room = row.lane.kind === 'mode' || this.options.compact ? 0 : COUNT_ROOM;
    const height = row.height - (this.options.compact ? 2 : 2 * PAD) - room;
    return {
      type: 'bins',
      data,
      strip: stripOf(data, row.lane.trackIds.length, height, this.theme, this.#background),
    };
  }

  paint(context: CanvasRenderingContext2D, area: ChartArea, window: TimeWindow): void {
    const toX = scaleOf(window, area.left, area.width);
    context.save();
    context.beginPath();
    context.rect(area.left, area.top, area.width, area.height);
    context.clip();
    for (const row of this.layout.rows) {
      const y = area.top + row.top - this.scrollTop;
      if (y + row.height < area.top || y > area.bottom) continue;
      if (row.type === 'heading') this.#heading(context, area, y, row.height);
      else this.#lane(context, area, row, y, toX);
    }
    context.restore();
  }

  #heading(context: CanvasRenderingContext2D, area: ChartArea, y: number, height: number): void {
    context.fillStyle = this.theme.heading;
    context.fillRect(area.left, y, area.width, height);
    if (!this.theme.contrastBorder) return;
    context.strokeStyle = this.theme.contrastBorder;
    context.lineWidth = 1;
    context.strokeRect(area.left - 1, y + 0.5, area.width + 2, height - 1);
  }

  #lane(context: CanvasRenderingContext2D, area: ChartArea, row: LaneRow, y: number, toX: ToX): void {
    if (row.lane.id === this.activeLane) {
      context.fillStyle = this.theme.selection;
      context.fillRect(area.left, y, area.width, row.height);
    }
    context.fillStyle = this.theme.grid;
    context.fillRect(area.left, y + row.height - 1, area.width, 1);
    const prepared = this.prepared.get(row.lane.id);
    if (!prepared) return;
    if (prepared.type === 'bins') this.#bins(context, area, row, y, toX, prepared);
    else this.#events(context, area, row, y, toX, prepared);
  }

  #bins(
    context: CanvasRenderingContext2D,
    area: ChartArea,
    row: LaneRow,
    y: number,
    toX: ToX,
    prepared: PreparedBins,
  ): void {
    const { answer } = this;
    if (!answer) return;
    const left = toX(answer.from);
    const width = toX(answer.to) - left;
    context.imageSmoothingEnabled = false;
    const top = y + row.height - (this.options.compact ? 1 : PAD) - prepared.strip.height;
    context.drawImage(prepared.strip, left, top, width, prepared.strip.height);
    if (row.lane.kind === 'mode' || this.options.compact) return;
    context.font = this.theme.numberFont;
    context.fillStyle = this.theme.muted;
    context.textBaseline = 'top';
    context.textAlign = 'center';
    const { count } = prepared.data;
    const pixel = width / answer.width;
    const chunk = Math.max(1, Math.round(COUNT_CHUNK / pixel));
    for (let first = 0; first < count.length; first += chunk) {
      const x = left + (first + chunk / 2) * pixel;
      if (x < area.left - COUNT_CHUNK || x > area.right + COUNT_CHUNK) continue;
      let sum = 0;
      for (let i = first; i < Math.min(count.length, first + chunk); i++) sum += count[i] ?? 0;
      if (sum > 0) context.fillText(formatCountShort(sum), x, y + 1);
    }
  }

  #events(
    context: CanvasRenderingContext2D,
    area: ChartArea,
    row: LaneRow,
    y: number,
    toX: ToX,
    prepared: PreparedEvents,
  ): void {
    const { data, depths } = prepared;
    const n = data.start.length;
    let lastX = -1;
    let lastKind = -1;
    for (let i = 0; i < n; i++) {
      const start = data.start[i] ?? 0;
      const duration = data.duration[i] ?? 0;
      const kind = data.kind[i] ?? 0;
      const x0 = toX(start);
      if (x0 > area.right) break;
      const x1 = toX(start + duration);
      if (x1 < area.left - DIAMOND) continue;
      const { role, shape } = kindRow(kind);
      const { top, height } = bandOf(row, depths[i] ?? 0);
      if (shape === 'instant') {
        // Of what happens at one instant the first is shown: the others follow from it.
        const before = i > 0 ? toX(data.start[i - 1] ?? 0) : -Infinity;
        const next = nextInstant(data, i);
        const after = next < n ? toX(data.start[next] ?? 0) : Infinity;
        this.#instant(context, x0, y + top, height, role, Math.min(x0 - before, after - x0) > 2 * DIAMOND);
        i = next - 1;
        continue;
      }
      const left = Math.max(Math.round(x0), area.left - 2);
      const width = Math.max(1, Math.min(Math.round(x1), area.right + 2) - left);
      if (width === 1 && left === lastX && kind === lastKind) continue;
      lastX = left;
      lastKind = kind;
      context.fillStyle = this.#fill(role);
      context.fillRect(left, y + top, width, height);
      if (width > 3) {
        context.strokeStyle = this.theme.contrastBorder || this.theme.background;
        context.lineWidth = 1;
        context.globalAlpha = this.theme.highContrast ? 1 : 0.55;
        context.strokeRect(left + 0.5, y + top + 0.5, width - 1, height - 1);
        context.globalAlpha = 1;
      }
    }
    if (!this.options.compact) this.#labels(context, area, row, y, toX, prepared);
  }

  #fill(role: ColourRole): string | CanvasPattern {
    let fill = this.#fills.get(role);
    if (fill === undefined) {
      fill = fillOf(role, this.theme, this.#background);
      this.#fills.set(role, fill);
    }
    return fill;
  }

  #instant(
    context: CanvasRenderingContext2D,
    x: number,
    y: number,
    height: number,
    role: ColourRole,
    roomy: boolean,
  ): void {
    context.fillStyle = this.theme.roles[role];
    if (!roomy) {
      context.fillRect(Math.round(x) - 0.5, y + 2, 2, height - 4);
      return;
    }
    const middle = y + height / 2;
    context.beginPath();
    if (role === 'fault') {
      context.moveTo(x - DIAMOND, middle - DIAMOND);
      context.lineTo(x + DIAMOND, middle + DIAMOND);
      context.moveTo(x + DIAMOND, middle - DIAMOND);
      context.lineTo(x - DIAMOND, middle + DIAMOND);
      context.lineWidth = 2.5;
      context.strokeStyle = this.theme.roles[role];
      context.stroke();
      return;
    }
    context.moveTo(x, middle - DIAMOND);
    context.lineTo(x + DIAMOND, middle);
    context.lineTo(x, middle + DIAMOND);
    context.lineTo(x - DIAMOND, middle);
    context.closePath();
    context.fill();
    if (this.theme.highContrast) {
      context.strokeStyle = this.theme.foreground;
      context.lineWidth = 1;
      context.stroke();
    }
  }

  /** Names where they fit inside or beside an event, counts where events are too near one another for names. */
  #labels(
    context: CanvasRenderingContext2D,
    area: ChartArea,
    row: LaneRow,
    y: number,
    toX: ToX,
    prepared: PreparedEvents,
  ): void {
    const { data } = prepared;
    const track = this.track(row.lane.trackIds[0] ?? -1);
    const n = data.start.length;
    context.textBaseline = 'middle';
    context.textAlign = 'left';
    const mode = row.lane.kind === 'mode';
    for (let first = 0; first < n;) {
      let last = first;
      let right = this.#rightOf(data, first, toX);
      while (!mode && last + 1 < n && toX(data.start[last + 1] ?? 0) - right < CLUSTER_GAP) {
        last++;
        right = Math.max(right, this.#rightOf(data, last, toX));
      }
      const left = toX(data.start[first] ?? 0);
      if (left > area.right) return;
      if (right >= area.left) {
        let named = 0;
        for (let i = first; i <= last; i++)
          if (this.#inside(context, area, row, y, toX, prepared, i, track)) named++;
        const room = last + 1 < n ? toX(data.start[last + 1] ?? 0) - right - 8 - DIAMOND : Infinity;
        if (named === 0 && !mode) {
          const names = nextInstant(data, first) > last ? [this.#namesOf(data, first, last, track)] : [];
          const count = last > first ? [formatCountShort(last - first + 1)] : [];
          const label = [...names, ...count].find(
            (each) => this.#width(context, each, this.theme.font) <= room,
          );
          if (label !== undefined) {
            context.font = this.theme.font;
            context.fillStyle = names.includes(label) ? this.theme.foreground : this.theme.muted;
            context.fillText(label, right + 5, y + row.height / 2);
          }
        }
      }
      first = last + 1;
    }
  }

  /** Names of events that happen at one instant. */
  #namesOf(data: LaneEvents, first: number, last: number, track: Track | undefined): string {
    const names: string[] = [];
    for (let i = first; i <= last; i++)
      names.push(eventLabel(data.kind[i] ?? 0, data.a[i] ?? 0, track, this.track));
    return names.join(', ');
  }

  #rightOf(data: LaneEvents, index: number, toX: ToX): number {
    const start = data.start[index] ?? 0;
    const instant = kindRow(data.kind[index] ?? 0).shape === 'instant';
    return instant
      ? toX(start) + DIAMOND
      : Math.max(toX(start + (data.duration[index] ?? 0)), toX(start) + 1);
  }

  /** Writes an event's name into it, if there is room; tells whether there was. */
  #inside(
    context: CanvasRenderingContext2D,
    area: ChartArea,
    row: LaneRow,
    y: number,
    toX: ToX,
    prepared: PreparedEvents,
    i: number,
    track: Track | undefined,
  ): boolean {
    const { data, depths } = prepared;
    const start = data.start[i] ?? 0;
    const kind = data.kind[i] ?? 0;
    const left = Math.max(toX(start), area.left);
    let right = Math.min(toX(start + (data.duration[i] ?? 0)), area.right);
    // What begins inside this span hides the rest of it.
    if (i + 1 < data.start.length) right = Math.min(right, toX(data.start[i + 1] ?? 0));
    if (right - left < 24) return false;
    const label = eventLabel(kind, data.a[i] ?? 0, track, this.track);
    if (this.#width(context, label, this.theme.font) > right - left - 8) return false;
    const { role } = kindRow(kind);
    const { top, height } = bandOf(row, depths[i] ?? 0);
    if (height < 10) return false;
    context.font = this.theme.font;
    context.fillStyle = this.theme.onRole[role];
    const x = left + 4;
    const middle = y + top + height / 2 + 0.5;
    if (typeof this.#fill(role) !== 'string') {
      // A plain plate keeps words readable on a hatch.
      context.fillStyle = this.theme.roles[role];
      context.fillRect(
        x - 2,
        middle - Math.min(7, height / 2 - 1),
        this.#width(context, label, this.theme.font) + 4,
        Math.min(14, height - 2),
      );
      context.fillStyle = this.theme.onRole[role];
    }
    context.fillText(label, x, middle);
    return true;
  }

  #width(context: CanvasRenderingContext2D, text: string, font: string): number {
    let width = this.#widths.get(text);
    if (width === undefined) {
      context.font = font;
      width = context.measureText(text).width;
      this.#widths.set(text, width);
    }
    return width;
  }
}
