/**
 * Register-based invalidation (VT-d specification, 6.5.1): a command of 64 bits whose highest bit starts it, and reads as one until
 * it has been carried out.
 */
import type { Cycles } from '../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../time/pending-event';
import type { Register } from './layout';
import type { UnitClock } from './unit-clock';

const START = 2 ** 31;

/** What a command has done. */
export interface PerformedCommand {
  /** 0: the command was none. */
  granularity: number;
  /** When it is over, at the earliest now. */
  end: Cycles;
}

/** What differs between context command and IOTLB invalidation. */
export interface CommandKind {
  readonly offset: number;
  readonly name: string;
  /** Number of the unit's event that ends it. */
  readonly event: number;
  /** Bits of the upper half: those that tell what is to be done, and the field of what has been done. */
  readonly actual: number;
  /** Carries the command out. */
  perform(low: number, high: number, begin: Cycles): PerformedCommand;
}

/** What the hardware has. */
export interface CommandHardware {
  low: number;
  high: number;
  /** It has been carried out, and requests that were translated before are still under way. */
  draining: boolean;
  remaining: Cycles;
}

/** What the run has. */
export interface CommandRun extends PendingEventRun {
  begin: Cycles;
}

/** One command register. */
export class CommandRegister {
  private low = 0;
  private high = 0;
  private begin: Cycles = 0;
  private draining = false;
  private readonly end: PendingEvent;

  constructor(
    private readonly kind: CommandKind,
    private readonly clock: UnitClock,
    private readonly cost: Cycles,
  ) {
    this.end = new PendingEvent(clock, (time) => clock.schedule(time - clock.now(), kind.event));
  }

  registers(): Register[] {
    const { offset, name } = this.kind;
    return [
      { offset, name, read: () => this.low, write: (value) => void (this.low = value) },
      { offset: offset + 4, name: `${name}_HI`, read: () => this.high, write: (value) => this.start(value) },
    ];
  }

  /** The time has come. */
  onEvent(): void {
    this.end.came();
    if (!this.draining) {
      const { actual, perform } = this.kind;
      const { granularity, end } = perform(this.low, this.high, this.begin);
      this.high = ((this.high & ~(3 << actual)) | (granularity << actual)) >>> 0;
      if (end > this.clock.now()) {
        this.draining = true;
        return this.end.comeAt(end);
      }
    }
    this.draining = false;
    this.high = (this.high & ~START) >>> 0;
  }

  reset(): void {
    this.end.cancel();
    this.draining = false;
    this.low = this.high = 0;
  }

  save(): { hardware: CommandHardware; run: CommandRun } {
    const { low, high, draining, begin, end } = this;
    return { hardware: { low, high, draining, remaining: end.remaining }, run: { begin, ...end.save() } };
  }

  load(hardware: CommandHardware, run: CommandRun): void {
    this.take(hardware);
    this.begin = run.begin;
    this.end.load(run);
  }

  adopt(hardware: CommandHardware): void {
    this.take(hardware);
    this.begin = this.clock.now();
    this.end.adopt(hardware.remaining);
  }

  private take({ low, high, draining }: CommandHardware): void {
    this.low = low;
    this.high = high;
    this.draining = draining;
  }

  /** While a command is under way another one is not taken: software waits for the first (6.5.1). */
  private start(high: number): void {
    if (this.end.pending) return;
    this.high = high;
    if (high < START) return;
    this.begin = this.clock.now();
    this.end.comeAt(this.begin + this.cost);
  }
}
