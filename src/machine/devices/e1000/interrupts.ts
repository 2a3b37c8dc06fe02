/**
 * Interrupt causes, mask, throttle and delay timers (manual 3.2.7, 3.4.3 and 13.4.17 to 13.4.21). The INTx level is
 * (ICR & IMS) ≠ 0; with ITR set, the line is not asserted again before the interval since its last assertion is over.
 */
import type { Timers } from '../intel-nic/timers';
import { Cause, CAUSE_MASK, DELAY_UNIT, FLUSH_PARTIAL, ITR_UNIT, Reg, Timer } from './constants';
import type { E1000Core } from './core';

/** What the hardware has of an `InterruptUnit`; the causes and the mask are in the register file. */
export interface InterruptsHardware {
  asserted: boolean;
}

/** One pair of delay timers: restarted by each packet, and absolute since the first. */
export interface Delay {
  readonly relative: number;
  readonly absolute: number;
  readonly delayRegister: number;
  readonly absoluteRegister: number;
  readonly cause: number;
}

export const RECEIVE_DELAY: Delay = {
  relative: Timer.RxDelay,
  absolute: Timer.RxAbsolute,
  delayRegister: Reg.RDTR,
  absoluteRegister: Reg.RADV,
  cause: Cause.RXT0,
};
export const TRANSMIT_DELAY: Delay = {
  relative: Timer.TxDelay,
  absolute: Timer.TxAbsolute,
  delayRegister: Reg.TIDV,
  absoluteRegister: Reg.TADV,
  cause: Cause.TXDW,
};

/** Writes back what is used of a direction's descriptors, then raises the causes. */
export type Flush = (causes: number) => void;

/** What becomes of interrupt causes. */
export class InterruptUnit {
  private asserted = false;
  private readonly flushes = new Map<Delay, Flush>();

  constructor(
    private readonly core: E1000Core,
    private readonly timers: Timers,
  ) {}

  /** What the end of a direction's delay does first (3.2.5.1, 3.4.2). */
  onExpiry(delay: Delay, flush: Flush): void {
    this.flushes.set(delay, flush);
  }

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

  /** A packet was received, or one was sent with IDE: its cause comes now, or after the delay, at the latest after the absolute one. */
  delayed(delay: Delay): void {
    const { core, timers } = this;
    const wait = core.get(delay.delayRegister) & 0xffff;
    if (wait === 0) {
      this.expired(delay);
      return;
    }
    timers.start(delay.relative, core.cycles(wait * DELAY_UNIT));
    const longest = core.get(delay.absoluteRegister) & 0xffff;
    if (longest > 0 && !timers.running(delay.absolute))
      timers.start(delay.absolute, core.cycles(longest * DELAY_UNIT));
  }

  /** Whether a direction's delay runs. */
  waits(delay: Delay): boolean {
    return this.timers.running(delay.relative);
  }

  /** The delay is over before its time: its timers stop, used descriptors are written back, then `extra` causes come with its own. */
  expired(delay: Delay, extra = 0): void {
    this.timers.stop(delay.relative);
    this.timers.stop(delay.absolute);
    this.flushes.get(delay)?.(delay.cause | extra);
  }

  /** RDTR was written: its flush bit is an immediate expiration, whether or not the timer runs (13.4.30). */
  receiveDelayWritten(value: number): void {
    this.core.set(Reg.RDTR, value & 0xffff);
    if ((value & FLUSH_PARTIAL) !== 0) this.expired(RECEIVE_DELAY);
  }

  onTimer(kind: number): void {
    if (kind === Timer.Throttle) this.update();
    else this.expired(kind === Timer.RxDelay || kind === Timer.RxAbsolute ? RECEIVE_DELAY : TRANSMIT_DELAY);
  }

  /** Follows ICR, IMS and the throttle with the INTx line. */
  update(): void {
    const { core, timers } = this;
    const wanted = (core.get(Reg.ICR) & core.get(Reg.IMS)) !== 0;
    if (wanted === this.asserted) return;
    if (wanted) {
      if (timers.running(Timer.Throttle)) return;
      const interval = core.get(Reg.ITR) & 0xffff;
      if (interval > 0) timers.start(Timer.Throttle, core.cycles(interval * ITR_UNIT));
    }
    this.asserted = wanted;
    core.bus.irq.set(wanted);
  }

  saveHardware(): InterruptsHardware {
    return { asserted: this.asserted };
  }

  load(hardware: InterruptsHardware): void {
    this.asserted = hardware.asserted;
  }

  /** After a move to another bus: the line there shows the level. */
  resume(): void {
    this.core.bus.irq.set(this.asserted);
  }
}
