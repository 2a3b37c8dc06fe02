/**
 * The LAPIC's timer (SDM vol. 3, 10.5.4): one-shot, periodic and TSC-deadline. Its count is computed from the time it was
 * started, so that a running timer costs nothing; an event is scheduled only while an interrupt can come of it.
 */
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../snapshot';
import type { Cycles, EventTarget, Scheduler } from '../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../time/pending-event';

/** LVT timer mode, bits 18:17. */
export const TimerMode = { OneShot: 0, Periodic: 1, TscDeadline: 2 } as const;

/**
 * The first time of the host at which a CPU's own TSC shows this value or more (its halves, unsigned): what a hypervisor's
 * offset and scaling, and writes of the TSC, make of it. Past or negative when it shows more already; Infinity for never.
 */
export type TscToHostTime = (low: number, high: number) => Cycles;

const hostTsc: TscToHostTime = (low, high) => high * 2 ** 32 + low;

/** What the hardware has of a `LapicTimer`. */
export interface LapicTimerHardware extends HardwareState {
  version: 2;
  mode: number;
  masked: boolean;
  divide: number;
  initialCount: number;
  /** Cycles since the count stood at `initialCount`; 0 while it is not running. */
  elapsed: Cycles;
  running: boolean;
  deadlineLow: number;
  deadlineHigh: number;
  /** Cycles until the interrupt; -1: none is to come. */
  remaining: Cycles;
}

/** What the run has of it; its event is in the queue's snapshot. */
export interface LapicTimerRun extends PendingEventRun {
  start: Cycles;
}

const MAX_COUNT = 0xffffffff;

/** Counts down; calls `expired` when an unmasked interrupt is due. */
export class LapicTimer implements EventTarget, Migratable<LapicTimerHardware, LapicTimerRun> {
  private mode: number = TimerMode.OneShot;
  private masked = true;
  /** The divide configuration register as written (bits 3, 1, 0). */
  private divide = 0;
  private initialCount = 0;
  /** Time at which the count stood at `initialCount`. */
  private start: Cycles = 0;
  private running = false;
  private deadlineLow = 0;
  private deadlineHigh = 0;
  /** The interrupt that is to come. */
  private readonly expiry: PendingEvent;

  /**
   * @param cyclesPerTick cycles of one undivided tick of the timer's clock; may have a fraction
   * @param expired raises the timer's LVT interrupt
   * @param toHostTime of the TSC that a deadline is compared with
   * @param leastPeriod of a periodic timer, in cycles: what software programs below it is made as long
   */
  constructor(
    readonly eventTargetId: string,
    private readonly scheduler: Scheduler,
    private readonly cyclesPerTick: number,
    private readonly expired: () => void,
    private readonly toHostTime: TscToHostTime = hostTsc,
    private readonly leastPeriod: Cycles = 0,
  ) {
    this.expiry = new PendingEvent(scheduler, (time) => scheduler.schedule(time, this, 0));
  }

  /** Follows LVT timer bits 18:17 and 16. Changing to or from TSC-deadline disarms the timer. */
  configure(mode: number, masked: boolean): void {
    this.settle();
    if ((mode === TimerMode.TscDeadline) !== (this.mode === TimerMode.TscDeadline)) this.disarm();
    const due = this.running ? this.nextExpiry() : undefined;
    const stretched = this.stretched;
    // A periodic count that becomes one-shot runs out where its present period ends.
    if (mode !== this.mode && this.running) this.start += this.periodsDone() * this.period();
    this.mode = mode;
    this.masked = masked;
    if (due !== undefined && this.running && (stretched || this.stretched)) this.start = due - this.period();
    this.arm();
  }

  get divideConfiguration(): number {
    return this.divide;
  }

  /** Writes the divide configuration register; a running count goes on at the new rate. */
  set divideConfiguration(value: number) {
    this.settle();
    const now = this.scheduler.now();
    const done = this.initialCount - this.currentCount();
    const [left, before, stretched] = [this.nextExpiry() - now, this.tick(), this.stretched];
    this.divide = value & 0xb;
    // What is counted down stays counted down: the start moves to where it would have lain at the new rate.
    if (this.running) this.start = Math.floor(now - done * this.tick());
    // Of a period that is longer than its count, what is left of it goes on at the new rate.
    if (this.running && (stretched || this.stretched))
      this.start = Math.round(now + (left * this.tick()) / before) - this.period();
    this.arm();
  }

  get initial(): number {
    return this.initialCount;
  }

  /** Writes the initial-count register: starts the timer, or stops it with 0. Ignored in TSC-deadline mode. */
  set initial(count: number) {
    if (this.mode === TimerMode.TscDeadline) return;
    this.initialCount = count;
    this.start = this.scheduler.now();
    this.running = count > 0;
    this.arm();
  }

  /** The current-count register. */
  currentCount(): number {
    if (!this.running || this.mode === TimerMode.TscDeadline) return 0;
    const elapsed = this.scheduler.now() - this.start;
    const into = this.mode === TimerMode.Periodic && elapsed > 0 ? elapsed % this.period() : elapsed;
    // The count comes to 0 with the period, beginning above what was programmed.
    if (this.stretched) return Math.min(MAX_COUNT, Math.floor((this.period() - into) / this.tick()));
    return Math.min(MAX_COUNT, Math.max(0, this.initialCount - Math.floor(into / this.tick())));
  }

  /** Low and high half of IA32_TSC_DEADLINE: 0 once it has passed. */
  readDeadline(): { low: number; high: number } {
    this.settle();
    return { low: this.deadlineLow, high: this.deadlineHigh };
  }

  /** Writes IA32_TSC_DEADLINE: arms, or disarms with 0. Ignored in the other modes. */
  writeDeadline(low: number, high: number): void {
    if (this.mode !== TimerMode.TscDeadline) return;
    this.deadlineLow = low;
    this.deadlineHigh = high;
    this.running = low !== 0 || high !== 0;
    this.arm();
  }

  /** The CPU's TSC has been written, or its offset changed: a deadline is now at another time. */
  tscChanged(): void {
    if (this.mode === TimerMode.TscDeadline) this.arm();
  }

  /** Stops everything, as INIT and reset do. */
  reset(): void {
    this.disarm();
    this.mode = TimerMode.OneShot;
    this.masked = true;
    this.divide = 0;
  }

  onEvent(_kind: number, _arg: number, time: Cycles): void {
    this.expiry.came();
    if (this.mode === TimerMode.Periodic) {
      this.start = time;
      this.arm();
    } else {
      this.running = false;
      this.deadlineLow = this.deadlineHigh = 0;
    }
    this.expired();
  }

  save(): Checkpoint<LapicTimerHardware, LapicTimerRun> {
    const { mode, masked, divide, initialCount, running, deadlineLow, deadlineHigh } = this;
    const { start, expiry } = this;
    const now = this.scheduler.now();
    const registers = { mode, masked, divide, initialCount, running, deadlineLow, deadlineHigh };
    const { remaining } = expiry;
    return {
      hardware: { version: 2, ...registers, elapsed: running ? now - start : 0, remaining },
      run: { start, ...expiry.save() },
    };
  }

  load({ hardware, run }: Checkpoint<LapicTimerHardware, LapicTimerRun>): void {
    this.loadRegisters(hardware);
    this.start = run.start;
    this.expiry.load(run);
  }

  /** A deadline comes when it would have come: if the CPU's TSC shows something else here, `tscChanged` tells so later. */
  adopt(hardware: LapicTimerHardware): void {
    this.loadRegisters(hardware);
    this.start = this.scheduler.now() - hardware.elapsed;
    this.expiry.adopt(hardware.remaining);
  }

  private loadRegisters(hardware: LapicTimerHardware): void {
    requireVersion('a LAPIC timer', hardware.version, 2);
    this.mode = hardware.mode;
    this.masked = hardware.masked;
    this.divide = hardware.divide;
    this.initialCount = hardware.initialCount;
    this.running = hardware.running;
    this.deadlineLow = hardware.deadlineLow;
    this.deadlineHigh = hardware.deadlineHigh;
  }

  /** Cycles of one tick after the divider: encoding 111 divides by 1, otherwise by 2^(n+1). */
  private tick(): number {
    const code = ((this.divide >> 1) & 4) | (this.divide & 3);
    return this.cyclesPerTick * (code === 7 ? 1 : 2 << code);
  }

  private period(): Cycles {
    return this.stretched ? this.leastPeriod : this.programmedPeriod();
  }

  private programmedPeriod(): Cycles {
    return Math.max(1, Math.ceil(this.initialCount * this.tick()));
  }

  /** The period is longer than software has programmed. */
  private get stretched(): boolean {
    return this.mode === TimerMode.Periodic && this.programmedPeriod() < this.leastPeriod;
  }

  /** Time of the next expiry after now, by arithmetic. */
  private nextExpiry(): Cycles {
    if (this.mode === TimerMode.TscDeadline) return this.toHostTime(this.deadlineLow, this.deadlineHigh);
    const periods = this.mode === TimerMode.Periodic ? this.periodsDone() : 0;
    return this.start + (periods + 1) * this.period();
  }

  /** Whole periods since the start. */
  private periodsDone(): number {
    // A period may begin only later, when what was left of another one was longer.
    return Math.max(0, Math.floor((this.scheduler.now() - this.start) / this.period()));
  }

  /** Notices an expiry that happened while masked. */
  private settle(): void {
    if (!this.running || this.expiry.pending || this.mode === TimerMode.Periodic) return;
    if (this.nextExpiry() > this.scheduler.now()) return;
    this.running = false;
    this.deadlineLow = this.deadlineHigh = 0;
  }

  private disarm(): void {
    this.expiry.cancel();
    this.running = false;
    this.initialCount = 0;
    this.deadlineLow = this.deadlineHigh = 0;
  }

  private arm(): void {
    this.expiry.cancel();
    if (!this.running || this.masked) return;
    const due = this.nextExpiry();
    if (Number.isSafeInteger(due)) this.expiry.comeAt(due);
  }
}
