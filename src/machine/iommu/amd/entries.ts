/**
 * What AMD's IOMMU has in memory for interrupts (48882, 2.2.2 and 2.2.5): of a device table entry the part about interrupts, and entries
 * of the interrupt remapping table as they are with `GAEn`, of 128 bits.
 */
import { addressIn, field, isSet, type Words } from '../words';

/** Bytes of a device table entry, and of an entry of the interrupt remapping table. */
export const DEVICE_ENTRY_BYTES = 32;
export const AMD_IRTE_BYTES = 16;
/** More entries than 2 to this power no table has. */
const MOST_ENTRIES_LOG2 = 11;

/** What becomes of fixed and arbitrated interrupts (IntCtl). */
export const IntCtl = { Abort: 0, Pass: 1, Remap: 2 } as const;

/** The part of a device table entry that is about interrupts. */
export interface DeviceInterruptEntry {
  /** IV: without it messages pass as they are. */
  valid: boolean;
  /** One of `IntCtl`; 3 is reserved. */
  control: number;
  /** Address of the interrupt remapping table, a multiple of 64. */
  table: number;
  /** Entries of it; undefined: IntTabLen is reserved. */
  entries: number | undefined;
  initPasses: boolean;
  extIntPasses: boolean;
  nmiPasses: boolean;
}

/** Bits of the two dwords that have it: 159 to 128 and 191 to 160 of the entry. */
const VALID = 0;
const LENGTH = { first: 1, count: 4 } as const;
const TABLE_HIGH = 0xfffff;
const TABLE_ALIGNMENT_BITS = 6;
const Pass = { Init: 24, ExtInt: 25, Nmi: 26 } as const;
const CONTROL = { first: 28, count: 2 } as const;

/** @param words all eight of the entry */
export function decodeDeviceEntry(words: Words): DeviceInterruptEntry {
  const low = words[4];
  const high = words[5];
  const length = field(low, LENGTH.first, LENGTH.count);
  return {
    valid: isSet(low, VALID),
    control: field(high, CONTROL.first, CONTROL.count),
    table: addressIn(low, high & TABLE_HIGH, TABLE_ALIGNMENT_BITS),
    entries: length <= MOST_ENTRIES_LOG2 ? 2 ** length : undefined,
    initPasses: isSet(high, Pass.Init),
    extIntPasses: isSet(high, Pass.ExtInt),
    nmiPasses: isSet(high, Pass.Nmi),
  };
}

/** Bits 159 to 128 and 191 to 160 of an entry by which all interrupts are remapped. @param log2 of the table's entries */
export function encodeDeviceInterrupts(table: number, log2: number): [low: number, high: number] {
  const low = (table % 2 ** 32) + 2 ** VALID + log2 * 2 ** LENGTH.first;
  return [low, Math.floor(table / 2 ** 32) + IntCtl.Remap * 2 ** CONTROL.first];
}

/** An entry that makes a message of a request. */
export interface RemappedEntry {
  guest: false;
  /** IntType: 0 fixed, 1 arbitrated. */
  type: number;
  logical: boolean;
  /** 32 bits. */
  destination: number;
  vector: number;
}

/** An entry that leads to the backing page of a vCPU. */
export interface GuestEntry {
  guest: true;
  /** GALogIntr: an interrupt that finds the vCPU not running is logged. */
  logged: boolean;
  /** IsRun. */
  running: boolean;
  /** The physical CPU, by its APIC ID of 32 bits. */
  destination: number;
  /** GATag. */
  tag: number;
  vector: number;
  /** Guest virtual APIC table root pointer: a host-physical address of 4 KiB. */
  backingPage: number;
}

export type AmdIrte = RemappedEntry | GuestEntry;

const Bit = { RemapEn: 0, SupIOPF: 1, GALogIntr: 2, Logical: 6, IsRun: 6, GuestMode: 7 } as const;
const TYPE = { first: 2, count: 3 } as const;
const DESTINATION_SHIFT = 8;
const DESTINATION_LOW = 0xffffff;
const VECTOR_MASK = 0xff;
const PAGE_BITS = 12;
const PAGE_HIGH = 0xfffff;
const DESTINATION_HIGH_SHIFT = 24;
/** Bits that have to be 0: of an entry in guest mode, and of another. */
const RESERVED_GUEST = [0x38, 0, 0xf00, 0xf00000] as const;
const RESERVED = [0, 0xffffffff, 0xffffff00, 0xffffff] as const;
/** IntType of an arbitrated interrupt; above it, all are reserved or come to no local APIC. */
const ARBITRATED = 1;

/** RemapEn. */
export function irteEnabled(words: Words): boolean {
  return isSet(words[0], Bit.RemapEn);
}

/** SupIOPF: that it refuses a request is no event. */
export function irteQuiet(words: Words): boolean {
  return isSet(words[0], Bit.SupIOPF);
}

/** GuestMode. */
export function irteOfGuest(words: Words): boolean {
  return isSet(words[0], Bit.GuestMode);
}

/** What an entry says that is enabled; undefined: a reserved bit or encoding is in it. @param words its four */
export function decodeAmdIrte(words: Words): AmdIrte | undefined {
  const [w0, w1, w2, w3] = words;
  const guest = irteOfGuest(words);
  const reserved = guest ? RESERVED_GUEST : RESERVED;
  if (reserved.some((bits, at) => (words[at] & bits) !== 0)) return undefined;
  const destination = (w3 >>> DESTINATION_HIGH_SHIFT) * 2 ** 24 + (w0 >>> DESTINATION_SHIFT);
  const vector = w2 & VECTOR_MASK;
  if (guest) {
    const backingPage = addressIn(w2, w3 & PAGE_HIGH, PAGE_BITS);
    const running = isSet(w0, Bit.IsRun);
    return { guest, running, logged: isSet(w0, Bit.GALogIntr), destination, tag: w1, vector, backingPage };
  }
  const type = field(w0, TYPE.first, TYPE.count);
  if (type > ARBITRATED) return undefined;
  return { guest, type, logical: isSet(w0, Bit.Logical), destination, vector };
}

/** The enabled entry that says this: four dwords, the lowest first. */
export function encodeAmdIrte(irte: AmdIrte): [number, number, number, number] {
  const low = 2 ** Bit.RemapEn + (irte.destination & DESTINATION_LOW) * 2 ** DESTINATION_SHIFT;
  const high = Math.floor(irte.destination / 2 ** 24) * 2 ** DESTINATION_HIGH_SHIFT;
  if (!irte.guest) {
    const { type, logical, vector } = irte;
    return [low + type * 2 ** TYPE.first + (logical ? 2 ** Bit.Logical : 0), 0, vector, high];
  }
  const { running, logged, tag, vector, backingPage } = irte;
  const flags = 2 ** Bit.GuestMode + (running ? 2 ** Bit.IsRun : 0) + (logged ? 2 ** Bit.GALogIntr : 0);
  return [low + flags, tag, vector + (backingPage % 2 ** 32), high + Math.floor(backingPage / 2 ** 32)];
}
