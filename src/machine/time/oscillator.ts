/**
 * A clock of a unit that ticks whatever else happens, and whose ticks are worked out from the time when somebody looks. How
 * long it has run belongs to the hardware; when it began, to the run.
 */
import type { Cycles } from './event-queue';
import { cyclesOf, ticksAt } from './rate';

/** The time that an oscillator is measured by. */
export interface OscillatorHost {
  now(): Cycles;
  readonly cyclesPerSecond: number;
}

/** One oscillator; it begins with the run, unless it has come from another. */
export class Oscillator {
  private begun: Cycles = 0;

  /** @param hertz its ticks a second: a whole number */
  constructor(
    private readonly host: OscillatorHost,
    private readonly hertz: number,
  ) {}

  /** Cycles of the host for which it has run. */
  get age(): Cycles {
    return this.host.now() - this.begun;
  }

  /** The time in the run at which it began; negative when that was before the run, in another. */
  get origin(): Cycles {
    return this.begun;
  }

  /** Puts a saved `origin` back, in the same run. */
  set origin(time: Cycles) {
    this.begun = time;
  }

  /** Goes on as one that has run for so long. */
  adopt(age: Cycles): void {
    this.begun = this.host.now() - age;
  }

  /** Ticks since it began. */
  ticks(): number {
    return this.ticksAfter(this.age);
  }

  /** Ticks in its first so many cycles. */
  ticksAfter(age: Cycles): number {
    return ticksAt(age, this.hertz, this.host.cyclesPerSecond);
  }

  /** The first moment of the run at which it has ticked so often. */
  timeOf(ticks: number): Cycles {
    return this.begun + cyclesOf(ticks, this.hertz, this.host.cyclesPerSecond);
  }
}
