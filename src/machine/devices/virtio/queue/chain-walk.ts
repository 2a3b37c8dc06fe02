/** Descriptors, and the walk along those of one buffer: what the specification asks of them whatever the ring's format. */
import type { Segment } from '../contract';
import { QueueFault } from './faults';
import { ADDRESS_LIMIT, DESCRIPTOR_BYTES, type QueueSetup } from './setup';

const MOST_CHAIN_BYTES = 0x1_0000_0000;

/** Flags of a descriptor; the last two of the packed format only. */
export const DescriptorFlag = { NEXT: 1, WRITE: 2, INDIRECT: 4, AVAIL: 0x80, USED: 0x8000 } as const;

/** A descriptor as it was read. */
export interface Descriptor {
  /** Not exact from `ADDRESS_LIMIT` on. */
  readonly address: number;
  readonly length: number;
  readonly flags: number;
  /** Split: `next`. Packed: the buffer ID. */
  readonly link: number;
}

/** A buffer whose descriptors are being read. */
export interface ChainWalk {
  /** As of a `Chain`; packed: known at its last descriptor. */
  id: number;
  /** Packed: descriptors taken so far in the ring. Split: 1. */
  slots: number;
  /** Descriptors that describe elements, so far. */
  elements: number;
  bytes: number;
  readable: Segment[];
  writable: Segment[];
  /** The descriptor that comes next: its index in the ring's table, or in the indirect one. */
  index: number;
  /** The indirect table that the walk is in. */
  table?: { readonly address: number; readonly entries: number };
  /** The last descriptor has been taken. */
  complete: boolean;
}

/** A walk at its first descriptor. */
export function beginWalk(index: number, id: number, slots: number): ChainWalk {
  return { id, slots, elements: 0, bytes: 0, readable: [], writable: [], index, complete: false };
}

/** A walk that shares nothing with the other that will change. */
export function copyOfWalk(walk: ChainWalk): ChainWalk {
  return { ...walk, readable: [...walk.readable], writable: [...walk.writable] };
}

/** Takes a descriptor for an element of the buffer. An element of no bytes is allowed, and is no segment. */
export function addElement(walk: ChainWalk, descriptor: Descriptor, size: number): QueueFault | undefined {
  const { address, length, flags } = descriptor;
  walk.elements += 1;
  walk.bytes += length;
  if (walk.elements > size) return QueueFault.CHAIN_LENGTH;
  if (walk.bytes > MOST_CHAIN_BYTES) return QueueFault.CHAIN_BYTES;
  if (length > ADDRESS_LIMIT - address) return QueueFault.ADDRESS;
  const isWritable = (flags & DescriptorFlag.WRITE) !== 0;
  if (!isWritable && walk.writable.length > 0) return QueueFault.ELEMENT_ORDER;
  if (length > 0) (isWritable ? walk.writable : walk.readable).push({ address, length });
  return undefined;
}

/** Goes on in the indirect table that a descriptor refers to, whose WRITE flag means nothing (2.7.5.3.2). */
export function enterTable(
  walk: ChainWalk,
  { address, length, flags }: Descriptor,
  { indirect }: QueueSetup,
): QueueFault | undefined {
  if (!indirect) return QueueFault.INDIRECT_NOT_NEGOTIATED;
  if (walk.table) return QueueFault.INDIRECT_NESTED;
  if ((flags & DescriptorFlag.NEXT) !== 0) return QueueFault.INDIRECT_LINKED;
  if (length === 0 || length % DESCRIPTOR_BYTES !== 0) return QueueFault.INDIRECT_LENGTH;
  if (length > ADDRESS_LIMIT - address) return QueueFault.ADDRESS;
  walk.table = { address, entries: length / DESCRIPTOR_BYTES };
  walk.index = 0;
  return undefined;
}

/** The 64-bit address at an offset. From `ADDRESS_LIMIT` on it is not exact, but never below it. */
export function addressAt(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}
