/** The Gregorian calendar as the clock of a PC counts it. */

const SECONDS_A_DAY = 86_400;
/** Days from 0000-03-01 to 1970-01-01. */
const EPOCH = 719_468;

/** Date and time; what is beyond a field's range runs over into the next one. */
export interface CalendarTime {
  year: number;
  /** 1..12. */
  month: number;
  /** 1..31. */
  day: number;
  hour: number;
  minute: number;
  second: number;
}

/** What the calendar shows so many seconds after 1970-01-01 00:00:00. */
export function calendarTime(seconds: number): CalendarTime {
  const days = Math.floor(seconds / SECONDS_A_DAY);
  const rest = seconds - days * SECONDS_A_DAY;
  return {
    ...civilDate(days),
    hour: Math.floor(rest / 3600),
    minute: Math.floor(rest / 60) % 60,
    second: rest % 60,
  };
}

/** The inverse of `calendarTime`. */
export function secondsOf({ year, month, day, hour, minute, second }: CalendarTime): number {
  return dayOf(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 + second;
}

/** Day of the week, 0 is Sunday: 1970-01-01 was a Thursday. */
export function weekDay(seconds: number): number {
  return (((Math.floor(seconds / SECONDS_A_DAY) + 4) % 7) + 7) % 7;
}

/** Counted from 0000-03-01, a leap day is the last day of its year, and of its 4, 100 and 400 years. */
function civilDate(days: number): Pick<CalendarTime, 'year' | 'month' | 'day'> {
  const shifted = days + EPOCH;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return { year, month, day: ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1 };
}

function dayOf(year: number, month: number, day: number): number {
  const fromMarch = month - 3;
  const inYear = ((fromMarch % 12) + 12) % 12;
  const marchYear = year + Math.floor(fromMarch / 12);
  const leaps = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return 365 * marchYear + leaps + Math.floor((153 * inYear + 2) / 5) + day - 1 - EPOCH;
}
