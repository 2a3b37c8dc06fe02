/** What a fuzzed board is watched for: a device that breaks one of these rules is at fault, whatever its driver did. */
import { Kind } from '../../../src/trace/vocabulary/events';

/** A rule that no device may break. */
export class Violation extends Error {}

/** Events and transactions of one operation, beyond which a device is taken to go round and round. */
const MOST_WORK = 100_000;
/** Events at one and the same time: more and time stands still for good. */
const MOST_AT_ONCE = 20_000;

const kindNames = new Map(Object.entries(Kind).map(([name, kind]) => [kind as number, name]));

/** Counts what a device does, keeps a digest of it, and checks what can be checked of everything. */
export class Watch {
  /** Of everything that could be seen from outside, in its order. */
  digest = 0;
  /** Rows in the trace by the names of their kinds. */
  readonly rows = new Map<string, number>();
  private work = 0;
  private atOnce = 0;
  private instant = -1;

  /** Mixes a number into the digest. */
  see(value: number): void {
    const low = value >>> 0;
    const high = Math.floor(value / 2 ** 32) >>> 0;
    this.digest = Math.imul(this.digest ^ low, 0x85ebca6b) ^ Math.imul(high + 0x9e3779b9, 0xc2b2ae35);
    this.digest ^= this.digest >>> 15;
  }

  /** An operation of the guest begins. */
  begin(): void {
    this.work = 0;
  }

  /** Whether the operation has already brought about as much as it may bring about in all while time passes. */
  get busy(): boolean {
    return this.work > MOST_WORK / 10;
  }

  /** Something happens at a time. */
  step(time: number): void {
    if (time !== this.instant) {
      this.instant = time;
      this.atOnce = 0;
    }
    if (++this.atOnce > MOST_AT_ONCE) throw new Violation(`${MOST_AT_ONCE} events at time ${time}`);
    if (++this.work > MOST_WORK) throw new Violation(`${MOST_WORK} events by one operation`);
  }

  /** A row of the trace. Its arguments are unsigned numbers (`DeviceTrace`). */
  row(time: number, duration: number, kind: number, a: number, b: number): void {
    const name = kindNames.get(kind);
    if (name === undefined) throw new Violation(`a row of no kind: ${kind}`);
    if (!isUnsigned(a) || !isUnsigned(b) || !isUnsigned(duration))
      throw new Violation(`a row ${name} with ${a}, ${b}, for ${duration} cycles`);
    this.rows.set(name, (this.rows.get(name) ?? 0) + 1);
    for (const value of [time, duration, kind, a, b]) this.see(value);
  }

  /** What a register was read as: of a block's answer the map of addresses takes the bits that were asked for. */
  value(read: number, size: number): void {
    if (!Number.isInteger(read) || Math.abs(read) > 0xffffffff)
      throw new Violation(`a register was read as ${read}`);
    this.see((read & (2 ** (8 * size) - 1)) >>> 0);
  }

  /** A time that somebody asks for. */
  delay(cycles: number): void {
    if (!isUnsigned(cycles)) throw new Violation(`an event in ${cycles} cycles`);
  }

  /** A transaction that a device begins. An address above 2^53 is not exact, and nothing is there; a read may be of nothing. */
  transaction(address: number, length: number, isWrite: boolean): void {
    const least = isWrite ? 1 : 0;
    if (!Number.isInteger(address) || address < 0 || !isUnsigned(length) || length < least)
      throw new Violation(`a transaction of ${length} bytes at ${address}`);
  }
}

function isUnsigned(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
