/** Rules of the rings that a driver breaks: the device then needs a reset, and the next script begins with one. */
import { Common } from '../../../../../src/machine/devices/virtio/pci/layout';
import type { Difference } from '../../device';
import type { Random } from '../../random';
import type { Operation } from '../../script';
import { descriptor, Flag, type DriverQueue, type VirtioRegisters } from './driver';

/** Rules that QEMU lets a driver break. */
export const misuseAvoided: readonly Difference[] = [
  {
    qemu: 'takes a descriptor of an indirect table that refers to another table for a buffer',
    trapline: 'needs a reset',
    section: 'virtio 1.3, 2.7.5.3.1 (the driver must not)',
  },
];
const SOMEWHERE = 0x700000;

/** Breaks one rule of a queue with a split ring and nothing in it; none of a packed one. */
export function breakRule(random: Random, queue: DriverQueue, registers: VirtioRegisters): Operation[] {
  if (queue.features.packed) return [];
  const { size } = queue;
  const broken = (): Operation[] => {
    switch (random.below(4)) {
      case 0:
        return queue.misuse(descriptor(SOMEWHERE, 16, 0, 0), size + random.below(3));
      case 1:
        return queue.misuse(descriptor(SOMEWHERE, 16, Flag.next, size + random.below(3)));
      case 2:
        return queue.misuse(descriptor(SOMEWHERE, 16, Flag.next, queue.nextFree));
      default:
        return queue.misuse(descriptor(SOMEWHERE, 16 * random.between(1, 3) + 1, Flag.indirect, 0));
    }
  };
  return [
    registers.isr(),
    ...broken(),
    queue.kick(),
    { op: 'rest' },
    registers.read(Common.DEVICE_STATUS, 1),
    registers.isr(),
    // Without the flags: whether notifications are wanted means nothing any more.
    { op: 'load', at: queue.deviceArea + 2, length: 2 + 8 * size },
  ];
}
