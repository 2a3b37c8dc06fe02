/**
 * A hostile owner of a remapping unit, and hostile bus masters: tables by chance, changed while they are in use, invalidations of all
 * kinds by registers and queue, accesses of several functions. Whatever comes out has to be among what the independent walker says.
 */
import { Dice } from '../../conformance/device-fuzz/dice';
import {
  outcomes,
  plainEntries,
  type CheckedOutcome,
  type CheckedRequest,
  type CheckedUnit,
} from './checker';
import { DOMAINS, HostileTables, PASIDS, REQUESTERS, tablePages, type TablePages } from './hostile-tables';
import { LoggedMemory } from './logged-memory';
import { Watermarks } from './watermarks';
import { MEMORY, R, UnitWorld } from './world';
import type { RemappingOptions } from '../../../src/machine/iommu/options';

/** The unit and the walker differ. */
export class Disagreement extends Error {}

/** What a session has come across, to show that it was no session in which nothing happened. */
export interface SessionCounts {
  allowed: number;
  refused: number;
  /** Accesses that were allowed by what only caches still knew, or refused by it. */
  stale: number;
  hits: number;
  walks: number;
  nested: number;
  invalidations: number;
  queueErrors: number;
  /** Fault reasons that have been told. */
  reasons: Set<number>;
}

export function noCounts(): SessionCounts {
  return {
    allowed: 0,
    refused: 0,
    stale: 0,
    hits: 0,
    walks: 0,
    nested: 0,
    invalidations: 0,
    queueErrors: 0,
    reasons: new Set(),
  };
}

const QUEUE = { page: MEMORY.base, bytes: 0x1000 };
const STATUS = MEMORY.base + 0x1000;
const FIRST_TABLE = MEMORY.base + 0x2000;
const NOWHERE = 0x10000000;
/** More than the smallest PASID directory has: 128 tables of 64. */
const LARGE_PASID = 8192n;
const NONE = { sets: 1, ways: 0 };
const FAULT_CLEAR = 0x71;

/** One session, all from one seed. */
export class HostileSession {
  private readonly dice: Dice;
  private readonly host: UnitWorld;
  private readonly memory: LoggedMemory;
  private readonly pages: TablePages;
  private readonly tables: HostileTables;
  private readonly marks = new Watermarks();
  private readonly checked: CheckedUnit;
  private readonly cached: boolean;
  private tail = 0;
  private wide = false;
  private queued = false;
  private root = 0;
  private mode = 0;
  /** Address of the last access. */
  private last = 0n;

  constructor(
    seed: number,
    private readonly counts: SessionCounts,
  ) {
    this.dice = new Dice(seed);
    const options = this.chooseOptions();
    this.cached = options.iotlb?.ways !== 0;
    let logged: LoggedMemory | undefined;
    this.host = new UnitWorld(options, undefined, (memory) => (logged = new LoggedMemory(memory)));
    if (!logged) throw new Error('the unit was made without its memory');
    this.memory = logged;
    this.pages = tablePages(FIRST_TABLE);
    this.tables = new HostileTables(this.pages, this.dice);
    const { options: chosen } = this.host;
    this.checked = {
      scalable: chosen.scalableMode,
      hostWidth: BigInt(chosen.hostAddressWidth),
      guestWidth: BigInt(chosen.addressWidth),
      pages2m: chosen.largePages.twoMegabytes,
      pages1g: chosen.largePages.oneGigabyte,
      passThrough: chosen.passThrough,
      snoop: chosen.snoopControl,
      deviceTlbs: chosen.deviceTlbs,
      fiveLevels: chosen.firstStageFiveLevels,
      secondAccessedDirty: chosen.secondStageAccessedDirty,
    };
    this.change();
  }

  /** One thing that somebody does. */
  step(): void {
    const what = this.dice.below(100);
    if (what < 60) this.access();
    else if (what < 80) this.write(this.tables.any());
    else if (what < 90) this.invalidate();
    else if (what < 95) this.garbage();
    else if (what < 99) this.peek();
    else this.change();
  }

  private chooseOptions(): Partial<RemappingOptions> {
    const { dice } = this;
    const one = (): boolean => !dice.oneIn(3);
    const caches = dice.oneIn(4)
      ? { iotlb: NONE, contextCache: NONE, pasidCache: NONE, pagingStructures: NONE }
      : {
          iotlb: { sets: dice.pick([1, 4, 16]), ways: dice.pick([1, 2, 8]) },
          contextCache: { sets: dice.pick([1, 4]), ways: dice.pick([1, 2]) },
          pasidCache: { sets: dice.pick([1, 4]), ways: dice.pick([1, 2]) },
          pagingStructures: { sets: dice.pick([1, 4]), ways: dice.pick([0, 1, 8]) },
        };
    return {
      addressWidth: dice.pick([39, 48, 50, 52]),
      hostAddressWidth: dice.pick([39, 42, 46]),
      largePages: { twoMegabytes: one(), oneGigabyte: one() },
      scalableMode: one(),
      firstStageFiveLevels: one(),
      secondStageAccessedDirty: one(),
      snoopControl: one(),
      passThrough: one(),
      faultRecords: 2,
      ...caches,
    };
  }

  /** New tables of either mode, and nothing of the old ones in any cache. */
  private change(): void {
    const { dice, host, tables } = this;
    const { scalableMode } = host.options;
    const mode = dice.oneIn(20) ? dice.below(4) : scalableMode ? dice.pick([0, 1, 1]) : 0;
    tables.scalable = mode === 1;
    for (const entry of tables.everything()) this.write(entry);
    this.enableQueue(false);
    this.root = dice.oneIn(20) ? NOWHERE : this.pages.root;
    host.write64(R.RTADDR, BigInt(this.root + mode * 0x400));
    host.write32(R.GCMD, 2 ** 30);
    host.write32(R.GCMD, 2 ** 31);
    this.mode = mode;
    host.invalidateAll();
    // PASIDs are invalidated by the queue alone.
    this.enableQueue(true, scalableMode);
    if (scalableMode) this.submit(7n | (3n << 4n), 0n);
    this.marks.all(this.memory.moment);
    if (dice.oneIn(2)) this.enableQueue(false);
  }

  private write({ address, words }: { address: number; words: bigint[] }): void {
    const bytes = new Uint8Array(words.length * 8);
    words.forEach((word, at) => new DataView(bytes.buffer).setBigUint64(at * 8, word, true));
    if (!this.memory.write(address, bytes)) throw new Error(`no memory at ${address.toString(16)}`);
  }

  private request(): CheckedRequest & { length: number } {
    const { dice } = this;
    const address = this.tables.address();
    const across = dice.oneIn(6);
    return {
      root: BigInt(this.root),
      mode: this.mode,
      requester: dice.pick(REQUESTERS),
      pasid: dice.oneIn(3) && (this.mode === 1 || dice.oneIn(10)) ? this.pasid() : undefined,
      address: across ? address | 0xff8n : address & ~0x3fn,
      write: dice.oneIn(2),
      length: across ? dice.pick([0x10, 0x1010, 0x3010]) : 1 + dice.below(64),
    };
  }

  private pasid(): bigint {
    return this.dice.oneIn(20) ? LARGE_PASID : BigInt(this.dice.pick(PASIDS));
  }

  private access(): void {
    const { host, counts } = this;
    const request = this.request();
    const { requester, address, length, write, pasid } = request;
    this.last = address;
    // The walker looks before the unit does, which sets accessed and dirty bits.
    const first = this.expected(request);
    const before = { faults: host.faults.length, walks: host.walks.length };
    const result = host.unit.translate(
      requester,
      Number(address),
      length,
      write,
      pasid === undefined ? undefined : Number(pasid),
    );
    const fault = host.faults[before.faults] as { reason: number; request: { iova: number } } | undefined;
    const describe = (what: string): string =>
      `${what}: ${write ? 'write' : 'read'} of ${length} bytes at ${address.toString(16)} by ${requester.toString(16)}, PASID ${pasid}, mode ${this.mode}: ${JSON.stringify(result)}, fault ${fault?.reason.toString(16)}; walker: ${JSON.stringify(first, (_, value: unknown) => (typeof value === 'bigint' ? value.toString(16) : value))}`;
    if (pasid === undefined && address < 0xfef00000n && address + BigInt(length) > 0xfee00000n) {
      if (!('fault' in result) || result.fault !== 'master-abort')
        throw new Disagreement(describe('interrupt range'));
      return;
    }
    if ('fault' in result) {
      if (!fault || result.fault !== 'blocked') throw new Disagreement(describe('refused without a fault'));
      counts.refused += 1;
      counts.reasons.add(fault.reason);
    } else counts.allowed += 1;
    if (first.length > 1) counts.stale += 1;
    const end = fault ? BigInt(fault.request.iova) : address + BigInt(length);
    const pieces = 'pieces' in result ? [...result.pieces] : undefined;
    this.compare(request, first, end, fault?.reason, pieces, describe);
    this.countReferences(before.walks, request, first, describe);
  }

  /** Page by page: allowed up to `end`, with the addresses of the pieces; then refused for the reason. */
  private compare(
    request: CheckedRequest,
    first: CheckedOutcome[],
    end: bigint,
    reason: number | undefined,
    pieces: { address: number; length: number }[] | undefined,
    describe: (what: string) => string,
  ): void {
    let offset = 0;
    for (
      let at = request.address;
      at < end || (at === end && reason !== undefined);
      at = (at | 0xfffn) + 1n
    ) {
      const allowed = at === request.address ? first : this.expected({ ...request, address: at });
      if (at === end) {
        if (!allowed.some(({ fault }) => fault === reason)) throw new Disagreement(describe('refused'));
        return;
      }
      const to = pieces && BigInt(place(pieces, offset));
      if (!allowed.some(({ address }) => address !== undefined && (to === undefined || address === to)))
        throw new Disagreement(describe(`allowed at ${at.toString(16)}`));
      offset += Number((at | 0xfffn) + 1n - at);
    }
  }

  /** Without caches the references are those that the walker counts. */
  private countReferences(
    from: number,
    request: CheckedRequest,
    [only, ...others]: CheckedOutcome[],
    describe: (what: string) => string,
  ): void {
    const { host, counts } = this;
    const walks = host.walks.slice(from);
    counts.walks += walks.length;
    counts.nested += walks.filter(({ levels }) => levels.first > 0 && levels.second > 0).length;
    counts.hits += host.hits.splice(0).length;
    const walk = walks.find(({ request: { iova } }) => iova === Number(request.address));
    if (this.cached || others.length > 0 || !walk) return;
    if (walk.tableReferences !== only.tables || walk.pageReferences !== only.pages)
      throw new Disagreement(describe(`${walk.tableReferences} and ${walk.pageReferences} references`));
  }

  /** All that may come out now. */
  private expected(request: CheckedRequest): CheckedOutcome[] {
    const found = outcomes(
      this.checked,
      (address, words, scope) =>
        this.memory.versions(
          Number(address),
          words,
          this.cached ? this.marks.since(scope, request.requester, request.address) : this.memory.moment,
        ),
      request,
    );
    const distinct = new Map(found.map((each) => [`${each.fault} ${each.address}`, each]));
    return [...distinct.values()];
  }

  private peek(): void {
    const request = this.request();
    const { requester, address, write, pasid } = request;
    const before = JSON.stringify(this.host.unit.save());
    const { moment } = this.memory;
    const number = pasid === undefined ? undefined : Number(pasid);
    const { result } = this.host.unit.peek(requester, Number(address), write, number);
    const [now] = outcomes(
      this.checked,
      plainEntries((at, length) => this.memory.read(at, length)),
      request,
    );
    const same = 'fault' in result ? result.fault === now.fault : BigInt(result.address) === now.address;
    if (!same)
      throw new Disagreement(
        `peek at ${address.toString(16)}: ${JSON.stringify(result)}, fault ${now.fault}`,
      );
    if (this.memory.moment !== moment || JSON.stringify(this.host.unit.save()) !== before)
      throw new Disagreement('peek has changed something');
  }

  private invalidate(): void {
    this.counts.invalidations += 1;
    const domain = BigInt(1 + this.dice.below(DOMAINS));
    const { dice, marks } = this;
    const scalable = this.queued && this.wide;
    const now = (): number => this.memory.moment;
    const address = (dice.oneIn(3) ? this.tables.address() : this.last) & ~0xfffn;
    const mask = BigInt(dice.pick([0, 0, 1, 9, 18]));
    const leaves = dice.oneIn(3) ? 1n << 6n : 0n;
    const pasid = BigInt(dice.pick(PASIDS));
    const requester = dice.pick(REQUESTERS);
    switch (dice.below(scalable ? 9 : 6)) {
      case 0:
        this.context(1n, 0n, 0);
        return marks.contextsDropped(now());
      case 1:
        // Which contexts are of a domain, their cached entries tell: nothing is taken from that.
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
        this.submit(6n | (2n << 4n) | (domain << 16n) | (pasid << 32n), 0n);
        return marks.pasidDropped(domain, pasid, now());
      case 7:
        this.submit(6n | (3n << 4n) | (domain << 16n) | (pasid << 32n), address | leaves | mask);
        return;
      default:
        this.submit(7n | (3n << 4n), 0n);
        return marks.pasidsDropped(now());
    }
  }

  private context(granularity: bigint, domain: bigint, requester: number): void {
    if (this.queued) this.submit(1n | (granularity << 4n) | (domain << 16n) | (BigInt(requester) << 32n), 0n);
    else this.host.command(R.CCMD, (1n << 63n) | (granularity << 61n) | (BigInt(requester) << 16n) | domain);
  }

  private iotlb(granularity: bigint, domain: bigint, range: bigint): void {
    if (this.queued) return this.submit(2n | (granularity << 4n) | (domain << 16n), range);
    this.host.write64(this.host.iotlb - 8, range);
    this.host.command(this.host.iotlb, (1n << 63n) | (granularity << 60n) | (domain << 32n));
  }

  private enableQueue(on: boolean, wide = false): void {
    const { host } = this;
    this.queued = on;
    host.write32(R.GCMD, 2 ** 31);
    if (!on) return;
    this.wide = wide;
    this.tail = 0;
    host.write32(R.IQT, 0);
    host.write64(R.IQA, BigInt(QUEUE.page) | (wide ? 1n << 11n : 0n));
    host.write32(R.GCMD, 2 ** 31 + 2 ** 26);
  }

  /** One descriptor and a wait descriptor, until its sign is there. */
  private submit(low: bigint, high: bigint): void {
    const { host } = this;
    const sign = BigInt(this.dice.word());
    this.put(low, high);
    this.put(5n | (1n << 5n) | (sign << 32n), BigInt(STATUS));
    host.write32(R.IQT, this.tail);
    host.world.drain();
    if (host.peek64(STATUS) % 2n ** 32n !== sign)
      throw new Disagreement('a wait descriptor was not carried out');
  }

  private put(low: bigint, high: bigint): void {
    const bytes = this.wide ? 32 : 16;
    this.host.poke(QUEUE.page + this.tail, low, high, ...(this.wide ? [0n, 0n] : []));
    this.tail = (this.tail + bytes) % QUEUE.bytes;
  }

  /** Descriptors and registers that make no sense, and what software does after that. */
  private garbage(): void {
    const { dice, host, counts } = this;
    if (this.queued) {
      const word = (): bigint => (BigInt(dice.word()) << 32n) | BigInt(dice.word());
      this.put(dice.oneIn(2) ? word() : (word() & ~0xfffn) | BigInt(dice.below(0x1000)), word());
      host.write32(R.IQT, dice.oneIn(10) ? dice.word() : this.tail);
      host.world.drain();
    }
    if (dice.oneIn(2))
      host.unit.write(dice.pick([R.FSTS, R.FECTL, R.ICS, R.IECTL, host.records + 12]), 4, dice.word());
    if ((host.read32(R.FSTS) & 0x70) !== 0) counts.queueErrors += 1;
    // What a descriptor by chance has dropped is not known; that it was dropped does no harm. The queue begins anew, since it would
    // go on with what made no sense as soon as the error is cleared.
    const { queued, wide } = this;
    this.enableQueue(false);
    host.write32(R.FSTS, FAULT_CLEAR);
    for (let at = 0; at < host.options.faultRecords; at++) host.write32(host.records + 16 * at + 12, 2 ** 31);
    this.enableQueue(queued, wide);
  }
}

/** Host-physical address of a byte of an access. */
function place(pieces: { address: number; length: number }[], offset: number): number {
  let rest = offset;
  for (const { address, length } of pieces) {
    if (rest < length) return address + rest;
    rest -= length;
  }
  return -1;
}
