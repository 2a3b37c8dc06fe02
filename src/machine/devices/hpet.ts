/**
 * The high precision event timer of a PC (IA-PC HPET Specification 1.0a): a counter of 64 bits that ticks every 10 ns, and
 * three timers that compare with it. Counter, accumulators and status are worked out from the time when somebody looks; an
 * interrupt that a timer will cause is an event.
 */
import type { AccessSize, IrqLine, RegisterBlock } from '../bus';
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { describedNodes, nodeAt, type RegisterPlace } from '../registers';
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../snapshot';
import type { Cycles, EventHandle, EventTarget } from '../time/event-queue';
import { Oscillator } from '../time/oscillator';
import { PendingEvent, type PendingEventRun } from '../time/pending-event';
import { hpetDescriptions } from './hpet-descriptions';
import { HpetTimer, withHalf, type HpetTimerState } from './hpet-timer';

/** Where its registers lie: the address that chipsets and QEMU use, and the size of the block (2.3.1). */
export const HPET = { base: 0xfed00000, size: 0x400 } as const;
/** Ticks a second: the period of 10 ns that QEMU's has. */
export const HPET_HZ = 100_000_000;

const TIMERS = 3;
/** Offsets of 2.3.1. */
const Reg = {
  capabilities: 0x000,
  configuration: 0x010,
  status: 0x020,
  counter: 0x0f0,
  timers: 0x100,
} as const;
/** From one timer's registers to the next one's, and offsets within. */
const TIMER_BYTES = 0x20;
const TimerReg = { configuration: 0x00, comparator: 0x08 } as const;
const TIMER_REGISTERS = ['CONF', 'COMP', 'FSB_ROUTE'];

/** Femtoseconds of a tick. */
const PERIOD_FS = 1e15 / HPET_HZ;
/**
 * General capabilities (2.3.4), the low half: Intel's vendor ID, legacy replacement and 64 bits can be had, the number of the
 * last timer, revision 1. The ACPI table has it too.
 */
export const HPET_BLOCK_ID = 0x8086_a001 + ((TIMERS - 1) << 8);
/** General configuration (2.3.5): the counter runs and timers interrupt; timers 0 and 1 replace 8254 and RTC. */
const ENABLE = 1;
const LEGACY = 2;
/** Inputs of the I/O APIC that timers 0 and 1 have in legacy replacement (2.3.5, table 3): those of IRQ 0 and IRQ 8. */
const LEGACY_INPUTS = [2, 8];

const MASK64 = 0xffff_ffff_ffff_ffffn;

/** What the HPET needs of its machine. */
export interface HpetHost {
  now(): Cycles;
  readonly cyclesPerSecond: number;
  schedule(time: Cycles, target: EventTarget): EventHandle;
  cancel(handle: EventHandle): void;
  /** A timer's wire to an input of the I/O APIC (and to the 8259s, where they have it). */
  line(input: number, timer: number): IrqLine;
  /** Legacy replacement is turned on or off: while it is on, 8254 and RTC interrupt nobody. */
  replacesLegacy(on: boolean): void;
}

/** What the hardware has of an `Hpet`. */
export interface HpetHardware extends HardwareState {
  version: 1;
  /** Cycles for which its clock has run. */
  age: Cycles;
  configuration: number;
  /** The counter at the tick `started` of its clock. */
  counter: bigint;
  started: number;
  timers: HpetTimerState[];
}

/** What the run has of it; its event is in the queue's snapshot. */
export interface HpetRun extends PendingEventRun {
  origin: Cycles;
}

/** The block of registers. */
export class Hpet implements RegisterBlock, Inspectable, Migratable<HpetHardware, HpetRun>, EventTarget {
  private readonly clock: Oscillator;
  private configuration = 0;
  private counter = 0n;
  private started = 0;
  /** The next match that interrupts. */
  private readonly nextMatch: PendingEvent;
  private readonly timers = Array.from({ length: TIMERS }, () => new HpetTimer());
  /** Of each timer by input; made when it is first used. */
  private readonly lines = this.timers.map(() => new Map<number, IrqLine>());

  /** @param eventTargetId unique in the run */
  constructor(
    readonly eventTargetId: string,
    private readonly host: HpetHost,
  ) {
    this.clock = new Oscillator(host, HPET_HZ);
    this.nextMatch = new PendingEvent(host, (time) => host.schedule(time, this));
  }

  /** As after power-on. The lines are taken to be low. */
  reset(): void {
    this.nextMatch.cancel();
    if ((this.configuration & LEGACY) !== 0) this.host.replacesLegacy(false);
    this.configuration = 0;
    this.counter = 0n;
    this.started = 0;
    for (const timer of this.timers) timer.load(new HpetTimer().save());
  }

  read(offset: number, size: AccessSize): number {
    this.catchUp();
    const at = offset & 7;
    const value = this.register(offset - at) >> BigInt(8 * at);
    return Number(value & ((1n << BigInt(8 * size)) - 1n));
  }

  /** Accesses have to be of 32 bits or more (2.3.2); narrower writes are ignored. */
  write(offset: number, size: AccessSize, value: number): void {
    if (size !== 4 || (offset & 3) !== 0) return;
    this.catchUp();
    const high = (offset & 4) !== 0;
    this.writeHalf(offset - (offset & 7), high, BigInt(value >>> 0));
    this.follow();
  }

  registerName(offset: number): string | undefined {
    const half = (offset & 4) === 0 ? '' : '_HI';
    const name = nameOf(offset & ~7);
    return (offset & 3) !== 0 || name === undefined ? undefined : name + half;
  }

  /** The registers as a read would give them. Timers are brought up to the present in copies of them. */
  inspect(path: StatePath): StateNode | undefined {
    const count = this.count();
    const timers = this.timers.map((timer) => {
      const copy = new HpetTimer();
      copy.load(timer.save());
      if (this.running) copy.reach(count);
      return copy;
    });
    const values = hpetRegisters.map(([name, base]): [string, bigint] => [name, this.register(base, timers)]);
    const children = describedNodes(hpetDescriptions, 64, Object.fromEntries(values));
    return nodeAt({ name: 'hpet', children: [{ name: 'Registers', children }] }, path);
  }

  onEvent(): void {
    this.nextMatch.came();
    this.catchUp();
    this.follow();
  }

  save(): Checkpoint<HpetHardware, HpetRun> {
    const { configuration, counter, started, nextMatch, clock } = this;
    const timers = this.timers.map((timer) => timer.save());
    return {
      hardware: { version: 1, age: clock.age, configuration, counter, started, timers },
      run: { origin: clock.origin, ...nextMatch.save() },
    };
  }

  load({ hardware, run }: Checkpoint<HpetHardware, HpetRun>): void {
    this.take(hardware);
    this.clock.origin = run.origin;
    this.nextMatch.load(run);
  }

  adopt(hardware: HpetHardware): void {
    this.take(hardware);
    this.clock.adopt(hardware.age);
    this.follow();
  }

  private take(hardware: HpetHardware): void {
    requireVersion('the HPET', hardware.version, 1);
    this.configuration = hardware.configuration;
    this.counter = hardware.counter;
    this.started = hardware.started;
    this.timers.forEach((timer, index) => timer.load(hardware.timers[index]));
  }

  private get running(): boolean {
    return (this.configuration & ENABLE) !== 0;
  }

  private ticks(): number {
    return this.clock.ticks();
  }

  /** The main counter now. */
  private count(): bigint {
    return this.running ? (this.counter + BigInt(this.ticks() - this.started)) & MASK64 : this.counter;
  }

  private register(base: number, timers: readonly HpetTimer[] = this.timers): bigint {
    switch (base) {
      case Reg.capabilities:
        return (BigInt(PERIOD_FS) << 32n) | BigInt(HPET_BLOCK_ID);
      case Reg.configuration:
        return BigInt(this.configuration);
      case Reg.status:
        return BigInt(timers.reduce((bits, timer, index) => bits | (Number(timer.status) << index), 0));
      case Reg.counter:
        return this.count();
      default:
        return timerRegister(timers[timerAt(base)], base);
    }
  }

  private writeHalf(base: number, high: boolean, value: bigint): void {
    if (base === Reg.configuration) {
      if (!high) this.configure(Number(value));
    } else if (base === Reg.status) {
      if (!high) this.acknowledge(Number(value));
    } else if (base === Reg.counter) {
      // Software halts the counter before it writes it (2.3.7).
      if (!this.running) this.setCounter(withHalf(this.counter, high, value));
    } else this.writeTimer(base, high, value);
  }

  private setCounter(value: bigint): void {
    this.counter = value;
    for (const timer of this.timers) timer.restart(value);
  }

  private writeTimer(base: number, high: boolean, value: bigint): void {
    const timer = this.timers[timerAt(base)];
    if (!timer) return;
    if (base % TIMER_BYTES === TimerReg.comparator) timer.writeComparator(high, value, this.count());
    else if (base % TIMER_BYTES === TimerReg.configuration && !high) {
      this.drive(timer, false);
      timer.configure(Number(value));
    }
  }

  private configure(value: number): void {
    const changed = (this.configuration ^ value) & (ENABLE | LEGACY);
    if ((changed & ENABLE) !== 0) {
      this.counter = this.count();
      this.started = this.ticks();
    }
    if ((changed & LEGACY) !== 0) {
      for (const timer of this.timers) this.drive(timer, false);
      this.host.replacesLegacy((value & LEGACY) !== 0);
    }
    this.configuration = value & (ENABLE | LEGACY);
  }

  /** A one clears the flag of a level-triggered timer (2.3.6). */
  private acknowledge(value: number): void {
    this.timers.forEach((timer, index) => {
      if ((value & (1 << index)) !== 0) timer.status = false;
    });
  }

  /** What the timers did up to now: edges, flags. */
  private catchUp(): void {
    if (!this.running) return;
    const count = this.count();
    for (const timer of this.timers) {
      if (!timer.reach(count) || !timer.interrupts || timer.levelTriggered) continue;
      this.drive(timer, true);
      this.drive(timer, false);
    }
  }

  /** Brings the level-triggered lines to their flags, and comes again when a timer will interrupt. */
  private follow(): void {
    const { host, running } = this;
    for (const timer of this.timers)
      if (timer.levelTriggered) this.drive(timer, running && timer.interrupts && timer.status);
    this.nextMatch.cancel();
    if (!running) return;
    const count = this.count();
    const delays = this.timers.map((timer) => timer.ticksToInterrupt(count));
    const tick = this.ticks() + Math.min(...delays);
    // Some matches lie beyond all runs.
    if (tick > (Number.MAX_SAFE_INTEGER / host.cyclesPerSecond) * HPET_HZ) return;
    this.nextMatch.comeAt(Math.max(this.clock.timeOf(tick), host.now()));
  }

  private drive(timer: HpetTimer, asserted: boolean): void {
    const index = this.timers.indexOf(timer);
    const legacy = (this.configuration & LEGACY) !== 0 ? LEGACY_INPUTS[index] : undefined;
    const input = legacy ?? timer.route;
    if (input === 0) return; // no route has been chosen
    const lines = this.lines[index];
    const line = lines.get(input) ?? this.host.line(input, index);
    lines.set(input, line);
    line.set(asserted);
  }
}

/** Number of the timer that a register belongs to; -1: to none. */
function timerAt(base: number): number {
  return base < Reg.timers ? -1 : Math.floor((base - Reg.timers) / TIMER_BYTES);
}

/** What a timer has at a base. */
function timerRegister(timer: HpetTimer | undefined, base: number): bigint {
  if (!timer) return 0n;
  switch (base % TIMER_BYTES) {
    case TimerReg.configuration:
      return timer.configurationRegister;
    case TimerReg.comparator:
      return timer.comparatorRegister;
    default:
      return 0n; // no interrupts as messages (FSB)
  }
}

function nameOf(base: number): string | undefined {
  switch (base) {
    case Reg.capabilities:
      return 'GCAP_ID';
    case Reg.configuration:
      return 'GEN_CONF';
    case Reg.status:
      return 'GINTR_STA';
    case Reg.counter:
      return 'MAIN_CNT';
  }
  const timer = timerAt(base);
  const register = TIMER_REGISTERS[(base % TIMER_BYTES) / 8];
  return timer < 0 || timer >= TIMERS || register === undefined ? undefined : `TIM${timer}_${register}`;
}

/** All registers. */
export const hpetRegisters: readonly RegisterPlace[] = Array.from(
  { length: HPET.size / 8 },
  (_, i) => i * 8,
).flatMap((base): RegisterPlace[] => {
  const name = nameOf(base);
  return name === undefined ? [] : [[name, base]];
});
