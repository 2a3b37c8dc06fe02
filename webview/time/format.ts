/** Numbers for readers: units chosen so that few digits show, thin spaces between groups of three. */

/** U+2009: groups digits and stands between a number and its unit without wrapping wide. */
export const THIN = '\u2009';

interface Unit {
  name: string;
  seconds: number;
}

const units: readonly Unit[] = [
  { name: 's', seconds: 1 },
  { name: 'ms', seconds: 1e-3 },
  { name: 'µs', seconds: 1e-6 },
  { name: 'ns', seconds: 1e-9 },
];

const nanoseconds: Unit = { name: 'ns', seconds: 1e-9 };

/** The largest unit in which a time is at least 1. */
export function unitFor(seconds: number): Unit {
  const size = Math.abs(seconds) * (1 + 1e-12);
  return units.find((unit) => size >= unit.seconds) ?? nanoseconds;
}

/** Groups the digits of a whole number or decimal: `12 345.678 9`. */
export function groupDigits(text: string): string {
  const [whole = '', fraction] = text.split('.');
  const left = whole.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
  return fraction === undefined ? left : `${left}.${fraction.replace(/(\d{3})(?=\d)/g, `$1${THIN}`)}`;
}

/** A whole number with grouped digits. */
export function formatCount(count: number): string {
  return groupDigits(String(Math.round(count)));
}

/** A count in at most four characters for cramped places: `14`, `1.2k`, `3.4M`. */
export function formatCountShort(count: number): string {
  if (count < 1000) return String(count);
  const [size, suffix] = count < 1e6 ? [1e3, 'k'] : count < 1e9 ? [1e6, 'M'] : [1e9, 'G'];
  const value = count / size;
  return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)}${suffix}`;
}

/** Decimals of a value so that `digits` significant ones show. */
function decimalsFor(value: number, digits: number): number {
  const whole = Math.max(1, Math.floor(Math.log10(Math.max(Math.abs(value), 1e-12)) + 1e-9) + 1);
  return Math.max(0, digits - whole);
}

function inUnit(seconds: number, unit: Unit, decimals: number): string {
  return `${groupDigits((seconds / unit.seconds).toFixed(decimals))}${THIN}${unit.name}`;
}

/** A duration with three significant digits: `12.4 µs`, `167 µs`; `0 ns` for none. */
export function formatDuration(cycles: number, frequencyHz: number): string {
  if (cycles === 0) return `0${THIN}ns`;
  const seconds = cycles / frequencyHz;
  const unit = unitFor(seconds * 1.0005);
  return inUnit(seconds, unit, decimalsFor(seconds / unit.seconds, 3));
}

/** Decimals that tell apart two times `seconds` apart, down to tenths of a nanosecond. */
function decimalsTellingApart(seconds: number, unit: Unit): number {
  const steps = seconds / unit.seconds;
  const decimals = Math.max(0, Math.ceil(-Math.log10(Math.max(steps, 1e-12)) - 1e-9));
  return Math.min(decimals, Math.round(Math.log10(unit.seconds / 1e-10)));
}

/**
 * A point in time, with as many decimals as tell apart two points that are `resolution` cycles apart, but no fewer than
 * give three significant digits and no more than whole nanoseconds' tenths.
 */
export function formatTime(cycles: number, frequencyHz: number, resolution: number): string {
  const seconds = cycles / frequencyHz;
  const unit = cycles === 0 ? unitFor(resolution / frequencyHz) : unitFor(seconds);
  return inUnit(seconds, unit, decimalsTellingApart(resolution / frequencyHz, unit));
}

/**
 * `1.204 – 1.371 ms (167 µs)`: both ends in the unit of the later one, with as many decimals as a twentieth of the range
 * needs; a range from zero is its own length and says it once.
 */
export function formatRange(from: number, to: number, frequencyHz: number): string {
  const start = Math.max(0, from);
  if (start === 0) return `0 – ${formatDuration(to, frequencyHz)}`;
  const unit = unitFor(to / frequencyHz);
  const decimals = decimalsTellingApart((to - from) / 20 / frequencyHz, unit);
  const right = inUnit(to / frequencyHz, unit, decimals);

  const left = groupDigits((start / frequencyHz / unit.seconds).toFixed(decimals));
  return `${left} – ${right} (${formatDuration(to - from, frequencyHz)})`;
}

/** A share of a whole in per cent: `37 %`, `0.4 %`. */
export function formatShare(part: number, whole: number): string {
  const percent = whole > 0 ? (100 * part) / whole : 0;
  const text =
    percent === 0 ? '0' : percent < 0.1 ? '< 0.1' : percent < 10 ? percent.toFixed(1) : percent.toFixed(0);
  return `${text}${THIN}%`;
}

/** Bytes with a binary unit: `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB'];
  let size = bytes;
  let index = 0;
  while (size >= 1024 && index < names.length - 1) {
    size /= 1024;
    index++;
  }
  return `${index === 0 ? formatCount(size) : size.toFixed(size < 10 ? 1 : 0)}${THIN}${names[index] ?? ''}`;
}
