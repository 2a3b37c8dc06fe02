/**
 * The interrupt-remapping table as the host's kernel fills it (intel_irq_remapping.c of Linux): an entry for each vector of a device,
 * which makes it an interrupt of a physical CPU or, posted, of a vCPU; verified by the requester.
 */
import type { RequesterId, Stateful } from '../../machine/bus';
import { DeliveryMode } from '../../machine/interrupts/message';
import {
  encodeIrte,
  IRTE_BYTES,
  SourceVerification,
  type IrteSource,
} from '../../machine/iommu/interrupts/irte';
import { requireVersion } from '../../machine/snapshot';
import type { DescriptorTarget } from '../host-bus/message-domain';
import type { HostVectorPlace } from '../threads/host-vectors';
import { TABLE_BYTES, type TablePages } from './table-pages';

/** Pages of the table: 2^(S+1) entries, by the S field of its register. The last one is never given away. */
const PAGES = 16;
const ENTRIES = (PAGES * TABLE_BYTES) / IRTE_BYTES;
const SIZE_FIELD = Math.log2(ENTRIES) - 1;
/** EIME: destinations have 32 bits, which the physical CPUs' x2APICs have. */
const EXTENDED_MODE = 1 << 11;

/** Entries that somebody has. */
export interface EntryRange {
  first: number;
  count: number;
}

/** Snapshot of `InterruptEntries`. */
export interface InterruptEntriesState {
  version: 1;
  taken: boolean[];
}

/** The table. */
export class InterruptEntries implements Stateful<InterruptEntriesState> {
  static readonly PAGES = PAGES;
  /** Index of an entry that is never present. */
  static readonly NOBODYS = ENTRIES - 1;
  private taken = Array.from({ length: ENTRIES }, () => false);

  /** @param table host-physical address of `InterruptEntries.PAGES` pages */
  constructor(
    private readonly pages: TablePages,
    private readonly table: number,
  ) {}

  /** Value of the table's address register. */
  get address(): number {
    return this.table + EXTENDED_MODE + SIZE_FIELD;
  }

  /** Takes the lowest free entries, as many as asked for (a power of two), one behind the other and aligned; undefined: none are left. */
  take(count: number): EntryRange | undefined {
    for (let first = 0; first + count < ENTRIES; first += count) {
      if (this.taken.slice(first, first + count).some((taken) => taken)) continue;
      this.taken.fill(true, first, first + count);
      return { first, count };
    }
    return undefined;
  }

  /** Makes entries not present, and nobody's. */
  giveBack({ first, count }: EntryRange): void {
    this.taken.fill(false, first, first + count);
    for (let index = first; index < first + count; index++) this.write(index, [0, 0, 0, 0]);
  }

  /** The entry makes an interrupt of a physical CPU. @param level of the pin of an IOAPIC */
  remap(index: number, source: RequesterId, { cpu, vector }: HostVectorPlace, level: boolean): void {
    this.write(
      index,
      encodeIrte(
        {
          format: 'remapped',
          faultsDisabled: false,
          vector,
          source: sourceOf(source),
          mode: DeliveryMode.Fixed,
          level,
          redirected: false,
          logical: false,
          destination: cpu,
        },
        true,
      ),
    );
  }

  /** The entry posts to a vCPU. */
  post(index: number, source: RequesterId, { descriptor, vector, urgent }: DescriptorTarget): void {
    this.write(
      index,
      encodeIrte(
        { format: 'posted', faultsDisabled: false, vector, source: sourceOf(source), urgent, descriptor },
        true,
      ),
    );
  }

  save(): InterruptEntriesState {
    return { version: 1, taken: [...this.taken] };
  }

  load({ version, taken }: InterruptEntriesState): void {
    requireVersion('interrupt-remapping entries', version, 1);
    this.taken = [...taken];
  }

  private write(index: number, raw: readonly number[]): void {
    this.pages.write(this.table + index * IRTE_BYTES, ...raw);
  }
}

function sourceOf(id: RequesterId): IrteSource {
  return { verification: SourceVerification.Requester, qualifier: 0, id };
}
