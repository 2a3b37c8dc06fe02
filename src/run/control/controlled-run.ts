/**
 * The control of one run, in the thread of whoever debugs it. It puts together a session, its checkpoints, the points at which it
 * stops, the writes that were made into it, and what it tells of itself.
 */
import type { StateNode, StatePath } from '../../machine/inspect';
import type { RunEnd, RunJob, RunProgress } from '../../protocol/run';
import type { TraceDelta, TraceMeta } from '../../trace/model';
import { RunSession } from '../session';
import { backward, countsBefore, type Counts } from './backward';
import { Checkpoints, Seat } from './checkpoints';
import { ConsoleTape } from './console-tape';
import type {
  BackwardOptions,
  ControlReader,
  ControlledCpu,
  Goal,
  MemorySpace,
  Moment,
  PointHit,
  RegisterFile,
  RegisterName,
  RunControl,
  Stop,
  StopPoint,
} from './control';
import { Edits, type EditLog, type Writable } from './edits';
import { InterruptFlag } from './interrupt-flag';
import { writeBytes, writeRegister } from './machine-writer';
import { MachineReader, cpusOf } from './machine-reader';
import { compareMoments, isBefore } from './moments';
import { News } from './news';
import { Peek } from './peek';
import { CpuSteps } from './cpu-steps';
import { Travel, type Arrival } from './travel';
import { Watchers } from './watchers';

/** How a run is controlled. */
export interface ControlOptions {
  /** Receives the guests' console output, each character once. */
  readonly serial?: (vm: number, text: string) => void;
  /** Called about every 50 ms of wall time during a motion: the moment to stream `takeDelta` and `progress`. */
  readonly onNews?: () => void;
  /** False: nobody calls `takeDelta`, and no rows are kept for it. Default true. */
  readonly streams?: boolean;
  /** As `RunSession` has it. */
  readonly receiverHashes?: boolean;
  /** Shared memory of four bytes by which another thread interrupts: see `InterruptFlag`. */
  readonly interrupt?: SharedArrayBuffer;
  /** Bytes that checkpoints may hold. Default 384 MiB. */
  readonly checkpointBytes?: number;
  /** Compares all of RAM at each restore, too: for tests. */
  readonly checksRam?: boolean;
}

const MIB = 1024 * 1024;
const CHECKPOINT_BYTES = 384 * MIB;

export class ControlledRun implements RunControl {
  private readonly session: RunSession;
  private readonly reader: MachineReader;
  private readonly checkpoints: Checkpoints;
  private readonly travel: Travel;
  private readonly watchers: Watchers;
  private readonly steps: CpuSteps;
  private readonly tape: ConsoleTape;
  private readonly edits: Edits;
  private readonly flag: InterruptFlag;
  private readonly news: News;
  private readonly peek: Peek;
  /** Which hits count; set by the motion that is under way. */
  private counts: Counts | undefined;
  private lastCpu = 0;

  /** @throws Error with a message for a reader when the job cannot be built */
  constructor(job: RunJob, options: ControlOptions = {}) {
    const { serial = () => undefined, onNews = () => undefined, streams = true } = options;
    const { receiverHashes = false, interrupt, checkpointBytes = CHECKPOINT_BYTES, checksRam } = options;
    this.tape = new ConsoleTape(serial);
    // Frames that pass a link are not handed out: they would be again on every way back.
    const { handsOutFrames: _, ...quiet } = job;
    this.session = new RunSession(quiet, this.tape.print, receiverHashes);
    this.reader = new MachineReader(this.session);
    this.flag = new InterruptFlag(interrupt);
    this.news = new News(this.session, streams, onNews);
    this.watchers = new Watchers(
      this.session,
      cpusOf(this.session),
      ({ kind }) => this.counts?.(this.moment, kind === 'data') ?? true,
    );
    const log: EditLog = [];
    this.edits = new Edits({ session: this.session, reader: this.reader }, log);
    const seat = new Seat(this.session, {
      save: () => ({ printed: this.tape.save(), edits: this.edits.made }),
      load: ({ printed, edits }) => {
        this.tape.load(printed);
        this.edits.made = edits;
        this.watchers.moved();
      },
      beforeSave: () => this.collect(),
    });
    this.checkpoints = new Checkpoints(seat, checkpointBytes, checksRam);
    this.travel = new Travel({
      session: this.session,
      checkpoints: this.checkpoints,
      edits: this.edits,
      watchers: this.watchers,
      flag: this.flag,
      news: () => this.news.tick(),
      leavesFrontier: () => this.collect(),
    });
    this.steps = new CpuSteps(this.session, this.reader, this.travel, this.watchers, this.flag);
    this.peek = new Peek(quiet, this.checkpoints, log);
  }

  // --- reading ------------------------------------------------------------------------------------------------------

  get cpus(): readonly ControlledCpu[] {
    return this.reader.cpus;
  }

  get frequencyHz(): number {
    return this.reader.frequencyHz;
  }

  get moment(): Moment {
    return this.reader.moment;
  }

  registers(cpu: number): RegisterFile {
    return this.reader.registers(cpu);
  }

  register(cpu: number, register: RegisterName): bigint {
    return this.reader.register(cpu, register);
  }

  readMemory(space: MemorySpace, address: bigint, length: number): Uint8Array {
    return this.reader.readMemory(space, address, length);
  }

  translate(cpu: number, address: bigint): number | undefined {
    return this.reader.translate(cpu, address);
  }

  inspect(path: StatePath): StateNode | undefined {
    return this.reader.inspect(path);
  }

  at<T>(goal: Goal, read: (there: ControlReader) => T): T {
    return this.peek.at(goal, read);
  }

  // --- motion -------------------------------------------------------------------------------------------------------

  get frontier(): Moment {
    return this.travel.frontier;
  }

  get ended(): boolean {
    return this.travel.ended;
  }

  get hasFuture(): boolean {
    return isBefore(this.moment, this.frontier);
  }

  setPoints(points: readonly StopPoint[]): void {
    this.watchers.set(points);
  }

  forward(goal?: Goal): Stop {
    return this.withPoints(() => this.travel.forward(goal));
  }

  backward(until?: Goal, { withPresent = false }: BackwardOptions = {}): Stop {
    const { travel, checkpoints, watchers } = this;
    const counts = countsBefore(this.moment, withPresent);
    const found = this.counting(counts, () => backward({ travel, checkpoints, watchers }, counts, until));
    const { reason, hits = [] } = found;
    return this.stop(reason, hits);
  }

  stepInstruction(cpu: number, count = 1): Stop {
    this.reader.viewOf(cpu);
    this.lastCpu = cpu;
    return this.withPoints(() => this.steps.forward(cpu, count));
  }

  stepBack(cpu: number, count = 1): Stop {
    this.reader.viewOf(cpu);
    this.lastCpu = cpu;
    const before = this.moment;
    const arrival = this.steps.back(cpu, count);
    if (arrival === 'interrupted') this.travel.seek({ kind: 'moment', moment: before });
    return this.stop(arrival === 'beginning' ? arrival : REASONS[arrival]);
  }

  seek(goal: Goal): Stop {
    const before = this.moment;
    const arrival = this.travel.seek(goal);
    if (arrival === 'interrupted' && isBefore(this.moment, before))
      this.travel.seek({ kind: 'moment', moment: before });
    else if (goal.kind === 'row' && goal.atInstruction && arrival === 'reached') this.toInstruction(goal.row);
    return this.stop(REASONS[arrival]);
  }

  interrupt(): void {
    this.flag.raise();
  }

  // --- another future -----------------------------------------------------------------------------------------------

  writeMemory(space: MemorySpace, address: bigint, bytes: Uint8Array): void {
    const copy = bytes.slice();
    this.edit((target) => writeBytes(target, space, address, copy));
  }

  writeRegister(cpu: number, register: RegisterName, value: bigint): void {
    this.edit(({ reader }) => writeRegister(reader.viewOf(cpu).cpu, register, value));
  }

  // --- news ---------------------------------------------------------------------------------------------------------

  /** Rows recorded since the last call, each handed out once; undefined: there are none. */
  takeDelta(): TraceDelta | undefined {
    const waiting = this.news.take();
    if (waiting) return waiting;
    if (this.hasFuture) return undefined;
    this.collect();
    return this.news.take();
  }

  /** How far the run is at the present moment. */
  progress(): RunProgress {
    return this.session.progress();
  }

  /** The trace's tables as they stand at the present moment. */
  meta(): TraceMeta {
    return this.session.meta();
  }

  /** Bytes that checkpoints hold, and how many there are. */
  get held(): { readonly bytes: number; readonly checkpoints: number } {
    return { bytes: this.checkpoints.bytes, checkpoints: this.checkpoints.count };
  }

  /**
   * Closes the trace at the frontier, where the run is cancelled unless it has ended. Nothing else is to be called afterwards.
   * @returns the deltas that were not taken, in order, with the end
   */
  end(): { end: RunEnd; deltas: TraceDelta[] } {
    this.travel.seek({ kind: 'moment', moment: this.frontier });
    if (!this.ended) this.session.cancel();
    const deltas: TraceDelta[] = [];
    for (let delta = this.news.take(); delta; delta = this.news.take()) deltas.push(delta);
    const { end, delta } = this.session.end();
    deltas.push(delta);
    return { end, deltas };
  }

  // --- inside -------------------------------------------------------------------------------------------------------

  /**
   * From where a row has just been recorded to the instruction that it is about, if there is one: where that has completed meanwhile,
   * one instruction back.
   */
  private toInstruction(row: number): void {
    const { recorder } = this.session;
    if (!recorder.blockOf(row)) return;
    const { track, place: id } = recorder.rowAt(row);
    const place = id === 0 ? undefined : recorder.placeAt(id);
    if (!place) return;
    const own = this.watchers.cpuOfTrack(track);
    const cpu = this.cpus[own]?.vm === place.vm ? own : this.lastCpu;
    if (this.cpus[cpu]?.vm !== place.vm) return;
    const isThere = (): boolean => this.register(cpu, 'rip') === BigInt(place.rip);
    this.lastCpu = cpu;
    if (isThere()) return;
    const arrived = this.moment;
    const back = this.steps.back(cpu, 1);
    if (back !== 'reached' || !isThere() || this.moment.rows > row)
      this.travel.seek({ kind: 'moment', moment: arrived });
  }

  private collect(): void {
    this.news.collect(!this.hasFuture);
  }

  private counting<T>(counts: Counts, motion: () => T): T {
    this.counts = counts;
    this.watchers.turn(true);
    try {
      return motion();
    } finally {
      this.watchers.turn(false);
      this.counts = undefined;
    }
  }

  /** A motion forwards, at which points count but for those at the present moment. */
  private withPoints(motion: () => Arrival): Stop {
    const start = this.moment;
    this.watchers.take();
    const arrival = this.counting((moment) => compareMoments(moment, start) !== 0, motion);
    return this.stop(REASONS[arrival], this.watchers.take());
  }

  private stop(reason: Stop['reason'], hits: readonly PointHit[] = []): Stop {
    const [first] = hits;
    if (first) this.lastCpu = first.cpu;
    const { message } = reason === 'ended' ? this.session.meta() : { message: undefined };
    return {
      reason: hits.length > 0 ? 'point' : reason,
      hits,
      cpu: this.lastCpu,
      moment: this.moment,
      ...(message !== undefined && { message }),
    };
  }

  private edit(make: (target: Writable) => void): void {
    const { session, travel, edits, tape, hasFuture } = this;
    edits.add(this.moment, make);
    if (!hasFuture) return;
    session.recorder.discardFuture();
    tape.discardFuture();
    this.checkpoints.forgetFuture();
    travel.forgetFuture();
    this.peek.forget();
  }
}

const REASONS: Record<Arrival, Stop['reason']> = {
  reached: 'goal',
  hit: 'point',
  interrupted: 'interrupted',
  over: 'ended',
};
