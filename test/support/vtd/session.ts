/**
 * A hostile owner of a remapping unit, and hostile bus masters: tables by chance, changed while they are in use, invalidations of all
 * kinds by registers and queue, accesses of several functions. Whatever comes out has to be among what the independent walker says.
 */
import { Dice } from '../../conformance/device-fuzz/dice';
import { outcomes, type CheckedOutcome, type CheckedRequest, type CheckedUnit } from './checker';
import { Disagreement } from './disagreement';
import {
  HostileTables,
  PASIDS,
  REQUESTERS,
  tablePages,
  type TablePages,
  type WrittenEntry,
} from './hostile-tables';
import { HostileInterrupts, noInterruptCounts, type InterruptCounts } from './hostile-interrupts';
import { HostileInvalidations } from './invalidations';
import { LoggedMemory, plainEntries } from './logged-memory';
import { Watermarks } from './watermarks';
import { G, MEMORY, R, UnitWorld } from './world';
import type { RemappingOptions } from '../../../src/machine/iommu/options';

/** What a session has come across, to show that it was no session in which nothing happened. */
export interface SessionCounts extends InterruptCounts {
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
    ...noInterruptCounts(),
    reasons: new Set(),
  };
}

/** Behind the invalidation queue and where it writes status to. */
const FIRST_TABLE = MEMORY.base + 0x2000;
const NOWHERE = 0x10000000;
/** More than the smallest PASID directory has: 128 tables of 64. */
const LARGE_PASID = 8192n;
const NONE = { sets: 1, ways: 0 };
const COMPARED_PEEKS = 8;
const INTERRUPTS = 0x1e57a11;

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
  private readonly invalidations: HostileInvalidations;
  /** Undefined: the unit remaps no interrupts. */
  private readonly interrupts: HostileInterrupts | undefined;
  private root = 0;
  private mode = 0;
  private peeks = 0;
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
    // Chance of its own: what becomes of DMA does not depend on interrupts.
    const others = new Dice(seed ^ INTERRUPTS);
    if (!others.oneIn(4)) this.interrupts = this.makeInterrupts(others.word(), options.hostAddressWidth);
    this.host = new UnitWorld(
      options,
      this.interrupts?.part,
      (memory) => (logged = new LoggedMemory(memory)),
    );
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
    this.invalidations = new HostileInvalidations({
      dice: this.dice,
      host: this.host,
      marks: this.marks,
      kept: () => this.interrupts?.kept() ?? 0,
      now: () => this.memory.moment,
      address: () => (this.dice.oneIn(3) ? this.tables.address() : this.last),
    });
    this.change();
  }

  /** One thing that somebody does, with DMA and with interrupts. */
  step(): void {
    this.interrupts?.step();
    const what = this.dice.below(100);
    if (what < 60) this.access();
    else if (what < 80) this.write(this.tables.any());
    else if (what < 90) this.invalidate();
    else if (what < 94) this.garbage();
    else if (what < 98) this.peek();
    else if (what < 99) this.change();
    else this.restore();
  }

  /** The unit is put back from a checkpoint of itself. */
  private restore(): void {
    const { unit } = this.host;
    const state = structuredClone(unit.save());
    const interrupts = this.interrupts?.save();
    // Interrupts are reset with the unit that has their registers.
    unit.reset();
    unit.load(state);
    if (interrupts) this.interrupts?.load(interrupts);
  }

  private makeInterrupts(seed: number, hostAddressWidth: number): HostileInterrupts {
    const write = (entry: WrittenEntry): void => this.write(entry);
    return new HostileInterrupts(
      seed,
      hostAddressWidth,
      () => ({
        host: this.host,
        memory: this.memory,
        marks: this.marks,
        invalidations: this.invalidations,
        write,
      }),
      this.counts,
    );
  }

  private invalidate(): void {
    this.counts.invalidations += 1;
    this.invalidations.any();
  }

  private garbage(): void {
    if (this.invalidations.garbage()) this.counts.queueErrors += 1;
  }

  private chooseOptions(): Partial<RemappingOptions> & Pick<RemappingOptions, 'hostAddressWidth'> {
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
      deviceTlbs: one(),
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
    // What was there before is forgotten, so nobody has to put it down.
    for (const { address, words } of tables.everything()) host.poke(address, ...words);
    this.root = dice.oneIn(20) ? NOWHERE : this.pages.root;
    host.write64(R.RTADDR, BigInt(this.root + mode * 0x400));
    host.write32(R.GCMD, G.SRTP);
    host.write32(R.GCMD, G.TE);
    this.mode = mode;
    this.invalidations.everything(scalableMode);
    this.interrupts?.change();
    this.memory.forget();
  }

  private write({ address, words }: WrittenEntry): void {
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
    // The whole state is much to compare: that is done of one look in so many.
    const compared = this.peeks++ % COMPARED_PEEKS === 0;
    const state = (): string => (compared ? JSON.stringify(this.host.unit.save()) : '');
    const before = state();
    const { moment } = this.memory;
    const number = pasid === undefined ? undefined : Number(pasid);
    const { result } = this.host.unit.peek(requester, Number(address), write, number);
    const [now] = outcomes(this.checked, plainEntries(this.memory), request);
    const same = 'fault' in result ? result.fault === now.fault : BigInt(result.address) === now.address;
    if (!same)
      throw new Disagreement(
        `peek at ${address.toString(16)}: ${JSON.stringify(result)}, fault ${now.fault}`,
      );
    if (this.memory.moment !== moment || state() !== before)
      throw new Disagreement('peek has changed something');
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
