/** One timer of a high precision event timer (IA-PC HPET Specification 1.0a, 2.3.8 and 2.3.9), as a function of the counter. */
/** Inputs of the I/O APIC that a timer may be routed to: those that belong to no interrupt of ISA. */
const TIMER_ROUTES: readonly number[] = [16, 17, 18, 19, 20, 21, 22, 23];

/** Configuration register (2.3.8). A timer can be periodic and has 64 bits; it cannot send messages (FSB). */
const Conf = { level: 1 << 1, enable: 1 << 2, periodic: 1 << 3, setValue: 1 << 6, narrow: 1 << 8 } as const;
const WRITABLE = Conf.level | Conf.enable | Conf.periodic | Conf.narrow;
const CAPABLE = (1 << 4) | (1 << 5);
const ROUTE_SHIFT = 9;
const ROUTE_MASK = 0x1f;
const routeCapabilities = TIMER_ROUTES.reduce((bits, input) => bits | (1n << BigInt(32 + input)), 0n);

const LOW = 0xffff_ffffn;
const MASK64 = 0xffff_ffff_ffff_ffffn;

/** What the hardware has of a timer. */
export interface HpetTimerState {
  configuration: number;
  route: number;
  comparator: bigint;
  period: bigint;
  /** The last value of the counter with which it has been compared. */
  compared: bigint;
  status: boolean;
  /** The high half, if it is written next, belongs to the accumulator whose low half has just been set. */
  highFollows: boolean;
}

/** The timer. Whoever has it brings it up to the counter's value (`reach`) before anything is read or written. */
export class HpetTimer {
  private configuration = 0;
  private comparator = MASK64;
  private period = 0n;
  private compared = 0n;
  private highFollows = false;
  /** Input of the I/O APIC; 0 until one is chosen. */
  route = 0;
  /** Its bit of the interrupt status, which only a level-triggered timer has. */
  status = false;

  get interrupts(): boolean {
    return (this.configuration & Conf.enable) !== 0;
  }

  get levelTriggered(): boolean {
    return (this.configuration & Conf.level) !== 0;
  }

  /** Configuration and capabilities. */
  get configurationRegister(): bigint {
    return BigInt(this.configuration | CAPABLE | (this.route << ROUTE_SHIFT)) | routeCapabilities;
  }

  /** The comparator, which in periodic mode is the accumulator. */
  get comparatorRegister(): bigint {
    return this.comparator & this.mask;
  }

  /** Writes the low half of the configuration; a route that cannot be had does not take (2.3.8, Tn_INT_ROUTE_CNF). */
  configure(value: number): void {
    this.configuration = value & (WRITABLE | Conf.setValue);
    // "Value set" is for periodic timers alone.
    if (!this.periodic) this.configuration &= ~Conf.setValue;
    const route = (value >> ROUTE_SHIFT) & ROUTE_MASK;
    if (TIMER_ROUTES.includes(route)) this.route = route;
    if (!this.levelTriggered) this.status = false;
    this.highFollows = false;
  }

  /**
   * Writes a half of the comparator. Of a periodic timer that is its period, and the accumulator too where "value set" says so;
   * that bit goes away by itself (2.3.8, Tn_VAL_SET_CNF).
   * @param count the counter now: a comparator that equals it matches at once
   */
  writeComparator(high: boolean, value: bigint, count: bigint): void {
    const set = !this.periodic || (this.configuration & Conf.setValue) !== 0 || (high && this.highFollows);
    this.highFollows = !high && set && this.periodic;
    this.configuration &= ~Conf.setValue;
    if (this.periodic) this.period = withHalf(this.period, high, value);
    if (!set) return;
    this.comparator = withHalf(this.comparator, high, value);
    this.restart(count);
  }

  /** The counter was set: it has been compared with nothing yet. */
  restart(count: bigint): void {
    this.compared = (count - 1n) & MASK64;
  }

  /** Lets the counter come to a value; whether it met the comparator on its way. */
  reach(count: bigint): boolean {
    const passed = (count - this.compared) & MASK64;
    const first = this.ticksToMatch();
    this.compared = count;
    if (first > passed) return false;
    if (this.periodic && this.period > 0n) {
      const times = 1n + (passed - first) / this.period;
      this.comparator = (this.comparator + times * this.period) & this.mask;
    }
    if (this.levelTriggered) this.status = true;
    return true;
  }

  /** Ticks from a value of the counter to the next match that interrupts; Infinity: there is none. */
  ticksToInterrupt(count: bigint): number {
    if (!this.interrupts) return Infinity;
    return Number(this.ticksToMatch() - ((count - this.compared) & MASK64));
  }

  save(): HpetTimerState {
    const { configuration, route, comparator, period, compared, status, highFollows } = this;
    return { configuration, route, comparator, period, compared, status, highFollows };
  }

  load(state: HpetTimerState): void {
    this.configuration = state.configuration;
    this.route = state.route;
    this.comparator = state.comparator;
    this.period = state.period;
    this.compared = state.compared;
    this.status = state.status;
    this.highFollows = state.highFollows;
  }

  private get periodic(): boolean {
    return (this.configuration & Conf.periodic) !== 0;
  }

  /** A timer of 64 bits compares 32 where software wants that (2.3.8, Tn_32MODE_CNF). */
  private get mask(): bigint {
    return (this.configuration & Conf.narrow) !== 0 ? LOW : MASK64;
  }

  /** From the last value compared with to the next that matches: 1 or more. */
  private ticksToMatch(): bigint {
    return ((this.comparator - this.compared - 1n) & this.mask) + 1n;
  }
}

/** A register of 64 bits of which one half is written. */
export function withHalf(value: bigint, high: boolean, half: bigint): bigint {
  return high ? (value & LOW) | (half << 32n) : (value & ~LOW) | half;
}
