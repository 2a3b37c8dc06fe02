/** What a reader can do with the page, whatever they do it with: mouse, keys, links, other views. */
import type { EventRow } from '../../src/protocol/details';
import type { Lane } from '../../src/protocol/viewport';
import type { DebugPosition, HostNotice } from '../../src/protocol/webview';
import { kindRow } from '../../src/trace/vocabulary/events';
import { lanesOf } from '../../src/trace/query/lanes';
import type { HostClient } from '../host/client';
import { extentOf } from '../lanes/chain-tree';
import { queryLanesOf } from '../lanes/query-lanes';
import { Latest } from '../host/latest';
import { Signal } from '../host/signal';
import { formatDuration, formatRange } from '../time/format';
import * as time from '../time/window';
import { reducedMotion } from '../ui/theme';
import { Choosing } from './choosing';
import { Marks } from './marks';
import type { Model, TabId } from './model';
import { Queries } from './queries';

/** Milliseconds of an animated move. */
const GLIDE = 140;
/** Milliseconds without a further move after which its result is read aloud. */
const ANNOUNCE_REST = 350;

type Grown = Extract<HostNotice, { type: 'grown' }>;
type Init = Extract<HostNotice, { type: 'init' }>;

export class Explorer {
  /** A sentence for screen readers. */
  readonly announcement = new Signal('');
  /** Something the reader asked for could not be done. */
  readonly trouble = new Signal('');
  readonly choosing: Choosing;
  readonly marks: Marks;
  readonly queries: Queries;
  #glide = 0;
  #announcing = 0;
  /** The reader goes along the chain that is shown: it stays. */
  #alongChain = false;
  readonly #details: Latest<number, void>;

  constructor(
    readonly model: Model,
    readonly host: HostClient,
  ) {
    const report = (error: unknown): void => this.report(error);
    const say = (text: string): void => this.say(text);
    this.choosing = new Choosing(model, host, report, say);
    this.marks = new Marks(model, host, report, say);
    this.queries = new Queries(model, host, this.choosing, report, say);
    this.#details = new Latest(
      (row) => this.#describe(row),
      () => undefined,
      report,
    );
    const measure = new Latest<time.TimeWindow, void>(
      (range) => this.#measure(range),
      () => undefined,
      report,
    );
    model.range.subscribe((range) => {
      model.measured.value = undefined;
      if (range) measure.request(range);
    });
  }

  /** Reads a sentence aloud, the same one as often as it comes. */
  say(text: string): void {
    this.announcement.value = '';
    this.announcement.value = text;
  }

  /** Shows what went wrong to the reader. */
  report(error: unknown): void {
    this.trouble.value = error instanceof Error ? error.message : String(error);
  }

  /** Takes the trace's tables; `restored` is the window to show, else the whole run. */
  start(notice: Init, restored: time.TimeWindow | undefined): void {
    const { model } = this;
    const { meta, rows } = notice;
    const endTime = notice.liveUntil ?? notice.endTime;
    model.meta.value = meta;
    model.extent.value = {
      rows,
      endTime,
      state: meta.state,
      ...(meta.message !== undefined && { message: meta.message }),
      ...(notice.failed && { failed: notice.failed }),
    };
    if (notice.choices) model.choices.value = notice.choices;
    model.bookmarks.value = notice.bookmarks;
    model.lanes.value = [...queryLanesOf(model.queryLanes.value), ...lanesOf(meta)];
    void this.queries.bringBack();
    model.window.value = restored ? time.clampWindow(restored, endTime) : time.wholeRun(endTime);
    if (model.selection.value >= rows) model.selection.value = -1;
    if (model.selection.value >= 0) this.#details.request(model.selection.value);
    if (!restored) this.#openFailure();
  }

  /** Takes news of a growing trace. */
  grow(notice: Grown): void {
    const { model } = this;
    const meta = model.meta.value;
    if (!meta) return;
    const oldEnd = model.endTime;
    // Another future has begun: events beyond are gone.
    if (model.selection.value >= notice.rows) this.select(-1);
    const counts = notice.progress?.counts;
    if (notice.tracks.length !== meta.tracks.length || counts || notice.state !== meta.state) {
      const next = {
        ...meta,
        tracks: notice.tracks,
        state: notice.state,
        gaps: notice.gaps,
        ...(counts && { counts }),
      };
      const lanes = [...queryLanesOf(model.queryLanes.value), ...lanesOf(next)];
      model.meta.value = next;
      const key = (all: readonly { id: string; empty: boolean }[]): string =>
        all.map((l) => `${l.id}${l.empty}`).join();
      if (key(lanes) !== key(model.lanes.value)) model.lanes.value = lanes;
    }
    model.extent.value = {
      rows: notice.rows,
      endTime: notice.endTime,
      state: notice.state,
      ...(notice.message !== undefined && { message: notice.message }),
      ...(notice.progress && { progress: notice.progress }),
      ...(notice.failed && { failed: notice.failed }),
    };
    // A window onto an empty trace was no choice of the reader's: the first events bring their own.
    const follow = model.follow.value || oldEnd <= 0;
    model.window.value = time.afterGrowth(model.window.value, oldEnd, notice.endTime, follow);
    if (meta.state === 'running') this.#openFailure();
  }

  /** A run that has not kept what was expected of it opens at the event that broke it, unless the reader looks at another. */
  #openFailure(): void {
    const row = this.model.extent.value.failed?.row;
    if (row !== undefined && this.model.selection.value < 0) void this.reveal(row);
  }

  /** Moves the window; follow ends when the reader leaves the end of the trace. */
  show(window: time.TimeWindow, glide = false): void {
    const { model } = this;
    const target = this.#inShown(window, (shown, end) => time.clampWindow(shown, end));
    cancelAnimationFrame(this.#glide);
    if (model.follow.value && model.live && target.to < model.endTime) model.follow.value = false;
    if (!glide || reducedMotion()) {
      model.window.value = target;
      return;
    }
    const { folding } = model;
    const from = folding.value.windowToShown(model.window.value);
    const end = folding.value.windowToShown(target);
    const begin = performance.now();
    const step = (now: number): void => {
      const share = Math.min(1, Math.max(0, (now - begin) / GLIDE));
      const eased = 1 - (1 - share) ** 3;
      const mix = (a: number, b: number): number => a + (b - a) * eased;
      model.window.value =
        share < 1
          ? folding.value.windowToTime({ from: mix(from.from, end.from), to: mix(from.to, end.to) })
          : target;
      if (share < 1) this.#glide = requestAnimationFrame(step);
    };
    this.#glide = requestAnimationFrame(step);
  }

  /** Changes a window as it is shown: where time is folded, a pixel is worth more. */
  #inShown(
    window: time.TimeWindow,
    change: (shown: time.TimeWindow, endTime: number) => time.TimeWindow,
  ): time.TimeWindow {
    const folding = this.model.folding.value;
    return folding.windowToTime(change(folding.windowToShown(window), folding.toShown(this.model.endTime)));
  }

  /** Zooms about a time; by default about the selected event in view, else the middle. */
  zoom(factor: number, at?: number, glide = false): void {
    const { window } = this.model;
    const { from, to } = window.value;
    const start = this.model.details.value?.start;
    const selected = start !== undefined && this.model.selection.value >= 0 && start >= from && start <= to;
    const centre = at ?? (selected ? start : (from + to) / 2);
    const about = this.model.folding.value.toShown(centre);
    this.show(
      this.#inShown(window.value, (shown, end) => time.zoomAbout(shown, about, factor, end)),
      glide,
    );
    this.#announceWindow();
  }

  /** Moves by a share of the window. */
  pan(share: number, glide = false): void {
    const { window } = this.model;
    this.show(
      this.#inShown(window.value, (shown, end) => time.panBy(shown, share * time.spanOf(shown), end)),
      glide,
    );
    this.#announceWindow();
  }

  /** Moves the window so that a time is in its middle. */
  centre(at: number): void {
    const middle = this.model.folding.value.toShown(at);
    this.show(
      this.#inShown(this.model.window.value, (shown) => {
        const half = time.spanOf(shown) / 2;
        return { from: middle - half, to: middle + half };
      }),
      true,
    );
  }

  fit(): void {
    this.show(time.wholeRun(this.model.endTime), true);
    this.#announceWindow();
  }

  toStart(): void {
    const span = time.spanOf(this.model.window.value);
    this.show({ from: 0, to: span }, true);
    this.#announceWindow();
  }

  toEnd(): void {
    const span = time.spanOf(this.model.window.value);
    const { to } = time.wholeRun(this.model.endTime);
    this.show({ from: to - span, to }, true);
    this.#announceWindow();
  }

  /** Makes the marked range the window. */
  zoomToRange(): void {
    const range = this.model.range.value;
    if (!range) return;
    this.model.range.value = undefined;
    this.show(range, true);
    this.#announceWindow();
  }

  setFollow(on: boolean): void {
    this.model.follow.value = on;
    this.say(on ? 'Following the end of the trace' : 'Not following');
    if (on)
      this.show(time.afterGrowth(this.model.window.value, this.model.endTime, this.model.endTime, true));
  }

  /** Selects an event, -1 none; details and chain follow, but for a chain along which the reader goes. */
  select(row: number, alongChain = false): void {
    const { model } = this;
    if (model.selection.value === row) return;
    this.#alongChain = alongChain;
    model.selection.value = row;
    // The event's sentence tells where the reader is.
    clearTimeout(this.#announcing);
    this.host.notify({ type: 'selected', row });
    if (row < 0) {
      model.details.value = undefined;
      model.chain.value = undefined;
      return;
    }
    this.#details.request(row);
  }

  /**
   * Selects an event and brings it into view, with its lane.
   * @param way `alongChain` as for `select`; `inLane`: the keyboard stays in the lane where it is
   */
  async reveal(row: number, way: { alongChain?: boolean; inLane?: boolean } = {}): Promise<void> {
    this.select(row, way.alongChain);
    try {
      const event = await this.host.call('describe', row);
      if (!way.inLane) this.unfold(event);
      const { window } = this.model;
      const { value: folding } = this.model.folding;
      const start = folding.toShown(event.start);
      const duration = folding.toShown(event.start + event.duration) - start;
      this.show(
        this.#inShown(window.value, (shown, end) => time.bringIntoView(shown, start, duration, end)),
        true,
      );
    } catch (error) {
      this.report(error);
    }
  }

  /** Opens the group of an event's lane and makes the lane the keyboard's. */
  unfold(event: Pick<EventRow, 'trackId' | 'kind'>): void {
    const { choices, arranged, lane } = this.model;
    const group = kindRow(event.kind).group;
    const found = [...arranged.value.pinned, ...arranged.value.lanes].find(
      (each) => each.trackIds.includes(event.trackId) && each.groups.includes(group),
    );
    if (!found) return;
    lane.value = found.id;
    const folded = choices.value.collapsed.includes(found.group) && !arranged.value.pinned.includes(found);
    if (folded) this.choosing.toggleGroup(found.group);
  }

  /** Makes the window fit one event. */
  async zoomTo(row: number): Promise<void> {
    this.select(row);
    try {
      const event = await this.host.call('describe', row);
      const { window } = this.model;
      this.show(time.windowAround(event.start, event.duration, window.value, this.model.endTime), true);
    } catch (error) {
      this.report(error);
    }
  }

  /** Makes the window fit the whole chain of the selected event. */
  showChain(): void {
    const chain = extentOf(this.model.chain.value?.rows ?? []);
    if (!chain) return;
    const air = Math.max((chain.to - chain.from) * 0.06, time.MIN_SPAN);
    this.show({ from: chain.from - air, to: chain.to + air }, true);
    this.#announceWindow();
  }

  /** The debugger stands elsewhere: the reader's window comes along. */
  debuggerMoved(position: DebugPosition | undefined): void {
    const { model } = this;
    const before = model.debugger.value;
    model.debugger.value = position;
    if (!position?.stopped || before?.cycles === position.cycles) return;
    this.show(time.bringIntoView(model.window.value, position.cycles, 0, model.endTime), true);
  }

  /** Whether a debugger stands still in this run, so that it can be moved. */
  get canTravel(): boolean {
    return this.model.debugger.value?.stopped ?? false;
  }

  /** Moves the debugger to a time or an event. */
  async travel(target: { cycles: number } | { row: number }): Promise<void> {
    try {
      await this.host.call('travel', target);
    } catch (error) {
      this.report(error);
    }
  }

  async debugFrom(row: number): Promise<void> {
    try {
      await this.host.call('debugFrom', row);
    } catch (error) {
      this.report(error);
    }
  }

  async stopAtLike(row: number): Promise<void> {
    try {
      await this.host.call('stopAtLike', row);
    } catch (error) {
      this.report(error);
    }
  }

  /** Opens the C line of an event, when it has one. Without `focus` the keyboard stays here. */
  async openSource(row: number, beside: boolean, focus = true): Promise<void> {
    try {
      await this.host.call('openSource', row, beside, focus);
    } catch (error) {
      this.report(error);
    }
  }

  /** Opens the machine code about an event's instruction. */
  async openDisassembly(row: number, beside: boolean, focus = true): Promise<void> {
    try {
      if (!(await this.host.call('openDisassembly', row, beside, focus)))
        this.say('The event is about no instruction');
    } catch (error) {
      this.report(error);
    }
  }

  /** Goes to the event of the keyboard's lane before or after the selected one, wherever it is. */
  async stepInLane(direction: 1 | -1): Promise<void> {
    const { model } = this;
    const lane = model.lanes.value.find(({ id }) => id === model.lane.value);
    const query = lane && this.#queryOf(lane);
    if (query === undefined) return;
    const from =
      model.selection.value >= 0 ? model.selection.value : direction > 0 ? -1 : model.extent.value.rows;
    try {
      let found = await this.host.call('find', query, from, direction);
      while (!found.complete) found = await this.host.call('find', query, from, direction);
      if (found.row >= 0) await this.reveal(found.row, { inLane: true });
      else this.say(direction > 0 ? 'Last event of the lane' : 'First event of the lane');
    } catch (error) {
      this.report(error);
    }
  }

  /** What finds the events of a lane. */
  #queryOf(lane: Lane): string | undefined {
    if (lane.query !== undefined) return lane.query;
    const track = this.model.track(lane.trackIds[0] ?? -1);
    if (!track) return undefined;
    const vm = track.vm >= 0 ? ` vm:${track.vm}` : '';
    return `track:"${lane.track}"${vm} group:${lane.groups.join(',')}`;
  }

  /** One step back out: the cursors, the marked range, the selection, then the zoom. */
  back(): void {
    const { model } = this;
    const { a, b } = model.cursors.value;
    if (a !== undefined || b !== undefined) this.marks.clearCursors();
    else if (model.range.value) model.range.value = undefined;
    else if (model.selection.value >= 0) {
      this.select(-1);
      this.say('Nothing selected');
    } else if (!time.showsWholeRun(model.window.value, model.endTime)) this.zoom(4, undefined, true);
  }

  /** Counts the events that begin in the marked range. */
  async #measure(range: time.TimeWindow): Promise<void> {
    const { total } = await this.host.call('events', { ...range, filter: '', offset: 0, limit: 0 });
    if (this.model.range.value !== range) return;
    this.model.measured.value = total;
    const length = formatDuration(range.to - range.from, this.model.frequencyHz);
    this.#sayAtRest(() => `${length} marked, ${total} events`);
  }

  showTab(tab: TabId): void {
    this.model.tab.value = tab;
  }

  #announceWindow(): void {
    this.#sayAtRest(() => {
      const { from, to } = this.model.window.value;
      return `Showing ${formatRange(from, to, this.model.frequencyHz)}`;
    });
  }

  /** Reads a sentence aloud when nothing has come after it for a while: of a gesture, its end. */
  #sayAtRest(sentence: () => string): void {
    clearTimeout(this.#announcing);
    this.#announcing = window.setTimeout(() => this.say(sentence()), ANNOUNCE_REST);
  }

  async #describe(row: number): Promise<void> {
    const { model } = this;
    const event = await this.host.call('describe', row);
    if (model.selection.value !== row) return;
    model.details.value = event;
    this.say(event.sentence);
    const stays = this.#alongChain && model.chain.value?.rows.some((link) => link.row === row);
    if (!stays) await this.#askChain(row);
  }

  async #askChain(row: number): Promise<void> {
    const { model } = this;
    const { steps, limit } = model.reach.value;
    const chain = await this.host.call('chain', row, { back: steps, forward: steps, limit });
    const isWanted = model.selection.value === row || model.chain.value?.row === row;
    if (isWanted) model.chain.value = { row, ...chain };
  }

  /** Follows the chain of an event: by default of the one whose chain is shown, as far as is asked for now. */
  async showChainOf(row = this.model.chain.value?.row): Promise<void> {
    if (row === undefined) return;
    try {
      await this.#askChain(row);
    } catch (error) {
      this.report(error);
    }
  }
}
