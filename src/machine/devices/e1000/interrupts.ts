/**
 * Interrupt causes, mask, throttle and delay timers (manual 3.2.7, 3.4.3 and 13.4.17 to 13.4.21). The INTx level is
 * (ICR & IMS) ≠ 0; with ITR set, the line is not asserted again before the interval since its last assertion is over.
 */
import { requireVersion } from '../../snapshot';
import type { EventHandle } from '../../time/event-queue';
import { Cause, CAUSE_MASK, DELAY_UNIT, FLUSH_PARTIAL, ITR_UNIT, Reg, Timer } from './constants';
import type { E1000Core } from './core';

/** Snapshot of an `InterruptUnit`; the causes and the mask are in the register file. */
export interface InterruptUnitState {
  version: 1;
  asserted: boolean;
  timers: number[];
}

/** One pair of delay timers: restarted by each packet, and absolute since the first. */
interface Delay {
  readonly relative: number;
  readonly absolute: number;
  readonly delayRegister: number;
  readonly absoluteRegister: number;
  readonly cause: number;
}

const RECEIVE: Delay = {
  relative: Timer.RxDelay,
  absolute: Timer.RxAbsolute,
  delayRegister: Reg.RDTR,
  absoluteRegister: Reg.RADV,
  cause: Cause.RXT0,
};
const TRANSMIT: Delay = {
  relative: Timer.TxDelay,
  absolute: Timer.TxAbsolute,
  delayRegister: Reg.TIDV,
  absoluteRegister: Reg.TADV,
  cause: Cause.TXDW,
};
const TIMERS = Timer.TxAbsolute + 1;

export class InterruptUnit {
  private asserted = false;
  /** Handles by `Timer`; 0 is not running. */
  private readonly timers: EventHandle[] = new Array<EventHandle>(TIMERS).fill(0);

  constructor(private readonly core: E1000Core) {}

  /** Sets causes and signals them. */
  raise(causes: number): void {
    this.core.set(Reg.ICR, (this.core.get(Reg.ICR) | causes) & CAUSE_MASK);
    this.update();
  }

  /** ICR is cleared by reading. */
  readCauses(): number {
    const causes = this.core.get(Reg.ICR);
    this.clear(causes);
    return causes;
  }

  /** Clears causes, as writing ones to ICR does. */
  clear(causes: number): void {
    this.core.set(Reg.ICR, this.core.get(Reg.ICR) & ~causes);
    this.update();
  }

  /** A packet was received: RXT0 now, or after RDTR and at the latest after RADV. */
  received(): void {
    this.delayed(RECEIVE);
  }

  /** A packet was sent whose descriptor asks for the delay (IDE): TXDW likewise by TIDV and TADV. */
  transmittedDelayed(): void {
    this.delayed(TRANSMIT);
  }

  /** RDTR or TIDV was written with its flush bit: a waiting interrupt is raised at once. */
  flush(register: number): void {
    const delay = register === Reg.RDTR ? RECEIVE : TRANSMIT;
    if ((this.core.get(register) & FLUSH_PARTIAL) === 0) return;
    this.core.set(register, this.core.get(register) & 0xffff);
    if (this.timers[delay.relative] !== 0) this.expired(delay);
  }

  onTimer(kind: number): void {
    this.timers[kind] = 0;
    if (kind === Timer.Throttle) this.update();
    else this.expired(kind === Timer.RxDelay || kind === Timer.RxAbsolute ? RECEIVE : TRANSMIT);
  }

  /** Follows ICR, IMS and the throttle with the INTx line. */
  update(): void {
    const { core } = this;
    const wanted = (core.get(Reg.ICR) & core.get(Reg.IMS)) !== 0;
    if (wanted === this.asserted) return;
    if (wanted) {
      if (this.timers[Timer.Throttle] !== 0) return;
      const interval = core.get(Reg.ITR) & 0xffff;
      if (interval > 0) this.start(Timer.Throttle, interval * ITR_UNIT);
    }
    this.asserted = wanted;
    core.bus.setInterruptLine(wanted);
  }

  /** Stops all timers and lowers the line. The registers are cleared by whoever resets them. */
  reset(): void {
    for (let kind = 0; kind < TIMERS; kind++) this.stop(kind);
    this.update();
  }

  save(): InterruptUnitState {
    return { version: 1, asserted: this.asserted, timers: [...this.timers] };
  }

  load(state: InterruptUnitState): void {
    requireVersion('an e1000 interrupt unit', state.version, 1);
    this.asserted = state.asserted;
    state.timers.forEach((handle, kind) => (this.timers[kind] = handle));
  }

  private delayed(delay: Delay): void {
    const wait = this.core.get(delay.delayRegister) & 0xffff;
    if (wait === 0) {
      this.raise(delay.cause);
      return;
    }
    this.stop(delay.relative);
    this.start(delay.relative, wait * DELAY_UNIT);
    const longest = this.core.get(delay.absoluteRegister) & 0xffff;
    if (longest > 0 && this.timers[delay.absolute] === 0) this.start(delay.absolute, longest * DELAY_UNIT);
  }

  private expired(delay: Delay): void {
    this.stop(delay.relative);
    this.stop(delay.absolute);
    this.raise(delay.cause);
  }

  private start(kind: number, nanoseconds: number): void {
    this.timers[kind] = this.core.bus.schedule(this.core.cycles(nanoseconds), kind);
  }

  private stop(kind: number): void {
    const handle = this.timers[kind];
    if (handle !== 0) this.core.bus.cancel(handle);
    this.timers[kind] = 0;
  }
}
