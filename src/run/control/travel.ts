/**
 * One session on its ways through time: forwards by simulating, slice by slice; backwards by a checkpoint before, and forwards from
 * there. Edits are made again at their moments, checkpoints are made on the way, and whoever listens hears from time to time.
 */
import type { RunSession } from '../session';
import type { Checkpoint, Stations } from './stations';
import type { Goal, Moment } from './control';
import type { Edits } from './edits';
import type { InterruptFlag } from './interrupt-flag';
import { compareMoments, isBefore } from './moments';
import type { Watchers } from './watchers';

/** How a way came to its end. */
export type Arrival =
  /** What was wanted is reached. */
  | 'reached'
  /** A point was hit. */
  | 'hit'
  | 'interrupted'
  /** The run is over. */
  | 'over';

/** Cycles between two looks at the world outside: a few milliseconds of wall time. */
const SLICE_CYCLES = 1_000_000;
/** A checkpoint is made after so much wall time on ways that were not gone before, in milliseconds ... */
const SPACING_MS = 60;
/** ... and no sooner than after so many times as long as making one takes. */
const SPACING_COSTS = 40;
/** Arriving after so much wall time, in milliseconds, leaves a checkpoint behind, so that going there again is quick. */
const WORTH_KEEPING_MS = 15;
/** Instructions before a place that was gone to at which there is a checkpoint too: the next step back is short. */
const RUN_UP = 20_000;

/** What the way is told and tells on it. */
export interface TravelWorld {
  readonly session: RunSession;
  readonly checkpoints: Stations;
  readonly edits: Edits;
  readonly watchers: Watchers;
  readonly flag: InterruptFlag;
  /** Called between slices. */
  news(): void;
  /** The session leaves the latest moment it has come to. */
  leavesFrontier(): void;
}

export class Travel {
  /** The latest moment of the run so far. */
  private farthest: Moment;
  private over: Moment | undefined;
  /** The session may stand in another future of the run than the present one. */
  private astray = false;
  private sliceEnd = 0;
  private lastSaved = performance.now();
  private spacing = SPACING_MS;

  constructor(private readonly world: TravelWorld) {
    this.farthest = this.now;
  }

  get now(): Moment {
    return this.world.checkpoints.now;
  }

  get frontier(): Moment {
    return this.farthest;
  }

  /** Whether the run has come to its end, at the frontier. */
  get ended(): boolean {
    return this.over !== undefined;
  }

  get atFrontier(): boolean {
    return !isBefore(this.now, this.farthest);
  }

  /** What has been simulated beyond the present moment will not be; its checkpoints are given up by whoever owns them. */
  forgetFuture(): void {
    this.farthest = this.now;
    this.over = undefined;
  }

  /** From where it stands there is no way: the next begins at a checkpoint. */
  stray(): void {
    this.astray = true;
  }

  /** The session stands at a checkpoint. */
  restore(checkpoint: Checkpoint): void {
    this.astray = false;
    if (this.atFrontier) this.world.leavesFrontier();
    this.world.checkpoints.restore(checkpoint);
    this.lastSaved = performance.now();
  }

  /** Forwards until a point is hit or a goal is reached. Nothing happens where the goal lies behind. */
  forward(goal?: Goal): Arrival {
    const before = performance.now();
    const arrival = this.onwards(goal);
    if (performance.now() - before > WORTH_KEEPING_MS && arrival !== 'over') this.keep();
    return arrival;
  }

  /** To the latest checkpoint at which no vCPU had retired more than fits; false: the present moment is as good. */
  restoreByCounts(fits: (counts: readonly number[]) => boolean): void {
    this.restore(this.world.checkpoints.latestByCounts(fits));
  }

  /** To a goal in either direction, by the nearest checkpoint before it. Points are to be off. */
  seek(goal: Goal): Arrival {
    const before = performance.now();
    const start = this.startFor(goal);
    if (start) this.restore(start);
    const arrival =
      goal.kind === 'moment' || goal.kind === 'instructions' ? this.withRunUp(goal) : this.onwards(goal);
    if (performance.now() - before > WORTH_KEEPING_MS && arrival === 'reached') this.keep();
    return arrival;
  }

  /** A checkpoint of the present moment. */
  keep(): void {
    const before = performance.now();
    this.world.checkpoints.take();
    this.lastSaved = performance.now();
    this.spacing = Math.max(SPACING_MS, (this.lastSaved - before) * SPACING_COSTS);
  }

  /** One slice of the run, to be stopped at a number of instructions; false when the run is over. */
  slice(instructions = Infinity): boolean {
    const { session, edits } = this.world;
    this.between();
    const next = edits.next;
    if (next) return this.toMoment(next) !== 'over';
    this.sliceEnd = Math.max(this.sliceEnd + SLICE_CYCLES, session.elapsed + SLICE_CYCLES);
    return this.advance(this.sliceEnd, instructions);
  }

  /** The checkpoint to begin at; undefined: the present moment is nearer. */
  private startFor(goal: Goal): Checkpoint | undefined {
    const { checkpoints } = this.world;
    const { now } = this;
    const start = checkpoints.latest((moment) => !isBeyond(moment, goal));
    if (this.astray) return start;
    if (!isBeyond(now, goal) && !isBefore(now, start.moment)) return undefined;
    return compareMoments(start.moment, now) === 0 ? undefined : start;
  }

  /** Leaves a checkpoint shortly before the place, where the way there is long. */
  private withRunUp(goal: Goal): Arrival {
    const end =
      goal.kind === 'moment'
        ? goal.moment.instructions
        : goal.kind === 'instructions'
          ? goal.instructions
          : 0;
    const { instructions } = this.now;
    if (end - instructions > 20 * RUN_UP) {
      const arrival = this.onwards({ kind: 'instructions', instructions: end - RUN_UP });
      if (arrival !== 'reached') return arrival;
      this.keep();
    }
    return this.onwards(goal);
  }

  private onwards(goal: Goal | undefined): Arrival {
    const arrival = this.way(goal);
    // Between two events of one instant it is stood still only where a row said so: all else comes to the same place again by its time.
    if (arrival !== 'over' && goal?.kind !== 'row' && goal?.kind !== 'moment') this.settle();
    this.world.edits.makeDue(this.now);
    return arrival;
  }

  /** Lets happen what is due at the present instant. */
  private settle(): void {
    for (let before = -1; before < this.now.cycles;) {
      before = this.now.cycles;
      this.advance(before + 1, this.now.instructions);
    }
  }

  private way(goal: Goal | undefined): Arrival {
    const { watchers, flag, edits } = this.world;
    for (;;) {
      if (goal && isReached(this.now, goal)) return 'reached';
      const next = edits.next;
      const target = next && (!goal || !isBeyond(next, goal)) ? next : undefined;
      const arrival = target ? this.toMoment(target) : this.part(goal);
      if (watchers.hit) return 'hit';
      if (arrival !== undefined && !(target && arrival === 'reached')) return arrival;
      if (flag.take()) return 'interrupted';
      this.between();
    }
  }

  /** Between two slices. */
  private between(): void {
    const { checkpoints } = this.world;
    this.world.news();
    if (performance.now() - this.lastSaved < this.spacing) return;
    // A way that has been gone before has its checkpoints, unless they were given up.
    const { now } = this;
    const after = checkpoints.after(now);
    if (after && !checkpoints.isWide(now)) this.lastSaved = performance.now();
    else this.keep();
  }

  /** A slice on the way to a goal; undefined: it is not there yet. */
  private part(goal: Goal | undefined): Arrival | undefined {
    if (goal?.kind === 'moment') return this.toMoment(goal.moment);
    if (goal?.kind === 'row') return this.toRow(goal.row);
    this.sliceEnd = Math.max(this.sliceEnd + SLICE_CYCLES, this.world.session.elapsed + SLICE_CYCLES);
    if (goal?.kind === 'cycles') {
      const last = this.sliceEnd >= goal.cycles;
      const goesOn = this.advance(Math.min(this.sliceEnd, goal.cycles), Infinity);
      return goesOn ? (last ? 'reached' : undefined) : 'over';
    }
    const instructions = goal?.kind === 'instructions' ? goal.instructions : Infinity;
    return this.advance(this.sliceEnd, instructions) ? undefined : 'over';
  }

  private toRow(row: number): Arrival | undefined {
    const { watchers, session } = this.world;
    this.sliceEnd = Math.max(this.sliceEnd + SLICE_CYCLES, session.elapsed + SLICE_CYCLES);
    const goesOn = watchers.until(
      (each) => each.row >= row,
      () => this.advance(this.sliceEnd, Infinity),
    );
    return goesOn ? undefined : 'over';
  }

  /**
   * A slice on the way to the very moment. Its instructions say how many are retired at most; what comes between two of them, and
   * before the first of a handler, is told apart by time and by rows.
   */
  private toMoment(target: Moment): Arrival | undefined {
    const { session, watchers, edits } = this.world;
    const start = this.now;
    if (compareMoments(start, target) >= 0) {
      edits.makeDue(start);
      return 'reached';
    }
    const { instructions, cycles, rows } = target;
    this.sliceEnd = Math.max(this.sliceEnd + SLICE_CYCLES, session.elapsed + SLICE_CYCLES);
    const sliceEnd = Math.min(this.sliceEnd, cycles + 1);
    const isNear = start.instructions >= instructions - 1;
    const pass = (end: number, most: number): boolean =>
      isNear && start.rows < rows
        ? watchers.until(
            ({ row }) => row >= rows - 1,
            () => this.advance(end, most),
          )
        : this.advance(end, most);
    const stands = (): boolean => !watchers.hit && compareMoments(start, this.now) === 0;
    let goesOn = pass(sliceEnd, isNear ? instructions : instructions - 1);
    if (goesOn && sliceEnd > cycles && stands()) {
      // Nothing more comes up to there, but that a vCPU takes an interrupt: it is before the first instruction of the handler.
      goesOn = pass(
        isNear && start.rows >= rows ? cycles : Infinity,
        isNear ? instructions + 1 : instructions - 1,
      );
      if (goesOn && stands()) return 'reached';
    }
    const there = compareMoments(this.now, target) >= 0;
    if (there) edits.makeDue(this.now);
    return goesOn ? (there ? 'reached' : undefined) : 'over';
  }

  private advance(cycles: number, instructions: number): boolean {
    const { session } = this.world;
    const goesOn = session.advance(cycles, instructions);
    const { now } = this;
    if (isBefore(this.farthest, now)) this.farthest = now;
    if (!goesOn && !isBefore(now, this.farthest)) this.over = now;
    return goesOn;
  }
}

/** Whether a moment lies so far on that its goal is reached there or was before. */
function isReached(moment: Moment, goal: Goal): boolean {
  switch (goal.kind) {
    case 'moment':
      return compareMoments(moment, goal.moment) >= 0;
    case 'cycles':
      return moment.cycles >= goal.cycles;
    case 'instructions':
      return moment.instructions >= goal.instructions;
    case 'row':
      return moment.rows > goal.row;
  }
}

/** Whether it has to be gone back from a moment to reach the goal exactly. */
export function isBeyond(moment: Moment, goal: Goal): boolean {
  switch (goal.kind) {
    case 'moment':
      return compareMoments(moment, goal.moment) > 0;
    case 'cycles':
      return moment.cycles > goal.cycles;
    case 'instructions':
      return moment.instructions >= goal.instructions;
    case 'row':
      return moment.rows > goal.row;
  }
}
