/** Guest instructions as small numbers: the `rip` column's table while a run is recorded. */
import type { Place } from '../model';

/** What debug information says of an address; `rip` as in `Place.rip`. */
export type ResolvePlace = (vm: number, rip: string) => Pick<Place, 'symbol' | 'file' | 'line'> | undefined;

const SLOTS = 1024;

/** Interns (vm, address) pairs to dense ids from 1. */
export class PlaceTable {
  private readonly places: Place[] = [];
  private resolved = 0;
  private readonly byAddress = new Map<number, Map<number, number>>();
  /** A direct-mapped cache before the maps: loops exit at few instructions, each many times. */
  private readonly cacheLow = new Uint32Array(SLOTS);
  private readonly cacheHigh = new Uint32Array(SLOTS);
  private readonly cacheVm = new Int32Array(SLOTS);
  private readonly cacheId = new Uint32Array(SLOTS);

  constructor(private readonly resolve?: ResolvePlace) {}

  /** Id of an address given as two 32-bit halves (signed or not). */
  intern(vm: number, low: number, high: number): number {
    const lo = low >>> 0;
    const hi = high >>> 0;
    const slot = (lo ^ (lo >>> 10) ^ vm) & (SLOTS - 1);
    if (
      this.cacheId[slot] !== 0 &&
      this.cacheLow[slot] === lo &&
      this.cacheHigh[slot] === hi &&
      this.cacheVm[slot] === vm
    ) {
      return this.cacheId[slot] ?? 0;
    }
    const id = this.lookup(vm, lo, hi);
    this.cacheLow[slot] = lo;
    this.cacheHigh[slot] = hi;
    this.cacheVm[slot] = vm;
    this.cacheId[slot] = id;
    return id;
  }

  get count(): number {
    return this.places.length;
  }

  /** One place, resolved likewise. */
  at(id: number): Place | undefined {
    this.resolveAll();
    return this.places[id - 1];
  }

  /** All places so far, resolved as far as debug information goes. */
  all(): Place[] {
    this.resolveAll();
    return [...this.places];
  }

  private resolveAll(): void {
    for (; this.resolved < this.places.length; this.resolved++) {
      const place = this.places[this.resolved];
      if (place !== undefined) Object.assign(place, this.resolve?.(place.vm, place.rip));
    }
  }

  /** All places so far, for a snapshot. */
  addresses(): Pick<Place, 'vm' | 'rip'>[] {
    return this.places.map(({ vm, rip }) => ({ vm, rip }));
  }

  /** Takes a snapshot's places instead of the present ones. */
  load(addresses: readonly Pick<Place, 'vm' | 'rip'>[]): void {
    this.places.length = 0;
    this.resolved = 0;
    this.byAddress.clear();
    this.cacheId.fill(0);
    for (const { vm, rip } of addresses) {
      const address = BigInt(rip);
      this.lookup(vm, Number(BigInt.asUintN(32, address)), Number(BigInt.asUintN(32, address >> 32n)));
    }
  }

  private lookup(vm: number, lo: number, hi: number): number {
    // A safe integer for any high half and up to 2^21 - 1 VMs' worth of table: one map per high half and VM.
    const space = vm * 0x1_0000_0000 + hi;
    let ids = this.byAddress.get(space);
    if (ids === undefined) this.byAddress.set(space, (ids = new Map<number, number>()));
    let id = ids.get(lo);
    if (id === undefined) {
      id = this.places.length + 1;
      const rip = `0x${((BigInt(hi) << 32n) | BigInt(lo)).toString(16)}`;
      this.places.push({ id, vm, rip });
      ids.set(lo, id);
    }
    return id;
  }
}
