/**
 * Tables by chance: most entries lead somewhere, so that walks come far; some have bits that they must not have, lead nowhere, or
 * to where interrupts are written. Each domain has its own topmost tables and its own kind of translation, as software has to see
 * to (VT-d specification, 6.2.2.1): what the unit remembers of a domain would be mixed up otherwise.
 */
import type { Dice } from '../../conformance/device-fuzz/dice';

/** What a domain's requests are translated by in scalable mode; in legacy mode they all have the second stage. */
const KINDS = ['second', 'first', 'nested', 'second', 'nested'] as const;
/** Levels of its second stage, and of its first one. */
const SECOND_LEVELS = [4, 3, 4, 5, 3];
const FIRST_LEVELS = [4, 4, 5, 4, 4];
export const DOMAINS = KINDS.length;
const PGTT = { first: 1n, second: 2n, nested: 3n, pass: 4n } as const;
/** Functions that make requests, on two buses, in both halves of a root entry. */
export const REQUESTERS = [0x0000, 0x0009, 0x00f8, 0x0108] as const;
export const PASIDS = [0, 1, 64] as const;
/** Entries of a table that are used: few, so that accesses meet. */
const SLOTS = [0, 1, 2];
const TOP_LEVEL = 5;

/** What a page of memory is used for. */
export interface TablePages {
  root: number;
  contexts: readonly number[];
  directory: number;
  pasids: readonly number[];
  /** By domain, then by level from 1 on: two pages each. */
  second: readonly (readonly (readonly number[])[])[];
  first: readonly (readonly (readonly number[])[])[];
  data: readonly number[];
}

/** Gives pages out. */
export function tablePages(base: number): TablePages {
  let next = base;
  const page = (): number => (next += 0x1000) - 0x1000;
  const pages = (count: number): number[] => Array.from({ length: count }, page);
  const byLevel = (): number[][][] =>
    Array.from({ length: DOMAINS }, () => Array.from({ length: TOP_LEVEL }, () => pages(2)));
  return {
    root: page(),
    contexts: pages(4),
    directory: page(),
    pasids: pages(2),
    second: byLevel(),
    first: byLevel(),
    data: pages(4),
  };
}

/** An entry to be written. */
export interface WrittenEntry {
  address: number;
  words: bigint[];
}

/** Makes entries. */
export class HostileTables {
  /** Of a root table of scalable mode. */
  scalable = false;

  constructor(
    private readonly pages: TablePages,
    private readonly dice: Dice,
  ) {}

  /** Entries that make tables which work, for a beginning; each of them has its chance to be none. */
  everything(): WrittenEntry[] {
    const out: WrittenEntry[] = REQUESTERS.flatMap((requester) => [
      this.root(requester),
      this.context(requester),
    ]);
    for (const pasid of PASIDS) out.push(this.directory(pasid), this.pasid(pasid));
    for (let domain = 0; domain < DOMAINS; domain++)
      for (let level = 1; level <= TOP_LEVEL; level++)
        for (const at of [0, 1])
          for (const slot of SLOTS)
            out.push(this.second(domain, level, at, slot), this.first(domain, level, at, slot));
    return out;
  }

  /** One entry anew. */
  any(): WrittenEntry {
    const { dice } = this;
    const domain = dice.below(DOMAINS);
    const level = 1 + dice.below(TOP_LEVEL);
    const what = dice.below(20);
    if (what < 1) return this.root(dice.pick(REQUESTERS));
    if (what < 3) return this.context(dice.pick(REQUESTERS));
    if (what < 4) return this.directory(dice.pick(PASIDS));
    if (what < 6) return this.pasid(dice.pick(PASIDS));
    return what < 13
      ? this.second(domain, level, dice.below(2), dice.pick(SLOTS))
      : this.first(domain, level, dice.below(2), dice.pick(SLOTS));
  }

  /** An address that the tables tell something about, as a device or the first stage has it. */
  address(): bigint {
    const { dice } = this;
    let address = BigInt(dice.below(0x1000));
    for (let level = 1; level <= 4; level++)
      address |= BigInt(dice.pick(SLOTS)) << BigInt(12 + 9 * (level - 1));
    if (dice.oneIn(8)) address &= 0x7fffffffffn;
    if (dice.oneIn(12)) address |= BigInt(dice.below(4)) << 48n;
    // The topmost levels are few: most addresses lie in the first entry of each.
    return dice.oneIn(3) ? address : address & 0x3fffffffn;
  }

  private root(requester: number): WrittenEntry {
    const bus = requester >> 8;
    const table = (at: number): bigint => this.spoiled(BigInt(this.pages.contexts[(bus * 2 + at) % 4]) | 1n);
    return {
      address: this.pages.root + bus * 16,
      words: [table(0), this.scalable ? table(1) : this.dice.oneIn(40) ? 1n : 0n],
    };
  }

  private context(requester: number): WrittenEntry {
    const { dice, pages } = this;
    const bus = requester >> 8;
    const index = requester & 0xff;
    const flags = 1n | (dice.oneIn(10) ? 2n : 0n);
    if (this.scalable) {
      const table = pages.contexts[(bus * 2 + (index >> 7)) % 4];
      const size = BigInt(dice.pick([0, 0, 7])) << 9n;
      const low = this.refused(
        BigInt(pages.directory) | size | (dice.oneIn(3) ? 0n : 8n) | (dice.oneIn(8) ? 4n : 0n) | flags,
      );
      const pasid = BigInt(dice.oneIn(10) ? 0xfffff : dice.pick(PASIDS));
      return { address: table + (index & 0x7f) * 32, words: [low, pasid, dice.oneIn(40) ? 1n : 0n, 0n] };
    }
    const domain = dice.below(DOMAINS);
    const type = dice.pick([0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 8n, 4n, 12n]);
    const low = this.refused(BigInt(this.secondTop(domain)) | type | flags);
    const high = (BigInt(domain + 1) << 8n) | this.width(domain);
    return {
      address: pages.contexts[(bus * 2) % 4] + index * 16,
      words: [low, dice.oneIn(40) ? high | (1n << 24n) : high],
    };
  }

  private directory(pasid: number): WrittenEntry {
    const table = BigInt(this.pages.pasids[pasid >> 6]);
    return {
      address: this.pages.directory + (pasid >> 6) * 8,
      words: [this.spoiled(table | 1n | (this.dice.oneIn(20) ? 2n : 0n))],
    };
  }

  private pasid(pasid: number): WrittenEntry {
    const { dice, pages } = this;
    const domain = dice.below(DOMAINS);
    const kind = dice.oneIn(12) ? 'pass' : KINDS[domain];
    const flags = 1n | (dice.oneIn(10) ? 2n : 0n) | (domain % 2 === 0 ? 1n << 9n : 0n);
    const low = BigInt(this.secondTop(domain)) | (PGTT[kind] << 6n) | (this.width(domain) << 2n) | flags;
    const first = BigInt(this.firstTop(domain)) | (BigInt(FIRST_LEVELS[domain] - 4) << 2n);
    const words = [this.refused(low), BigInt(domain + 1), this.refused(first), 0n, 0n, 0n, 0n, 0n];
    if (dice.oneIn(40)) words[3 + dice.below(5)] |= 1n << BigInt(dice.below(64));
    return { address: pages.pasids[pasid >> 6] + (pasid & 63) * 64, words };
  }

  private secondTop(domain: number): number {
    return this.pages.second[domain][SECOND_LEVELS[domain] - 1][0];
  }

  /** Of a nested stage an address of the second one. */
  private firstTop(domain: number): number {
    if (KINDS[domain] === 'nested') return 0x1000 * (domain % 3);
    return this.pages.first[domain][FIRST_LEVELS[domain] - 1][0];
  }

  private width(domain: number): bigint {
    // Or one that there is not. Another one that there is would read the domain's topmost table as one of another level.
    return this.dice.oneIn(40) ? this.dice.pick([0n, 4n, 7n]) : BigInt(SECOND_LEVELS[domain] - 2);
  }

  private second(domain: number, level: number, at: number, slot: number): WrittenEntry {
    const { dice, pages } = this;
    const place = pages.second[domain][level - 1][at] + slot * 8;
    const rights =
      BigInt(dice.pick([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 1, 1, 2, 0])) |
      (dice.oneIn(100) ? 1n << 11n : 0n);
    const accessed = dice.pick([0n, 0x100n, 0x300n]);
    if (dice.oneIn(30)) return { address: place, words: [0n] };
    if (level > 1 && !(level < 4 && dice.oneIn(6)))
      return {
        address: place,
        words: [this.spoiled(BigInt(dice.pick(pages.second[domain][level - 2])) | rights | accessed)],
      };
    return { address: place, words: [this.spoiled(this.target(domain, level, 12) | rights | accessed)] };
  }

  private first(domain: number, level: number, at: number, slot: number): WrittenEntry {
    const { dice, pages } = this;
    const place = pages.first[domain][level - 1][at] + slot * 8;
    const rights = BigInt(dice.pick([7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 5, 5, 3, 1]));
    const accessed = dice.pick([0n, 0x20n, 0x60n, 0x60n]);
    if (dice.oneIn(30)) return { address: place, words: [0n] };
    const nested = KINDS[domain] === 'nested';
    if (level > 1 && !(level < 4 && dice.oneIn(6))) {
      const table = nested ? this.address() & ~0xfffn : BigInt(dice.pick(pages.first[domain][level - 2]));
      return { address: place, words: [this.spoiled(table | rights | accessed)] };
    }
    const large = level > 1 ? 1n << 7n : 0n;
    const to = nested
      ? this.address() & ~((1n << BigInt(12 + 9 * (level - 1))) - 1n)
      : this.target(domain, level, 13);
    return { address: place, words: [this.spoiled(to | large | rights | accessed)] };
  }

  /** What a page of a level leads to. @param lowest bit that lies within a large page and has to be 0 */
  private target(domain: number, level: number, lowest: number): bigint {
    const { dice, pages } = this;
    if (level > 1) {
      const page = BigInt(1 + dice.below(0x30)) << BigInt(12 + 9 * (level - 1));
      return page | (1n << 7n) | (dice.oneIn(20) ? 1n << BigInt(lowest) : 0n);
    }
    if (dice.oneIn(40)) return 0xfee00000n;
    // Tables of the first stage lie where the second one leads to.
    const tables = KINDS[domain] === 'nested' ? pages.first[domain].flat() : pages.data;
    return BigInt(dice.oneIn(3) ? dice.pick(pages.data) : dice.pick(tables));
  }

  /** Most often as it is; or such that it tells of no translation: a domain keeps the topmost tables that it has. */
  private refused(entry: bigint): bigint {
    const { dice } = this;
    if (!dice.oneIn(60)) return entry;
    return dice.pick([0n, entry & ~1n, entry | (1n << 50n), entry | (1n << 11n)]);
  }

  /** Most often as it is; or with a bit more, without one, or with an address beyond the host's. */
  private spoiled(entry: bigint): bigint {
    const { dice } = this;
    if (!dice.oneIn(60)) return entry;
    return dice.pick([0n, entry ^ 1n, entry ^ (1n << BigInt(dice.below(64))), entry | (1n << 45n)]);
  }
}
