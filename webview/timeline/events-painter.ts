/** Draws the events of a lane one by one: spans, diamonds, crosses, and their names where there is room. */
import type { ChartArea } from 'chart.js';
import type { LaneEvents } from '../../src/protocol/viewport';
import type { Track } from '../../src/trace/model';
import { kindRow, type ColourRole } from '../../src/trace/vocabulary/events';
import { nextInstant } from '../lanes/geometry';
import { eventLabel } from '../lanes/labels';
import type { LaneRow } from '../lanes/layout';
import { formatCountShort } from '../time/format';
import type { Rgba, Theme } from '../ui/theme';
import { fillOf } from './hatch';
import type { PreparedEvents } from './prepare';

/** Turns cycles into pixels. */
export type ToX = (cycles: number) => number;

/** Pixels above and below a lane's content. */
export const PAD = 4;
/** Events nearer than this are one cluster with a count. */
const CLUSTER_GAP = 10;
const DIAMOND = 4.5;
/** Pixels between an event and the name beside it. */
const LABEL_GAP = 5;
/** Narrower spans are flat: of a hatch no more than noise would show. */
const HATCHED = 14;
/** In high contrast nothing is told by its colour alone, as long as a line of the hatch fits. */
const HATCHED_HIGH_CONTRAST = 5;

/** Top and height of an event inside its lane. */
export function bandOf(row: LaneRow, depth: number): { top: number; height: number } {
  const inner = row.height - 2 * PAD;
  if (row.lane.kind === 'mode') return { top: PAD, height: inner };
  return { top: PAD + depth * 4, height: inner - depth * 4 };
}

export class EventsPainter {
  #fills = new Map<ColourRole, string | CanvasPattern>();
  readonly #widths = new Map<string, number>();

  /** @param compact without names */
  constructor(
    private theme: Theme,
    private background: Rgba,
    private readonly track: (id: number) => Track | undefined,
    private readonly compact: boolean,
  ) {}

  /** Takes the colours of a theme. */
  restyle(theme: Theme, background: Rgba): void {
    this.theme = theme;
    this.background = background;
    this.#fills = new Map();
    this.#widths.clear();
  }

  /** Draws what of a lane is inside the area; `y` is the lane's top. */
  draw(
    context: CanvasRenderingContext2D,
    area: ChartArea,
    row: LaneRow,
    y: number,
    toX: ToX,
    prepared: PreparedEvents,
  ): void {
    const { data, depths } = prepared;
    const n = data.start.length;
    const hatchedFrom = this.theme.highContrast ? HATCHED_HIGH_CONTRAST : HATCHED;
    let lastX = -1;
    let lastKind = -1;
    for (let i = 0; i < n; i++) {
      const start = data.start[i] ?? 0;
      const duration = data.duration[i] ?? 0;
      const kind = data.kind[i] ?? 0;
      const x0 = toX(start);
      if (x0 > area.right + DIAMOND) break;
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
      context.fillStyle = width < hatchedFrom ? this.theme.roles[role] : this.#fill(role);
      context.fillRect(left, y + top, width, height);
      if (width > 3) {
        context.strokeStyle = this.theme.contrastBorder || this.theme.background;
        context.lineWidth = 1;
        context.globalAlpha = this.theme.highContrast ? 1 : 0.55;
        context.strokeRect(left + 0.5, y + top + 0.5, width - 1, height - 1);
        context.globalAlpha = 1;
      }
    }
    if (!this.compact) this.#labels(context, area, row, y, toX, prepared);
  }

  #fill(role: ColourRole): string | CanvasPattern {
    let fill = this.#fills.get(role);
    if (fill === undefined) {
      fill = fillOf(role, this.theme, this.background);
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
        // Up to the next event, or to the edge: half a word says nothing.
        const end = last + 1 < n ? toX(data.start[last + 1] ?? 0) - 3 - DIAMOND : Infinity;
        const room = Math.min(end, area.right) - right - LABEL_GAP;
        if (named === 0 && !mode) {
          const names = nextInstant(data, first) > last ? [this.#namesOf(data, first, last, track)] : [];
          const count = last > first ? [formatCountShort(last - first + 1)] : [];
          const label = [...names, ...count].find(
            (each) => this.#width(context, each, this.theme.font) <= room,
          );
          if (label !== undefined) {
            context.font = this.theme.font;
            context.fillStyle = names.includes(label) ? this.theme.foreground : this.theme.muted;
            context.fillText(label, right + LABEL_GAP, y + row.height / 2);
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
