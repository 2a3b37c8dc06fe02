/**
 * The life of one VM exit as the trace shows it: the exit span on the vCPU's track and, inside it, each leg that the exit
 * goes through. Charging the time of a leg and drawing it are one act, so that the picture and the clock cannot disagree.
 */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';
import type { Cpu } from '../../machine/x86/types';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import type { Site } from '../host';
import type { ExitRows } from './exit-rows';
import type { ExitWay } from './exit-way';
import type { Processor } from './processor';

/** Snapshot of an `ExitTimeline`: the rows it still writes to, 0 where none is open, and the place of the present exit. */
export interface ExitTimelineState {
  version: 3;
  guestRow: RowRef;
  exitRow: RowRef;
  userRow: RowRef;
  asleepRow: RowRef;
  pollRow: RowRef;
  place: number;
}

/** Draws and charges the exits of one vCPU. */
export class ExitTimeline implements Stateful<ExitTimelineState> {
  private guestRow: RowRef = 0;
  private exitRow: RowRef = 0;
  private userRow: RowRef = 0;
  private asleepRow: RowRef = 0;
  private pollRow: RowRef = 0;
  /** Guest instruction of the present exit. */
  private place = 0;
  /** The present exit's rows are foreseen to be these. Never beyond the run that it was made in, so that no snapshot has it. */
  private foreseen: ExitRows | undefined;
  /** When the next of them begins that is not there yet. */
  private due: Cycles = 0;

  /** @param track the vCPU's */
  constructor(
    private readonly site: Site,
    private readonly cpu: Cpu,
    private readonly vm: number,
    readonly track: number,
    private readonly processor: Processor,
  ) {}

  /** The guest has the CPU from a time on: the consequence of nothing in particular. */
  enterGuest(time: Cycles): void {
    const { tracer } = this.site;
    tracer.cause = 0;
    this.guestRow = tracer.open(time, this.track, this.guestKind, 0, 0);
  }

  /** Kind of the guest's span, as it is privileged now. */
  get guestKind(): number {
    return this.cpu.cpl() === 3 ? Kind.GuestUser : Kind.GuestKernel;
  }

  /**
   * The guest leaves: closes its span, opens the exit's, which is the cause of all that follows until the next entry.
   *
   * @param cause why, as a row reference: the handler that runs, the interrupt that kicks; 0 for the guest's own doing
   */
  begin(reason: number, a: number, b: number, cause: RowRef): void {
    const { tracer } = this.site;
    const { cpu } = this;
    const now = cpu.now();
    this.foreseen = undefined;
    this.place = tracer.internPlace(this.vm, cpu.ripLow, cpu.ripHigh);
    tracer.place = this.place;
    tracer.cause = cause;
    tracer.close(this.guestRow, now);
    this.guestRow = 0;
    this.exitRow = tracer.open(now, this.track, this.processor.kindOf(reason, a), a, b);
    tracer.cause = this.exitRow;
  }

  /**
   * As `begin`, `kernel` and, for a way that leads to QEMU, `toUser` and `atUser`: the same rows and the same time.
   *
   * @param qualification exit qualification that KVM reads
   * @param rows what comes of it if nothing comes in between, up to the guest's next span
   * @returns row of the access, where these are what is recorded now; 0: it has to be recorded
   */
  goThere(
    way: ExitWay,
    a: number,
    b: number,
    cause: RowRef,
    qualification: number,
    rows: ExitRows | undefined,
  ): RowRef {
    const { cpu } = this;
    const { tracer } = this.site;
    const now = cpu.now();
    const place = tracer.internPlace(this.vm, cpu.ripLow, cpu.ripHigh);
    this.place = place;
    tracer.place = place;
    tracer.close(this.guestRow, now);
    this.guestRow = 0;
    const first = rows ? tracer.foresee(rows.pattern, rows.access + 1, now, a, b, cause) : 0;
    if (rows && first !== 0) {
      this.foreseen = rows;
      this.exitRow = first;
      if (way.toUser) this.userRow = first + rows.user;
      this.due = now + way.cycles;
      cpu.advance(way.cycles);
      return first + rows.access;
    }
    this.goByLegs(way, a, b, cause, qualification);
    return 0;
  }

  private goByLegs(way: ExitWay, a: number, b: number, cause: RowRef, qualification: number): void {
    const { cpu, track } = this;
    const { tracer } = this.site;
    const now = cpu.now();
    tracer.cause = cause;
    const row = tracer.open(now, track, way.kind, a, b);
    this.exitRow = row;
    tracer.cause = row;
    const left = now + way.kernel;
    tracer.span(now, way.kernel, track, Kind.KvmHandle, qualification, 0);
    if (way.toUser) {
      tracer.span(left, way.userExit, track, Kind.UserExit, 0, 0);
      this.userRow = tracer.open(left + way.userExit, track, Kind.QemuHandle, 0, 0);
    }
    cpu.advance(way.cycles);
  }

  /** The value that the access has read, where its rows are foreseen; false: they are written, and have to be told it. */
  answer(value: number): boolean {
    if (!this.stillForeseen()) return false;
    this.site.tracer.answer(value);
    return true;
  }

  /** Nothing has come in between that was not foreseen. */
  private stillForeseen(): ExitRows | undefined {
    const { foreseen } = this;
    if (foreseen && this.site.tracer.foresees(this.exitRow)) return foreseen;
    return (this.foreseen = undefined);
  }

  /** Work of the present exit goes on, after events between: whatever is recorded belongs to its instruction again. */
  resume(): void {
    this.site.tracer.place = this.place;
  }

  /** What the present exit's work hangs on. */
  causeExit(): void {
    this.site.tracer.cause = this.exitRow;
  }

  /** Arguments that were not known at the exit (the value read). */
  setArgs(a: number, b: number): void {
    this.site.tracer.setArgs(this.exitRow, a, b);
  }

  /** A leg in the host kernel. @param qualification exit qualification that it reads */
  kernel(cycles: Cycles, qualification = 0): void {
    this.leg(Kind.KvmHandle, cycles, qualification);
  }

  /** The same from a time on: HLT may have been completed since, and its own cycles come behind the exit. */
  kernelFrom(time: Cycles, cycles: Cycles): void {
    this.site.tracer.span(time, cycles, this.track, Kind.KvmHandle, 0, 0);
    this.cpu.advance(cycles);
  }

  /** KVM_RUN returns to QEMU. */
  toUser(): void {
    this.leg(Kind.UserExit, this.site.costs['user.exit']);
  }

  /** QEMU finds the device and runs its model, until `leaveUser`. */
  atUser(): void {
    const { costs, tracer } = this.site;
    tracer.cause = this.exitRow;
    this.userRow = tracer.open(this.cpu.now(), this.track, Kind.QemuHandle, 0, 0);
    this.cpu.advance(costs['qemu.dispatch']);
  }

  /** QEMU is done and calls KVM_RUN. */
  leaveUser(): void {
    const { tracer } = this.site;
    const now = this.cpu.now();
    const rows = this.stillForeseen();
    tracer.cause = this.exitRow;
    if (rows && now === this.due) {
      tracer.reach(rows.access + 2);
      this.userRow = 0;
      this.cpu.advance(rows.userEnter);
      this.due = now + rows.userEnter;
    } else this.leaveByLegs(now);
  }

  private leaveByLegs(now: Cycles): void {
    const { costs, tracer } = this.site;
    tracer.close(this.userRow, now);
    this.userRow = 0;
    this.leg(Kind.UserEnter, costs['user.enter']);
  }

  /** The vCPU thread sleeps from a time on, as `Kind.Halted` or `Kind.WaitSipi` says; the exit stays open. */
  sleep(time: Cycles, kind: number): void {
    this.asleepRow = this.site.tracer.open(time, this.track, kind, 0, 0);
  }

  /** KVM looks from a time on whether something wakes the vCPU, for so long at most; the exit stays open. */
  poll(time: Cycles, cycles: Cycles): void {
    this.causeExit();
    this.pollRow = this.site.tracer.open(time, this.track, Kind.HaltPoll, cycles, 0);
  }

  /** It has looked long enough, or found something. */
  endPoll(): void {
    this.site.tracer.close(this.pollRow, this.cpu.now());
    this.pollRow = 0;
    this.resume();
    this.causeExit();
  }

  /** The vCPU thread runs again, `wakeCycles` after the interrupt that woke it: scheduling, then back in KVM. */
  wake(wakeCycles: Cycles): void {
    this.site.tracer.close(this.asleepRow, this.cpu.now());
    this.asleepRow = 0;
    this.resume();
    this.kernel(wakeCycles);
  }

  /** VM entry, from a time on; the exit ends and the guest has the CPU. */
  end(time: Cycles, entryCycles: Cycles): void {
    const { tracer } = this.site;
    tracer.place = this.place;
    const rows = this.stillForeseen();
    this.foreseen = undefined;
    if (rows && time === this.due && entryCycles === rows.entry && rows.guest === this.guestKind) {
      this.cpu.advance(entryCycles);
      this.exitRow = 0;
      tracer.cause = 0;
      this.guestRow = tracer.complete();
    } else this.endByLegs(time, entryCycles);
  }

  private endByLegs(time: Cycles, entryCycles: Cycles): void {
    const { tracer } = this.site;
    tracer.cause = this.exitRow;
    tracer.span(time, entryCycles, this.track, Kind.Entry, 0, 0);
    this.cpu.advance(entryCycles);
    tracer.close(this.exitRow, time + entryCycles);
    this.exitRow = 0;
    this.enterGuest(time + entryCycles);
  }

  /** The guest does not run any more, wherever it was: each span that is open ends. */
  endForGood(): void {
    const { tracer } = this.site;
    const now = this.cpu.now();
    const { userRow, asleepRow, pollRow, exitRow, guestRow } = this;
    for (const row of [userRow, asleepRow, pollRow, exitRow, guestRow]) tracer.close(row, now);
    this.userRow = this.asleepRow = this.pollRow = this.exitRow = this.guestRow = 0;
  }

  save(): ExitTimelineState {
    const { guestRow, exitRow, userRow, asleepRow, pollRow, place } = this;
    return { version: 3, guestRow, exitRow, userRow, asleepRow, pollRow, place };
  }

  load(state: ExitTimelineState): void {
    requireVersion('the exits of a vCPU', state.version, 3);
    this.foreseen = undefined;
    this.guestRow = state.guestRow;
    this.exitRow = state.exitRow;
    this.userRow = state.userRow;
    this.asleepRow = state.asleepRow;
    this.pollRow = state.pollRow;
    this.place = state.place;
  }

  private leg(kind: number, cycles: Cycles, a = 0): void {
    const { cpu } = this;
    this.site.tracer.span(cpu.now(), cycles, this.track, kind, a, 0);
    cpu.advance(cycles);
  }
}
