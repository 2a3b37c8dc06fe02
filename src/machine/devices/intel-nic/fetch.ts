/**
 * Fetching descriptors: the chip holds some of a ring. With none left it fetches as soon as there are any; below its prefetch
 * threshold (PTHRESH) it fetches ahead once as many as the host threshold (HTHRESH) are in the host's memory; never beyond the
 * tail. (8254x manual, 3.2.4 and 3.4.1; 82599 data sheet, 7.1.8 and 7.2.3.4.)
 */
import type { DmaResult } from '../../bus';
import { DESCRIPTOR } from './constants';
import { isFault, type Dma } from './dma';
import type { Ring } from './ring';

/** A descriptor on the chip that has not been used. */
export interface Descriptor {
  index: number;
  /** Its 16 bytes; none when they could not be read. Not to be changed. */
  bytes: Uint8Array;
  /** Row of the fetch. */
  cause: number;
}

/** What the hardware has of a `DescriptorFetch`. */
export interface FetchHardware {
  next: number;
  allowance: number;
  fetching: number;
  faulted: boolean;
  indices: number[];
  bytes: Uint8Array[];
}

/** Trace rows of a `DescriptorFetch`: of the tail write, and of each descriptor on the chip. */
export interface FetchRun {
  tail: number;
  causes: number[];
}

/** Whom the descriptors are for. */
export interface FetchOwner {
  /** Whether the queue is on. */
  enabled(): boolean;
  /** Descriptors that the chip has room for. */
  readonly onChip: number;
  /** Descriptors that are used but still on the chip, for their write-back. */
  held(): number;
  /** Row that is current when something arrives. */
  cause(): number;
  /** Descriptors have arrived. */
  fetched(): void;
  /** The fetch of `count` descriptors has met a fault. */
  failed(count: number): void;
}

/** The descriptors of one ring on their way in. */
export class DescriptorFetch {
  /** Index of the descriptor after the last one fetched. */
  private next = 0;
  /**
   * Descriptors that may still be fetched for the last tail write: one round, so that a tail outside the ring, which no head
   * ever meets, is not fetched for endlessly.
   */
  private allowance = 0;
  /** Descriptors of the fetch in flight. */
  private fetching = 0;
  private onChip: Descriptor[] = [];
  private tailCause = 0;
  /** The last fetch met a fault. Nothing is fetched until `retry` or a tail write. */
  faulted = false;

  /** @param channel of the fetches */
  constructor(
    private readonly ring: Ring,
    private readonly dma: Dma,
    private readonly channel: number,
    private readonly owner: FetchOwner,
  ) {
    dma.onEnd(channel, (result) => this.ended(result));
  }

  /** The descriptor that is used next. */
  get first(): Descriptor | undefined {
    return this.onChip[0];
  }

  /** Uses the first one up. */
  shift(): Descriptor | undefined {
    return this.onChip.shift();
  }

  /** Descriptors in the host's memory that may be fetched. */
  get available(): number {
    return Math.min(this.ring.upToTail(this.next), this.allowance);
  }

  /** Descriptors that have not been used, on the chip and in the host's memory. */
  get left(): number {
    return this.onChip.length + this.available;
  }

  /** Whether the chip has no descriptor to use, and no room for more: used ones take it up. */
  get full(): boolean {
    return this.onChip.length === 0 && this.fetching === 0 && this.room === 0;
  }

  /** Whether there is no descriptor to use, on the chip, on its way to it or in the host's memory. */
  get exhausted(): boolean {
    return this.onChip.length === 0 && this.fetching === 0 && this.available === 0;
  }

  /** The tail was written, or the ring was enabled: row `cause`. */
  granted(cause: number): void {
    this.allowance = this.ring.size;
    this.tailCause = cause;
    this.faulted = false;
  }

  /** Forgets a fault: the next `fetch` tries again. */
  retry(): void {
    this.faulted = false;
  }

  /** Begins a fetch if the rule above says so and none is in flight. */
  fetch(): void {
    if (this.fetching > 0 || this.faulted || !this.owner.enabled() || !this.dma.allowed(this.channel)) return;
    const count = this.wanted();
    if (count === 0) return;
    this.fetching = count;
    this.dma.read(this.channel, this.ring.address(this.next), count * DESCRIPTOR, this.tailCause);
  }

  /** The ring is another: begins at its head. */
  reset(): void {
    this.dma.forget(this.channel);
    this.next = this.ring.head;
    this.allowance = 0;
    this.fetching = 0;
    this.onChip = [];
    this.faulted = false;
  }

  /** After a fault: goes on as if each of the descriptors had come without contents. */
  skip(count: number): void {
    const cause = this.owner.cause();
    for (let i = 0; i < count; i++)
      this.onChip.push({ index: this.ring.after(this.next, i), bytes: new Uint8Array(0), cause });
    this.pass(count);
    this.faulted = false;
  }

  saveHardware(): FetchHardware {
    const { next, allowance, fetching, faulted, onChip } = this;
    const indices = onChip.map(({ index }) => index);
    return { next, allowance, fetching, faulted, indices, bytes: onChip.map(({ bytes }) => bytes) };
  }

  saveRun(): FetchRun {
    return { tail: this.tailCause, causes: this.onChip.map(({ cause }) => cause) };
  }

  load(hardware: FetchHardware, run: FetchRun | undefined): void {
    this.next = hardware.next;
    this.allowance = hardware.allowance;
    this.fetching = hardware.fetching;
    this.faulted = hardware.faulted;
    this.onChip = hardware.indices.map((index, i) => ({
      index,
      bytes: hardware.bytes[i],
      cause: run?.causes[i] ?? 0,
    }));
    this.tailCause = run?.tail ?? 0;
  }

  private get room(): number {
    return Math.max(0, this.owner.onChip - this.onChip.length - this.owner.held());
  }

  /** How many to fetch: one burst does not go round the end of the ring. */
  private wanted(): number {
    const { ring, available, onChip } = this;
    const count = Math.min(available, ring.size - this.next, this.room);
    if (onChip.length === 0) return count;
    const ahead = onChip.length < ring.threshold('prefetch') && available >= ring.threshold('host');
    return ahead ? count : 0;
  }

  private ended(result: DmaResult): void {
    const count = this.fetching;
    this.fetching = 0;
    if (isFault(result)) {
      // A function that was taken off the bus meanwhile has not fetched: it does when it is a master again.
      if (!this.dma.allowed(this.channel)) return;
      this.faulted = true;
      this.owner.failed(count);
      return;
    }
    const cause = this.owner.cause();
    for (let i = 0; i < count; i++) {
      const bytes = result.slice(i * DESCRIPTOR, (i + 1) * DESCRIPTOR);
      this.onChip.push({ index: this.next + i, bytes, cause });
    }
    this.pass(count);
    this.owner.fetched();
  }

  private pass(count: number): void {
    this.next = this.ring.after(this.next, count);
    this.allowance -= count;
  }
}
