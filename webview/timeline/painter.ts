/** Draws headings' bands and lanes with what is prepared of them; positions follow the window of the moment. */
import type { ChartArea } from 'chart.js';
import type { Track } from '../../src/trace/model';
import { emptyLayout, topOf, type LaneRow, type Layout, type Row } from '../lanes/layout';
import { Folding, timeScale, type TimeScale } from '../time/fold';
import { formatCountShort } from '../time/format';
import type { TimeWindow } from '../time/window';
import type { Rgba, Theme } from '../ui/theme';
import type { Painter } from './chart';
import { EventsPainter, PAD } from './events-painter';
import type { Supply } from './feed';
import { Shelf, type Prepared, type PreparedColumns } from './prepare';

/** Of a dense lane's height, pixels kept free above its highest column. */
const HEAD_ROOM = 2;

function isPinned(row: Row): boolean {
  return row.type === 'lane' && row.pinned;
}

export class LanePainter implements Painter {
  layout: Layout = emptyLayout;
  scrollTop = 0;
  activeLane = '';
  folding = Folding.none;
  readonly #shelf = new Shelf();
  readonly #events: EventsPainter;

  constructor(
    private theme: Theme,
    track: (id: number) => Track | undefined,
    private readonly resolve: (colour: string) => Rgba,
    private readonly options: { compact?: boolean } = {},
  ) {
    this.#events = new EventsPainter(theme, resolve(theme.background), track, options.compact ?? false);
  }

  /** Takes the colours of a theme; strips are drawn again in them at the next `prepare`. */
  restyle(theme: Theme): void {
    this.theme = theme;
    this.#events.restyle(theme, this.resolve(theme.background));
    this.#shelf.restyle();
  }

  /** What is drawn of a lane. */
  prepared(lane: string): Prepared | undefined {
    return this.#shelf.get(lane);
  }

  /** Takes what came of lanes; it is drawn after the next `prepare`. */
  accept(supplies: ReadonlyMap<string, Supply>): void {
    this.#shelf.put(supplies);
  }

  /** Whether something has come that no `prepare` has seen. */
  hasNew(rows: readonly LaneRow[]): boolean {
    return this.#shelf.hasNew(rows);
  }

  /**
   * Makes the strips of lanes for a size of pixel. Until the next time they are drawn shifted and stretched.
   * @param pixel shown cycles of a pixel
   * @param until stops when `performance.now()` is beyond it; tells whether all was done
   */
  prepare(rows: readonly LaneRow[], pixel: number, width: number, until = Infinity): boolean {
    return this.#shelf.prepare(rows, pixel, width, this.theme, (row) => this.#stripHeight(row), until);
  }

  #stripHeight(row: LaneRow): number {
    if (this.options.compact) return Math.max(4, row.height - 2);
    return row.height - 2 * PAD - (row.lane.kind === 'mode' ? 0 : HEAD_ROOM);
  }

  paint(context: CanvasRenderingContext2D, area: ChartArea, window: TimeWindow): void {
    const scale = timeScale(window, area.left, area.width, this.folding);
    context.save();
    context.beginPath();
    context.rect(area.left, area.top, area.width, area.height);
    context.clip();
    const { rows, pinnedHeight } = this.layout;
    const edge = area.top + pinnedHeight;
    for (const row of rows) if (isPinned(row)) this.#row(context, area, row, area.top + row.top, scale);
    if (pinnedHeight > 0) {
      context.fillStyle = this.theme.muted;
      context.fillRect(area.left, edge - 1, area.width, 1);
      context.beginPath();
      context.rect(area.left, edge, area.width, area.bottom - edge);
      context.clip();
    }
    for (const row of rows) {
      const y = area.top + topOf(row, this.scrollTop);
      if (!isPinned(row) && y + row.height >= edge && y <= area.bottom)
        this.#row(context, area, row, y, scale);
    }
    context.restore();
  }

  #row(context: CanvasRenderingContext2D, area: ChartArea, row: Row, y: number, scale: TimeScale): void {
    if (row.type === 'heading') this.#heading(context, area, y, row.height);
    else this.#lane(context, area, row, y, scale);
  }

  #heading(context: CanvasRenderingContext2D, area: ChartArea, y: number, height: number): void {
    context.fillStyle = this.theme.heading;
    context.fillRect(area.left, y, area.width, height);
    if (!this.theme.contrastBorder) return;
    context.strokeStyle = this.theme.contrastBorder;
    context.lineWidth = 1;
    context.strokeRect(area.left - 1, y + 0.5, area.width + 2, height - 1);
  }

  #lane(context: CanvasRenderingContext2D, area: ChartArea, row: LaneRow, y: number, scale: TimeScale): void {
    if (row.lane.id === this.activeLane) {
      context.fillStyle = this.theme.selection;
      context.fillRect(area.left, y, area.width, row.height);
    }
    context.fillStyle = this.theme.grid;
    context.fillRect(area.left, y + row.height - 1, area.width, 1);
    const prepared = this.#shelf.get(row.lane.id);
    if (!prepared) return;
    if (prepared.type === 'columns') this.#columns(context, area, row, y, scale, prepared);
    else this.#events.draw(context, area, row, y, scale.toX, prepared);
  }

  #columns(
    context: CanvasRenderingContext2D,
    area: ChartArea,
    row: LaneRow,
    y: number,
    { toX }: TimeScale,
    { parts, full }: PreparedColumns,
  ): void {
    context.imageSmoothingEnabled = false;
    for (const { columns, strip } of parts) {
      const { width, height } = strip;
      const left = toX(columns.from);
      const column = (toX(columns.from + width * columns.pixel) - left) / width;
      const first = Math.max(0, Math.floor((area.left - left) / column));
      const count = Math.min(width, Math.ceil((area.right - left) / column)) - first;
      if (count <= 0) continue;
      const top = y + row.height - (this.options.compact ? 1 : PAD) - height;
      context.drawImage(strip, first, 0, count, height, left + first * column, top, count * column, height);
    }
    if (row.lane.kind !== 'mode' && !this.options.compact && full > 1) this.#scale(context, area, y, full);
  }

  /** Says at the lane's left edge how many events in a pixel fill its height. */
  #scale(context: CanvasRenderingContext2D, area: ChartArea, y: number, full: number): void {
    const text = `${formatCountShort(full)}/px`;
    context.font = this.theme.numberFont;
    context.textBaseline = 'top';
    context.textAlign = 'left';
    const width = context.measureText(text).width;
    context.globalAlpha = 0.75;
    context.fillStyle = this.theme.background;
    context.fillRect(area.left + 1, y + 1, width + 6, 12);
    context.globalAlpha = 1;
    context.fillStyle = this.theme.muted;
    context.fillText(text, area.left + 4, y + 2);
  }
}
