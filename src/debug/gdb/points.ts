/** Breakpoints and watchpoints as GDB sets them (`Z` and `z`, GDB manual, appendix E.2), and stops at events. */
import type { PointHit, RunControl, StopPoint, StopPointPlace } from '../../run/control/control';
import { GdbError } from './errors';

/** Of all points together; a client that sets more is none that debugs. */
const MOST_POINTS = 10_000;
/** Longest memory that is watched, in bytes. */
const LONGEST_WATCH = 0x1_0000;
const PAGE = 0x1000n;

/** Kinds by their numbers in `Z` packets. */
const WATCHES = {
  '2': { access: 'change', reply: 'watch' },
  '3': { access: 'read', reply: 'rwatch' },
  '4': { access: 'access', reply: 'awatch' },
} as const;

type WatchKind = keyof typeof WATCHES;

function isWatch(kind: string): kind is WatchKind {
  return Object.hasOwn(WATCHES, kind);
}

/** What was set: a breakpoint, a stretch that is watched, an event. */
export type GdbPoint =
  | { readonly kind: 'break'; readonly key: string; readonly isHardware: boolean }
  | {
      readonly kind: 'watch';
      readonly key: string;
      readonly reply: 'watch' | 'rwatch' | 'awatch';
      /** Linear address of the stretch, and the guest-physical one where it begins. */
      readonly address: bigint;
      readonly physical: number;
    }
  | { readonly kind: 'event'; readonly key: string; readonly query: string };

interface Entry {
  readonly point: GdbPoint;
  readonly place: StopPointPlace;
}

export class GdbPoints {
  private readonly entries = new Map<number, Entry>();
  private next = 1;

  /** @param vm whose code and memory is meant */
  constructor(
    private readonly control: RunControl,
    private readonly vm: number,
  ) {}

  /**
   * Sets what a `Z` packet asks. Setting it twice is setting it once.
   * @param cpu by whose page tables a watched address is translated
   * @throws GdbError where it cannot be set
   */
  add(kind: string, address: bigint, length: number, cpu: number): void {
    const key = keyOf(kind, address, length);
    if (this.has(key)) return;
    this.replace(() => {
      for (const entry of this.made(kind, key, address, length, cpu)) this.put(entry);
    });
  }

  /** Takes back what a `z` packet names; what is not there is taken back already. */
  remove(kind: string, address: bigint, length: number): void {
    this.discard(keyOf(kind, address, length));
  }

  /** @throws QueryError, GdbError */
  addEvent(query: string): void {
    const key = `event ${query}`;
    if (this.has(key)) return;
    this.replace(() => this.put({ point: { kind: 'event', key, query }, place: { kind: 'event', query } }));
  }

  /** @returns whether there was one */
  removeEvent(query: string): boolean {
    return this.discard(`event ${query}`);
  }

  get events(): readonly string[] {
    return [...this.entries.values()].flatMap(({ point }) => (point.kind === 'event' ? [point.query] : []));
  }

  clear(): void {
    this.entries.clear();
    this.apply();
  }

  /** What a hit is of; undefined: of a point that only a motion had. */
  of(hit: PointHit): GdbPoint | undefined {
    return this.entries.get(hit.id)?.point;
  }

  get hasWatches(): boolean {
    return [...this.entries.values()].some(({ point }) => point.kind === 'watch');
  }

  /** Lets something run with points besides. @param more their numbers are negative */
  withMore<T>(more: readonly StopPoint[], run: () => T): T {
    return this.instead([...this.all(), ...more], run);
  }

  /** Lets something run that only what is watched stops. */
  onlyWatches<T>(run: () => T): T {
    return this.instead(
      this.all().filter(({ kind }) => kind === 'data'),
      run,
    );
  }

  /** Lets something run with other points. */
  instead<T>(points: readonly StopPoint[], run: () => T): T {
    this.control.setPoints(points);
    try {
      return run();
    } finally {
      this.apply();
    }
  }

  private has(key: string): boolean {
    return [...this.entries.values()].some(({ point }) => point.key === key);
  }

  private put(entry: Entry): void {
    if (this.entries.size >= MOST_POINTS)
      throw new GdbError(`${MOST_POINTS} points are set; no more can be.`);
    this.entries.set(this.next++, entry);
  }

  private discard(key: string): boolean {
    const found = [...this.entries].filter(([, { point }]) => point.key === key);
    for (const [id] of found) this.entries.delete(id);
    if (found.length > 0) this.apply();
    return found.length > 0;
  }

  /** Changes the points, all of it or nothing. */
  private replace(change: () => void): void {
    const before = [...this.entries];
    try {
      change();
      this.apply();
    } catch (error) {
      this.entries.clear();
      for (const [id, entry] of before) this.entries.set(id, entry);
      this.apply();
      throw error;
    }
  }

  private all(): StopPoint[] {
    return [...this.entries].map(([id, { place }]) => ({ id, ...place }));
  }

  private apply(): void {
    this.control.setPoints(this.all());
  }

  private made(kind: string, key: string, address: bigint, length: number, cpu: number): Entry[] {
    const { vm } = this;
    if (kind === '0' || kind === '1')
      return [
        { point: { kind: 'break', key, isHardware: kind === '1' }, place: { kind: 'code', vm, address } },
      ];
    if (!isWatch(kind)) throw new GdbError(`There is no kind ${kind} of breakpoints.`);
    if (length < 1 || length > LONGEST_WATCH)
      throw new GdbError(`${length} bytes cannot be watched: give 1 to ${LONGEST_WATCH}.`);
    const { access, reply } = WATCHES[kind];
    // Memory is watched by physical addresses, page by page as it is mapped at this moment.
    return stretches(address, length).map(([start, bytes]) => {
      const physical = this.control.translate(cpu, start);
      if (physical === undefined)
        throw new GdbError(`0x${start.toString(16)} cannot be watched: nothing is mapped there.`);
      return {
        point: { kind: 'watch', key, reply, address: start, physical },
        place: { kind: 'data', vm, address: physical, length: bytes, access },
      };
    });
  }
}

function keyOf(kind: string, address: bigint, length: number): string {
  return `${kind} ${address} ${isWatch(kind) ? length : 0}`;
}

/** A stretch of linear memory cut at its pages. */
export function stretches(address: bigint, length: number): [start: bigint, length: number][] {
  const cut: [bigint, number][] = [];
  for (let done = 0; done < length;) {
    const start = BigInt.asUintN(64, address + BigInt(done));
    const bytes = Math.min(length - done, Number(PAGE - (start % PAGE)));
    cut.push([start, bytes]);
    done += bytes;
  }
  return cut;
}
