/**
 * Going backwards: from the newest checkpoint before, forwards to where one stood, with an eye on the points; the last that was hit is
 * the place, and if there was none, the stretch before it is searched in the same way.
 */
import type { Checkpoints } from './checkpoints';
import type { Goal, Moment, PointHit, Stop } from './control';
import { compareMoments, isBefore } from './moments';
import { isBeyond, type Travel } from './travel';
import type { Watchers } from './watchers';

export interface BackwardWorld {
  readonly travel: Travel;
  readonly checkpoints: Checkpoints;
  /** Turned on. */
  readonly watchers: Watchers;
}

export interface Found {
  readonly reason: Stop['reason'];
  readonly hits?: readonly PointHit[];
}

/**
 * Whether a hit counts on the way back from a moment. Right at it only accesses can count: points of code there are of what comes.
 */
export type Counts = (moment: Moment, isAccess: boolean) => boolean;

export function countsBefore(present: Moment, withPresent: boolean): Counts {
  return (moment, isAccess) => {
    const order = compareMoments(moment, present);
    return order < 0 || (order === 0 && withPresent && isAccess);
  };
}

/** See `RunControl.backward`. */
export function backward(world: BackwardWorld, counts: Counts, until?: Goal): Found {
  const { travel, checkpoints, watchers } = world;
  const present = travel.now;
  let end = present;
  for (let start = checkpoints.before(end); start; start = checkpoints.before(end)) {
    travel.restore(start);
    const found = lastHit(world, end, counts);
    if (found === 'interrupted') {
      goTo(world, { kind: 'moment', moment: present });
      return { reason: 'interrupted' };
    }
    if (found && !(until && isEarlier(found.moment, until))) {
      goTo(world, { kind: 'moment', moment: found.moment });
      return { reason: 'point', hits: found.hits };
    }
    end = start.moment;
    if (until && !isBeyond(end, until)) {
      goTo(world, until);
      return { reason: 'goal' };
    }
  }
  watchers.turn(false);
  const first = checkpoints.latest(() => false);
  if (isBefore(first.moment, travel.now)) travel.restore(first);
  return { reason: 'beginning' };
}

function goTo({ travel, watchers }: BackwardWorld, goal: Goal): void {
  watchers.turn(false);
  travel.seek(goal);
}

/** Whether a moment is before a goal. */
function isEarlier(moment: Moment, goal: Goal): boolean {
  return !isBeyond(moment, goal) && !(goal.kind === 'moment' && !isBefore(moment, goal.moment));
}

/** The last stop at points on the way from here to a moment. */
function lastHit(
  { travel, watchers }: BackwardWorld,
  end: Moment,
  counts: Counts,
): { hits: PointHit[]; moment: Moment } | 'interrupted' | undefined {
  let last: { hits: PointHit[]; moment: Moment } | undefined;
  watchers.take();
  for (;;) {
    const arrival = travel.forward({ kind: 'moment', moment: end });
    const { now } = travel;
    const hits = watchers.take().filter(({ access }) => counts(now, access !== undefined));
    if (hits.length > 0) last = { hits, moment: now };
    if (arrival === 'interrupted') return arrival;
    if (arrival !== 'hit' || !isBefore(now, end)) return last;
  }
}
