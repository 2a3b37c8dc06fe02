/**
 * The guest virtual APIC log of AMD's IOMMU (48882, 2.8): a ring of 64-bit entries in memory, each about an interrupt that has found its
 * vCPU not running. The unit writes at the tail, software reads from the head; one entry is always free.
 */
import type { RequesterId } from '../../bus';
import type { DescriptorMemory } from '../../interrupts/posted-descriptor';
import { bytesOf, type Words } from '../words';

/** Bytes of an entry. */
export const LOG_ENTRY_BYTES = 8;
/** What a ring of the smallest size holds; the length field of the base register counts from 8, which is this. */
const LEAST_ENTRIES = 512;
const LEAST_LENGTH = 8;
/** Kind of an entry, in bits 63 to 60: a guest that does not run. */
const NOT_RUNNING = 1;
const TYPE_SHIFT = 28;
const DEVICE_MASK = 0xffff;

/** A ring in memory, by its registers. */
export interface AmdRing {
  base: number;
  /** Bytes. */
  size: number;
  /** Offsets in the ring. */
  head: number;
  tail: number;
}

/** What was tried. */
export type LogOutcome = { written: true; address: number; tail: number } | { written: false };

/** Bytes of a ring, by bits 59 to 56 of its base register; smaller values are reserved, and taken for the smallest. */
export function ringBytes(length: number): number {
  return LEAST_ENTRIES * 2 ** Math.max(0, length - LEAST_LENGTH) * LOG_ENTRY_BYTES;
}

/** Writes an entry at the tail: the tag of a vCPU, and the function whose interrupt it was. Not written: the ring is full, or no memory. */
export function appendToLog(
  memory: DescriptorMemory,
  { base, size, head, tail }: AmdRing,
  tag: number,
  device: RequesterId,
): LogOutcome {
  const next = (tail + LOG_ENTRY_BYTES) % size;
  const address = base + tail;
  const entry = bytesOf([tag, NOT_RUNNING * 2 ** TYPE_SHIFT + (device & DEVICE_MASK)]);
  if (next === head || !memory.write(address, entry)) return { written: false };
  return { written: true, address, tail: next };
}

/** The tag of an entry, by its two dwords; undefined: it is of another kind. */
export function logTag([tag, high]: Words): number | undefined {
  return high >>> TYPE_SHIFT === NOT_RUNNING ? tag : undefined;
}
