/** Everything at which the run stops on the user's behalf, each with who asked for it. */
import type { Moment, PointHit, StopPoint, StopPointPlace } from '../run/control/control';
import type { HitCounter } from './hit-counter';

/** What asked for a stop. */
export interface PointOwner {
  /** Reason of the `stopped` event. */
  readonly reason: StopReason;
  /** Id of the breakpoint in the protocol, where it is one. */
  readonly breakpoint?: number;
  /** Asked at each hit, at its moment, whether the run is to stop. Absent: always. */
  accepts?(hit: PointHit): boolean;
  /** Of one that stops at certain hits only: its count, which has to know all hits before the present moment. */
  readonly counter?: HitCounter | undefined;
  /** Takes a hit down without stopping at it. */
  count?(hit: PointHit): void;
  /** What was to come after a moment will not: a person has begun another future there. */
  forgetAfter?(moment: Moment): void;
  /** A sentence about the hit; undefined: the reason says enough. */
  tell?(hit: PointHit): string | undefined;
}

export type StopReason =
  'breakpoint' | 'function breakpoint' | 'instruction breakpoint' | 'data breakpoint' | 'exception' | 'goto';

interface Placed {
  readonly place: StopPointPlace;
  readonly owner: PointOwner;
}

/** Points by groups that are replaced as a whole, as the protocol's requests do. */
export class PointTable {
  private readonly groups = new Map<string, readonly StopPoint[]>();
  private readonly owners = new Map<number, PointOwner>();
  private next = 1;
  /** Set by whoever has the run stopped at points; told whenever they change. */
  changed: () => void = () => undefined;

  /** Replaces the points of a group. */
  replace(group: string, placed: readonly Placed[]): void {
    for (const { id } of this.groups.get(group) ?? []) this.owners.delete(id);
    const points = placed.map(({ place, owner }) => this.pointOf(place, owner));
    if (points.length > 0) this.groups.set(group, points);
    else this.groups.delete(group);
    this.changed();
  }

  private pointOf(place: StopPointPlace, owner: PointOwner): StopPoint {
    const id = this.next++;
    this.owners.set(id, owner);
    return { ...place, id, ...(owner.accepts && { when: (hit: PointHit) => owner.accepts?.(hit) ?? true }) };
  }

  /** A number for a point that is set for one motion only. */
  temporaryId(): number {
    return this.next++;
  }

  all(): StopPoint[] {
    return [...this.groups.values()].flat();
  }

  /** Points whose hits are counted, each with its count. */
  counted(): { readonly point: StopPoint; readonly counter: HitCounter; readonly owner: PointOwner }[] {
    return this.all().flatMap((point) => {
      const owner = this.owners.get(point.id);
      return owner?.counter ? [{ point, counter: owner.counter, owner }] : [];
    });
  }

  forgetAfter(moment: Moment): void {
    for (const owner of this.owners.values()) owner.forgetAfter?.(moment);
  }

  ownerOf(id: number): PointOwner | undefined {
    return this.owners.get(id);
  }
}
