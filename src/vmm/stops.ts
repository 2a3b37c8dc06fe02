/**
 * What stops a run: instructions at given addresses, accesses to given bytes of guest memory, and whoever asks. A run that is
 * stopped stands at an instruction boundary or between two events, and goes on as if it had not been: where it is stopped
 * changes nothing in its trace.
 *
 * Rows of the trace are watched at the recorder (`trace/record/row-watch.ts`); who finds one there calls `request`.
 */
import type { CoreAccess, CoreBreakpoint, CoreWatch, MachineCore } from '../machine/x86/types';
import type { StopSignal } from './threads/stop-signal';

/** Before the instruction at a linear address. Without `cpu`: whichever CPU of the guest comes to it. */
export interface CodePoint {
  /** Position of the guest in the scenario. */
  readonly vm: number;
  /** Position of the CPU in its guest. */
  readonly cpu?: number;
  readonly address: bigint;
}

/** After an access to one of some bytes of a guest's RAM. */
export interface DataRange {
  readonly vm: number;
  /** Guest-physical. */
  readonly address: number;
  /** Bytes; at least 1. */
  readonly length: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** A CPU is about to execute the instruction at a linear address. Nothing of it has happened. */
export interface CodeHit {
  readonly kind: 'code';
  readonly vm: number;
  readonly cpu: number;
  readonly address: bigint;
}

/**
 * Bytes were accessed, all of them given though a part only may be watched. Of a CPU: its instruction, or the delivery of an
 * interrupt, is over. Of anybody else: the bytes have just been read or written.
 */
export interface DataHit {
  readonly kind: 'data';
  readonly vm: number;
  /** Absent: it was no CPU of the guest. */
  readonly cpu?: number;
  /** As the trace names it: `vCPU 0`, `e1000`. */
  readonly who: string;
  readonly write: boolean;
  /** Guest-physical. */
  readonly address: number;
  readonly length: number;
  /** The bytes before the access and after it; the same when they were read. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

export type Hit = CodeHit | DataHit;

/** A guest as far as it can be stopped. */
export interface StoppableGuest {
  readonly index: number;
  readonly name: string;
  readonly core: MachineCore;
  /** What the trace calls a CPU: `vCPU 0`. */
  cpuName(cpu: number): string;
}

/** Everything that stops the run of one host. Points and ranges are set between two runs, or from `onHit`. */
export class Stops {
  /**
   * Asked at each hit whether the run is to stop there; it may read the machine. Of a code point it is asked once for each
   * time that a CPU comes to the instruction, however often the run is stopped before it; an instruction that is gone back to
   * by IRET is come to anew. Several hits may come before the run stops.
   */
  onHit: (hit: Hit) => boolean = () => true;
  private readonly guests = new Map<number, StoppableGuest>();
  /** Something runs: who accesses memory now is watched. False also while `onHit` looks. */
  private running = false;

  constructor(private readonly signal: StopSignal) {}

  /** Makes a guest known, before anything is set. */
  add(guest: StoppableGuest): void {
    this.guests.set(guest.index, guest);
    guest.core.stops.listener = {
      signal: this.signal,
      reached: (cpu, address) => this.ask({ kind: 'code', vm: guest.index, cpu, address }),
      accessed: (access) => this.accessed(guest, access),
    };
  }

  /**
   * Replaces all code points.
   * @throws RangeError for a guest or CPU that there is not; nothing changes then
   */
  setCode(points: readonly CodePoint[]): void {
    for (const { vm, cpu = 0 } of points) {
      if (this.guestOf(vm).core.cpus[cpu] === undefined)
        throw new RangeError(`${this.guestOf(vm).name} has no CPU ${cpu} to stop`);
    }
    for (const { index, core } of this.guests.values()) {
      const own = points.filter(({ vm }) => vm === index);
      core.stops.setBreakpoints(own.map(({ address, cpu }): CoreBreakpoint => ({ address, cpu })));
    }
  }

  /**
   * Replaces all ranges.
   * @throws RangeError for a guest that there is not and for bytes outside its RAM; nothing changes then
   */
  setData(ranges: readonly DataRange[]): void {
    for (const { vm, address, length } of ranges) {
      const { core, name } = this.guestOf(vm);
      const fits = Number.isSafeInteger(address) && Number.isSafeInteger(length) && length > 0;
      if (!fits || !core.memory.contains(address, length)) {
        throw new RangeError(
          `${length} bytes at 0x${address.toString(16)} cannot be watched: give bytes of the RAM of ${name}, below 0x${core.memory.size.toString(16)}`,
        );
      }
    }
    for (const { index, core } of this.guests.values())
      core.stops.setWatches(ranges.filter(({ vm }) => vm === index) satisfies readonly CoreWatch[]);
  }

  /** From anything that happens in a run: it stops at the next boundary of the CPU at work, or after the event that fires. */
  request(): void {
    this.signal.raise();
  }

  /** The host runs, until `ran`. */
  begin(): void {
    this.signal.lower();
    this.running = true;
  }

  ran(): void {
    this.running = false;
  }

  private guestOf(vm: number): StoppableGuest {
    const guest = this.guests.get(vm);
    if (!guest) throw new RangeError(`there is no VM ${vm} to stop`);
    return guest;
  }

  private accessed(guest: StoppableGuest, { cpu, by, ...what }: CoreAccess): void {
    const who = cpu === undefined ? (by ?? 'VMM') : guest.cpuName(cpu);
    this.ask({ kind: 'data', vm: guest.index, ...(cpu !== undefined && { cpu }), who, ...what });
  }

  private ask(hit: Hit): boolean {
    if (!this.running) return false;
    this.running = false;
    try {
      const stop = this.onHit(hit);
      if (stop) this.request();
      return stop;
    } finally {
      this.running = true;
    }
  }
}
