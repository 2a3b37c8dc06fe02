/** What the reader chooses about the picture: lanes, headings, the clock, folded time. The host keeps it. */
import { clocks, type ClockChoice, type LaneChoices } from '../../src/protocol/choices';
import type { Lane, LaneBins, LaneEvents } from '../../src/protocol/viewport';
import type { HostClient } from '../host/client';
import { arrange, moved, pinnedIds } from '../lanes/arrange';
import { binned } from '../lanes/geometry';
import { laneName } from '../lanes/name';
import { Folding, foldsFor } from '../time/fold';
import { idleStretches } from '../time/idle';
import type { Model } from './model';

const clockNames: Record<ClockChoice, string> = {
  time: 'Times in seconds',
  cycles: 'Times in cycles',
  selected: 'Times since the selected event',
};

/** Bins of the whole run in which idle time is looked for. */
const IDLE_BINS = 8192;

function toggled(ids: readonly string[], id: string): string[] {
  return ids.includes(id) ? ids.filter((each) => each !== id) : [...ids, id];
}

export class Choosing {
  constructor(
    private readonly model: Model,
    private readonly host: HostClient,
    private readonly report: (error: unknown) => void,
    /** Reads aloud what has become of a choice, for those who do not see it. */
    private readonly say: (text: string) => void,
  ) {
    const rearrange = (): void => {
      model.arranged.value = arrange(model.lanes.value, model.choices.value, (id) => model.track(id));
    };
    model.lanes.subscribe(rearrange);
    model.choices.subscribe(rearrange);
    let folded = false;
    const refold = (): void => {
      const wanted = model.choices.value.foldIdle && !model.live && model.meta.value !== undefined;
      if (wanted === folded) return;
      folded = wanted;
      if (wanted) void this.#fold();
      else model.folding.value = Folding.none;
    };
    model.choices.subscribe(refold);
    model.extent.subscribe(refold);
  }

  /** Changes choices; the host keeps them for the next time. */
  choose(change: Partial<LaneChoices>): void {
    const { choices } = this.model;
    choices.value = { ...choices.value, ...change };
    this.host.call('keepChoices', choices.value).catch(this.report);
  }

  toggleGroup(group: string): void {
    this.choose({ collapsed: toggled(this.model.choices.value.collapsed, group) });
    this.say(`${group} ${this.model.choices.value.collapsed.includes(group) ? 'collapsed' : 'expanded'}`);
  }

  togglePinned(lane: string): void {
    const { lanes, choices } = this.model;
    const pinned = toggled(pinnedIds(lanes.value, choices.value), lane);
    this.choose({ pinned });
    this.say(`${this.#nameOf(lane)} ${pinned.includes(lane) ? 'stays at the top' : 'scrolls'}`);
  }

  toggleHidden(lane: string): void {
    const hidden = toggled(this.model.choices.value.hidden, lane);
    this.choose({ hidden });
    this.say(`${this.#nameOf(lane)} ${hidden.includes(lane) ? 'hidden; L brings it back' : 'shown'}`);
  }

  /** Moves a lane before another one under the same heading, or to its end. */
  moveBefore(lane: string, before: string | undefined): void {
    const { arranged, choices } = this.model;
    const ids = moved(arranged.value.lanes, lane, before);
    this.choose({ order: [...choices.value.order.filter((id) => !ids.includes(id)), ...ids] });
  }

  /** Moves a lane one place up or down under its heading. */
  moveBy(lane: string, direction: 1 | -1): void {
    const { lanes } = this.model.arranged.value;
    const group = lanes.find(({ id }) => id === lane)?.group;
    const ids = lanes.filter((each) => each.group === group).map(({ id }) => id);
    const at = ids.indexOf(lane);
    if (at < 0 || at + direction < 0 || at + direction >= ids.length) return;
    this.moveBefore(lane, ids[direction < 0 ? at - 1 : at + 2]);
    this.say(`${this.#nameOf(lane)} is ${at + direction + 1} of ${ids.length} in ${group ?? ''}`);
  }

  #nameOf(lane: string): string {
    const found = this.model.lanes.value.find(({ id }) => id === lane);
    return found ? laneName(found) : lane;
  }

  /** The next way to write times. */
  nextClock(): void {
    const at = clocks.indexOf(this.model.choices.value.clock);
    const clock = clocks[(at + 1) % clocks.length] ?? 'time';
    this.choose({ clock });
    this.say(clockNames[clock]);
  }

  /** Shows idle time short, or as long as it is. */
  toggleFolding(): void {
    const foldIdle = !this.model.choices.value.foldIdle;
    this.choose({ foldIdle });
    this.say(foldIdle ? 'Idle time folded' : 'Idle time unfolded');
  }

  /** Looks for idle time in the whole run and shows it short. */
  async #fold(): Promise<void> {
    const { model } = this;
    const modes = model.lanes.value.filter(({ kind }) => kind === 'mode');
    const [first] = modes;
    const [some] = model.lanes.value;
    const { endTime } = model;
    if (!first || !some || endTime <= 0) return;
    const all = (lanes: readonly Lane[], id: string, kind: Lane['kind']): Lane => ({
      ...some,
      id,
      kind,
      trackIds: [...new Set(lanes.flatMap(({ trackIds }) => trackIds))],
      groups: [...new Set(lanes.flatMap(({ groups }) => groups))],
    });
    const lanes = [
      all(modes, 'idle/modes', 'mode'),
      all(
        model.lanes.value.filter(({ kind }) => kind !== 'mode'),
        'idle/events',
        'instants',
      ),
    ];
    const bin = Math.max(1, endTime / IDLE_BINS);
    const width = Math.max(1, Math.floor(endTime / bin));
    try {
      const {
        from,
        to,
        lanes: got,
      } = await this.host.call('viewport', { from: 0, to: width * bin, width, lanes });
      const asBins = (data: LaneEvents | LaneBins, kind: Lane['kind']): LaneBins =>
        data.type === 'bins' ? data : binned(data, from, to, width, kind);
      const [modeBins, eventBins] = got;
      if (!modeBins || !eventBins) return;
      const idle = idleStretches(asBins(modeBins, 'mode'), asBins(eventBins, 'instants'), from, bin);
      if (model.choices.value.foldIdle) model.folding.value = new Folding(foldsFor(idle, endTime));
    } catch (error) {
      this.report(error);
    }
  }
}
