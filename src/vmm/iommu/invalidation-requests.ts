/**
 * How the host's kernel asks its IOMMU to forget: descriptors of 128 bits in a queue in memory (VT-d specification, 6.5.2), and a wait
 * descriptor behind them whose status word tells that they are done (qi_submit_sync of Linux).
 */
import { NO_CPU, type RegisterBlock, type RequesterId, type Stateful } from '../../machine/bus';
import { Granularity, Reg } from '../../machine/iommu/layout';
import { requireVersion } from '../../machine/snapshot';
import { TABLE_BYTES, type TablePages } from './table-pages';

/** Pages of the queue, as a power of two (QS). */
const SIZE_ORDER = 3;
const QUEUE_PAGES = 2 ** SIZE_ORDER;
/** Of a descriptor, and in scalable mode. */
const DESCRIPTOR_WORDS = 4;
const WIDE_WORDS = 8;
/** DW of the queue's address register. */
const WIDE_QUEUE = 1 << 11;
const QUEUE_BYTES = QUEUE_PAGES * TABLE_BYTES;

/** Types of descriptors, and where their fields are. */
const Type = { context: 1, iotlb: 2, interruptEntries: 4, wait: 5, pasidIotlb: 6, pasid: 7 } as const;
/** Granularities of the last two: all of a domain, all of a PASID of it. */
const PasidGranularity = { domain: 0, pasid: 2 } as const;
const GRANULARITY_SHIFT = 4;
const DOMAIN_SHIFT = 16;
const INTERRUPT_INDEX = 1 << 4;
const WAIT_STATUS = 1 << 5;
/** DR and DW: what is under way by the old translations is let come to its end first. */
const DRAIN = (1 << 7) | (1 << 6);

/** Pages of one descriptor at most (CAP.MAMV): 2^18 of 4 KiB. */
const MOST_MASK = 18;
const PAGE_BITS = 12;

/** Snapshot of `InvalidationRequests`. */
export interface InvalidationRequestsState {
  version: 1;
  tail: number;
  waits: number;
  asked: number;
}

/** The queue, from the side of the software. */
export class InvalidationRequests implements Stateful<InvalidationRequestsState> {
  /** Bytes from the queue's beginning. */
  private tail = 0;
  /** Wait descriptors so far: the status that the next one writes. */
  private waits = 0;
  /** Descriptors so far. */
  private asked = 0;

  /**
   * @param queue host-physical address of `InvalidationRequests.PAGES` pages
   * @param status address of the status word
   * @param wide descriptors are those of scalable mode
   */
  constructor(
    private readonly registers: Pick<RegisterBlock, 'write'>,
    private readonly pages: TablePages,
    private readonly queue: number,
    private readonly status: number,
    private readonly wide = false,
  ) {}

  static readonly PAGES = QUEUE_PAGES;

  /** Value of the queue address register. */
  get address(): number {
    return this.queue + SIZE_ORDER + (this.wide ? WIDE_QUEUE : 0);
  }

  /** How many descriptors there have been. */
  get count(): number {
    return this.asked;
  }

  /** All context entries, or those of a function. */
  contexts(domain?: number, requester?: RequesterId): void {
    const granularity = requester === undefined ? Granularity.global : Granularity.selective;
    this.add(
      Type.context + (granularity << GRANULARITY_SHIFT) + (domain ?? 0) * 2 ** DOMAIN_SHIFT,
      requester ?? 0,
    );
  }

  /** All translations. */
  everything(): void {
    this.add(Type.iotlb + (Granularity.global << GRANULARITY_SHIFT) + DRAIN);
  }

  /** All translations of a domain. */
  domain(domain: number): void {
    this.add(Type.iotlb + (Granularity.domain << GRANULARITY_SHIFT) + DRAIN + domain * 2 ** DOMAIN_SHIFT);
  }

  /** Translations of a range: by one descriptor, of the smallest naturally aligned power of two of pages, or of the whole domain. */
  range(domain: number, iova: number, length: number): void {
    let mask = 0;
    const block = (address: number): number => Math.floor(address / 2 ** (PAGE_BITS + mask));
    while (block(iova) !== block(iova + length - 1)) mask += 1;
    if (mask > MOST_MASK) return this.domain(domain);
    const first = block(iova) * 2 ** (PAGE_BITS + mask);
    this.add(
      Type.iotlb + (Granularity.selective << GRANULARITY_SHIFT) + DRAIN + domain * 2 ** DOMAIN_SHIFT,
      0,
      (first % 2 ** 32) + mask,
      Math.floor(first / 2 ** 32),
    );
  }

  /** PASID-table entries of a domain. */
  pasids(domain: number): void {
    this.add(Type.pasid + (PasidGranularity.domain << GRANULARITY_SHIFT) + domain * 2 ** DOMAIN_SHIFT);
  }

  /** All translations of a domain that a first stage takes part in, for requests without PASID. */
  firstStage(domain: number): void {
    this.add(Type.pasidIotlb + (PasidGranularity.pasid << GRANULARITY_SHIFT) + domain * 2 ** DOMAIN_SHIFT);
  }

  /** An entry of the interrupt-remapping table; undefined: all. */
  interruptEntry(index?: number): void {
    this.add(Type.interruptEntries + (index === undefined ? 0 : INTERRUPT_INDEX), index ?? 0);
  }

  /** Has the unit begin, and tell when all is done. */
  submit(): void {
    this.waits += 1;
    this.add(Type.wait + WAIT_STATUS, this.waits, this.status % 2 ** 32, Math.floor(this.status / 2 ** 32));
    this.registers.write(Reg.QueueTail, 4, this.tail, NO_CPU);
  }

  /** Whether everything that was submitted is done. */
  get done(): boolean {
    return this.pages.read(this.status) % 2 ** 32 === this.waits;
  }

  save(): InvalidationRequestsState {
    const { tail, waits, asked } = this;
    return { version: 1, tail, waits, asked };
  }

  load({ version, tail, waits, asked }: InvalidationRequestsState): void {
    requireVersion('invalidation requests', version, 1);
    this.tail = tail;
    this.waits = waits;
    this.asked = asked;
  }

  private add(...words: number[]): void {
    const [first, second = 0, third = 0, fourth = 0] = words;
    const more = this.wide ? new Array<number>(WIDE_WORDS - DESCRIPTOR_WORDS).fill(0) : [];
    const descriptor = [first, second, third, fourth, ...more];
    this.pages.write(this.queue + this.tail, ...descriptor);
    this.tail = (this.tail + 4 * descriptor.length) % QUEUE_BYTES;
    this.asked += 1;
  }
}
