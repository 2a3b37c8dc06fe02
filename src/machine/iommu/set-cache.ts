/** A set-associative cache that throws out the least recently used entry of a set: IOTLB and the other caches are some. */
import type { Stateful } from '../bus';
import { SnapshotError } from '../snapshot';
import type { CacheShape } from './options';

/**
 * What an entry is found by. `space` names whose it is (a domain, a function), `level` what kind or size it has, `page` its
 * number there, whose low bits choose the set.
 */
export interface CacheKey {
  space: number;
  level: number;
  page: number;
}

/** An entry as it is kept. */
export interface CacheEntry<V> extends CacheKey {
  value: V;
}

/** Snapshot: the entries set by set, the least recently used first. */
export interface SetCacheState<V> {
  sets: readonly (readonly CacheEntry<V>[])[];
}

/** The cache. Values are plain data that nobody changes afterwards. */
export class SetCache<V> implements Stateful<SetCacheState<V>> {
  /** Least recently used first. */
  private sets: CacheEntry<V>[][];
  /** Entries by level, so that a look for a level that nobody has costs nothing. */
  private readonly counts = new Map<number, number>();

  constructor(private readonly shape: CacheShape) {
    this.sets = Array.from({ length: shape.sets }, () => []);
  }

  /** Number of entries. */
  get size(): number {
    return this.sets.reduce((sum, set) => sum + set.length, 0);
  }

  /** The value of a key, which becomes the most recently used of its set. */
  find(space: number, level: number, page: number): V | undefined {
    if (!this.counts.get(level)) return undefined;
    const set = this.setOf(page);
    for (let at = set.length - 1; at >= 0; at--) {
      const entry = set[at];
      if (entry.page !== page || entry.space !== space || entry.level !== level) continue;
      if (at < set.length - 1) {
        set.splice(at, 1);
        set.push(entry);
      }
      return entry.value;
    }
    return undefined;
  }

  /** Keeps a value, in place of the one that the key has had, or of the least recently used of a full set. */
  insert(space: number, level: number, page: number, value: V): void {
    const { ways } = this.shape;
    if (ways === 0) return;
    const set = this.setOf(page);
    const at = set.findIndex((each) => each.page === page && each.space === space && each.level === level);
    if (at >= 0) this.count(set.splice(at, 1)[0].level, -1);
    else if (set.length === ways) {
      const oldest = set.shift();
      if (oldest) this.count(oldest.level, -1);
    }
    set.push({ space, level, page, value });
    this.count(level, 1);
  }

  /** Drops the entries that a condition holds for. @returns how many */
  drop(condition: (entry: CacheEntry<V>) => boolean): number {
    const before = this.size;
    this.put(this.sets.map((set) => set.filter((entry) => !condition(entry))));
    return before - this.size;
  }

  save(): SetCacheState<V> {
    return { sets: this.sets.map((set) => [...set]) };
  }

  /** @throws SnapshotError when the cache that was saved had another shape */
  load({ sets }: SetCacheState<V>): void {
    const { shape } = this;
    if (sets.length !== shape.sets || sets.some((set) => set.length > shape.ways)) {
      throw new SnapshotError(
        `the snapshot has a cache of ${sets.length} sets where this unit has ${shape.sets} of ${shape.ways} ways: load one of the same scenario`,
      );
    }
    this.put(sets.map((set) => [...set]));
  }

  private put(sets: CacheEntry<V>[][]): void {
    this.sets = sets;
    this.counts.clear();
    for (const set of sets) for (const { level } of set) this.count(level, 1);
  }

  private count(level: number, by: number): void {
    this.counts.set(level, (this.counts.get(level) ?? 0) + by);
  }

  private setOf(page: number): CacheEntry<V>[] {
    return this.sets[page % this.shape.sets];
  }
}
