/** Numbers for readers: at most four digits, thin spaces, units chosen by size. */

/** Between groups of digits, and between a number and its unit. */
export const THIN_SPACE = '\u2009';

const TIME_UNITS: readonly (readonly [unit: string, perSecond: number])[] = [
  ['s', 1],
  ['ms', 1e3],
  ['µs', 1e6],
  ['ns', 1e9],
];

/** At most four digits, no trailing zeros: 1.204, 12.4, 999.9. */
function fourDigits(value: number): string {
  if (value === 0) return '0';
  const text = Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(4);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** The unit in which a time has one to three digits before the point (after rounding to four). */
function unitFor(seconds: number): readonly [unit: string, perSecond: number] {
  const fits = TIME_UNITS.find(([, perSecond]) => Math.abs(seconds) * perSecond >= 0.99995);
  return fits ?? ['ns', 1e9];
}

/** A span of time: `12.4 µs`. */
export function formatTime(cycles: number, frequencyHz: number): string {
  const seconds = cycles / frequencyHz;
  const [unit, perSecond] = unitFor(seconds);
  return `${fourDigits(seconds * perSecond)}${THIN_SPACE}${unit}`;
}

/** A part of a span in the span's unit: `9.8 of 12.4 µs`. */
export function formatPart(part: number, whole: number, frequencyHz: number): string {
  const [, perSecond] = unitFor(whole / frequencyHz);
  return `${fourDigits((part / frequencyHz) * perSecond)} of ${formatTime(whole, frequencyHz)}`;
}

/** An exact integer in groups of three digits: `1 234 567`. */
export function formatCount(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, THIN_SPACE);
}

/** A count in at most four digits: `12.4 k`. */
export function formatShort(value: number): string {
  const step = [1e12, 1e9, 1e6, 1e3].find((size) => Math.abs(value) >= size);
  if (step === undefined || Math.abs(value) < 1e4) return formatCount(Math.round(value));
  const unit = { 1e12: 'T', 1e9: 'G', 1e6: 'M', 1e3: 'k' }[step] ?? '';
  return `${fourDigits(value / step)}${THIN_SPACE}${unit}`;
}

/** `0x3818`. Takes signed 32-bit values as what they stand for. */
export function formatHex(value: number): string {
  return `0x${(value < 0 ? value >>> 0 : value).toString(16)}`;
}

/** File name without folders, of either kind of separator. */
export function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
}
