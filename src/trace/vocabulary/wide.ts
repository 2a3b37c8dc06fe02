/**
 * Arguments beyond 32 bits. The columns `a` and `b` hold the low halves; where a high half is not zero, an `args.high` row
 * that names the event as its cause holds both high halves. Usual events so need 32 bytes, and hash, file, snapshots and
 * deltas carry the rest as rows like any other. The last such row of an event counts.
 */

/** Greatest argument that fits its column. */
export const NARROW_MAX = 0xffff_ffff;
const TWO_32 = 0x1_0000_0000;

/** What an argument stands for: callers may give the low 32 bits as a signed number. */
export function fullArgument(value: number): number {
  return value < 0 ? value >>> 0 : value;
}

/** High half of an argument of up to 53 bits. */
export function highHalf(value: number): number {
  return value > NARROW_MAX ? Math.floor(value / TWO_32) : 0;
}

/** An argument from its halves; what no machine makes (more than 53 bits, in a damaged trace) is left at its low half. */
export function joined(low: number, high: number): number {
  const value = high * TWO_32 + low;
  return value > Number.MAX_SAFE_INTEGER ? low : value;
}
