/** Where lanes stand below one another. Pixels from the top of the scrolled content. */
import type { Lane } from '../../src/protocol/viewport';
import type { KindGroup } from '../../src/trace/vocabulary/events';

/** One line of the timeline: a heading or a lane. */
export type Row =
  | { type: 'heading'; group: string; top: number; height: number; collapsed: boolean; lanes: number }
  | { type: 'lane'; lane: Lane; top: number; height: number; firstOfTrack: boolean };

export type LaneRow = Extract<Row, { type: 'lane' }>;

export interface Layout {
  rows: Row[];
  /** Lanes that are shown, top down. */
  lanes: LaneRow[];
  height: number;
}

const HEADING_HEIGHT = 24;
const LANE_HEIGHT: Record<Lane['kind'], number> = { mode: 34, spans: 30, instants: 28 };

/** Lays out lanes under their headings; lanes of collapsed groups are left out. */
export function layoutOf(lanes: readonly Lane[], collapsed: ReadonlySet<string>): Layout {
  const layout: Layout = { rows: [], lanes: [], height: 0 };
  let group: string | undefined;
  let track: string | undefined;
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
    if (collapsed.has(lane.group)) continue;
    const height = LANE_HEIGHT[lane.kind];
    const row: LaneRow = {
      type: 'lane',
      lane,
      top: layout.height,
      height,
      firstOfTrack: lane.track !== track,
    };
    track = lane.track;
    layout.rows.push(row);
    layout.lanes.push(row);
    layout.height += height;
  }
  return layout;
}

/** The line at a height, if any. */
export function rowAt(layout: Layout, y: number): Row | undefined {
  return layout.rows.find((row) => y >= row.top && y < row.top + row.height);
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
