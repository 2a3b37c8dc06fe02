/**
 * Interrupt-remapping tables, posted-interrupt descriptors and interrupt requests by chance (VT-d specification 4.x, 5.1, 5.2, 9.10 to
 * 9.12): most of them sound, some with a bit that they must not have, or leading to where nothing is.
 */
import type { Dice } from '../../conformance/device-fuzz/dice';
import type { WrittenEntry } from './hostile-tables';
import { MEMORY } from './world';

/** Where tables of interrupts are: two, and one that goes on behind the end of memory. */
export const INTERRUPT_TABLES = [
  MEMORY.base + 0x200000,
  MEMORY.base + 0x202000,
  MEMORY.base + MEMORY.size - 0x1000,
] as const;
/** Where there is no memory, and where no address of the host is. */
const NO_TABLES = [0n, 0x10000000n, 1n << 45n, (1n << 46n) - 4096n, (1n << 64n) - 4096n];
const DESCRIPTORS = MEMORY.base + 0x204000;
const DESCRIPTOR_BYTES = 64;
/** Descriptors where none ought to be: in tables of interrupts, nowhere, beyond the host's addresses. */
const HOSTILE_DESCRIPTORS = [
  BigInt(INTERRUPT_TABLES[1]) + 0x40n,
  BigInt(INTERRUPT_TABLES[0]),
  BigInt(MEMORY.base + MEMORY.size),
  0x10000000n,
  1n << 41n,
  1n << 45n,
  1n << 50n,
  (1n << 64n) - 64n,
];
/** Whoever sends: functions of one device, of others, of other buses, and the IOAPIC. */
export const SENDERS = [
  0x0000, 0x0001, 0x0004, 0x0006, 0x0009, 0x00f8, 0x0108, 0x0109, 0x0208, 0xf0f8,
] as const;
/** As whom the IOAPIC sends. */
export const IOAPIC = 0xf0f8;
/** Entries that are used: few, so that requests meet, and some at the ends of tables of each size. */
const SLOTS = [0, 1, 2, 3, 4, 5, 255] as const;
const INDICES = [
  ...SLOTS,
  ...SLOTS,
  ...SLOTS,
  ...SLOTS,
  6,
  256,
  511,
  0x7fff,
  0x8000,
  0xffff,
  0x10000,
] as const;
const SIZES = [15, 15, 15, 7, 7, 8, 2, 1, 0] as const;

/** An interrupt request. */
export interface InterruptRequest {
  requester: number;
  address: number;
  data: number;
}

/** Makes them. */
export class HostileInterruptTables {
  constructor(private readonly dice: Dice) {}

  /** Entries of all tables, for a beginning, and descriptors. */
  everything(): WrittenEntry[] {
    const tables = INTERRUPT_TABLES.flatMap((table) => SLOTS.map((slot) => this.entryAt(table, slot)));
    return [...tables, ...[0, 1, 2, 3].map((at) => this.descriptorAt(DESCRIPTORS + DESCRIPTOR_BYTES * at))];
  }

  /** An entry anew, or half of one. */
  entry(): WrittenEntry {
    const { dice } = this;
    const { address, words } = this.entryAt(dice.pick(INTERRUPT_TABLES), dice.pick(SLOTS));
    if (!dice.oneIn(6)) return { address, words };
    return dice.oneIn(2) ? { address, words: [words[0]] } : { address: address + 8, words: [words[1]] };
  }

  /** A descriptor anew: as the processor has taken it, or with what was requested before. */
  descriptor(): WrittenEntry {
    return this.descriptorAt(DESCRIPTORS + DESCRIPTOR_BYTES * this.dice.below(4));
  }

  /** A value for the table's address register. */
  address(): bigint {
    const { dice } = this;
    const base = dice.oneIn(20) ? dice.pick(NO_TABLES) : BigInt(dice.pick(INTERRUPT_TABLES));
    return base | (dice.oneIn(2) ? 1n << 11n : 0n) | BigInt(dice.pick(SIZES));
  }

  /** What a device or the IOAPIC writes to where interrupts are written. */
  request(): InterruptRequest {
    const { dice } = this;
    const requester = dice.pick(SENDERS);
    if (dice.oneIn(8))
      return {
        requester,
        address: 0xfee00000 + dice.below(1 << 20),
        data: dice.word() & dice.pick([0xffff, 0xc7ff]),
      };
    const index = dice.pick(INDICES);
    const subhandle = dice.oneIn(3) ? dice.pick([0, 1, 3, index]) : undefined;
    const handle = Math.max(0, Math.min(index - (subhandle ?? 0), 0xffff));
    const address =
      0xfee00010 +
      ((handle & 0x7fff) << 5) +
      (handle > 0x7fff ? 4 : 0) +
      (subhandle === undefined ? 0 : 8) +
      dice.pick([0, 0, 3]);
    const data = (subhandle ?? dice.word()) + (dice.oneIn(12) ? 0x10000 : 0);
    return { requester, address, data: data >>> 0 };
  }

  private entryAt(table: number, slot: number): WrittenEntry {
    const { dice } = this;
    const address = table + 16 * slot;
    const word = (): bigint => (BigInt(dice.word()) << 32n) | BigInt(dice.word());
    if (dice.oneIn(20)) return { address, words: dice.oneIn(2) ? [0n, 0n] : [word(), word()] };
    const common = (dice.oneIn(10) ? 0n : 1n) | (dice.oneIn(6) ? 2n : 0n) | (BigInt(dice.below(256)) << 16n);
    const source = this.source();
    const words = dice.oneIn(2) ? this.posted(common, source) : this.remapped(common, source);
    if (dice.oneIn(12)) words[dice.below(2)] ^= 1n << BigInt(dice.below(64));
    return { address, words };
  }

  /** SVT, SQ and SID: nothing is compared, a function and which of its bits, or a range of buses. */
  private source(): bigint {
    const { dice } = this;
    const verification = dice.oneIn(20) ? 3n : dice.pick([0n, 0n, 0n, 0n, 1n, 1n, 1n, 2n]);
    const id =
      verification === 2n
        ? dice.pick([0x0000n, 0x0001n, 0x0101n, 0x0200n, 0x00f0n])
        : BigInt(dice.pick(SENDERS));
    return id | (BigInt(dice.below(4)) << 16n) | (verification << 18n);
  }

  private remapped(common: bigint, source: bigint): bigint[] {
    const { dice } = this;
    const mode = BigInt(dice.pick([0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 4, 5, 7, 0, 0, 3, 6]));
    const flags = (BigInt(dice.below(8)) << 2n) | (mode << 5n) | (BigInt(dice.below(16)) << 8n);
    const destination = BigInt(
      dice.pick([dice.below(256) << 8, 0xff00, 1 << 8, 2 << 8, 4 << 8, dice.word()]),
    );
    return [common | flags | (destination << 32n), source];
  }

  private posted(common: bigint, source: bigint): bigint[] {
    const { dice } = this;
    const own = BigInt(DESCRIPTORS + DESCRIPTOR_BYTES * dice.below(4));
    const at = dice.oneIn(5) ? dice.pick(HOSTILE_DESCRIPTORS) : own;
    const flags = (1n << 15n) | (dice.oneIn(3) ? 1n << 14n : 0n) | (BigInt(dice.below(16)) << 8n);
    return [common | flags | (((at >> 6n) & 0x3ffffffn) << 38n), source | ((at >> 32n) << 32n)];
  }

  private descriptorAt(address: number): WrittenEntry {
    const { dice } = this;
    const requests = (): bigint => (dice.oneIn(2) ? 1n << BigInt(dice.below(64)) : 0n);
    const destination = BigInt(dice.pick([dice.below(256) << 8, 0xff00, 1 << 8, 2 << 8, dice.word()]));
    const control =
      BigInt(dice.pick([0, 0, 0, 1, 2, 2, 3])) | (BigInt(dice.below(256)) << 16n) | (destination << 32n);
    const words = [requests(), requests(), requests(), requests(), control, 0n, 0n, 0n];
    if (dice.oneIn(12)) words[4 + dice.below(4)] ^= 1n << BigInt(dice.below(64));
    return { address, words };
  }
}
