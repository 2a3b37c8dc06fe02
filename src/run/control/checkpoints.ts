/**
 * Checkpoints of one run, copy-on-write by dirty page: each holds what has changed since the one before it, and one that is given up
 * leaves to the next what that needs. Going to one loads the pages that differ, and nothing else of RAM.
 */
import { PAGE_SIZE as PAGE, type DirtyLog } from '../../machine/memory/dirty-log';
import { SnapshotError } from '../../trace/snapshot-error';
import type { UnitStates } from '../../vmm/units';
import type { RunSession } from '../session';
import type { SessionState } from '../snapshot';
import type { Moment } from './control';
import { compareMoments, isBefore, workOf } from './moments';
import { PAGE_HELD, contentAt, pagesAt, pagesOf, type Pages } from './page-history';
import type { Checkpoint, Stations } from './stations';
import {
  combined,
  incrementBytes,
  parted,
  recorderStateAt,
  type RecorderTables,
  type RowIncrement,
} from './row-history';
import { HeldBytes, sameBytes, shared } from './sharing';

/** Everything but RAM and rows. */
interface Rest {
  units: UnitStates;
  tables: RecorderTables;
  accounts: SessionState;
  companion: CompanionState;
}

interface Saved extends Checkpoint {
  /** By VM. */
  readonly pages: Pages[];
  rows: RowIncrement;
  readonly rest: Rest;
}

/** What belongs to a moment beside the machine. */
export interface CompanionState {
  /** By VM: characters of the console that the run has printed. */
  readonly printed: readonly number[];
  /** Writes into the machine that had been made. */
  readonly edits: number;
}

/** Whoever keeps that. */
export interface Companion {
  save(): CompanionState;
  load(state: CompanionState): void;
  /** A checkpoint is about to be made: what has been recorded is taken from the recorder, which then keeps less. */
  beforeSave(): void;
}

/** A session as far as it is moved by checkpoints. */
export class Seat {
  /** By VM: pages written since the checkpoint that it was put at last. */
  readonly dirty: Set<number>[];
  /** That checkpoint; undefined: none, or none that is known. */
  base: Checkpoint | undefined;
  private readonly logs: DirtyLog[];

  constructor(
    readonly session: RunSession,
    readonly companion: Companion,
  ) {
    const { memories } = session.machine;
    this.logs = memories.map((memory) => memory.openDirtyLog());
    this.dirty = memories.map(() => new Set());
  }

  get now(): Moment {
    const { session } = this;
    return { instructions: session.instructions, cycles: session.elapsed, rows: session.recorder.rows };
  }

  drain(): void {
    this.logs.forEach((log, vm) => {
      for (const page of log.drain()) this.dirty[vm].add(page);
    });
  }

  standAt(checkpoint: Checkpoint): void {
    this.base = checkpoint;
    for (const dirty of this.dirty) dirty.clear();
  }
}

/** The checkpoints of a session. The first is where it stands when this is made; it is never given up. */
export class Checkpoints implements Stations {
  private readonly list: Saved[] = [];
  private readonly seats: Seat[];
  private readonly held = new HeldBytes();
  private columns = 0;
  /** Work between the last two of the run. */
  private usualGap = Infinity;

  /**
   * @param main the session that checkpoints are made of
   * @param budget bytes that may be held; what the last ones and the first need is held in any case
   * @param checksRam whether all of RAM is compared at each restore: for tests
   */
  constructor(
    private readonly main: Seat,
    private readonly budget: number,
    private readonly checksRam = false,
  ) {
    this.seats = [main];
    const first = this.saved(
      main.session.machine.memories.map((memory) => pagesOf(memory.save())),
      undefined,
    );
    main.drain();
    main.standAt(first);
    this.list.push(first);
  }

  /** Another session of the same run, to be moved by these checkpoints, too. */
  addSeat(seat: Seat): void {
    this.seats.push(seat);
  }

  /** Bytes held, about. */
  get bytes(): number {
    return this.columns + this.held.bytes;
  }

  get count(): number {
    return this.list.length;
  }

  get now(): Moment {
    return this.main.now;
  }

  latest(fits: (moment: Moment) => boolean): Checkpoint {
    return this.list.findLast(({ moment }) => fits(moment)) ?? this.list[0];
  }

  latestByCounts(fits: (counts: readonly number[]) => boolean): Checkpoint {
    return this.list.findLast(({ counts }) => fits(counts)) ?? this.list[0];
  }

  /** The latest one before a moment; undefined: it is the first moment. */
  before(moment: Moment): Checkpoint | undefined {
    return this.list.findLast((each) => isBefore(each.moment, moment));
  }

  after(moment: Moment): Checkpoint | undefined {
    return this.list[this.above(moment)];
  }

  isWide(moment: Moment): boolean {
    const index = this.above(moment);
    const after = this.list[index];
    const before = this.list[index - 1];
    return !after || !before || workOf(after.moment) - workOf(before.moment) > 2 * this.usualGap;
  }

  /** Makes a checkpoint of the present moment, unless there is one; others may be given up for it. */
  take(): void {
    const { main } = this;
    const { now } = main;
    const index = this.above(now);
    const before = this.list[index - 1];
    if (before && compareMoments(before.moment, now) === 0) return;
    main.drain();
    const { memories } = main.session.machine;
    const history = this.list.slice(0, index);
    const ram = main.dirty.map((dirty, vm) => {
      const past = history.map(({ pages }) => pages[vm]);
      const pages: Pages = new Map();
      for (const page of dirty) {
        const bytes = memories[vm].read(page * PAGE, PAGE);
        // Written since another one than the one before: much of it has been there then.
        if (before === main.base || !sameBytes(contentAt(past, page), bytes)) pages.set(page, bytes);
      }
      return pages;
    });
    const saved = this.saved(ram, before.rest);
    if (index === this.list.length) this.usualGap = workOf(saved.moment) - workOf(before.moment);
    this.list.splice(index, 0, saved);
    main.standAt(saved);
    this.thin(saved.moment);
  }

  restore(checkpoint: Checkpoint): void {
    this.put(this.main, checkpoint);
  }

  /**
   * Puts a session where a checkpoint was made.
   * @throws SnapshotError naming the unit of the machine that does not come back as it was
   */
  put(seat: Seat, checkpoint: Checkpoint): void {
    const index = this.list.findIndex((each) => each === checkpoint);
    const saved = this.list[index];
    if (!saved) throw new SnapshotError('the checkpoint has been given up: ask for one anew');
    const { machine, recorder } = seat.session;
    const { units, tables, accounts, companion } = saved.rest;
    const history = this.list.slice(0, index + 1);
    machine.host.units.load(units);
    const differing = this.differing(seat, index);
    machine.memories.forEach((memory, vm) => {
      const past = history.map(({ pages }) => pages[vm]);
      const wanted = differing?.[vm] ?? new Set(past.flatMap((pages) => [...pages.keys()]));
      memory.load(pagesAt(past, wanted, memory.size, differing === undefined));
    });
    const increments = history.map(({ rows }) => rows);
    recorder.load(recorderStateAt(increments, tables));
    seat.session.takeAccounts(accounts);
    seat.companion.load(companion);
    seat.drain();
    seat.standAt(saved);
    this.verify(seat, saved, history);
  }

  /** Gives up all after the present moment: they are of a future that will not be. */
  forgetFuture(): void {
    const gone = this.list.splice(this.above(this.now));
    for (const each of gone) this.release(each);
    for (const seat of this.seats) if (gone.some((each) => each === seat.base)) seat.base = undefined;
  }

  /** By VM: the pages that a session and a checkpoint may differ in; undefined: all. */
  private differing(seat: Seat, index: number): Set<number>[] | undefined {
    seat.drain();
    const base = this.list.findIndex((each) => each === seat.base);
    if (base < 0) return undefined;
    const between = this.list.slice(Math.min(base, index) + 1, Math.max(base, index) + 1);
    return seat.dirty.map((dirty, vm) => {
      const pages = new Set(dirty);
      for (const each of between) for (const page of each.pages[vm].keys()) pages.add(page);
      return pages;
    });
  }

  /** Index of the first one after a moment. */
  private above(moment: Moment): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(moment, this.list[middle].moment)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  private saved(pages: Pages[], before: Rest | undefined): Saved {
    const { session, companion } = this.main;
    if (before) companion.beforeSave();
    const { machine, recorder } = session;
    const { rows, tables } = parted(recorder.save(before !== undefined));
    const fresh: Rest = {
      units: machine.host.units.save(),
      tables,
      accounts: session.accounts(),
      companion: companion.save(),
    };
    const saved: Saved = {
      moment: this.now,
      counts: machine.guests.flatMap(({ cpus }) => cpus.map(({ cpu }) => cpu.instructions())),
      pages,
      rows,
      rest: before ? shared(before, fresh) : fresh,
    };
    this.columns += columnBytes(saved);
    this.held.add(saved.rest);
    return saved;
  }

  private release(saved: Saved): void {
    this.columns -= columnBytes(saved);
    this.held.remove(saved.rest);
  }

  /** Gives up, while too much is held, the one that is missed least: between near neighbours, and far from where one is. */
  private thin(present: Moment): void {
    while (this.bytes > this.budget && this.list.length > 2) {
      const here = workOf(present);
      let least = -1;
      let leastMissed = Infinity;
      for (let index = 1; index < this.list.length - 1; index++) {
        const each = this.list[index];
        if (this.seats.some(({ base }) => base === each)) continue;
        const gap = workOf(this.list[index + 1].moment) - workOf(this.list[index - 1].moment);
        const missed = gap / (1 + Math.abs(workOf(each.moment) - here));
        if (missed >= leastMissed) continue;
        least = index;
        leastMissed = missed;
      }
      if (least < 0) return;
      this.giveUp(least);
    }
  }

  private giveUp(index: number): void {
    const [gone] = this.list.splice(index, 1);
    const next = this.list[index];
    this.release(gone);
    this.columns -= columnBytes(next);
    gone.pages.forEach((pages, vm) => {
      for (const [page, bytes] of pages) if (!next.pages[vm].has(page)) next.pages[vm].set(page, bytes);
    });
    next.rows = combined(gone.rows, next.rows, next.rest.tables.blocks);
    this.columns += columnBytes(next);
  }

  private verify({ session }: Seat, saved: Saved, history: readonly Saved[]): void {
    const { host, memories } = session.machine;
    const found = host.units.save();
    for (const [name, wanted] of Object.entries(saved.rest.units)) {
      if (shared(wanted, found[name]) === wanted) continue;
      throw new SnapshotError(
        `'${name}' did not come back from a checkpoint as it was: what follows would be another run; this is a mistake of Trapline's`,
      );
    }
    if (!this.checksRam) return;
    memories.forEach((memory, vm) => {
      const past = history.map(({ pages }) => pages[vm]);
      for (let page = 0; page < memory.size / PAGE; page++) {
        if (sameBytes(memory.read(page * PAGE, PAGE), contentAt(past, page))) continue;
        throw new SnapshotError(
          `page ${page} of the RAM of VM ${vm} did not come back from a checkpoint as it was`,
        );
      }
    });
  }
}

function columnBytes({ pages, rows }: Saved): number {
  return incrementBytes(rows) + pages.reduce((sum, { size }) => sum + size * PAGE_HELD, 0);
}
