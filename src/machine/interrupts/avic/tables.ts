/**
 * What AMD's AVIC has in the host's memory (AMD64 vol. 2, 15.29.4 to 15.29.6): for each vCPU a virtual APIC backing page, whose
 * registers stand where those of the xAPIC page do, and for each VM two tables by which its processors find the pages.
 */
import { Lapic } from '../lapic-registers';
import type { DescriptorMemory } from '../posted-descriptor';

/** Bytes of a backing page and of each table; their addresses are multiples of as many. */
export const AVIC_PAGE_BYTES = 4096;
/** Bytes of an entry: of the physical APIC ID table, and of the logical one. */
export const PHYSICAL_ENTRY_BYTES = 8;
export const LOGICAL_ENTRY_BYTES = 4;
/** Entries of the logical table: of 15 clusters four each. In the flat model the first eight have a meaning. */
export const LOGICAL_ENTRIES = 60;
/** Highest APIC ID of an xAPIC; the next is everybody's. */
export const HIGHEST_XAPIC_ID = 0xfe;

/** An entry of the physical APIC ID table, which the guest's APIC ID is the index of. */
export interface PhysicalEntry {
  /** V, bit 63. */
  valid: boolean;
  /** IR, bit 62: the vCPU runs, on the physical CPU that the entry names. */
  running: boolean;
  /** Host physical APIC ID, bits 11 to 0. */
  hostApicId: number;
  /** Backing page pointer, bits 51 to 12: a host-physical address. */
  backingPage: number;
}

/** An entry as it stands in memory: two dwords, the lower one first. */
export type RawPhysicalEntry = readonly [low: number, high: number];

const HOST_ID_MASK = 0xfff;
const PAGE_LOW = 0xfffff000;
const PAGE_HIGH = 0xfffff;
const RUNNING = 1 << 30;
const VALID = 2 ** 31;
const HALF = 2 ** 32;
const LOGICAL_ID_MASK = 0xff;

/** The two dwords that say this. */
export function encodePhysical({ valid, running, hostApicId, backingPage }: PhysicalEntry): RawPhysicalEntry {
  const low = ((backingPage & PAGE_LOW) | (hostApicId & HOST_ID_MASK)) >>> 0;
  const page = Math.floor(backingPage / HALF) & PAGE_HIGH;
  return [low, page + (running ? RUNNING : 0) + (valid ? VALID : 0)];
}

/** What two dwords say. */
export function decodePhysical([low, high]: RawPhysicalEntry): PhysicalEntry {
  return {
    valid: high >= VALID,
    running: (high & RUNNING) !== 0,
    hostApicId: low & HOST_ID_MASK,
    backingPage: (high & PAGE_HIGH) * HALF + ((low & PAGE_LOW) >>> 0),
  };
}

/** An entry of the logical APIC ID table: bit 31 V, bits 7 to 0 the guest's physical APIC ID. @param apicId undefined: not valid */
export function encodeLogical(apicId: number | undefined): number {
  return apicId === undefined ? 0 : VALID + (apicId & LOGICAL_ID_MASK);
}

/** The guest's physical APIC ID; undefined where the entry is not valid. */
export function decodeLogical(entry: number): number | undefined {
  return entry >= VALID ? entry & LOGICAL_ID_MASK : undefined;
}

/** A dword of memory; undefined where there is none. */
export function readDword(memory: DescriptorMemory, address: number): number | undefined {
  const bytes = memory.read(address, 4);
  return bytes && new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}

/** Writes a dword. @returns false where there is no memory */
export function writeDword(memory: DescriptorMemory, address: number, value: number): boolean {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return memory.write(address, bytes);
}

/**
 * Sets a vector's bit in the IRR of a backing page, as one locked access.
 * @returns false where there is no memory
 */
export function requestVector(memory: DescriptorMemory, backingPage: number, vector: number): boolean {
  const address = backingPage + Lapic.Irr + (vector >> 5) * 16;
  const before = readDword(memory, address);
  return before !== undefined && writeDword(memory, address, (before | (1 << (vector & 31))) >>> 0);
}

/**
 * Indices in the logical table that bits of a logical destination or of an LDR mean: in the flat model one for each bit, in the
 * cluster model those of the cluster that the upper half names.
 * @param id 8 bits
 */
export function logicalIndices(id: number, flat: boolean): number[] {
  const first = flat ? 0 : (id >> 4) * 4;
  const bits = flat ? 8 : 4;
  return Array.from({ length: bits }, (_, bit) => bit)
    .filter((bit) => (id & (1 << bit)) !== 0)
    .map((bit) => first + bit)
    .filter((index) => index < LOGICAL_ENTRIES);
}
