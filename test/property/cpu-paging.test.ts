/**
 * Page walks against a second description of SDM vol. 3, chapter 4, over random tables: the page reached or the fault's
 * error code and CR2, and which accessed and dirty bits are set.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopReason } from '../../src/machine/x86/types';
import { RAM, bench } from '../unit/machine/x86/harness';

type Paging = '32-bit' | 'PAE' | '4-level';
type Access = 'read' | 'write' | 'fetch';

const PHYSICAL_BITS = 46n;
const TABLES = 0x100000;
const TOP = TABLES;
const LOW = TABLES + 0x2000;
/** Tables of the address under test, by level: 3 PML4 … 0 PT. */
const TABLE = [TABLES + 0x4000, TABLES + 0x3000, TABLES + 0x5000, TOP];
const TABLES_END = TABLES + 0x6000;
const PAGE = 0x200000;
const OFFSET = 0x120;
const CODE = { 0: 0x10000, 3: 0x300000 };
const [PF, GP, GDT, IDT, TSS, STACK] = [0x11000, 0x12000, 0x5000, 0x6000, 0x7000, 0x90000];
const OPCODES: Record<Access, number[]> = { read: [0x8b, 0x03], write: [0x89, 0x03], fetch: [0xff, 0xe3] };
const IDENTITY = 0x63n; // P, RW, A, D

interface Case {
  paging: Paging;
  access: Access;
  cpl: 0 | 3;
  wp: boolean;
  pse: boolean;
  nxe: boolean;
  smep: boolean;
  smap: boolean;
  ac: boolean;
  /** Flags of the entries, from level 0 up; what of them makes sense is up to the level. */
  entries: { flags: bigint; present: boolean; large: boolean; reserved: number; high: bigint; xd: boolean }[];
}

const bit = (n: number): bigint => 1n << BigInt(n);
const rarely = (weight: number): fc.Arbitrary<boolean> =>
  fc.integer({ min: 0, max: weight - 1 }).map((n) => n === 0);

const entry = fc.record({
  flags: fc.bigInt({ min: 0n, max: 0x7fn }), // RW, US, PWT, PCD, A, D above P
  present: rarely(12).map((no) => !no),
  large: rarely(6),
  reserved: fc.integer({ min: 0, max: 200 }), // a bit from 13 up, when below 64
  high: fc.bigInt({ min: 0n, max: 0x7ffn }),
  xd: rarely(6),
});

const cases = (paging: Paging): fc.Arbitrary<Case> =>
  fc.record({
    paging: fc.constant(paging),
    access: fc.constantFrom<Access>('read', 'write', 'fetch'),
    cpl: fc.constantFrom<0 | 3>(0, 3),
    wp: fc.boolean(),
    pse: fc.boolean(),
    nxe: fc.boolean(),
    smep: fc.boolean(),
    smap: fc.boolean(),
    ac: fc.boolean(),
    entries: fc.array(entry, { minLength: 4, maxLength: 4 }),
  });

/** The entry of a level, as it will lie in memory. */
function encode(c: Case, level: number): bigint {
  const { flags, present, large, reserved, high, xd } = c.entries[level];
  const wide = c.paging !== '32-bit';
  const next = level === 0 ? PAGE : TABLE[level - 1];
  const isLarge = large && level > 0;
  let value = (present ? 1n : 0n) | ((flags & 0x3fn) << 1n);
  // A large page's address is aligned to it: 2 MiB at PAGE, larger ones at 0.
  value |= isLarge ? bit(7) | (level === 1 && wide ? BigInt(PAGE) : 0n) : BigInt(next);
  if (reserved >= 13 && reserved < (wide ? 63 : 32)) value |= bit(reserved);
  if (wide && c.paging === '4-level') value |= high << 52n;
  if (wide && xd) value |= bit(63);
  // In PAE paging the top entry is checked when it is loaded: here it is a good one.
  if (c.paging === 'PAE' && level === 2) return (present ? 1n : 0n) | BigInt(next);
  return value;
}

interface Outcome {
  error?: number;
  physical?: bigint;
  /** Addresses of entries that get A, and of the one that gets D. */
  accessed: number[];
  dirty?: number;
}

/** SDM vol. 3, 4.3 to 4.8. */
function expected(c: Case, linear: bigint, read: (at: number, bytes: number) => bigint): Outcome {
  const wide = c.paging !== '32-bit';
  const nx = wide && c.nxe;
  const user = c.cpl === 3;
  const fault = (bits: number): Outcome => {
    const fetch = c.access === 'fetch' && (nx || c.smep) ? 16 : 0;
    return { error: bits | (c.access === 'write' ? 2 : 0) | (user ? 4 : 0) | fetch, accessed: [] };
  };
  const addressMask = ((1n << PHYSICAL_BITS) - 1n) & ~0xfffn;
  let level = { '32-bit': 1, PAE: 2, '4-level': 3 }[c.paging];
  let table = BigInt(TOP);
  let [writable, userPage, executable] = [true, true, true];
  const accessed: number[] = [];
  for (;;) {
    const shift = BigInt(12 + (wide ? 9 : 10) * level);
    const index =
      Number((linear >> shift) & (wide ? 511n : 1023n)) & (c.paging === 'PAE' && level === 2 ? 3 : -1);
    const at = table + BigInt(index * (wide ? 8 : 4));
    if (at >= BigInt(RAM)) return fault(9);
    const e = read(Number(at), wide ? 8 : 4);
    if (!(e & 1n)) return fault(0);
    if (c.paging === 'PAE' && level === 2) {
      table = e & addressMask;
      level--;
      continue;
    }
    const leaf = level === 0 || (!!(e & 0x80n) && (wide ? level < 3 : c.pse));
    let reserved = 0n;
    const range = (high: number, low: number): void => {
      for (let i = low; i <= high; i++) reserved |= bit(i);
    };
    if (c.paging === '4-level') range(51, Number(PHYSICAL_BITS));
    if (c.paging === 'PAE') range(62, Number(PHYSICAL_BITS));
    if (wide && !c.nxe) range(63, 63);
    if (level === 3) range(7, 7);
    if (leaf && level === 1) range(wide ? 20 : 21, wide ? 13 : 21);
    if (leaf && level === 2) range(29, 13);
    if (e & reserved) return fault(9);
    accessed.push(Number(at));
    writable &&= !!(e & 2n);
    userPage &&= !!(e & 4n);
    if (wide && e & bit(63)) executable = false;
    if (!leaf) {
      table = e & (wide ? addressMask : 0xfffff000n);
      level--;
      continue;
    }
    const offset = linear & (bit(Number(shift)) - 1n);
    let base = e & (wide ? addressMask : 0xfffff000n) & ~(bit(Number(shift)) - 1n);
    if (!wide && level === 1) base |= ((e >> 13n) & 0xffn) << 32n;
    const exempt = c.ac; // explicit accesses only
    let ok = true;
    if (user) ok = userPage && (c.access !== 'write' || writable);
    else if (c.access === 'write' && c.wp) ok = writable;
    if (!user && userPage && c.access !== 'fetch' && c.smap && !exempt) ok = false;
    if (!user && userPage && c.access === 'fetch' && c.smep) ok = false;
    if (c.access === 'fetch' && !executable) ok = false;
    if (!ok) return fault(1);
    return { physical: base | offset, accessed, dirty: c.access === 'write' ? Number(at) : undefined };
  }
}

const { machine, cpu, poke } = bench([]);
const fresh = cpu.save();
const { memory } = machine;

function put(at: number, value: bigint, bytes: number): void {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, value, true);
  memory.write(at, new Uint8Array(view.buffer, 0, bytes));
}

function get(at: number, bytes: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  new Uint8Array(view.buffer).set(memory.read(at, bytes));
  return view.getBigUint64(0, true);
}

/** Identity mapping of RAM: the first half for the supervisor, the second for everybody; and the entries under test. */
function writeTables(c: Case): bigint {
  memory.write(TABLES, new Uint8Array(TABLES_END - TABLES));
  const wide = c.paging !== '32-bit';
  const linear = { '32-bit': 0x40000000n, PAE: 0x40000000n, '4-level': bit(39) }[c.paging] + BigInt(OFFSET);
  if (wide) {
    poke(LOW, IDENTITY | 0x80n, BigInt(PAGE) | IDENTITY | 0x84n);
    if (c.paging === 'PAE') poke(TOP, BigInt(LOW) | 1n);
    else {
      poke(TOP, BigInt(TABLES + 0x1000) | IDENTITY | 4n);
      poke(TABLES + 0x1000, BigInt(LOW) | IDENTITY | 4n);
    }
  } else {
    put(TOP, BigInt(LOW) | IDENTITY | 4n, 4);
    for (let i = 0; i < 1024; i++) put(LOW + i * 4, BigInt(i << 12) | IDENTITY | (i < 512 ? 0n : 4n), 4);
  }
  const top = { '32-bit': 1, PAE: 2, '4-level': 3 }[c.paging];
  for (let level = 0; level <= top; level++) {
    const table = level === top ? TOP : TABLE[level];
    const index = level < top ? 0 : { '32-bit': 256, PAE: 1, '4-level': 1 }[c.paging];
    put(table + index * (wide ? 8 : 4), encode(c, level), wide ? 8 : 4);
  }
  return linear;
}

function start(c: Case, linear: bigint): void {
  const long = c.paging === '4-level';
  const saved = structuredClone(fresh);
  const state = saved.hardware;
  const code = long ? 0xa09bn : 0xc09bn;
  const dpl = BigInt(c.cpl) << 5n;
  for (let i = 0; i < 6; i++) {
    const selector = i === 1 ? 8n : 16n;
    state.segments.set([0n, selector | BigInt(c.cpl), 0xffffffffn, (i === 1 ? code : 0xc093n) | dpl], i * 4);
  }
  state.segments.set([BigInt(TSS), 24n, 0x67n, 0x8bn], 28);
  state.tables.set([BigInt(GDT), 23n, BigInt(IDT), 0xfffn]);
  const cr4 = (c.paging === '32-bit' ? 0n : 0x20n) | (c.pse ? 0x10n : 0n);
  state.control.set([
    0x80000033n | (c.wp ? bit(16) : 0n),
    0n,
    BigInt(TOP),
    cr4 | (c.smep ? bit(20) : 0n) | (c.smap ? bit(21) : 0n),
  ]);
  if (c.paging === 'PAE') for (let i = 0; i < 4; i++) state.pdptes[i] = get(TOP + i * 8, 8);
  state.msrs[0] = (long ? 0x500n : 0n) | (c.nxe ? 0x800n : 0n);
  state.cpl = c.cpl;
  state.general.fill(0n);
  state.general[0] = 0x5eed5eedn;
  state.general[3] = linear + (c.access === 'fetch' ? 8n : 0n);
  state.general[4] = BigInt(c.cpl === 3 ? 0x380000 : STACK);
  state.general[16] = BigInt(CODE[c.cpl]);
  state.general[17] = 2n | (c.ac ? 0x40000n : 0n);
  cpu.load(saved);
  poke(GDT, 0n, long ? 0x00af9b000000ffffn : 0x00cf9b000000ffffn, 0x00cf93000000ffffn);
  for (const [vector, handler] of [
    [14, PF],
    [13, GP],
  ]) {
    const low = BigInt(handler & 0xffff) | (8n << 16n) | (0x8e00n << 32n) | (BigInt(handler >> 16) << 48n);
    if (long) poke(IDT + vector * 16, low, 0n);
    else poke(IDT + vector * 8, low);
    memory.write(handler, Uint8Array.of(0xf4));
  }
  poke(TSS, 0n, 0n);
  put(TSS + 4, BigInt(STACK), 8);
  if (!long) put(TSS + 8, 16n, 4);
  memory.write(CODE[c.cpl], Uint8Array.from([...OPCODES[c.access], 0xf4]));
}

/**
 * Seeds and paths that failed once: the page reached by an address with bit 13 set held no HLT, and what stood there raised a
 * fault of its own; a store went to the tables.
 */
const FAILED: Record<Paging, [seed: number, path: string][]> = {
  '32-bit': [
    [1848017141, '81'],
    [1622902216, '907'],
  ],
  PAE: [[1848017141, '81']],
  '4-level': [[1848017141, '2811']],
};

describe.each<Paging>(['32-bit', 'PAE', '4-level'])('%s paging', (paging) => {
  it('reaches the page or raises the fault that the tables say, and marks what it used', () => {
    const property = fc.property(cases(paging), (c) => {
      const linear = writeTables(c);
      for (const page of [0, PAGE]) {
        put(page + OFFSET, BigInt(page + 1), 4);
        put(page + OFFSET + 8, 0xf4n, 4);
      }
      const devices: number[] = [];
      cpu.callouts.mmioRead = (address) => devices.push(address) && 0xdddd;
      cpu.callouts.mmioWrite = (address) => void devices.push(address);
      start(c, linear);
      const target = linear + (c.access === 'fetch' ? 8n : 0n);
      const want = expected(c, target, get);
      const outside = want.physical !== undefined && want.physical >= BigInt(RAM);
      // A bit from 13 up may lead to another page than PAGE: there, too, a fetch finds HLT.
      if (c.access === 'fetch' && want.physical !== undefined && !outside)
        put(Number(want.physical), 0xf4n, 1);
      const tables = memory.read(TABLES, TABLES_END - TABLES);
      for (const at of want.accessed) if (at >= TABLES && at < TABLES_END) tables[at - TABLES] |= 0x20;
      if (want.dirty !== undefined) tables[want.dirty - TABLES] |= 0x40;
      // Without CR4.PSE an entry meant for a large page leads to another table, and may make the tables themselves the page.
      const inTables = Number(want.physical ?? 0n) - TABLES;
      if (c.access === 'write' && inTables >= 0 && inTables < tables.length)
        new DataView(tables.buffer, tables.byteOffset).setUint32(inTables, 0x5eed5eed, true);
      const stop = cpu.run(cpu.now() + 100_000);
      expect(Buffer.compare(memory.read(TABLES, TABLES_END - TABLES), tables)).toBe(0);
      if (outside && c.access === 'fetch') {
        expect(stop).toBe(StopReason.Unsupported);
        return;
      }
      expect(stop).toBe(StopReason.Halted);
      const faulted = cpu.ripLow === PF + 1;
      expect(faulted).toBe(want.error !== undefined);
      if (faulted) {
        const error = get(Number(cpu.getReg(4)), 4);
        expect([error, cpu.save().hardware.control[1]]).toEqual([BigInt(want.error ?? 0), target]);
      } else if (outside) {
        expect(devices.map(BigInt)).toEqual([want.physical]);
      } else if (c.access === 'read') {
        expect(cpu.getReg(0)).toBe(get(Number(want.physical), 4));
      } else if (c.access === 'write') {
        expect(get(Number(want.physical), 4)).toBe(0x5eed5eedn);
      }
    });
    for (const [seed, path] of FAILED[paging]) fc.assert(property, { seed, path, numRuns: 1 });
    fc.assert(property, { seed: 4, numRuns: Number(process.env.TRAPLINE_CPU_RUNS ?? 300) });
  });
});
