/** Where lanes stand below one another. Pixels from the top of the scrolled content. */
import type { Lane } from '../../src/protocol/viewport';
import type { KindGroup } from '../../src/trace/vocabulary/events';

/** One line of the timeline: a heading or a lane. */
export type Row =
  | { type: 'heading'; group: string; top: number; height: number; collapsed: boolean; lanes: number }
  | { type: 'lane'; lane: Lane; top: number; height: number; firstOfTrack: boolean; pinned: boolean };

export type LaneRow = Extract<Row, { type: 'lane' }>;

export interface Layout {
  rows: Row[];
  /** Lanes that are shown, top down. */
  lanes: LaneRow[];
  height: number;
  /** Height of the rows at the top that do not scroll; they are the first. */
  pinnedHeight: number;
}

export const emptyLayout: Layout = { rows: [], lanes: [], height: 0, pinnedHeight: 0 };

const HEADING_HEIGHT = 24;
const LANE_HEIGHT: Record<Lane['kind'], number> = { mode: 34, spans: 30, instants: 28 };

/** Lays out lanes under their headings, below those that are pinned; lanes of collapsed groups are left out. */
export function layoutOf(
  lanes: readonly Lane[],
  collapsed: ReadonlySet<string>,
  pinned: readonly Lane[] = [],
): Layout {
  const layout: Layout = { rows: [], lanes: [], height: 0, pinnedHeight: 0 };
  let track: string | undefined;
  const add = (lane: Lane, isPinned: boolean): void => {
    const row: LaneRow = {
      type: 'lane',
      lane,
      top: layout.height,
      height: LANE_HEIGHT[lane.kind],
      firstOfTrack: lane.track !== track,
      pinned: isPinned,
    };
    track = lane.track;
    layout.rows.push(row);
    layout.lanes.push(row);
    layout.height += row.height;
  };
  for (const lane of pinned) add(lane, true);
  layout.pinnedHeight = layout.height;
  let group: string | undefined;
  for (const lane of lanes) {
    if (lane.group !== group) {
      group = lane.group;
      track = undefined;
      const of = lanes.filter((other) => other.group === lane.group).length;
      const heading: Row = {
        type: 'heading',
        group,
        top: layout.height,
        height: HEADING_HEIGHT,
        collapsed: collapsed.has(group),
        lanes: of,
      };
      layout.rows.push(heading);
      layout.height += HEADING_HEIGHT;
    }
    if (!collapsed.has(lane.group)) add(lane, false);
  }
  return layout;
}

/** Where a row stands below the axis. */
export function topOf(row: Row, scrollTop: number): number {
  return row.type === 'lane' && row.pinned ? row.top : row.top - scrollTop;
}

/** The line at a height below the axis, if any. */
export function rowAt(layout: Layout, y: number, scrollTop = 0): Row | undefined {
  const inPinned = y < layout.pinnedHeight;
  return layout.rows.find((row) => {
    const isPinned = row.type === 'lane' && row.pinned;
    const top = topOf(row, scrollTop);
    return isPinned === inPinned && y >= top && y < top + row.height;
  });
}

/** The line that shows events of a track and group: their lane, or the heading of its collapsed group. */
export function rowOfEvent(
  layout: Layout,
  lanes: readonly Lane[],
  track: number,
  group: KindGroup,
): Row | undefined {
  const lane = lanes.find(
    (candidate) => candidate.trackIds.includes(track) && candidate.groups.includes(group),
  );
  if (!lane) return undefined;
  return (
    layout.lanes.find((row) => row.lane.id === lane.id) ??
    layout.rows.find((row) => row.type === 'heading' && row.group === lane.group)
  );
}
