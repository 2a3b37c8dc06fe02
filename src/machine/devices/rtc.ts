/**
 * The CMOS of a PC: the clock of an MC146818 (Motorola data sheet, 1984) and memory that the firmware filled with the sizes of
 * RAM. The clock goes with simulated time from a given start, can be set, and interrupts at IRQ 8: periodically, at each
 * second, and at its alarm. What a flag is worth is worked out when somebody looks; an interrupt that is enabled is an event.
 */
import type { AccessSize, RegisterBlock } from '../bus';
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { describedNodes, nodeAt } from '../registers';
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../snapshot';
import type { Cycles, EventHandle, EventTarget } from '../time/event-queue';
import { Oscillator, type OscillatorHost } from '../time/oscillator';
import { PendingEvent, type PendingEventRun } from '../time/pending-event';
import { calendarTime, secondsOf, weekDay } from './rtc-calendar';
import { RtcRegister, rtcDescriptions } from './rtc-registers';

/** Index and data port, and the ISA interrupt line. */
export const RTC = { base: 0x70, size: 2 } as const;
export const RTC_IRQ = 8;

const names = new Map<number, string>(Object.entries(RtcRegister).map(([name, at]) => [at, name]));

/** Registers that together are date and time. */
const TIME: readonly number[] = [
  RtcRegister.Seconds,
  RtcRegister.Minutes,
  RtcRegister.Hours,
  RtcRegister.WeekDay,
  RtcRegister.Day,
  RtcRegister.Month,
  RtcRegister.Year,
  RtcRegister.Century,
];

/** Register A: update in progress; the divider of a 32.768 kHz crystal, and 1024 interrupts a second, as a BIOS sets it. */
const UPDATING = 0x80;
const FIRMWARE_A = 0x26;
const Divider = { mask: 0x70, running: 0x20 } as const;
const RATE_MASK = 15;
const CRYSTAL_HZ = 32_768;
/** The registers are about to change during the last part of a second (data sheet, "update cycle"). */
const UPDATE_NANOSECONDS = 244_000;
/** Register B: the clock is being set; the three interrupts; numbers are binary instead of BCD; hours go to 23 instead of to 12. */
const B = { set: 0x80, periodic: 0x40, alarm: 0x20, update: 0x10, binary: 4, hours24: 2 } as const;
/** Register C has a flag at the place of each interrupt's enable bit, and one for all. */
const FLAGS = B.periodic | B.alarm | B.update;
const INTERRUPT = 0x80;
/** An alarm byte with both of its highest bits set fits any value ("don't care"). */
const ANY = 0xc0;
const PM = 0x80;
const VALID = 0x80;
const INDEX_MASK = 0x7f;
/** Register B: the interrupts and the square wave, which a reset turns off. */
const ENABLES = 0x78;

const KIB = 1024;
const MIB = 1024 * KIB;

/** What the clock needs of its machine. */
export interface RtcHost extends OscillatorHost {
  /** What the clock shows at the beginning: seconds since 1970-01-01 00:00:00 UTC. */
  readonly startSeconds: number;
  readonly ramBytes: number;
  readonly cpus: number;
  schedule(time: Cycles, target: EventTarget): EventHandle;
  cancel(handle: EventHandle): void;
  /** Level of IRQ 8. */
  setLine(asserted: boolean): void;
}

/** What the hardware has of an `Rtc`. Its moments are counted from when its crystal began. */
export interface RtcHardware extends HardwareState {
  version: 3;
  /** Cycles for which the crystal has run. */
  age: Cycles;
  index: number;
  memory: Uint8Array;
  seconds: number;
  secondsAt: Cycles;
  weekShift: number;
  flags: number;
  looked: Cycles;
  line: boolean;
  /** Cycles until it looks whether to interrupt; -1: it need not. */
  remaining: Cycles;
}

/** What the run has of it; its event is in the queue's snapshot. */
export interface RtcRun extends PendingEventRun {
  origin: Cycles;
}

/** Clock and memory. */
export class Rtc implements RegisterBlock, Inspectable, Migratable<RtcHardware, RtcRun>, EventTarget {
  private index = 0;
  /** All registers but C and, while the clock goes, those of the time. */
  private readonly memory = new Uint8Array(128);
  private readonly crystal: Oscillator;
  /** What the clock showed, in seconds since 1970, at the time `secondsAt` of the crystal. */
  private seconds: number;
  private secondsAt: Cycles = 0;
  /** Days by which the day of the week differs from the calendar's: it is counted apart, and may be set to anything. */
  private weekShift = 0;
  /** Of register C, as far as `looked`. */
  private flags = 0;
  private looked: Cycles = 0;
  private line = false;
  /** When a flag that is enabled may rise. */
  private readonly nextLook: PendingEvent;

  /** @param eventTargetId unique in the run */
  constructor(
    readonly eventTargetId: string,
    private readonly host: RtcHost,
  ) {
    const { ramBytes, cpus } = host;
    const { memory } = this;
    this.crystal = new Oscillator(host, CRYSTAL_HZ);
    this.nextLook = new PendingEvent(host, (time) => host.schedule(time, this));
    this.seconds = host.startSeconds;
    memory[RtcRegister.A] = FIRMWARE_A;
    memory[RtcRegister.B] = B.hours24;
    memory[RtcRegister.D] = VALID;
    this.setWord(RtcRegister.BaseMemory, 640);
    const extended = Math.min(0xffff, (ramBytes - MIB) / KIB);
    this.setWord(RtcRegister.ExtendedMemory, extended);
    this.setWord(RtcRegister.ExtendedMemory2, extended);
    this.setWord(RtcRegister.MemoryAbove16M, Math.min(0xffff, Math.max(0, ramBytes - 16 * MIB) / (64 * KIB)));
    memory[RtcRegister.Cpus] = cpus - 1;
  }

  read(offset: number, _size: AccessSize): number {
    return offset === 0 ? 0xff : this.register(this.index);
  }

  write(offset: number, _size: AccessSize, value: number): void {
    if (offset === 0) this.index = value & INDEX_MASK;
    else this.setRegister(this.index, value & 0xff);
  }

  registerName(offset: number): string | undefined {
    return offset === 0 ? 'CMOS_INDEX' : `CMOS ${names.get(this.index) ?? ''}`.trim();
  }

  /** Clock and memory as a read of each register would give them, and which of them is chosen. */
  inspect(path: StatePath): StateNode | undefined {
    const values = Object.entries(RtcRegister).map(([name, at]): [string, number] => [
      name,
      at === RtcRegister.C ? this.flagRegister(this.crystal.age) : this.register(at),
    ]);
    const children = describedNodes(rtcDescriptions, 8, {
      CMOS_INDEX: this.index,
      ...Object.fromEntries(values),
    });
    return nodeAt({ name: 'cmos', children: [{ name: 'Registers', children }] }, path);
  }

  /** A reset of the machine (data sheet, "RESET"): interrupts are off and forgotten; time and memory live on the battery. */
  reset(): void {
    this.look();
    this.index = 0;
    this.flags = 0;
    this.memory[RtcRegister.B] &= ~ENABLES;
    this.follow();
  }

  onEvent(): void {
    this.nextLook.came();
    this.look();
    this.follow();
  }

  save(): Checkpoint<RtcHardware, RtcRun> {
    const { crystal, index, seconds, secondsAt, weekShift, flags, looked, line, nextLook } = this;
    const clock = { age: crystal.age, seconds, secondsAt, weekShift, looked };
    const { remaining } = nextLook;
    return {
      hardware: { version: 3, ...clock, index, memory: this.memory.slice(), flags, line, remaining },
      run: { origin: crystal.origin, ...nextLook.save() },
    };
  }

  load({ hardware, run }: Checkpoint<RtcHardware, RtcRun>): void {
    this.loadRegisters(hardware);
    this.line = hardware.line;
    this.crystal.origin = run.origin;
    this.nextLook.load(run);
  }

  adopt(hardware: RtcHardware): void {
    this.loadRegisters(hardware);
    this.crystal.adopt(hardware.age);
    if (hardware.line !== this.line) this.drive(hardware.line);
    this.nextLook.adopt(hardware.remaining);
  }

  private loadRegisters(hardware: RtcHardware): void {
    requireVersion('the RTC', hardware.version, 3);
    this.index = hardware.index;
    this.memory.set(hardware.memory);
    this.seconds = hardware.seconds;
    this.secondsAt = hardware.secondsAt;
    this.weekShift = hardware.weekShift;
    this.flags = hardware.flags;
    this.looked = hardware.looked;
  }

  private register(index: number): number {
    const { memory } = this;
    if (index === RtcRegister.A) return memory[index] | (this.updating() ? UPDATING : 0);
    if (index === RtcRegister.C) return this.takeFlags();
    return this.goes && TIME.includes(index) ? this.shownTime()[index] : memory[index];
  }

  private setRegister(index: number, value: number): void {
    if (index === RtcRegister.C || index === RtcRegister.D) return;
    this.look();
    const went = this.goes;
    // The time is taken down before a register changes, and taken up again after: so it is set, one field after the other.
    if (went) this.memory.set(this.shownTime());
    this.memory[index] = index === RtcRegister.A ? value & ~UPDATING : value;
    const { memory } = this;
    if (index === RtcRegister.B && (value & B.set) !== 0) memory[index] &= ~B.update; // "a high on SET clears UIE"
    const isTime = TIME.includes(index);
    if (this.goes && (isTime || !went)) this.takeUp(index === RtcRegister.A);
    this.follow();
  }

  /** Not while it is set, nor while its divider is held or has a wrong frequency. */
  private get goes(): boolean {
    const { memory } = this;
    const divides = (memory[RtcRegister.A] & Divider.mask) === Divider.running;
    return divides && (memory[RtcRegister.B] & B.set) === 0;
  }

  /** @param time of the crystal */
  private shownAt(time: Cycles): number {
    return this.seconds + Math.floor((time - this.secondsAt) / this.host.cyclesPerSecond);
  }

  /** The memory with the time in it. */
  private shownTime(): Uint8Array {
    const seconds = this.shownAt(this.crystal.age);
    const time = calendarTime(seconds);
    const shown = this.memory.slice();
    shown[RtcRegister.Seconds] = this.encode(time.second);
    shown[RtcRegister.Minutes] = this.encode(time.minute);
    shown[RtcRegister.Hours] = this.encodeHour(time.hour);
    shown[RtcRegister.WeekDay] = this.encode(((weekDay(seconds) + this.weekShift) % 7) + 1);
    shown[RtcRegister.Day] = this.encode(time.day);
    shown[RtcRegister.Month] = this.encode(time.month);
    shown[RtcRegister.Year] = this.encode(time.year % 100);
    shown[RtcRegister.Century] = this.encode(Math.floor(time.year / 100));
    return shown;
  }

  /**
   * Goes on from the time in the memory, in the midst of the second that the divider is in.
   * @param released the divider was held: it begins, and the first second is over after half of one
   */
  private takeUp(released: boolean): void {
    const { memory, host } = this;
    const at = (index: number): number => this.decode(memory[index]);
    const year = at(RtcRegister.Century) * 100 + at(RtcRegister.Year);
    const date = { year, month: at(RtcRegister.Month), day: at(RtcRegister.Day) };
    const minutes = { minute: at(RtcRegister.Minutes), second: at(RtcRegister.Seconds) };
    const now = this.crystal.age;
    const { cyclesPerSecond } = host;
    const passed = released ? Math.floor(cyclesPerSecond / 2) : (now - this.secondsAt) % cyclesPerSecond;
    this.seconds = secondsOf({ ...date, hour: this.decodeHour(memory[RtcRegister.Hours]), ...minutes });
    this.secondsAt = now - passed;
    this.weekShift = (at(RtcRegister.WeekDay) + 13 - weekDay(this.seconds)) % 7;
  }

  /** Raises the flags of what has happened since somebody looked last. */
  private look(): void {
    const now = this.crystal.age;
    this.flags = this.flagsAt(now);
    this.looked = now;
  }

  /** The flags, with those of what has happened since somebody looked last. @param now of the crystal */
  private flagsAt(now: Cycles): number {
    const { looked } = this;
    let { flags } = this;
    if (!this.goes) return flags;
    const [before, after] = [this.shownAt(looked), this.shownAt(now)];
    if (after > before) flags |= B.update;
    for (let second = before + 1; second <= after && (flags & B.alarm) === 0; second++)
      if (this.isAlarm(second)) flags |= B.alarm;
    const period = this.period();
    if (period > 0 && this.periods(now, period) > this.periods(looked, period)) flags |= B.periodic;
    return flags;
  }

  /** Register C. @param now of the crystal */
  private flagRegister(now: Cycles): number {
    const flags = this.flagsAt(now);
    const asserted = (flags & this.memory[RtcRegister.B] & FLAGS) !== 0;
    return flags | (asserted ? INTERRUPT : 0);
  }

  private takeFlags(): number {
    this.look();
    const register = this.flagRegister(this.looked);
    this.flags = 0;
    this.follow();
    return register;
  }

  /** Brings IRQ 8 to what flags and enables say, and comes again when an enabled flag may rise. */
  private follow(): void {
    this.nextLook.cancel();
    const enabled = this.memory[RtcRegister.B] & FLAGS;
    const asserted = (this.flags & enabled) !== 0;
    if (asserted !== this.line) this.drive(asserted);
    if (asserted || enabled === 0 || !this.goes) return;
    const period = this.period();
    const times = [];
    if ((enabled & (B.update | B.alarm)) !== 0) times.push(this.nextSecond());
    if ((enabled & B.periodic) !== 0 && period > 0) times.push(this.nextPeriod(period));
    if (times.length > 0) this.nextLook.comeAt(Math.min(...times));
  }

  private drive(asserted: boolean): void {
    this.line = asserted;
    this.host.setLine(asserted);
  }

  private nextSecond(): Cycles {
    const { crystal, secondsAt } = this;
    const { cyclesPerSecond } = this.host;
    const passed = Math.floor((crystal.age - secondsAt) / cyclesPerSecond);
    return crystal.origin + secondsAt + (passed + 1) * cyclesPerSecond;
  }

  /** Ticks of the crystal between two periodic interrupts (table 5); 0: there are none. The two shortest come as the 8th and 9th. */
  private period(): number {
    const rate = this.memory[RtcRegister.A] & RATE_MASK;
    if (rate === 0) return 0;
    return 2 ** ((rate < 3 ? rate + 7 : rate) - 1);
  }

  /** @param time of the crystal */
  private periods(time: Cycles, period: number): number {
    return Math.floor(this.crystal.ticksAfter(time) / period);
  }

  private nextPeriod(period: number): Cycles {
    return this.crystal.timeOf((this.periods(this.crystal.age, period) + 1) * period);
  }

  private isAlarm(seconds: number): boolean {
    const { memory } = this;
    const { hour, minute, second } = calendarTime(seconds);
    const fits = (index: number, shown: number): boolean =>
      (memory[index] & ANY) === ANY || memory[index] === shown;
    return (
      fits(RtcRegister.SecondsAlarm, this.encode(second)) &&
      fits(RtcRegister.MinutesAlarm, this.encode(minute)) &&
      fits(RtcRegister.HoursAlarm, this.encodeHour(hour))
    );
  }

  private encodeHour(hour: number): number {
    if ((this.memory[RtcRegister.B] & B.hours24) !== 0) return this.encode(hour);
    return this.encode(hour % 12 === 0 ? 12 : hour % 12) | (hour >= 12 ? PM : 0);
  }

  private decodeHour(byte: number): number {
    if ((this.memory[RtcRegister.B] & B.hours24) !== 0) return this.decode(byte);
    return (this.decode(byte & ~PM) % 12) + ((byte & PM) !== 0 ? 12 : 0);
  }

  private encode(value: number): number {
    if ((this.memory[RtcRegister.B] & B.binary) !== 0) return value;
    return Math.floor(value / 10) * 16 + (value % 10);
  }

  private decode(byte: number): number {
    if ((this.memory[RtcRegister.B] & B.binary) !== 0) return byte;
    return (byte >> 4) * 10 + (byte & 15);
  }

  private updating(): boolean {
    const { host } = this;
    if (!this.goes) return false;
    const left = this.nextSecond() - host.now();
    return left <= (host.cyclesPerSecond / 1e9) * UPDATE_NANOSECONDS;
  }

  private setWord(at: number, value: number): void {
    this.memory[at] = value & 0xff;
    this.memory[at + 1] = value >> 8;
  }
}
