/** How a hostile owner invalidates: by registers or the queue, everything or a part; and descriptors that make no sense. */
import type { Dice } from '../../conformance/device-fuzz/dice';
import { Disagreement } from './disagreement';
import { DOMAINS, PASIDS, REQUESTERS } from './hostile-tables';
import type { Watermarks } from './watermarks';
import { G, MEMORY, R, type UnitWorld } from './world';

const QUEUE = { page: MEMORY.base, bytes: 0x1000 };
const STATUS = MEMORY.base + 0x1000;
/** Status bits of faults and of the queue's errors. */
const QUEUE_ERRORS = 0x70;
const FAULTS = QUEUE_ERRORS + 1;
const PASID_CACHE = 7n;
const PASID_GLOBAL = 3n << 4n;
/** IEC: descriptors of the interrupt entry cache (6.5.2.7), and G of those that have an index. */
const INTERRUPT_ENTRIES = 4n;
const BY_INDEX = 1n << 4n;
/** IH: entries that lead to tables have not changed. */
const LEAVES_ONLY = 1n << 6n;

/** What an invalidation is chosen from. */
export interface InvalidationHost {
  readonly dice: Dice;
  readonly host: UnitWorld;
  readonly marks: Watermarks;
  /** Bits of the global command register that stay on beside translation and queue. */
  kept(): number;
  /** The present moment of memory. */
  now(): number;
  /** An address that something may be known of. */
  address(): bigint;
}

/** Invalidations, each of them until it is done. */
export class HostileInvalidations {
  private tail = 0;
  private wide = false;
  private queued = false;

  constructor(private readonly owner: InvalidationHost) {}

  /** Nothing is left in any cache. @param scalable whether the unit has PASIDs, which the queue alone invalidates */
  everything(scalable: boolean): void {
    const { dice, host, marks, now } = this.owner;
    this.turn(false);
    host.invalidateAll();
    this.turn(true, scalable);
    if (scalable) this.submit(PASID_CACHE | PASID_GLOBAL, 0n);
    marks.all(now());
    if (dice.oneIn(2)) this.turn(false);
  }

  /** Nothing is left in the interrupt entry cache, which the queue alone invalidates. @param dice that interrupts are chosen by */
  interruptEntries(dice: Dice): void {
    this.byQueue(() => this.submit(INTERRUPT_ENTRIES, 0n, dice));
    this.owner.marks.interruptEntriesDropped(this.owner.now());
  }

  /** Entries of interrupts by their index but for so many of its lowest bits. */
  interruptRange(dice: Dice, index: number, mask: number): void {
    const low = INTERRUPT_ENTRIES | BY_INDEX | (BigInt(mask) << 27n);
    this.byQueue(() => this.submit(low | (BigInt(index) << 32n), 0n, dice));
    this.owner.marks.interruptRangeDropped(index, mask, this.owner.now());
  }

  /** A command of the global command register: what is on stays on. */
  command(bits: number): void {
    const { host, kept } = this.owner;
    host.write32(R.GCMD, G.TE + (this.queued ? G.QIE : 0) + kept() + bits);
  }

  /** One by chance. */
  any(): void {
    const { dice, marks, now } = this.owner;
    const domain = BigInt(1 + dice.below(DOMAINS));
    const address = this.owner.address() & ~0xfffn;
    const mask = BigInt(dice.pick([0, 0, 1, 9, 18]));
    const leaves = dice.oneIn(3) ? LEAVES_ONLY : 0n;
    const pasid = BigInt(dice.pick(PASIDS));
    const requester = dice.pick(REQUESTERS);
    const byPasid = (granularity: bigint): bigint =>
      6n | (granularity << 4n) | (domain << 16n) | (pasid << 32n);
    switch (dice.below(this.queued && this.wide ? 9 : 6)) {
      case 0:
        this.context(1n, 0n, 0);
        return marks.contextsDropped(now());
      case 1:
        // Which contexts are a domain's, the cached entries tell: nothing is taken from that.
        return this.context(2n, domain, 0);
      case 2:
        this.context(3n, domain, requester);
        return marks.contextDropped(requester, now());
      case 3:
        this.iotlb(1n, 0n, 0n);
        return marks.pagesDropped(now());
      case 4:
        this.iotlb(2n, domain, 0n);
        return marks.domainDropped(domain, now());
      case 5:
        this.iotlb(3n, domain, address | leaves | mask);
        if (leaves === 0n) marks.rangeDropped(domain, address, mask, now());
        return;
      case 6:
        this.submit(byPasid(2n), 0n);
        return marks.pasidDropped(domain, pasid, now());
      case 7:
        return this.submit(byPasid(3n), address | leaves | mask);
      default:
        this.submit(PASID_CACHE | PASID_GLOBAL, 0n);
        return marks.pasidsDropped(now());
    }
  }

  /** Descriptors and registers that make no sense, and what software does after that. @returns whether the queue has stopped */
  garbage(): boolean {
    const { dice, host } = this.owner;
    if (this.queued) {
      const word = (): bigint => (BigInt(dice.word()) << 32n) | BigInt(dice.word());
      this.put(dice.oneIn(2) ? word() : (word() & ~0xfffn) | BigInt(dice.below(0x1000)), word());
      host.write32(R.IQT, dice.oneIn(10) ? dice.word() : this.tail);
      host.world.drain();
    }
    if (dice.oneIn(2))
      host.unit.write(dice.pick([R.FSTS, R.FECTL, R.ICS, R.IECTL, host.records + 12]), 4, dice.word());
    const stopped = (host.read32(R.FSTS) & QUEUE_ERRORS) !== 0;
    // What a descriptor by chance has dropped is not known; that it was dropped does no harm. The queue begins anew, since it
    // would go on with what made no sense as soon as the error is cleared.
    const { queued, wide } = this;
    this.turn(false);
    host.write32(R.FSTS, FAULTS);
    for (let at = 0; at < host.options.faultRecords; at++) host.write32(host.records + 16 * at + 12, 2 ** 31);
    this.turn(queued, wide);
    return stopped;
  }

  private context(granularity: bigint, domain: bigint, requester: number): void {
    const { host } = this.owner;
    if (this.queued) this.submit(1n | (granularity << 4n) | (domain << 16n) | (BigInt(requester) << 32n), 0n);
    else host.command(R.CCMD, (1n << 63n) | (granularity << 61n) | (BigInt(requester) << 16n) | domain);
  }

  private iotlb(granularity: bigint, domain: bigint, range: bigint): void {
    const { host } = this.owner;
    if (this.queued) return this.submit(2n | (granularity << 4n) | (domain << 16n), range);
    host.write64(host.iotlb - 8, range);
    host.command(host.iotlb, (1n << 63n) | (granularity << 60n) | (domain << 32n));
  }

  /** Turns the queue off, or on with its first descriptor. Translation stays on. */
  private turn(on: boolean, wide = false): void {
    const { host } = this.owner;
    this.queued = false;
    this.command(0);
    if (!on) return;
    this.wide = wide;
    this.tail = 0;
    host.write32(R.IQT, 0);
    host.write64(R.IQA, BigInt(QUEUE.page) | (wide ? 1n << 11n : 0n));
    this.queued = true;
    this.command(0);
  }

  /** With the queue on, which is left as it was. */
  private byQueue(work: () => void): void {
    const { queued } = this;
    if (!queued) this.turn(true, this.owner.host.options.scalableMode);
    work();
    if (!queued) this.turn(false);
  }

  /** One descriptor and a wait descriptor, until its sign is there. */
  private submit(low: bigint, high: bigint, dice = this.owner.dice): void {
    const { host } = this.owner;
    const sign = BigInt(dice.word());
    this.put(low, high);
    this.put(5n | (1n << 5n) | (sign << 32n), BigInt(STATUS));
    host.write32(R.IQT, this.tail);
    host.world.drain();
    if (host.peek64(STATUS) % 2n ** 32n !== sign)
      throw new Disagreement('a wait descriptor was not carried out');
  }

  private put(low: bigint, high: bigint): void {
    const bytes = this.wide ? 32 : 16;
    this.owner.host.poke(QUEUE.page + this.tail, low, high, ...(this.wide ? [0n, 0n] : []));
    this.tail = (this.tail + bytes) % QUEUE.bytes;
  }
}
