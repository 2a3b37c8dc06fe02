/** Moves the run, lets what comes in meanwhile be served, and keeps the user's points and those of one motion apart. */
import type { Goal, PointHit, RunControl, Stop, StopPoint, StopPointPlace } from '../run/control/control';
import { compareMoments, isBefore } from '../run/control/moments';
import type { PointOwner, PointTable } from './points';

/** What the session's surroundings do while a motion is under way. */
export interface MotionHost {
  /**
   * A motion begins. From then on a message that comes in interrupts it: any, or with `travel` only those that end it, for
   * going back has to begin anew after each.
   */
  begin(kind: 'forward' | 'travel'): void;
  /** It was interrupted: serves what has come in. @returns whether the motion goes on */
  serve(): boolean;
  end(): void;
}

/** A point of one motion, with who is to be asked at its hits. */
export type OwnPoint = StopPointPlace & { readonly when?: (hit: PointHit) => boolean };

/** How a motion ended: by `own` points, or by the user's. */
export interface MotionEnd {
  readonly stop: Stop;
  /** Hits of the motion's own points, by position among them. */
  readonly own: readonly number[];
  /** Hits of the user's points. */
  readonly users: readonly PointHit[];
}

export class Motor {
  private current: readonly StopPoint[] = [];
  private moving = false;
  private withUsers = true;
  /** Logpoints say nothing while the run is moved through what was simulated before. */
  private quiet = false;

  constructor(
    private readonly control: RunControl,
    private readonly points: PointTable,
    private readonly host: MotionHost,
  ) {
    points.changed = () => this.apply();
  }

  /** Whether a motion is under way. */
  get isMoving(): boolean {
    return this.moving;
  }

  /** Whether a motion goes through time that is known: what is said there has been said. */
  get isTravelling(): boolean {
    return this.quiet;
  }

  /**
   * Makes a motion until it ends for another reason than an interruption that was served.
   * @param own points of this motion alone
   * @param users whether the user's points count
   */
  move(
    kind: 'forward' | 'travel',
    motion: (control: RunControl) => Stop,
    own: readonly OwnPoint[] = [],
    users = true,
  ): MotionEnd {
    const ids = own.map(() => this.points.temporaryId());
    this.current = own.map((point, index) => ({ ...point, id: ids[index] }));
    this.moving = true;
    this.quiet = kind === 'travel';
    this.host.begin(kind);
    try {
      this.withUsers = users;
      this.apply();
      let stop = this.counting(motion);
      while (stop.reason === 'interrupted' && this.host.serve()) stop = this.counting(motion);
      const indexes = stop.hits.map(({ id }) => ids.indexOf(id)).filter((index) => index >= 0);
      return { stop, own: indexes, users: stop.hits.filter(({ id }) => !ids.includes(id)) };
    } finally {
      this.moving = false;
      this.quiet = false;
      this.current = [];
      this.host.end();
    }
  }

  /**
   * A motion at which hits are counted. What was passed without the user's points, or before one of them was set, is gone through
   * first, so that a hit has the number that it has along the time of the run.
   */
  private counting(motion: (control: RunControl) => Stop): Stop {
    const { control } = this;
    if (!this.withUsers) return motion(control);
    const interrupted = this.catchUp();
    if (interrupted) return interrupted;
    const { moment } = control;
    const counted = this.points.counted();
    const stop = motion(control);
    if (isBefore(moment, stop.moment)) for (const { counter } of counted) counter.seen(stop.moment);
    return stop;
  }

  /** Takes down the hits before the present moment that are not known. @returns the stop where that was interrupted */
  private catchUp(): Stop | undefined {
    const { control } = this;
    const present = control.moment;
    const behind = this.points.counted().filter(({ counter }) => isBefore(counter.until, present));
    const [from] = behind.map(({ counter }) => counter.until).sort(compareMoments);
    if (!from) return undefined;
    const here: Goal = { kind: 'moment', moment: present };
    try {
      let stop = control.seek({ kind: 'moment', moment: from });
      if (stop.reason !== 'interrupted') {
        control.setPoints(behind.map(({ point, owner }) => ({ ...point, when: counts(owner) })));
        stop = control.forward(here);
      }
      if (stop.reason === 'interrupted') {
        control.seek(here);
        return { ...stop, moment: control.moment };
      }
      for (const { counter } of behind) counter.seen(present);
      return undefined;
    } finally {
      this.apply();
    }
  }

  /** The user's points changed, perhaps while the run is under way. */
  private apply(): void {
    if (this.moving) this.control.setPoints([...(this.withUsers ? this.points.all() : []), ...this.current]);
  }
}

/** Counts a hit and goes on. */
function counts(owner: PointOwner): (hit: PointHit) => boolean {
  return (hit) => {
    owner.count?.(hit);
    return false;
  };
}
