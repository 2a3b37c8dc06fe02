/** One domain of the host's IOMMU: what functions that work for one VM translate by, and the rows that tell of it. */
import type { Tracer } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import type { DomainOwner } from '../host-bus/dma-mapper';
import type { SecondStageTables } from './second-stage-tables';

/** Bits of a mapping's rights, as its row has them. */
const READ = 1;
const READ_WRITE = 3;

/** The pen's place: time goes by on the island. */
interface Clock {
  now(): number;
}

/** A domain. */
export class Domain {
  readonly track: number;

  /** @param id domain identifier, 1 to 65535 */
  constructor(
    private readonly tracer: Tracer,
    private readonly clock: Clock,
    readonly id: number,
    readonly tables: SecondStageTables,
    owner: DomainOwner,
  ) {
    const { name: group, vm, base, size } = owner;
    this.track = tracer.addTrack({ type: 'domain', name: 'IOMMU domain', group, vm });
    this.note(Kind.MemorySlot, 0, base, size);
  }

  /** As `DmaMapper.map`. */
  map(iova: number, address: number, length: number, writable = true): void {
    this.tables.map(iova, address, length, writable);
    this.note(Kind.IommuMap, iova, address, length, writable ? READ_WRITE : READ);
  }

  /** The entries are gone; caches may still have them. */
  unmap(iova: number, length: number): void {
    const { tracer, clock, track } = this;
    this.tables.unmap(iova, length);
    tracer.cause = tracer.instant(clock.now(), track, Kind.IommuUnmap, iova, length);
  }

  private note(kind: number, from: number, to: number, bytes: number, rights = READ_WRITE): void {
    const { tracer, clock, track } = this;
    const before = tracer.cause;
    tracer.cause = tracer.instant(clock.now(), track, kind, from, to);
    tracer.instant(clock.now(), track, Kind.MapExtent, bytes, rights);
    tracer.cause = before;
  }
}
