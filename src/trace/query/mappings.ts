/**
 * What a domain of an IOMMU translates at a moment: all that was mapped until then and not taken away. Host-physical addresses
 * are led back to guest-physical ones by the memory slots of the VM whose domain it is.
 */
import type { DomainMappings, Mapping } from '../../protocol/mappings';
import { Kind } from '../vocabulary/events';
import type { TraceStore } from './store';

/** Mappings that are told at most. */
const MOST = 500;

/** A contiguous range of addresses and where it leads. */
interface Range {
  from: number;
  bytes: number;
  to: number;
  /** Bit 0: may be read, bit 1: may be written. */
  access: number;
  row: number;
}

/** Everything that a domain's events have built up. */
class Domain {
  /** By first address, none overlapping another. */
  readonly ranges = new Map<number, Range>();
  readonly slots: Range[] = [];

  /** The part of a range outside [from, from + bytes) stays. */
  unmap(from: number, bytes: number): void {
    const end = from + bytes;
    for (const range of [...this.ranges.values()]) {
      const rangeEnd = range.from + range.bytes;
      if (range.from >= end || rangeEnd <= from) continue;
      this.ranges.delete(range.from);
      if (range.from < from) this.ranges.set(range.from, { ...range, bytes: from - range.from });
      if (rangeEnd > end) {
        const rest = { ...range, from: end, bytes: rangeEnd - end, to: range.to + (end - range.from) };
        this.ranges.set(end, rest);
      }
    }
  }

  /** Guest-physical address of a host-physical one; undefined where no slot of the VM's memory is. */
  guestPhysical(address: number): number | undefined {
    const slot = this.slots.find(({ to, bytes }) => address >= to && address < to + bytes);
    return slot && slot.from + (address - slot.to);
  }
}

/**
 * What a domain translates.
 * @param track of the domain
 * @param time cycles; what begins at it has happened
 * @param address an address of the device, of whose mapping alone is told; undefined: all
 */
export function mappingsAt(store: TraceStore, track: number, time: number, address?: number): DomainMappings {
  const domain = domainAt(store, track, time);
  const all = [...domain.ranges.values()]
    .filter(({ from, bytes }) => address === undefined || (address >= from && address < from + bytes))
    .sort((x, y) => x.from - y.from);
  const bytes = all.reduce((sum, range) => sum + range.bytes, 0);
  return {
    total: all.length,
    bytes,
    mappings: all.slice(0, MOST).map((range) => told(range, domain, address)),
  };
}

function told({ from, bytes, to, access, row }: Range, domain: Domain, address: number | undefined): Mapping {
  const offset = address === undefined ? 0 : address - from;
  const guest = domain.guestPhysical(to + offset);
  return {
    iova: from + offset,
    bytes: address === undefined ? bytes : bytes - offset,
    ...(guest !== undefined && { guestPhysical: guest }),
    hostPhysical: to + offset,
    readable: (access & 1) !== 0,
    writable: (access & 2) !== 0,
    row,
  };
}

function domainAt(store: TraceStore, track: number, time: number): Domain {
  const domain = new Domain();
  const stream = store.stream(track, 'iommu');
  if (!stream) return domain;
  /** Maps and slots whose extent, the row that follows from them, has not come yet. */
  const begun = new Map<number, { slot: boolean; from: number; to: number }>();
  const end = stream.before(time + 1);
  for (let i = 0; i < end; i++) {
    const { row, kind, a, b, cause } = store.get(stream.rowAt(i));
    if (kind === Kind.IommuMap || kind === Kind.MemorySlot)
      begun.set(row, { slot: kind === Kind.MemorySlot, from: a, to: b });
    else if (kind === Kind.IommuUnmap) domain.unmap(a, b);
    else if (kind === Kind.MapExtent) {
      const start = begun.get(cause);
      begun.delete(cause);
      if (!start) continue;
      const range: Range = { from: start.from, to: start.to, bytes: a, access: b, row: cause };
      if (start.slot) domain.slots.push(range);
      else {
        domain.unmap(range.from, range.bytes);
        domain.ranges.set(range.from, range);
      }
    }
  }
  return domain;
}
