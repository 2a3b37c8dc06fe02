/**
 * What QEMU has had VFIO map for one device, by what the guest's tables have said (the IOVA tree of hw/i386/intel_iommu.c): so that of
 * what a walk finds only changes become ioctls.
 */
import { requireVersion } from '../../machine/snapshot';
import type { Stateful } from '../../machine/bus';
import type { ShadowedEntry } from './shadow-walk';

/** A mapping. Both addresses are whole pages. */
export interface ShadowMapping {
  readonly iova: number;
  readonly length: number;
  /** Guest-physical. */
  readonly address: number;
  readonly writable: boolean;
}

/** What VFIO is to do. */
export type ShadowChange = ({ map: true } & ShadowMapping) | { map: false; iova: number; length: number };

/** Snapshot of `ShadowMappings`. */
export interface ShadowMappingsState {
  version: 1;
  mappings: ShadowMapping[];
}

const PAGE = 4096;
/** Sizes of mappings: pages of the tables. */
const SIZES = [2 ** 12, 2 ** 21, 2 ** 30];
/** VFIO keeps no more for a container (dma_entry_limit of vfio_iommu_type1). */
const MOST_MAPPINGS = 65_535;

/** Those of one device. */
export class ShadowMappings implements Stateful<ShadowMappingsState> {
  /** By their first address. */
  private readonly mappings = new Map<number, ShadowMapping>();

  /** @param memoryBytes of the VM: nothing beyond can be mapped */
  constructor(private readonly memoryBytes: number) {}

  get size(): number {
    return this.mappings.size;
  }

  /** An entry of the guest's tables is there: what follows for VFIO, in order. */
  take({ iova, length, page }: ShadowedEntry): ShadowChange[] {
    const old = this.within(iova, length);
    if (!page) {
      for (const each of old) this.mappings.delete(each.iova);
      // VFIO takes mappings away as a whole only: a larger one that the entry is a part of goes with it.
      const { iova: from, length: bytes } = old.find((each) => each.length > length) ?? { iova, length };
      return old.length > 0 ? [{ map: false, iova: from, length: bytes }] : [];
    }
    const wanted = { iova, length, ...page };
    if (old.length === 1 && isSame(old[0], wanted)) return [];
    const changes = old.map((each): ShadowChange => {
      this.mappings.delete(each.iova);
      return { map: false, iova: each.iova, length: each.length };
    });
    if (wanted.address + length > this.memoryBytes || this.size >= MOST_MAPPINGS) return changes;
    this.mappings.set(iova, wanted);
    return [...changes, { map: true, ...wanted }];
  }

  /** Nothing is mapped any more. */
  clear(): void {
    this.mappings.clear();
  }

  save(): ShadowMappingsState {
    return { version: 1, mappings: [...this.mappings.values()] };
  }

  load({ version, mappings }: ShadowMappingsState): void {
    requireVersion('shadowed mappings', version, 1);
    this.mappings.clear();
    for (const each of mappings) this.mappings.set(each.iova, each);
  }

  /** Those that a range touches. */
  private within(iova: number, length: number): ShadowMapping[] {
    const found = new Set<ShadowMapping>();
    for (const size of SIZES) {
      const around = this.mappings.get(iova - (iova % size));
      if (around && around.iova + around.length > iova) found.add(around);
    }
    if (length / PAGE <= this.size) {
      for (let at = iova; at < iova + length; at += PAGE) {
        const inside = this.mappings.get(at);
        if (inside) found.add(inside);
      }
    } else
      for (const each of this.mappings.values())
        if (each.iova >= iova && each.iova < iova + length) found.add(each);
    return [...found].sort((one, other) => one.iova - other.iova);
  }
}

function isSame(one: ShadowMapping, other: ShadowMapping): boolean {
  return (
    one.iova === other.iova &&
    one.length === other.length &&
    one.address === other.address &&
    one.writable === other.writable
  );
}
