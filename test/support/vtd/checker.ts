/**
 * An independent walker of VT-d tables, straight from the specification and in another way than the unit: whole 64-bit numbers, and
 * not one outcome but all that caches may give. An entry that has changed since its caches were invalidated has several values, and
 * a walk goes on with each of them.
 */

/** What the walker has to know of the unit. */
export interface CheckedUnit {
  scalable: boolean;
  hostWidth: bigint;
  guestWidth: bigint;
  pages2m: boolean;
  pages1g: boolean;
  passThrough: boolean;
  snoop: boolean;
  deviceTlbs: boolean;
  fiveLevels: boolean;
  secondAccessedDirty: boolean;
}

/** Which caches an entry may come from: those of contexts, of PASIDs, or those of a domain. */
export type CacheScope = { of: 'context' } | { of: 'pasid' } | ({ of: 'domain' } & Owner);

/** Whose paging entries, and of what kind of translation. */
export interface Owner {
  domain: bigint;
  pasid: bigint | undefined;
  kind: 'first' | 'second' | 'nested' | 'pass';
}

/** Memory: all values that an entry of so many 64-bit words may have in a scope's caches. Undefined: there is no memory. */
export type Entries = (address: bigint, words: number, scope: CacheScope) => (bigint[] | undefined)[];

/** A request, with the root table that it meets. */
export interface CheckedRequest {
  root: bigint;
  mode: number;
  requester: number;
  pasid: bigint | undefined;
  address: bigint;
  write: boolean;
}

/** What may come out. */
export type CheckedOutcome = {
  domain: bigint | undefined;
  /** Entries read, had nothing been cached. */
  tables: number;
  pages: number;
} & ({ address: bigint; fault?: undefined } | { fault: number; address?: undefined });

/** Bits `high` to `low` of a number. */
const cut = (value: bigint, high: number, low: number): bigint =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const ones = (high: number, low: number): bigint => ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);

interface Counts {
  tables: number;
  pages: number;
  /** Bits that this walk has set, by the entry, which has them when it comes to it again. */
  set: ReadonlyMap<bigint, bigint>;
}

interface Translated extends Owner {
  first: { root: bigint; levels: number } | undefined;
  second: { root: bigint; levels: number } | undefined;
  accessedDirty: boolean;
}

/** All outcomes that a request may have. */
export function outcomes(unit: CheckedUnit, entries: Entries, request: CheckedRequest): CheckedOutcome[] {
  const found: CheckedOutcome[] = [];
  new Walker(unit, entries, request, (outcome) => found.push(outcome)).begin();
  return found;
}

class Walker {
  private readonly scalable: boolean;

  constructor(
    private readonly unit: CheckedUnit,
    private readonly entries: Entries,
    private readonly request: CheckedRequest,
    private readonly emit: (outcome: CheckedOutcome) => void,
  ) {
    this.scalable = request.mode === 1 && unit.scalable;
  }

  begin(): void {
    const { mode, pasid, root, requester } = this.request;
    const counts: Counts = { tables: 0, pages: 0, set: new Map() };
    if (mode !== 0 && !this.scalable) return this.fail(0x30, undefined, counts);
    if (!this.scalable && pasid !== undefined) return this.fail(0x31, undefined, counts);
    const [access, absent, reserved] = this.scalable ? [0x38, 0x39, 0x3a] : [0x08, 0x01, 0x0a];
    const at = root + BigInt(requester >> 8) * 16n;
    this.table(at, 2, { of: 'context' }, counts, access, undefined, (words, read) => {
      const upper = this.scalable && (requester & 0x80) !== 0;
      const half = words[upper ? 1 : 0];
      if ((half & 1n) === 0n) return this.fail(absent, undefined, read);
      if ((half & (ones(11, 1) | this.aboveHost())) !== 0n) return this.fail(reserved, undefined, read);
      if (!this.scalable && words[1] !== 0n) return this.fail(reserved, undefined, read);
      const table = half & ones(51, 12);
      if (this.scalable) this.scalableContext(table + BigInt(requester & 0x7f) * 32n, read);
      else this.legacyContext(table + BigInt(requester & 0xff) * 16n, read);
    });
  }

  private legacyContext(at: bigint, counts: Counts): void {
    const { unit } = this;
    this.table(at, 2, { of: 'context' }, counts, 0x09, undefined, ([low, high], read) => {
      if ((low & 1n) === 0n) return this.fail(0x02, undefined, read);
      if ((low & (ones(11, 4) | this.aboveHost())) !== 0n || (high & (ones(63, 24) | ones(7, 7))) !== 0n)
        return this.fail(0x0b, undefined, read);
      const type = Number(cut(low, 3, 2));
      const width = Number(cut(high, 2, 0));
      const domain = cut(high, 23, 8);
      if (
        (type === 1 && !unit.deviceTlbs) ||
        (type === 2 && !unit.passThrough) ||
        type === 3 ||
        width < 1 ||
        width > 3
      )
        return this.fail(0x03, undefined, read);
      const second = { root: low & ones(51, 12), levels: width + 2 };
      if (type === 2)
        return this.translated(
          {
            domain,
            pasid: undefined,
            kind: 'pass',
            first: undefined,
            second: undefined,
            accessedDirty: false,
          },
          read,
        );
      this.translated(
        { domain, pasid: undefined, kind: 'second', first: undefined, second, accessedDirty: false },
        read,
      );
    });
  }

  private scalableContext(at: bigint, counts: Counts): void {
    const { unit, request } = this;
    this.table(at, 4, { of: 'context' }, counts, 0x40, undefined, ([first, second, third, fourth], read) => {
      if ((first & 1n) === 0n) return this.fail(0x41, undefined, read);
      const deviceTlb = unit.deviceTlbs ? 0n : 4n;
      if (
        (first & (ones(8, 4) | deviceTlb | this.aboveHost())) !== 0n ||
        second >> 20n !== 0n ||
        third !== 0n ||
        fourth !== 0n
      )
        return this.fail(0x42, undefined, read);
      const most = 1n << (cut(first, 11, 9) + 7n + 6n);
      const pasid = request.pasid ?? cut(second, 19, 0);
      if (request.pasid === undefined) {
        if (pasid >= most) return this.fail(0x48, undefined, read);
      } else if ((first & 8n) === 0n) return this.fail(0x45, undefined, read);
      else if (pasid >= most) return this.fail(0x46, undefined, read);
      this.pasidDirectory((first & ones(51, 12)) + (pasid >> 6n) * 8n, pasid, read);
    });
  }

  private pasidDirectory(at: bigint, pasid: bigint, counts: Counts): void {
    this.table(at, 1, { of: 'pasid' }, counts, 0x50, undefined, ([entry], read) => {
      if ((entry & 1n) === 0n) return this.fail(0x51, undefined, read);
      if ((entry & (ones(11, 2) | this.aboveHost())) !== 0n) return this.fail(0x52, undefined, read);
      this.pasidTable((entry & ones(51, 12)) + (pasid & 63n) * 64n, pasid, read);
    });
  }

  private pasidTable(at: bigint, pasid: bigint, counts: Counts): void {
    const { unit } = this;
    this.table(at, 8, { of: 'pasid' }, counts, 0x58, undefined, (words, read) => {
      const [a, b, c] = words;
      if ((a & 1n) === 0n) return this.fail(0x59, undefined, read);
      const kinds = [undefined, 'first', 'second', 'nested', 'pass'] as const;
      const pgtt = kinds[Number(cut(a, 8, 6))];
      const firstAbove = pgtt === 'nested' ? ones(63, 52) : this.aboveHost();
      const reserved =
        (a & (ones(11, 10) | (unit.secondAccessedDirty ? 0n : ones(9, 9)) | this.aboveHost())) |
        (b & ones(22, 16)) |
        (c & (ones(11, 8) | firstAbove)) |
        words.slice(3).reduce((sum, word) => sum | word, 0n);
      if (reserved !== 0n) return this.fail(0x5a, undefined, read);
      const width = Number(cut(a, 4, 2));
      const mode = Number(cut(c, 3, 2));
      const wantsFirst = pgtt === 'first' || pgtt === 'nested';
      const wantsSecond = pgtt === 'second' || pgtt === 'nested';
      const firstOk = mode === 0 || (mode === 1 && unit.fiveLevels);
      if (
        !pgtt ||
        (wantsFirst && !firstOk) ||
        (wantsSecond && (width < 1 || width > 3)) ||
        (pgtt === 'pass' && !unit.passThrough)
      )
        return this.fail(0x5b, undefined, read);
      this.translated(
        {
          domain: cut(b, 15, 0),
          pasid,
          kind: pgtt,
          first: wantsFirst ? { root: c & ones(51, 12), levels: 4 + mode } : undefined,
          second: wantsSecond ? { root: a & ones(51, 12), levels: width + 2 } : undefined,
          accessedDirty: (a & ones(9, 9)) !== 0n,
        },
        read,
      );
    });
  }

  private translated(how: Translated, counts: Counts): void {
    const { address, write } = this.request;
    const done = (out: bigint, read: Counts): void => this.succeed(how, out, read);
    if (how.kind === 'pass') {
      if (address >> this.unit.hostWidth !== 0n)
        return this.fail(this.scalable ? 0x83 : 0x04, how.domain, counts);
      return done(address, counts);
    }
    if (!how.first)
      return this.second(how, address, write, 'access', counts, (out, _, read) => done(out, read));
    this.first(how, address, write, counts, (out, read) => {
      if (!how.second) return done(out, read);
      this.second(how, out, write, 'access', read, (last, _, all) => done(last, all));
    });
  }

  /** The first stage; nested, its tables lie where the second stage puts them. */
  private first(
    how: Translated,
    address: bigint,
    write: boolean,
    counts: Counts,
    next: (out: bigint, counts: Counts) => void,
  ): void {
    const tables = how.first;
    if (!tables) throw new Error('a first stage without tables');
    const { levels } = tables;
    // Only the lower half of the canonical addresses can be asked for.
    if (address >> BigInt(12 + 9 * levels - 1) !== 0n) return this.fail(0x80, how.domain, counts);
    const fresh = onlyOnce();
    const level = (table: bigint, n: number, writable: boolean, before: Counts): void => {
      if (!fresh(table, n, writable, before)) return;
      const top = n === levels;
      this.placed(how, table, top ? 'root' : 'table', before, (host, mayWrite, placed) => {
        const at = host + cut(address, 12 + 9 * n - 1, 12 + 9 * (n - 1)) * 8n;
        this.paging(at, how, placed, top ? 0x73 : 0x70, (entry, read) => {
          if ((entry & 1n) === 0n) return this.fail(0x71, how.domain, read);
          const large = n > 1 && (entry & ones(7, 7)) !== 0n;
          const above = how.kind === 'nested' ? 0n : this.aboveHost() & ones(51, 0);
          const noLarge = large && (n > 3 || (n === 3 && !this.unit.pages1g));
          const low = large && !noLarge ? ones(12 + 9 * (n - 1) - 1, 13) : 0n;
          if ((entry & (above | low)) !== 0n || noLarge) return this.fail(0x72, how.domain, read);
          if ((entry & 4n) === 0n) return this.fail(0x81, how.domain, read);
          const allowed = writable && (entry & 2n) !== 0n;
          const leaf = n === 1 || large;
          if (leaf && write && !allowed) return this.fail(0x85, how.domain, read);
          const toSet = ones(5, 5) | (leaf && write ? ones(6, 6) : 0n);
          const has = entry | (read.set.get(at) ?? 0n);
          if ((has & toSet) !== toSet && !mayWrite) return this.fail(0x77, how.domain, read);
          const fully = (entry & toSet) === toSet;
          const after = fully
            ? read
            : { ...read, set: new Map(read.set).set(at, (has | toSet) & ones(6, 5)) };
          if (!leaf) return level(entry & ones(51, 12), n - 1, allowed, after);
          const offset = 12 + 9 * (n - 1);
          const out = (entry & ones(51, offset)) | cut(address, offset - 1, 0);
          if (fresh(out, 0, allowed, after)) next(out, after);
        });
      });
    };
    level(tables.root, levels, true, counts);
  }

  private placed(
    how: Translated,
    table: bigint,
    what: 'root' | 'table',
    counts: Counts,
    next: (host: bigint, mayWrite: boolean, counts: Counts) => void,
  ): void {
    if (how.second) this.second(how, table, false, what, counts, next);
    else next(table, true, counts);
  }

  private second(
    how: Translated,
    address: bigint,
    write: boolean,
    what: 'access' | 'root' | 'table',
    counts: Counts,
    next: (out: bigint, mayWrite: boolean, counts: Counts) => void,
  ): void {
    const tables = how.second;
    if (!tables) throw new Error('a second stage without tables');
    const { unit, scalable } = this;
    const { levels } = tables;
    const input = BigInt(12 + 9 * levels) < unit.guestWidth ? BigInt(12 + 9 * levels) : unit.guestWidth;
    const reason = {
      width: what === 'access' ? (scalable ? 0x84 : 0x04) : 0x74,
      read: what === 'access' ? (scalable ? 0x86 : 0x06) : what === 'root' ? 0x75 : 0x76,
      write: scalable ? 0x85 : 0x05,
      reserved: scalable ? 0x7a : 0x0c,
      access: scalable ? 0x78 : 0x07,
      root: scalable ? 0x7b : 0x07,
    };
    const denied = write ? reason.write : reason.read;
    if (address >> input !== 0n) return this.fail(reason.width, how.domain, counts);
    const fresh = onlyOnce();
    const level = (table: bigint, n: number, writable: boolean, before: Counts): void => {
      if (!fresh(table, n, writable, before)) return;
      const at = table + cut(address, 12 + 9 * n - 1, 12 + 9 * (n - 1)) * 8n;
      this.paging(at, how, before, n === levels ? reason.root : reason.access, (entry, read) => {
        if ((entry & 3n) === 0n) return this.fail(scalable ? 0x79 : denied, how.domain, read);
        const large = (n === 2 || n === 3) && (entry & ones(7, 7)) !== 0n;
        const leaf = n === 1 || large;
        if (
          (entry & this.secondReserved(n, leaf)) !== 0n ||
          (large && !(n === 2 ? unit.pages2m : unit.pages1g))
        )
          return this.fail(reason.reserved, how.domain, read);
        if ((entry & (write ? 2n : 1n)) === 0n) return this.fail(denied, how.domain, read);
        const allowed = writable && (entry & 2n) !== 0n;
        if (!leaf) return level(entry & ones(51, 12), n - 1, allowed, read);
        const offset = 12 + 9 * (n - 1);
        const out = (entry & ones(51, offset)) | cut(address, offset - 1, 0);
        if (fresh(out, 0, allowed, read)) next(out, allowed, read);
      });
    };
    level(tables.root, levels, true, counts);
  }

  private secondReserved(n: number, leaf: boolean): bigint {
    const { unit, scalable } = this;
    const above = this.aboveHost() & ones(51, 0);
    if (!leaf) return above | ones(62, 62) | ones(11, 11) | (n > 3 ? ones(7, 7) : 0n);
    const size = n > 1 ? ones(12 + 9 * (n - 1) - 1, 12) : 0n;
    return (
      above | size | (unit.deviceTlbs ? 0n : ones(62, 62)) | (unit.snoop || scalable ? 0n : ones(11, 11))
    );
  }

  /** Bits 63 to 52, and those of an address that the host does not have. */
  private aboveHost(): bigint {
    return ones(63, Number(this.unit.hostWidth));
  }

  private succeed(how: Translated, address: bigint, counts: Counts): void {
    if (address >= 0xfee00000n && address < 0xfef00000n)
      return this.fail(this.scalable ? 0x87 : 0x0e, how.domain, counts);
    this.emit({ domain: how.domain, address, tables: counts.tables, pages: counts.pages });
  }

  private fail(fault: number, domain: bigint | undefined, counts: Counts): void {
    this.emit({ fault, domain, tables: counts.tables, pages: counts.pages });
  }

  private table(
    address: bigint,
    words: number,
    scope: CacheScope,
    counts: Counts,
    access: number,
    domain: bigint | undefined,
    next: (words: bigint[], counts: Counts) => void,
  ): void {
    const read = { ...counts, tables: counts.tables + 1 };
    for (const value of this.entries(address, words, scope))
      if (value) next(value, read);
      else this.fail(access, domain, read);
  }

  private paging(
    address: bigint,
    owner: Owner,
    counts: Counts,
    access: number,
    next: (entry: bigint, counts: Counts) => void,
  ): void {
    const read = { ...counts, pages: counts.pages + 1 };
    const { domain, pasid, kind } = owner;
    for (const value of this.entries(address, 1, { of: 'domain', domain, pasid, kind }))
      if (value) next(value[0], read);
      else this.fail(access, domain, read);
  }
}

/** Tells whether a walk comes to a table for the first time: from there on, all goes as it went before. */
function onlyOnce(): (table: bigint, level: number, writable: boolean, counts: Counts) => boolean {
  const seen = new Set<string>();
  return (table, level, writable, { set }) => {
    const key = `${table} ${level} ${writable} ${[...set.keys()].join()}`;
    const first = !seen.has(key);
    seen.add(key);
    return first;
  };
}
