/** What the vCPUs of one core are stopped by: where the translator puts breakpoints, and which accesses are watched. */
import type { RamWatch } from '../memory/guest-ram';
import * as L from './core/state/layout';
import type { CoreExports } from './core-instance';
import type { CoreBreakpoint, CoreStopListener, CoreStops, CoreWatch } from './types';

const PAGE = 4096;
const WATCHED = L.PAGE_READS_WATCHED | L.PAGE_WRITES_WATCHED;

/** A watched access that has not been told of. */
export interface PendingAccess {
  readonly write: boolean;
  readonly address: number;
  readonly before: Uint8Array;
  /** Undefined: it is a write that has not been made yet. */
  readonly after: Uint8Array | undefined;
}

/** Breakpoints and watches of one core. */
export class CoreStopPoints implements CoreStops, RamWatch {
  listener: CoreStopListener | undefined;
  /** By linear address: which vCPUs; undefined: all. */
  private breakpoints = new Map<bigint, ReadonlySet<number> | undefined>();
  /** Their offsets in a page, which no translation changes. */
  private offsets: ReadonlySet<number> = new Set();
  private watches: readonly CoreWatch[] = [];

  /**
   * @param ram the core's RAM
   * @param flags its page flags
   * @param watchRam has those that are none of the vCPUs ask (`asked`) or not
   */
  constructor(
    private readonly core: Pick<CoreExports, 'forgetCodeAt' | 'flushAllTranslations'>,
    private readonly ram: Uint8Array,
    private readonly flags: Uint8Array,
    private readonly watchRam: (watch: RamWatch | undefined) => void,
  ) {}

  /** A run is to stop. */
  get wanted(): boolean {
    return this.listener?.signal.wanted ?? false;
  }

  setBreakpoints(points: readonly CoreBreakpoint[]): void {
    const before = this.breakpoints;
    this.breakpoints = new Map();
    for (const { address, cpu } of points) {
      const key = BigInt.asUintN(64, address);
      const all = this.breakpoints.has(key) && this.breakpoints.get(key) === undefined;
      const others = this.breakpoints.get(key) ?? [];
      this.breakpoints.set(key, cpu === undefined || all ? undefined : new Set([...others, cpu]));
    }
    this.offsets = new Set([...this.breakpoints.keys()].map(offsetOf));
    const changed = new Set<number>();
    for (const address of before.keys()) if (!this.breakpoints.has(address)) changed.add(offsetOf(address));
    for (const address of this.breakpoints.keys()) if (!before.has(address)) changed.add(offsetOf(address));
    for (const offset of changed) this.core.forgetCodeAt(offset);
  }

  setWatches(ranges: readonly CoreWatch[]): void {
    if (this.watches.length === 0 && ranges.length === 0) return;
    const { flags } = this;
    for (let page = 0; page < flags.length; page++) flags[page] &= ~WATCHED;
    this.watches = ranges.map((range) => ({ ...range }));
    for (const { address, length, read, write } of this.watches) {
      const kinds = (read ? L.PAGE_READS_WATCHED : 0) | (write ? L.PAGE_WRITES_WATCHED : 0);
      const last = Math.floor((address + length - 1) / PAGE);
      for (let page = Math.floor(address / PAGE); page <= last; page++) flags[page] |= kinds;
    }
    this.watchRam(this.watches.length > 0 ? this : undefined);
    this.core.flushAllTranslations();
  }

  /**
   * Whether an instruction may be a breakpoint of a vCPU: certain for 64-bit code, whose RIP is a linear address; elsewhere the
   * base of the code segment, which may change, decides (`stopsAt`).
   * @param inPage offset of its first byte in its page
   */
  mayStopAt(rip: bigint, inPage: number, mode: number): boolean {
    if (!this.offsets.has(inPage)) return false;
    return mode !== L.MODE_64 || this.breakpoints.has(rip);
  }

  /** Whether a linear address is a breakpoint of a vCPU. */
  stopsAt(cpu: number, address: bigint): boolean {
    return this.breakpoints.has(address) && (this.breakpoints.get(address)?.has(cpu) ?? true);
  }

  /** Of an access that is about to be made: what has to be told of it afterwards; undefined when it is not watched. */
  pending(address: number, length: number, write: boolean): PendingAccess | undefined {
    const end = address + length;
    for (const watch of this.watches) {
      if (!(write ? watch.write : watch.read)) continue;
      if (address < watch.address + watch.length && watch.address < end)
        return pendingOf(write, address, this.ram.slice(address, end));
    }
    return undefined;
  }

  /** The same access once it has been made, and nothing after it. */
  made(access: PendingAccess): PendingAccess {
    const { address, before, after } = access;
    return after ? access : { ...access, after: this.ram.slice(address, address + before.length) };
  }

  /** Tells of an access that has been made. */
  tell(
    { write, address, before, after = before }: PendingAccess,
    cpu: number | undefined,
    by?: string,
  ): void {
    this.listener?.accessed({
      ...(cpu !== undefined && { cpu }),
      ...(by !== undefined && { by }),
      write,
      address,
      length: before.length,
      before,
      after,
    });
  }

  asked(address: number, length: number, write: boolean, by: string | undefined, access: () => void): void {
    const pending = this.pending(address, length, write);
    access();
    if (pending) this.tell(this.made(pending), undefined, by);
  }
}

/** What is read stays as it is. */
function pendingOf(write: boolean, address: number, before: Uint8Array): PendingAccess {
  return { write, address, before, after: write ? undefined : before };
}

function offsetOf(address: bigint): number {
  return Number(address & BigInt(PAGE - 1));
}
