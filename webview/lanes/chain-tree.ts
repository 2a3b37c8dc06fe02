/** A causal chain in the order in which it is told: one trunk, side branches indented before it goes on. */
import type { EventRow } from '../../src/protocol/details';
import { kindRow } from '../../src/trace/vocabulary/events';

/** One line of a chain. */
export interface ChainLine {
  event: EventRow;
  /** Side branches off the trunk that it lies on. */
  depth: number;
  /** The cause, when it is part of the chain. */
  cause?: EventRow;
  /** It goes on from its cause on the same branch, or begins the chain. */
  trunk: boolean;
  /** Legs inside it that are not shown. */
  folded: number;
}

/** Whether an event only says where the time inside its cause went. */
function isLeg(event: EventRow): boolean {
  const { group } = kindRow(event.kind);
  return group === 'leg' || group === 'mode';
}

/**
 * Lines of a chain. Of the consequences of an event the one with the most consequences of its own goes on at the same depth,
 * and comes last; the others are told before it, indented.
 * @param unfolded whether the legs of a row are shown; the selected row always is
 */
export function chainLines(
  rows: readonly EventRow[],
  selected: number,
  unfolded: (row: number) => boolean = () => false,
): ChainLine[] {
  const byRow = new Map(rows.map((event) => [event.row, event]));
  const roots: EventRow[] = [];
  const children = new Map<number, EventRow[]>();
  const folded = new Map<number, number>();
  for (const event of rows) {
    const cause = byRow.get(event.cause);
    if (!cause) roots.push(event);
    else if (isLeg(event) && event.row !== selected && !unfolded(cause.row))
      folded.set(cause.row, (folded.get(cause.row) ?? 0) + 1);
    else children.set(cause.row, [...(children.get(cause.row) ?? []), event]);
  }
  // A cause stands before its consequences, so that one pass from the end knows every size.
  const size = new Map<number, number>();
  for (const event of [...rows].reverse()) {
    const below = (children.get(event.row) ?? []).reduce((sum, { row }) => sum + (size.get(row) ?? 1), 0);
    size.set(event.row, 1 + below);
  }
  const lines: ChainLine[] = [];
  const stack = roots.map((event) => ({ event, depth: 0, trunk: true })).reverse();
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { event, depth, trunk } = next;
    const cause = byRow.get(event.cause);
    const line = { event, depth, trunk, folded: folded.get(event.row) ?? 0, ...(cause && { cause }) };
    lines.push(line);
    const below = children.get(event.row) ?? [];
    const heaviest = below.reduce<EventRow | undefined>(
      (best, each) =>
        !best || (size.get(each.row) ?? 0) >= (size.get(best.row) ?? 0) + (isLeg(each) ? 1 : 0) ? each : best,
      undefined,
    );
    const others = below.filter((each) => each !== heaviest);
    if (heaviest) stack.push({ event: heaviest, depth, trunk: true });
    for (const each of others.reverse()) stack.push({ event: each, depth: depth + 1, trunk: false });
  }
  return lines;
}

/** From the start of a chain's first event to the end of its last, in cycles; undefined for an empty one. */
export function extentOf(rows: readonly EventRow[]): { from: number; to: number } | undefined {
  if (rows.length === 0) return undefined;
  const from = Math.min(...rows.map(({ start }) => start));
  return { from, to: Math.max(...rows.map(({ start, duration }) => start + duration)) };
}
