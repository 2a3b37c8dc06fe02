/**
 * Register-based invalidation (VT-d specification, 6.5.1): a command of 64 bits whose highest bit starts it, and reads as one until
 * it has been carried out.
 */
import type { Cycles } from '../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../time/pending-event';
import type { Register } from './layout';
import type { UnitClock } from './unit-clock';

const START = 2 ** 31;

/** What differs between context command and IOTLB invalidation. */
export interface CommandKind {
  readonly offset: number;
  readonly name: string;
  /** Number of the unit's event that ends it. */
  readonly event: number;
  /** Bits of the upper half: those that tell what is to be done, and the field of what has been done. */
  readonly actual: number;
  /** Carries the command out. @returns the granularity of what has been done; 0: the command was none */
  perform(low: number, high: number, begin: Cycles): number;
}

/** What the hardware has. */
export interface CommandHardware {
  low: number;
  high: number;
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
    const { actual, perform } = this.kind;
    const done = perform(this.low, this.high, this.begin);
    this.high = ((this.high & ~START & ~(3 << actual)) | (done << actual)) >>> 0;
  }

  reset(): void {
    this.end.cancel();
    this.low = this.high = 0;
  }

  save(): { hardware: CommandHardware; run: CommandRun } {
    const { low, high, begin, end } = this;
    return { hardware: { low, high, remaining: end.remaining }, run: { begin, ...end.save() } };
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

  private take({ low, high }: CommandHardware): void {
    this.low = low;
    this.high = high;
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
