/** The clock of a text trace: its times become whole ticks from the first event on. */
import type { ForeignClock } from '../foreign-source';

const NANOSECONDS = 1e9;

/** Ticks a second of a clock that counts cycles, while nobody has said: so that a tick shows as a nanosecond. */
const ASSUMED_HZ = 1e9;

/** A wait must be so long that what surrounds it does not matter for the estimate. */
const LEAST_WAIT_NS = 10_000;

/** Turns printed times into ticks. Seconds with decimals count in nanoseconds, whichever of them are printed. */
export class TraceClock {
  private seconds = 0;
  private nanoseconds = 0;
  private cycles = 0n;
  private longestNs = 0;
  private estimate = 0;
  /** What the first time was like; undefined before it. */
  kind: ForeignClock | undefined;
  /** The first time, as printed. */
  epoch = '0';

  /** @param given ticks a second of a clock that counts cycles, as the reader knows it */
  constructor(private readonly given: number | undefined) {}

  /** Ticks since the first time; undefined for a time of another kind of clock, or one that is too far away. */
  ticks(text: string): number | undefined {
    const point = text.indexOf('.');
    if (this.kind === undefined) this.begin(text, point);
    if (point < 0 !== (this.kind === 'cycles')) return undefined;
    const ticks =
      point < 0
        ? Number(BigInt(text) - this.cycles)
        : (Number(text.slice(0, point)) - this.seconds) * NANOSECONDS +
          (Number(text.slice(point + 1).padEnd(9, '0')) - this.nanoseconds);
    return Number.isSafeInteger(ticks) ? ticks : undefined;
  }

  /** So many ticks are so many nanoseconds, or a little more: the longest stretch says best how fast the clock is. */
  learn(ticks: number, nanoseconds: number): void {
    if (this.kind !== 'cycles' || nanoseconds < LEAST_WAIT_NS || nanoseconds <= this.longestNs) return;
    this.longestNs = nanoseconds;
    this.estimate = Math.round((ticks / nanoseconds) * NANOSECONDS);
  }

  /** Ticks a second, and how that is known. */
  get frequency(): { hz: number; known: 'clock' | 'given' | 'estimated' | 'assumed' } {
    if (this.kind !== 'cycles') return { hz: NANOSECONDS, known: 'clock' };
    if (this.given !== undefined) return { hz: this.given, known: 'given' };
    return this.estimate > 0
      ? { hz: this.estimate, known: 'estimated' }
      : { hz: ASSUMED_HZ, known: 'assumed' };
  }

  /** Ticks of a time that an event tells in nanoseconds; undefined while the clock's frequency is not known. */
  ofNanoseconds(nanoseconds: number): number | undefined {
    const { hz, known } = this.frequency;
    return known === 'clock' || known === 'given' ? Math.round((nanoseconds * hz) / NANOSECONDS) : undefined;
  }

  private begin(text: string, point: number): void {
    this.epoch = text;
    if (point < 0) {
      this.kind = 'cycles';
      this.cycles = BigInt(text);
      return;
    }
    const decimals = text.slice(point + 1);
    this.kind = decimals.length > 6 ? 'nanoseconds' : 'microseconds';
    this.seconds = Number(text.slice(0, point));
    this.nanoseconds = Number(decimals.padEnd(9, '0'));
  }
}
