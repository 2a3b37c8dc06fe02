/** The registers of a PC's CMOS and what they mean (MC146818 data sheet, "Registers"; the memory behind it as PCs use it). */
import { choice, flag, number } from '../../trace/vocabulary/bit-fields';
import type { RegisterDescriptions, RegisterPlace } from '../registers';

/** Registers of the MC146818, and of the memory behind it as PCs use it. */
export const RtcRegister = {
  Seconds: 0x00,
  SecondsAlarm: 0x01,
  Minutes: 0x02,
  MinutesAlarm: 0x03,
  Hours: 0x04,
  HoursAlarm: 0x05,
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

const dividers = ['4.194304 MHz', '1.048576 MHz', '32.768 kHz', 'test', 'test', 'test', 'held', 'held'];
const word = (what: string, unit: string): { meaning: string } => ({
  meaning: `${what}, the lower byte of two, in ${unit}: firmware has put it there.`,
});

/** By register name. */
export const rtcDescriptions: RegisterDescriptions = {
  CMOS_INDEX: { meaning: 'Port 70H: which register port 71H is.', fields: [number('register', 0, 6)] },
  Seconds: { meaning: 'Seconds.' },
  SecondsAlarm: { meaning: 'Seconds of the alarm; C0H and above: any.' },
  Minutes: { meaning: 'Minutes.' },
  MinutesAlarm: { meaning: 'Minutes of the alarm; C0H and above: any.' },
  Hours: { meaning: 'Hours; bit 7 is PM where they go to 12.' },
  HoursAlarm: { meaning: 'Hours of the alarm; C0H and above: any.' },
  WeekDay: { meaning: 'Day of the week, 1 is Sunday.' },
  Day: { meaning: 'Day of the month.' },
  Month: { meaning: 'Month.' },
  Year: { meaning: 'Year of the century.' },
  A: {
    meaning: 'Register A: divider and rate.',
    fields: [
      number('rate (RS)', 0, 3),
      choice('divider (DV)', 4, 6, dividers),
      flag('update in progress (UIP)', 7),
    ],
  },
  B: {
    meaning: 'Register B: how the clock goes, and what interrupts.',
    fields: [
      flag('daylight saving (DSE)', 0),
      flag('24 hours', 1),
      flag('binary (DM)', 2),
      flag('square wave (SQWE)', 3),
      flag('update-ended interrupt (UIE)', 4),
      flag('alarm interrupt (AIE)', 5),
      flag('periodic interrupt (PIE)', 6),
      flag('the time is being set (SET)', 7),
    ],
  },
  C: {
    meaning: 'Register C: what has happened; reading clears it.',
    fields: [
      flag('update ended (UF)', 4),
      flag('alarm (AF)', 5),
      flag('periodic (PF)', 6),
      flag('interrupt (IRQF)', 7),
    ],
  },
  D: { meaning: 'Register D.', fields: [flag('time and memory are valid (VRT)', 7)] },
  BaseMemory: word('Memory below 640 KiB', 'KiB'),
  ExtendedMemory: word('Memory above 1 MiB', 'KiB'),
  ExtendedMemory2: word('Memory above 1 MiB', 'KiB'),
  Century: { meaning: 'Century.' },
  MemoryAbove16M: word('Memory above 16 MiB', 'units of 64 KiB'),
  Cpus: { meaning: 'Processors, less one: firmware has put it there.' },
};

/** Where they are: by the index that port 70H takes. */
export const rtcRegisters: readonly RegisterPlace[] = Object.entries(RtcRegister);
