/** One vCPU of a text trace: where it is between its VM entries and exits, and where the time of an exit goes. */
import type { Recorder } from '../../record/recorder';
import type { RowRef } from '../../record/tracer';
import { ForeignKind, Kind, kindRow } from '../../vocabulary/events';
import type { Places } from './places';

/** A part of an exit's time. */
interface Leg {
  kind: number;
  from: number;
  to: number;
}

/** Exits after which a vCPU without work sleeps in the kernel. */
const SLEEPS: ReadonlySet<string> = new Set(['HLT', 'hlt', 'MWAIT_INSTRUCTION', 'mwait']);

/** A row that was recorded so many rows ago can still be changed (see `Recorder`). */
const CHANGEABLE_ROWS = 60_000;

/** Writes the rows of one vCPU. Times are ticks. */
export class Vcpu {
  /** It has a thread of its own. */
  bound = false;
  /** The exit under way, 0 in the guest; and its kind. */
  exit: RowRef = 0;
  private exitKind = 0;
  private guest: RowRef = 0;
  private legs: Leg[] = [];
  private leg = 0;
  private legFrom = 0;
  /** The leg that a preemption interrupts. */
  private legBehind = 0;
  private qualification = 0;
  private place = 0;
  /** The last access of the exit under way: what comes next follows from it. */
  private access: RowRef = 0;
  /** A read whose value is not known yet. */
  private read: { row: RowRef; address: number } | undefined;
  /** Time of its last event. */
  last = 0;
  /** Rows by vector: accepted by its local APIC, injected. */
  readonly accepted = new Map<number, RowRef>();
  readonly injected = new Map<number, RowRef>();

  constructor(
    private readonly recorder: Recorder,
    private readonly places: Places,
    readonly id: number,
    private readonly vm: number,
    readonly track: number,
    readonly interrupts: number,
  ) {}

  /** VM entry. @param rip hexadecimal; undefined where the line has none */
  entered(time: number, rip: string | undefined): void {
    this.leave(time);
    this.place = this.placeOf(rip);
    this.write(0, () => (this.guest = this.recorder.open(time, this.track, ForeignKind.Guest, 0, 0)));
    this.last = time;
  }

  /** VM exit. @param qualification of VMX, 0: none */
  exited(
    time: number,
    kind: number,
    rip: string | undefined,
    a: number,
    b: number,
    qualification: number,
  ): void {
    this.leave(time);
    this.place = this.placeOf(rip);
    this.write(0, () => (this.exit = this.recorder.open(time, this.track, kind, a, b)));
    this.exitKind = kind;
    this.qualification = qualification;
    this.leg = Kind.KvmHandle;
    this.legFrom = time;
    this.last = time;
  }

  /** It slept, or the kernel polled for it, for so long; undefined: since its last event. */
  wokeUp(time: number, ticks: number | undefined, waited: boolean): void {
    if (this.exit !== 0) {
      const from = Math.max(this.legFrom, ticks === undefined ? this.last : time - ticks);
      this.endLeg(Math.min(from, time));
      this.leg = waited ? Kind.Halted : Kind.HaltPoll;
      this.endLeg(time);
      this.leg = Kind.KvmHandle;
    }
    this.last = time;
  }

  /** KVM_RUN returns to user space. */
  toUser(time: number): void {
    if (this.exit !== 0) {
      this.endLeg(time);
      this.legs.push({ kind: Kind.UserExit, from: time, to: time });
      this.leg = Kind.QemuHandle;
    }
    this.last = time;
  }

  /** Something that only happens inside KVM_RUN: user space has called it again. */
  inKernel(time: number): void {
    if (this.exit !== 0 && this.leg === Kind.QemuHandle) {
      this.endLeg(time);
      this.leg = Kind.KvmHandle;
    }
    this.last = time;
  }

  /** Its thread lost its CPU although it could have gone on. */
  preempted(time: number): void {
    if (this.exit === 0 || this.leg === Kind.SchedReady) return;
    this.endLeg(time);
    this.legBehind = this.leg;
    this.leg = Kind.SchedReady;
  }

  /** Its thread has a CPU again. */
  resumed(time: number): void {
    if (this.exit === 0 || this.leg !== Kind.SchedReady) return;
    this.endLeg(time);
    this.leg = this.legBehind;
  }

  /** Something else happened on it. */
  seen(time: number): void {
    this.last = time;
  }

  /** The exit under way gets the arguments that one of its events tells. */
  explain(a: number, b: number): void {
    if (this.exit !== 0) this.recorder.setArgs(this.exit, a, b);
  }

  /** An event of the exit under way, or of the vCPU between exits. */
  event(time: number, track: number, kind: number, a: number, b: number, rip?: string): RowRef {
    const row = this.write(this.cause, () => this.recorder.instant(time, track, kind, a, b), rip);
    this.last = time;
    return row;
  }

  /** An access to a register; what follows in this exit follows from it. */
  accessed(time: number, track: number, kind: number, a: number, b: number): RowRef {
    this.access = this.write(this.exit, () => this.recorder.instant(time, track, kind, a, b));
    this.last = time;
    return this.access;
  }

  /** A read of which only the address is known: `readDone` brings the value. */
  readBegun(time: number, track: number, kind: number, address: number): void {
    this.read = { row: this.accessed(time, track, kind, address, 0), address };
  }

  /** The value of a read. False when none has begun. */
  readDone(address: number, value: number): boolean {
    const { read } = this;
    if (read?.address !== address) return false;
    this.read = undefined;
    if (read.row === 0 || this.recorder.rows - read.row >= CHANGEABLE_ROWS) return false;
    this.recorder.setArgs(read.row, address, value);
    return true;
  }

  /** What an event of its thread follows from. */
  get cause(): RowRef {
    return this.access !== 0 ? this.access : this.exit;
  }

  /** An exit about device memory, an I/O port and such, which its events explain. */
  get reason(): string {
    return this.exit === 0 ? '' : (kindRow(this.exitKind).reason ?? '');
  }

  /** The trace is over. */
  finish(end: number): void {
    if (this.exit !== 0) this.closeExit(end);
  }

  /** Ends what is under way: the guest at an exit, an exit at an entry. What the tracer has lost ends with the last event before. */
  private leave(time: number): void {
    if (this.exit !== 0) this.closeExit(time);
    if (this.guest !== 0) this.recorder.close(this.guest, time);
    this.guest = 0;
  }

  /** An entry without an exit before it, or an exit without an entry: the events between are lost. */
  lost(): void {
    this.leave(this.last);
  }

  get inGuest(): boolean {
    return this.guest !== 0;
  }

  private closeExit(time: number): void {
    // Nothing told of a wake-up: it slept, or was not allowed to; either way the guest waited.
    const slept = this.legs.length === 0 && SLEEPS.has(this.reason);
    if (slept && this.leg === Kind.KvmHandle) this.leg = Kind.Halted;
    this.endLeg(time);
    for (const [index, { kind, from, to }] of this.legs.entries()) {
      const a = index === 0 && kind === Kind.KvmHandle ? this.qualification : 0;
      this.write(this.exit, () => this.recorder.span(from, to - from, this.track, kind, a, 0));
    }
    this.recorder.close(this.exit, time);
    this.exit = 0;
    this.access = 0;
    this.read = undefined;
    this.legs = [];
  }

  private endLeg(time: number): void {
    const to = Math.max(this.legFrom, time);
    if (to > this.legFrom) this.legs.push({ kind: this.leg, from: this.legFrom, to });
    this.legFrom = to;
  }

  private write(cause: RowRef, record: () => RowRef, rip?: string): RowRef {
    const { recorder } = this;
    recorder.cause = cause;
    recorder.place = rip === undefined ? this.place : this.placeOf(rip);
    const row = record();
    recorder.cause = 0;
    recorder.place = 0;
    return row;
  }

  private placeOf(rip: string | undefined): number {
    return rip === undefined ? 0 : this.places.of(this.vm, rip);
  }
}
