/** The clock and its memory while time stands still: setting it in all its notations, alarms, flags, and the memory's bytes. */
import { RTC } from '../../../../src/machine/devices/rtc';
import type { Judge, QtestDevice } from '../device';
import type { Random } from '../random';
import type { Operation } from '../script';

const REGISTER_B = 11;
const WEEK_DAY = 6;
const B = { set: 0x80, binary: 4, hours24: 2 } as const;

const out = (at: number, value: number): Operation => ({ op: 'out', size: 1, at, value });
const inp = (at: number): Operation => ({ op: 'in', size: 1, at });
const readOf = (index: number): Operation[] => [out(RTC.base, index), inp(RTC.base + 1)];
const writeOf = (index: number, value: number): Operation[] => [
  out(RTC.base, index),
  out(RTC.base + 1, value),
];

/** Days of the months 1 to 12 in a year that is not a leap year. */
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** Sets the clock to a valid time in some notation, while it is held by SET, and lets it go on. */
function setting(random: Random): Operation[] {
  const binary = random.oneIn(2);
  const hours24 = random.oneIn(2);
  const number = (value: number): number => (binary ? value : Math.floor(value / 10) * 16 + (value % 10));
  const hour = hours24
    ? number(random.below(24))
    : number(random.between(1, 12)) | (random.oneIn(2) ? 0x80 : 0);
  // Before 1970 QEMU's seconds run wild.
  const year = random.between(1970, 2099);
  const month = random.between(1, 12);
  const values: [number, number][] = [
    [0, number(random.below(60))],
    [2, number(random.below(60))],
    [4, hour],
    [6, number(random.between(1, 7))],
    [7, number(random.between(1, DAYS[month - 1]))],
    [8, number(month)],
    [9, number(year % 100)],
    [0x32, number(Math.floor(year / 100))],
  ];
  const notation = (binary ? B.binary : 0) | (hours24 ? B.hours24 : 0);
  return [
    ...writeOf(REGISTER_B, B.set | notation),
    ...values.flatMap(([index, value]) => writeOf(index, value)),
    ...readOf(random.pick([0, 2, 4, 7, 8, 9])),
    ...writeOf(REGISTER_B, notation),
    ...[0, 2, 4, 7, 8, 9, 0x32, REGISTER_B].flatMap(readOf),
  ];
}

function turn(random: Random): Operation[] {
  switch (random.below(9)) {
    case 0:
      return writeOf(random.between(0x40, 0x5e), random.below(256));
    case 1:
      return readOf(random.between(0x40, 0x5e));
    case 2:
      return writeOf(random.pick([1, 3, 5]), random.below(256));
    case 3:
      return readOf(random.pick([1, 3, 5]));
    case 4:
      return readOf(random.pick([10, 11, 12, 13]));
    case 5:
      return [inp(RTC.base)];
    case 6:
      return setting(random);
    default:
      return readOf(random.below(14));
  }
}

function judge(): Judge {
  let index = 0;
  return ({ operation }) => {
    if (operation.op === 'out' && operation.at === RTC.base) index = operation.value;
    const ofWeek = operation.op === 'in' && operation.at !== RTC.base && index === WEEK_DAY;
    return ofWeek ? [{ difference: 'day of the week', value: 0x07 }] : [];
  };
}

export const rtc: QtestDevice = {
  name: 'rtc',
  qemu: ['-rtc', 'base=1970-01-01T00:00:00,clock=vm'],
  models: [],
  lines: 1 << 8,
  differences: {
    'day of the week': {
      qemu: 'works it out from the date',
      trapline: 'counts it apart, from what was written',
      section: 'MC146818, "Time, Calendar and Alarm Locations"',
    },
  },
  avoided: [
    {
      qemu: 'has a second of its own for years before 1970',
      trapline: 'goes on from any year',
      section: 'MC146818, "Time, Calendar and Alarm Locations"',
    },
  ],
  prologue: [],
  begin: (random) => () => turn(random),
  judge,
};
