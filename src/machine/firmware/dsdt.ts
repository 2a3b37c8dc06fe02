/** What an operating system is told of devices that no bus tells it of (ACPI specification 6.4, 5.2.11.1 and chapter 6). */
import { device, integer, levelInterrupt, memory32Fixed, named, resources, scope, string } from './aml';

/** A virtio device on MMIO. */
export interface MmioDeviceFacts {
  /** Physical address of its registers, and how many bytes they have. */
  base: number;
  bytes: number;
  /** Global system interrupt of its line. */
  gsi: number;
}

/** By which Linux and others know a virtio device on MMIO; QEMU's microvm names its devices so. */
const VIRTIO_MMIO_ID = 'LNRO0005';

/** The definition block of a machine with these devices; empty without. */
export function definitionBlock(devices: readonly MmioDeviceFacts[]): Uint8Array {
  if (devices.length === 0) return new Uint8Array(0);
  return scope(
    '_SB',
    devices.map(({ base, bytes, gsi }, index) =>
      device(`VR${String(index).padStart(2, '0')}`, [
        named('_HID', string(VIRTIO_MMIO_ID)),
        named('_UID', integer(index)),
        // Its accesses to memory are seen by the caches of the CPUs (6.2.17).
        named('_CCA', integer(1)),
        named('_CRS', resources([memory32Fixed(base, bytes), levelInterrupt(gsi)])),
      ]),
    ),
  );
}
