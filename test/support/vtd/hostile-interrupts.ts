/**
 * The interrupts of a hostile session: tables and descriptors by chance, changed while they are in use, requests of several senders.
 * The oracle decides about every request by each value that its entry may have in the interrupt entry cache.
 */
import { Dice } from '../../conformance/device-fuzz/dice';
import { Disagreement } from './disagreement';
import { HostileInterruptTables, IOAPIC, type InterruptRequest } from './hostile-interrupt-tables';
import type { WrittenEntry } from './hostile-tables';
import { decide, field, type OracleMessage, type OracleOutcome, type OracleUnit } from './interrupt-oracle';
import type { HostileInvalidations } from './invalidations';
import type { LoggedMemory } from './logged-memory';
import type { Watermarks } from './watermarks';
import { G, R, type UnitWorld } from './world';
import type { InterruptMessage } from '../../../src/machine/interrupts/message';
import type { RemappedMessage } from '../../../src/machine/interrupts/message-remapping';
import type { InterruptPart } from '../../../src/machine/iommu/interrupt-remapper';
import type { InterruptFault } from '../../../src/machine/iommu/interrupts/interrupt-faults';
import {
  InterruptRemapping,
  type InterruptRemappingHardware,
} from '../../../src/machine/iommu/interrupts/interrupt-remapping';
import type { Checkpoint, RunState } from '../../../src/machine/snapshot';

/** What became of requests. */
export interface InterruptCounts {
  messages: number;
  posts: number;
  notifications: number;
  blocked: number;
  /** Decided by what only the cache still knew. */
  staleInterrupts: number;
  faultRecords: number;
}

export function noInterruptCounts(): InterruptCounts {
  return { messages: 0, posts: 0, notifications: 0, blocked: 0, staleInterrupts: 0, faultRecords: 0 };
}

/** What they need of the session once it has a unit. */
export interface InterruptSession {
  host: UnitWorld;
  memory: LoggedMemory;
  marks: Watermarks;
  invalidations: HostileInvalidations;
  write(entry: WrittenEntry): void;
}

const MASK64 = (1n << 64n) - 1n;
const IRTE_BYTES = 16;
const DESCRIPTOR_BYTES = 64;
/** Masks of an invalidation: up to the largest that ECAP.MHMV tells of, whose effect is then known. */
const INDEX_MASKS = [0, 0, 1, 2, 4, 8, 15];
const EIME = 1n << 11n;
const COSTS = { cacheHit: 3, tableRead: 100, descriptorUpdate: 40 };
/** Of the fault status register: overflow, and a record is pending. */
const ANY_FAULT = 3;

/** A table pointer as it was taken. */
interface TakenTable {
  irta: bigint;
  /** When another one was taken; undefined: it is the present one. */
  until: number | undefined;
}

/** The interrupts of one session. */
export class HostileInterrupts {
  readonly part: InterruptPart;
  private readonly dice: Dice;
  private readonly made: HostileInterruptTables;
  private readonly remapping: InterruptRemapping;
  private readonly cached: boolean;
  private readonly unverified: number | undefined;
  private taken: TakenTable[] = [{ irta: 0n, until: undefined }];
  private enabled = false;
  private compatibility = false;

  /** @param session is asked for only once the unit is there */
  constructor(
    seed: number,
    private readonly hostAddressWidth: number,
    private readonly session: () => InterruptSession,
    private readonly counts: InterruptCounts,
  ) {
    const dice = new Dice(seed);
    this.dice = dice;
    this.made = new HostileInterruptTables(dice);
    const cacheEntries = dice.pick([0, 1, 4, 16]);
    this.cached = cacheEntries > 0;
    this.unverified = dice.oneIn(3) ? IOAPIC : undefined;
    const capabilities = { extendedMode: !dice.oneIn(3), posting: !dice.oneIn(4) };
    this.remapping = new InterruptRemapping({
      memory: {
        read: (address, length) => session().memory.read(address, length),
        write: (address, bytes) => session().memory.write(address, bytes),
      },
      posting: capabilities.posting,
      x2apic: capabilities.extendedMode,
      hostAddressWidth,
      cacheEntries,
      costs: COSTS,
      ...(this.unverified !== undefined && { unverified: this.unverified }),
      fault: (fault: InterruptFault) => session().host.unit.interruptFault(fault),
    });
    this.part = { remapper: this.remapping, ...capabilities };
  }

  /** Bits of the global command register that stay on. */
  kept(): number {
    return (this.enabled ? G.IRE : 0) + (this.compatibility ? G.CFI : 0);
  }

  /** New tables, and nothing of the old ones in the cache. */
  change(): void {
    for (const { address, words } of this.made.everything()) this.session().host.poke(address, ...words);
    this.enabled = !this.dice.oneIn(12);
    this.take();
    this.session().invalidations.interruptEntries(this.dice);
  }

  /** One thing that somebody does. */
  step(): void {
    const what = this.dice.below(100);
    const { invalidations, write } = this.session();
    if (what < 60) this.send(this.made.request());
    else if (what < 76) write(this.made.entry());
    else if (what < 86) write(this.made.descriptor());
    else if (what < 93) this.invalidate();
    else if (what < 96) this.take();
    else if (what < 98) this.restore();
    else {
      this.enabled = !this.dice.oneIn(6);
      this.compatibility = this.dice.oneIn(2);
      invalidations.command(0);
    }
  }

  save(): Checkpoint<InterruptRemappingHardware, RunState> {
    return structuredClone(this.remapping.save());
  }

  load(state: Checkpoint<InterruptRemappingHardware, RunState>): void {
    this.remapping.load(state);
  }

  /** From a checkpoint of itself. */
  private restore(): void {
    const state = this.save();
    this.remapping.reset();
    this.load(state);
  }

  private invalidate(): void {
    const { dice } = this;
    const { invalidations } = this.session();
    if (dice.oneIn(3)) return invalidations.interruptEntries(dice);
    invalidations.interruptRange(
      dice,
      dice.oneIn(4) ? dice.below(0x10000) : dice.below(8),
      dice.pick(INDEX_MASKS),
    );
  }

  /** Another table, or the same with other properties; what the cache has of the last one stays. */
  private take(): void {
    const { host, memory, invalidations } = this.session();
    const irta = this.made.address();
    host.write64(R.IRTA, irta);
    invalidations.command(G.SIRTP);
    this.taken[this.taken.length - 1].until = memory.moment;
    this.taken.push({ irta, until: undefined });
  }

  private send(request: InterruptRequest): void {
    const { requester, address, data } = request;
    const { host, memory } = this.session();
    const { now, stale } = this.expected(request);
    const quiet = (host.read32(R.FSTS) & ANY_FAULT) === 0;
    const before = { moment: memory.moment, faults: host.faults.length };
    const done = host.unit.remap(requester, address, data);
    const recorded = host.faults.length > before.faults;
    const same = (each: OracleOutcome): boolean => this.agrees(each, done, recorded);
    const describe = (what: string): Disagreement =>
      new Disagreement(
        `${what}: data ${data.toString(16)} to ${address.toString(16)} by ${requester.toString(16)}: ${text(done)}, recorded ${recorded}; oracle: ${[now, ...stale].map(text).join(' or ')}`,
      );
    if (!same(now)) {
      if (!stale.some(same)) throw describe('interrupt');
      this.counts.staleInterrupts += 1;
    }
    if (memory.moment - before.moment !== (done.outcome === 'posted' ? 1 : 0))
      throw describe('memory was written');
    this.count(done);
    if (done.outcome === 'blocked' && quiet) this.checkRecord(request, done.reason, recorded, describe);
  }

  private count(done: RemappedMessage): void {
    const { counts } = this;
    if (done.outcome === 'message') counts.messages += 1;
    else if (done.outcome === 'blocked') counts.blocked += 1;
    else if (done.outcome === 'posted') {
      counts.posts += 1;
      if (done.notification) counts.notifications += 1;
    }
  }

  /** With nothing pending before, the fault status register leads to a record of exactly this fault, or there is none. */
  private checkRecord(
    { requester, address, data }: InterruptRequest,
    reason: number,
    recorded: boolean,
    describe: (what: string) => Disagreement,
  ): void {
    const { host } = this.session();
    const status = host.read32(R.FSTS);
    if ((status & ANY_FAULT) !== (recorded ? 2 : 0)) throw describe(`fault status ${status.toString(16)}`);
    if (!recorded) return;
    const at = host.records + 16 * ((status >> 8) & 0xff);
    const [low, high] = [host.read64(at), host.read64(at + 8)];
    const index = field(BigInt(address), 4) === 0n ? 0n : indexOf(address, data) & 0xffffn;
    // F, an untranslated write without a PASID, reason, source.
    const expected = (1n << 63n) | (BigInt(reason) << 32n) | BigInt(requester);
    if (low !== index << 48n || high !== expected)
      throw describe(`fault record ${high.toString(16)} ${low.toString(16)}`);
    this.counts.faultRecords += 1;
    host.write32(at + 12, 2 ** 31);
  }

  /** What the entry as it stands in memory comes to, and what those come to that the cache may have. */
  private expected({ requester, address, data }: InterruptRequest): {
    now: OracleOutcome;
    stale: OracleOutcome[];
  } {
    const { memory, marks } = this.session();
    const by = (irta: bigint, entry?: bigint): OracleOutcome =>
      decide(this.unitWith(irta, entry), BigInt(requester), BigInt(address), BigInt(data));
    const present = this.taken[this.taken.length - 1].irta;
    const now = by(present);
    if (!this.cached || field(BigInt(address), 4) === 0n) return { now, stale: [] };
    const index = indexOf(address, data);
    const since = marks.sinceOfInterrupt(Number(index));
    this.taken = this.taken.filter(({ until }) => until === undefined || until >= marks.sinceOfInterrupts);
    const stale: OracleOutcome[] = [];
    for (const { irta, until } of this.taken) {
      const at = ((irta >> 12n) << 12n) + 16n * index;
      if (
        (until ?? since) < since ||
        index >= 2n << (irta & 15n) ||
        at >> BigInt(this.hostAddressWidth) !== 0n
      )
        continue;
      // An entry that was cached is judged by how the unit is set up now, and its table's address does not count any more.
      for (const words of memory.versions(Number(at), 2, since)) {
        if (!words || (words[0] & 1n) === 0n) continue;
        stale.push(by(present & 0xfffn, (words[1] << 64n) | (words[0] & MASK64)));
      }
    }
    return {
      now,
      stale: stale.filter((each) => each.is !== 'blocked' || each.reason !== 0x24 || this.widthHasChanged),
    };
  }

  /** An entry that was sound for destinations of one width may be none for those of the other; nothing else unsound is cached. */
  private get widthHasChanged(): boolean {
    const widths = new Set(this.taken.map(({ irta }) => irta & EIME));
    return widths.size > 1;
  }

  private unitWith(irta: bigint, entry: bigint | undefined): OracleUnit {
    const { memory } = this.session();
    const read = (from: bigint, length: number): bigint | undefined => {
      if (entry !== undefined && length === IRTE_BYTES) return entry;
      const bytes = memory.read(Number(from), length);
      return bytes && integer(bytes);
    };
    return {
      interruptRemapping: this.enabled,
      compatibilityPasses: this.compatibility,
      irta,
      extendedMode: this.part.extendedMode,
      posting: this.part.posting,
      hostAddressWidth: BigInt(this.hostAddressWidth),
      ...(this.unverified !== undefined && { unverified: BigInt(this.unverified) }),
      read,
    };
  }

  /** Whether the unit has done what an outcome says; of a post, the descriptor is what it has to be afterwards. */
  private agrees(expected: OracleOutcome, done: RemappedMessage, recorded: boolean): boolean {
    if (expected.is !== done.outcome) return false;
    if (expected.is === 'blocked')
      return done.outcome === 'blocked' && expected.reason === done.reason && expected.recorded === recorded;
    if (expected.is === 'message')
      return done.outcome === 'message' && text(expected.message) === text(told(done.message));
    if (expected.is === 'ignored') return true;
    const bytes = this.session().memory.read(Number(expected.address), DESCRIPTOR_BYTES);
    const notification = done.outcome === 'posted' && done.notification && told(done.notification);
    return (
      bytes !== undefined &&
      integer(bytes) === expected.after &&
      text(expected.notification) === text(notification)
    );
  }
}

/** Interrupt index of a request in remappable format (5.1.3). */
function indexOf(address: number, data: number): bigint {
  const at = BigInt(address);
  const handle = (field(at, 2) << 15n) | field(at, 19, 5);
  return handle + (field(at, 3) === 1n ? field(BigInt(data), 15, 0) : 0n);
}

function told(message: InterruptMessage): OracleMessage {
  return {
    vector: BigInt(message.vector),
    mode: BigInt(message.mode),
    level: message.level,
    logical: message.logical,
    destination: BigInt(message.destination),
  };
}

/** A value as text that is the same of those that are alike. */
function text(outcome: unknown): string {
  const parts = (value: unknown): string =>
    typeof value === 'object' && value !== null
      ? `{${Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, each]) => `${name} ${parts(each)}`)
          .join(', ')}}`
      : typeof value === 'bigint'
        ? value.toString(16)
        : String(value);
  return parts(outcome);
}

/** Memory as an integer, least significant byte first. */
function integer(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let value = 0n;
  for (let at = bytes.length - 8; at >= 0; at -= 8) value = (value << 64n) | view.getBigUint64(at, true);
  return value;
}
