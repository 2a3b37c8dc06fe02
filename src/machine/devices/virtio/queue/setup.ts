/** What a virtqueue is started with, and whether it can be. */
import type { QueueLayout } from '../contract';
import { QueueFault } from './faults';

/** Bytes of a descriptor of either format (2.7.5, 2.8.13). */
export const DESCRIPTOR_BYTES = 16;
/** Addresses end here: what a number counts exactly. */
export const ADDRESS_LIMIT = Number.MAX_SAFE_INTEGER + 1;
const LARGEST_SIZE = 0x8000;

/** Where the rings lie, and what was negotiated when they began to be worked on. */
export interface QueueSetup {
  readonly layout: QueueLayout;
  readonly packed: boolean;
  readonly eventIdx: boolean;
  readonly indirect: boolean;
  readonly inOrder: boolean;
}

/** A part of a queue: alignment, bytes for each entry and besides. */
type Part = readonly [
  name: 'descriptors' | 'driver' | 'device',
  align: number,
  each: number,
  besides: number,
];

const SPLIT: readonly Part[] = [
  ['descriptors', 16, DESCRIPTOR_BYTES, 0],
  ['driver', 2, 2, 6],
  ['device', 4, 8, 6],
];
const PACKED: readonly Part[] = [
  ['descriptors', 16, DESCRIPTOR_BYTES, 0],
  ['driver', 4, 0, 4],
  ['device', 4, 0, 4],
];

/** Why a queue cannot work there (2.7, 2.8.10.1), if it cannot. */
export function setupFault({ layout, packed }: QueueSetup): QueueFault | undefined {
  const { size } = layout;
  if (!Number.isInteger(size) || size < 1 || size > LARGEST_SIZE) return QueueFault.SIZE;
  if (!packed && (size & (size - 1)) !== 0) return QueueFault.SIZE;
  const fits = (packed ? PACKED : SPLIT).every(([name, align, each, besides]) => {
    const address = layout[name];
    return address % align === 0 && address <= ADDRESS_LIMIT - (each * size + besides);
  });
  return fits ? undefined : QueueFault.LAYOUT;
}
