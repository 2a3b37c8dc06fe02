/** A request that is refused, with a sentence for whoever made it. */
import { DebugErrorId } from '../protocol/debug';

/** Thrown by handlers of requests; becomes an unsuccessful response. Every other error becomes one with id `General`. */
export class RequestError extends Error {
  override readonly name = 'RequestError';

  /** @param id see `DebugErrorId` */
  constructor(
    message: string,
    readonly id: DebugErrorId = DebugErrorId.General,
  ) {
    super(message);
  }
}

/** A number that a client sent. @throws RequestError when it is none or out of range */
export function wholeNumber(value: unknown, what: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most)
    return value;
  throw new RequestError(`${what} has to be a whole number from ${least} to ${most}.`);
}

/** A text that a client sent. @throws RequestError when it is none */
export function textOf(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw new RequestError(`${what} has to be a text.`);
}

/** An address as clients write it: `0x1000` or `4096`. @throws RequestError when it is none of 64 bits */
export function addressOf(value: unknown, what = 'An address'): bigint {
  const text = textOf(value, what).trim();
  if (!/^(0[xX][0-9a-fA-F]{1,16}|\d{1,20})$/.test(text)) {
    throw new RequestError(`${what} is a number such as 0x1000; “${text.slice(0, 40)}” is none.`);
  }
  const address = BigInt(text);
  if (address > 0xffff_ffff_ffff_ffffn)
    throw new RequestError(`${what} has at most 64 bits; ${text} has more.`);
  return address;
}

/** A list of objects that a client sent; empty when left out. @throws RequestError when it is something else */
export function listOf<T extends object>(value: readonly T[] | undefined, what: string): readonly T[] {
  const list: unknown = value ?? [];
  const isList =
    Array.isArray(list) && list.every((each: unknown) => typeof each === 'object' && each !== null);
  if (isList) return value ?? [];
  throw new RequestError(`${what} has to be a list.`);
}
