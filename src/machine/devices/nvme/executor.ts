/**
 * Commands under way: each is a small machine that goes from its PRP lists over its data and its work to its completion. Every
 * step begins at the end of the transaction, or of the time, before it; commands do not wait for each other.
 *
 *     to the controller   lists → data from memory → work → completion
 *     to the host         lists → work → data to memory → completion
 */
import type { DmaResult } from '../../bus';
import { Kind } from '../../../trace/vocabulary/events';
import { PendingEvent, type PendingEventRun } from '../../time/pending-event';
import { At, Entry, Stage, type CommandHardware } from './command';
import type { Completions } from './completions';
import { MOST_BYTES } from './constants';
import type { NvmeCore } from './core';
import { isFault, Owner, type Dma } from './dma';
import type { ErrorLog } from './error-log';
import { firstPrps, listPrps, type Prps } from './prp';
import type { Queues } from './queues';
import { NO_PLACE, refuse, Status, type Refusal } from './status';

/** Kind of the event that ends a command's work; its argument is the command's place. */
export const WORK_DONE = 1;

/** Commands that the controller works on at once; an assumption. What it holds of their data is bounded by it. */
const PLACES = 64;
/** Of these, what one queue may have under way, with those whose completions wait. */
const OF_ONE_QUEUE = 32;

/** What a command has done: its status, the first word of its completion, and data for the host. */
export interface Outcome {
  status: number;
  result?: number;
  data?: Uint8Array;
  /** As in `Refusal`. */
  at?: number;
}

/** What a command does. */
export interface CommandKind {
  /** Which way its data go; `none` also where it depends on the command, and this one has none. */
  direction: 'none' | 'in' | 'out';
  /** Looks at a command before anything is done: bytes of its data, or why it is refused. */
  check(entry: Entry): number | Refusal;
  /** Nanoseconds of its work. */
  nanoseconds(entry: Entry): number;
  /** Does it, at the end of its work; undefined: it ends another time, by itself. */
  perform(entry: Entry, data: Uint8Array, sq: number): Outcome | undefined;
}

/** The commands of the admin queue, and of all others. */
export interface CommandSets {
  admin: ReadonlyMap<number, CommandKind>;
  io: ReadonlyMap<number, CommandKind>;
}

/** The commands under way, as a snapshot has them. */
export type ExecutorRun = PendingEventRun[];

const NO_COMMANDS: CommandSets = { admin: new Map(), io: new Map() };
const NOTHING = new Uint8Array(0);
/** Bits 1 and 0 of the flags: fused operations, which there are none of; 7 and 6: SGLs, which are not supported. */
const FLAGS = 0xc3;

interface Command extends CommandHardware {
  work: PendingEvent;
}

/** All commands under way. */
export class Executor {
  private readonly places = new Array<Command | undefined>(PLACES).fill(undefined);
  private sets = NO_COMMANDS;

  constructor(
    private readonly core: NvmeCore,
    private readonly dma: Dma,
    private readonly queues: Queues,
    private readonly completions: Completions,
    private readonly errors: ErrorLog,
  ) {
    dma.onEnd(Owner.Command, (place, result) => this.transferred(place, result));
  }

  /** Says what commands there are: they know the executor themselves. */
  learn(sets: CommandSets): void {
    this.sets = sets;
  }

  /** How many more commands a queue may have under way. */
  room(sq: number): number {
    const own = this.under(sq).length + this.completions.heldBack(sq);
    const free = this.places.filter((each) => each === undefined).length;
    return Math.max(0, Math.min(free, OF_ONE_QUEUE - own));
  }

  /** How many commands of an opcode the admin queue has under way. */
  adminCommands(opcode: number): number {
    return this.under(0).filter((each) => new Entry(each.entry).opcode === opcode).length;
  }

  /** Takes a command that has come from a queue. There is room for it. */
  take(sq: number, bytes: Uint8Array): void {
    const entry = new Entry(bytes);
    const kind = this.kindOf(sq, entry);
    const accepted = this.accept(sq, entry, kind);
    const length = typeof accepted === 'number' ? accepted : 0;
    if (sq !== 0) this.core.bus.trace.instant(Kind.IoSubmit, entry.opcode, length);
    if (typeof accepted !== 'number' || !kind) {
      this.refused(sq, entry, typeof accepted === 'number' ? refuse(Status.InvalidOpcode) : accepted);
      return;
    }
    const place = this.places.indexOf(undefined);
    const command = this.commandAt({
      place,
      sq,
      entry: bytes,
      stage: Stage.Lists,
      length,
      segments: [],
      entriesLeft: 0,
      segment: 0,
      moved: 0,
      data: NOTHING,
      result: 0,
      remaining: -1,
    });
    this.places[place] = command;
    if (length === 0) this.work(command);
    else this.found(command, firstPrps(entry.long(At.prp1), entry.long(At.prp2), length, this.core.pageSize));
  }

  /** `WORK_DONE` of a command's place. */
  workDone(place: number): void {
    const command = this.places[place];
    if (!command) return;
    command.work.came();
    const entry = new Entry(command.entry);
    const outcome = this.kindOf(command.sq, entry)?.perform(entry, command.data, command.sq);
    // An Abort that names itself has ended itself.
    if (this.places[place] !== command) return;
    if (!outcome) {
      this.leave(command);
      return;
    }
    command.result = outcome.result ?? 0;
    if (outcome.status !== Status.Success || !outcome.data) {
      this.finish(command, outcome.status, outcome.at);
      return;
    }
    command.data = outcome.data;
    command.stage = Stage.Out;
    this.move(command);
  }

  /**
   * Ends a command that is under way before its time.
   * @returns false when there is none such
   */
  abort(sq: number, id: number, status: number): boolean {
    const command = this.under(sq).find((each) => new Entry(each.entry).id === id);
    if (command) this.finish(command, status);
    return command !== undefined;
  }

  /** Ends all commands of a queue that is deleted. */
  abortAll(sq: number): void {
    for (const command of this.under(sq)) this.finish(command, Status.SqDeleted);
  }

  /** Forgets all commands. */
  reset(): void {
    for (const command of this.places) if (command) this.leave(command);
  }

  saveHardware(): CommandHardware[] {
    return this.commands.map(({ work, ...command }) => ({
      ...command,
      segments: [...command.segments],
      data: command.data.slice(),
      remaining: work.remaining,
    }));
  }

  saveRun(): ExecutorRun {
    return this.commands.map(({ work }) => work.save());
  }

  /** @param run absent: on another host, where the work goes on for what remains of it */
  load(hardware: readonly CommandHardware[], run: ExecutorRun | undefined): void {
    for (const command of this.commands) if (!run) command.work.cancel();
    this.places.fill(undefined);
    hardware.forEach((saved, i) => {
      const command = this.commandAt({ ...saved, segments: [...saved.segments], data: saved.data.slice() });
      if (run) command.work.load(run[i]);
      else command.work.adopt(saved.remaining);
      this.places[saved.place] = command;
    });
  }

  private get commands(): Command[] {
    return this.places.filter((each) => each !== undefined);
  }

  private under(sq: number): Command[] {
    return this.commands.filter((each) => each.sq === sq);
  }

  private commandAt(state: CommandHardware): Command {
    const { bus } = this.core;
    const work = new PendingEvent(bus, (time) => bus.schedule(time - bus.now(), WORK_DONE, state.place));
    return { ...state, work };
  }

  private kindOf(sq: number, { opcode }: Entry): CommandKind | undefined {
    return (sq === 0 ? this.sets.admin : this.sets.io).get(opcode);
  }

  /** What is wrong with a command whatever it does, and then what it says itself. */
  private accept(sq: number, entry: Entry, kind: CommandKind | undefined): number | Refusal {
    if (!kind) return refuse(Status.InvalidOpcode, At.opcode);
    if ((entry.flags & FLAGS) !== 0) return refuse(Status.InvalidField, At.flags);
    if (this.under(sq).some((each) => new Entry(each.entry).id === entry.id))
      return refuse(Status.IdConflict, At.id);
    const checked = kind.check(entry);
    return typeof checked === 'number' && checked > MOST_BYTES
      ? refuse(Status.InvalidField, At.cdw10)
      : checked;
  }

  private refused(sq: number, entry: Entry, { status, at }: Refusal): void {
    this.report(sq, entry, status, 0, at, 0);
  }

  /** Parts of memory that a command's pointers or a list have told of. */
  private found(command: Command, prps: Prps | number): void {
    if (typeof prps === 'number') {
      this.finish(command, prps, At.prp1);
      return;
    }
    command.segments.push(...prps.segments);
    command.entriesLeft = prps.entriesLeft;
    if (prps.list) this.dma.read(Owner.Command, command.place, prps.list.address, prps.list.entries * 8);
    else this.listsDone(command);
  }

  private listsDone(command: Command): void {
    if (this.kindOf(command.sq, new Entry(command.entry))?.direction !== 'in') {
      this.work(command);
      return;
    }
    command.stage = Stage.In;
    command.data = new Uint8Array(command.length);
    this.move(command);
  }

  private work(command: Command): void {
    const { core } = this;
    const entry = new Entry(command.entry);
    command.stage = Stage.Work;
    const cycles = core.cycles(this.kindOf(command.sq, entry)?.nanoseconds(entry) ?? 0);
    core.bus.trace.span(cycles, Kind.DeviceWork, 0, 0);
    command.work.comeAt(core.bus.now() + cycles);
  }

  /** The next part of a command's data, one after the other. */
  private move(command: Command): void {
    const { place, segments, segment, moved, stage, data } = command;
    const { address, length } = segments[segment];
    if (stage === Stage.In) this.dma.read(Owner.Command, place, address, length);
    else this.dma.write(Owner.Command, place, address, data.subarray(moved, moved + length));
  }

  private transferred(place: number, result: DmaResult): void {
    const command = this.places[place];
    if (!command) return;
    if (isFault(result)) {
      this.finish(command, Status.DataTransferError, At.prp1);
      return;
    }
    if (command.stage === Stage.Lists) {
      const known = command.segments.reduce((sum, { length }) => sum + length, 0);
      const { entriesLeft, length } = command;
      this.found(command, listPrps(result, entriesLeft, length - known, this.core.pageSize));
      return;
    }
    if (command.stage === Stage.In) command.data.set(result, command.moved);
    command.moved += command.segments[command.segment].length;
    command.segment += 1;
    if (command.segment < command.segments.length) this.move(command);
    else if (command.stage === Stage.In) this.work(command);
    else this.finish(command, Status.Success);
  }

  private finish(command: Command, status: number, at: number = NO_PLACE): void {
    this.leave(command);
    const bytes = status === Status.Success ? command.length : 0;
    this.report(command.sq, new Entry(command.entry), status, command.result, at, bytes);
  }

  /** Takes a command from its place. */
  private leave(command: Command): void {
    this.dma.forget(Owner.Command, command.place);
    command.work.cancel();
    this.places[command.place] = undefined;
  }

  private report(sq: number, entry: Entry, status: number, result: number, at: number, bytes: number): void {
    this.errors.add({ sq, command: entry.id, status, at, entry });
    const cq = this.queues.submission.get(sq)?.cq;
    if (cq === undefined) return;
    const { id, opcode } = entry;
    this.completions.add(cq, { sq, command: id, status, result, opcode, bytes: sq === 0 ? -1 : bytes });
  }
}
