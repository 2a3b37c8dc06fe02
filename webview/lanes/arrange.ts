/** The lanes as the reader wants them: under which headings, in which order, which stay at the top, which are hidden. */
import type { LaneChoices } from '../../src/protocol/choices';
import type { Lane } from '../../src/protocol/viewport';
import type { Track, TrackType } from '../../src/trace/model';

/** Headings when lanes stand by what they are, in this order. */
const headings: readonly (readonly [heading: string, types: readonly TrackType[]])[] = [
  ['vCPUs', ['vcpu', 'interrupts']],
  ['Physical CPUs', ['cpu']],
  ['Threads', ['thread']],
  ['Devices', ['device', 'dma']],
  ['Interrupt controllers', ['irqchip']],
  ['IOMMU', ['iommu', 'domain']],
  ['Links', ['link']],
];

export interface ArrangedLanes {
  /** At the top, whatever is scrolled. */
  pinned: readonly Lane[];
  /** Below, lanes of one heading side by side. */
  lanes: readonly Lane[];
}

/** The same lane under another heading, named with the machine that it belongs to. */
function under(lane: Lane, heading: string): Lane {
  return { ...lane, group: heading, track: `${lane.group} ${lane.track}` };
}

function byType(lanes: readonly Lane[], track: (id: number) => Track | undefined): Lane[] {
  const queries = lanes.filter(({ query }) => query !== undefined);
  const others = headings.flatMap(([heading, types]) =>
    lanes
      .filter(({ trackIds }) => {
        const type = track(trackIds[0] ?? -1)?.type;
        return type !== undefined && types.includes(type);
      })
      .map((lane) => under(lane, heading)),
  );
  return [...queries, ...others];
}

/** Puts lanes that the reader moved into their order; each takes a place that one of them had. */
function inOrder(lanes: readonly Lane[], order: readonly string[]): Lane[] {
  const rank = new Map(order.map((id, index) => [id, index]));
  const moved = lanes.filter(({ id }) => rank.has(id));
  moved.sort((a, b) => (rank.get(a.id) ?? 0) - (rank.get(b.id) ?? 0));
  return lanes.map((lane) => (rank.has(lane.id) ? (moved.shift() ?? lane) : lane));
}

/** Ids of the lanes at the top: what the reader pinned, else the first lane of modes. */
export function pinnedIds(lanes: readonly Lane[], choices: LaneChoices): readonly string[] {
  if (choices.pinned) return choices.pinned;
  const first = lanes.find(({ kind, empty }) => kind === 'mode' && !empty);
  return first ? [first.id] : [];
}

/** Arranges lanes by a reader's choices; `track` finds the track that a lane shows. */
export function arrange(
  lanes: readonly Lane[],
  choices: LaneChoices,
  track: (id: number) => Track | undefined,
): ArrangedLanes {
  const hidden = new Set(choices.hidden);
  const grouped = choices.grouping === 'type' ? byType(lanes, track) : lanes;
  const ids = [...new Set(grouped.map(({ group }) => group))];
  const ordered = ids.flatMap((group) =>
    inOrder(
      grouped.filter((lane) => lane.group === group),
      choices.order,
    ),
  );
  const shown = ordered.filter(({ id }) => !hidden.has(id));
  const atTop = new Set(pinnedIds(lanes, choices));
  const machines = new Set(lanes.filter(({ kind }) => kind === 'mode').map(({ group }) => group));
  const named = (lane: Lane): Lane =>
    machines.size > 1 && choices.grouping === 'machine' ? under(lane, lane.group) : lane;
  return {
    pinned: shown.filter(({ id }) => atTop.has(id)).map(named),
    lanes: shown.filter(({ id }) => !atTop.has(id)),
  };
}

/**
 * The order after a lane was moved before another one of its heading, or to the end of it when that is undefined.
 * @param lanes as they stand
 */
export function moved(lanes: readonly Lane[], id: string, before: string | undefined): string[] {
  const lane = lanes.find((each) => each.id === id);
  const ids = lanes
    .filter(({ group, id: other }) => group === lane?.group && other !== id)
    .map((each) => each.id);
  const at = before === undefined ? ids.length : ids.indexOf(before);
  return at < 0 || !lane ? lanes.map((each) => each.id) : [...ids.slice(0, at), id, ...ids.slice(at)];
}
