/**
 * The CMOS of a PC: the clock of an MC146818 and memory that the firmware filled with the sizes of RAM. The clock goes with
 * simulated time from a given start; it cannot be set, and raises no interrupts.
 */
import type { AccessSize, RegisterBlock, Stateful } from '../bus';
import { requireVersion } from '../snapshot';
import type { Cycles } from '../time/event-queue';

/** Index and data port. */
export const RTC = { base: 0x70, size: 2 } as const;

/** Registers of the MC146818, and of the memory behind it as PCs use it. */
export const RtcRegister = {
  Seconds: 0x00,
  Minutes: 0x02,
  Hours: 0x04,
  WeekDay: 0x06,
  Day: 0x07,
  Month: 0x08,
  Year: 0x09,
  A: 0x0a,
  B: 0x0b,
  C: 0x0c,
  D: 0x0d,
  BaseMemory: 0x15,
  ExtendedMemory: 0x17,
  ExtendedMemory2: 0x30,
  Century: 0x32,
  MemoryAbove16M: 0x34,
  Cpus: 0x5f,
} as const;

const names = new Map<number, string>(Object.entries(RtcRegister).map(([name, at]) => [at, name]));

/** Register A: update in progress, and the divider of a 32.768 kHz crystal. */
const UPDATING = 0x80;
const DIVIDER = 0x26;
/** The registers are about to change during the last part of a second (data sheet, "update cycle"). */
const UPDATE_NANOSECONDS = 244_000;
/** Register B: numbers are binary instead of BCD; hours go to 23 instead of to 12. */
const BINARY = 4;
const HOURS_24 = 2;
const PM = 0x80;
const VALID = 0x80;
const INDEX_MASK = 0x7f;
/** Register B: the interrupts and the square wave, which a reset turns off (data sheet, "RESET"). */
const ENABLES = 0x78;

const KIB = 1024;
const MIB = 1024 * KIB;

/** What the clock needs of its machine. */
export interface RtcHost {
  now(): Cycles;
  readonly cyclesPerSecond: number;
  /** What the clock shows at time 0: seconds since 1970-01-01 00:00:00 UTC. */
  readonly startSeconds: number;
  readonly ramBytes: number;
  readonly cpus: number;
}

/** Snapshot of an `Rtc`. */
export interface RtcState {
  version: 1;
  index: number;
  memory: Uint8Array;
}

/** Clock and memory. */
export class Rtc implements RegisterBlock, Stateful<RtcState> {
  private index = 0;
  private readonly memory = new Uint8Array(128);

  constructor(private readonly host: RtcHost) {
    const { ramBytes, cpus } = host;
    const { memory } = this;
    memory[RtcRegister.B] = HOURS_24;
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
    else if (this.index === RtcRegister.B || this.index > RtcRegister.D)
      this.memory[this.index] = value & 0xff;
  }

  registerName(offset: number): string | undefined {
    return offset === 0 ? 'CMOS_INDEX' : `CMOS ${names.get(this.index) ?? ''}`.trim();
  }

  /** A reset of the machine: time and memory live on the battery. */
  reset(): void {
    this.index = 0;
    this.memory[RtcRegister.B] &= ~ENABLES;
  }

  save(): RtcState {
    return { version: 1, index: this.index, memory: this.memory.slice() };
  }

  load(state: RtcState): void {
    requireVersion('the RTC', state.version, 1);
    this.index = state.index;
    this.memory.set(state.memory);
  }

  private register(index: number): number {
    if (index === RtcRegister.A) return DIVIDER | (this.updating() ? UPDATING : 0);
    if (index === RtcRegister.C) return 0;
    if (index === RtcRegister.D) return VALID;
    const field = this.clock().get(index);
    if (field === undefined) return this.memory[index];
    return index === RtcRegister.Hours ? this.hours(field) : this.encode(field);
  }

  /** The fields of date and time by register. */
  private clock(): ReadonlyMap<number, number> {
    const { host } = this;
    const seconds = host.startSeconds + Math.floor(host.now() / host.cyclesPerSecond);
    const days = Math.floor(seconds / 86_400);
    const [year, month, day] = civilDate(days);
    return new Map<number, number>([
      [RtcRegister.Seconds, seconds % 60],
      [RtcRegister.Minutes, Math.floor(seconds / 60) % 60],
      [RtcRegister.Hours, Math.floor(seconds / 3600) % 24],
      [RtcRegister.WeekDay, ((days + 4) % 7) + 1], // 1970-01-01 was a Thursday; Sunday is 1
      [RtcRegister.Day, day],
      [RtcRegister.Month, month],
      [RtcRegister.Year, year % 100],
      [RtcRegister.Century, Math.floor(year / 100)],
    ]);
  }

  private hours(hour: number): number {
    if ((this.memory[RtcRegister.B] & HOURS_24) !== 0) return this.encode(hour);
    return this.encode(hour % 12 === 0 ? 12 : hour % 12) | (hour >= 12 ? PM : 0);
  }

  private encode(value: number): number {
    if ((this.memory[RtcRegister.B] & BINARY) !== 0) return value;
    return Math.floor(value / 10) * 16 + (value % 10);
  }

  private updating(): boolean {
    const { host } = this;
    const left = host.cyclesPerSecond - (host.now() % host.cyclesPerSecond);
    return left <= (host.cyclesPerSecond / 1e9) * UPDATE_NANOSECONDS;
  }

  private setWord(at: number, value: number): void {
    this.memory[at] = value & 0xff;
    this.memory[at + 1] = value >> 8;
  }
}

/** Year, month (1..12) and day (1..31) of a day counted from 1970-01-01, by the Gregorian calendar. */
function civilDate(days: number): [year: number, month: number, day: number] {
  // Counted from 0000-03-01, a leap day is the last day of its year, and of its 4, 100 and 400 years.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return [year, month, ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1];
}
