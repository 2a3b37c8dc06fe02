/** Where the structures of a virtio device on PCI are (4.1.4), as QEMU lays them out: a page for each. */

/** Vendor of every virtio device (4.1.2.1). */
export const VIRTIO_VENDOR = 0x1af4;
/** Added to the virtio device ID: the PCI device ID of a device that is not transitional. */
export const MODERN_DEVICE_BASE = 0x1040;
/** PCI device IDs of transitional devices by virtio device ID (4.1.2.1). */
export const TRANSITIONAL_DEVICE_IDS: Readonly<Record<number, number>> = {
  1: 0x1000,
  2: 0x1001,
  3: 0x1003,
  4: 0x1005,
  5: 0x1002,
  8: 0x1004,
  9: 0x1009,
};
/** Of the environment, as QEMU tells it. A transitional device has its virtio device ID there (4.1.2.3). */
export const SUBSYSTEM_ID = 0x1100;

/** Base address registers. */
export const Bar = { legacy: 0, msix: 1, modern: 4 } as const;

/** Table and pending bits of MSI-X in their BAR, which has a page. */
export const MSIX_TABLE = { table: 0, pending: 0x800, bytes: 0x1000 } as const;

/** Structures in the memory BAR. */
export const Structure = { common: 0, isr: 0x1000, device: 0x2000, notify: 0x3000 } as const;
/** Bytes of each, and of the BAR. */
export const STRUCTURE_BYTES = 0x1000;
export const MODERN_BAR_BYTES = 0x4000;
/** Bytes that the common configuration and the ISR status have. */
export const COMMON_BYTES = 0x40;
export const ISR_BYTES = 1;
/** Between the notification addresses of two queues (4.1.4.4): each has one of its own, which an ioeventfd can stand for. */
export const NOTIFY_MULTIPLIER = 4;

/** Types of virtio structures in vendor capabilities (4.1.4). */
export const CapabilityType = { common: 1, notify: 2, isr: 3, device: 4, pciAccess: 5 } as const;

/** An event that has no vector (4.1.5.1.2). */
export const NO_VECTOR = 0xffff;

/** Bits of the ISR status (4.1.4.5). */
export const Isr = { queue: 1, configuration: 2 } as const;

/** Fields of the common configuration (4.1.4.3). */
export const Common = {
  DEVICE_FEATURE_SELECT: 0x00,
  DEVICE_FEATURE: 0x04,
  DRIVER_FEATURE_SELECT: 0x08,
  DRIVER_FEATURE: 0x0c,
  CONFIG_MSIX_VECTOR: 0x10,
  NUM_QUEUES: 0x12,
  DEVICE_STATUS: 0x14,
  CONFIG_GENERATION: 0x15,
  QUEUE_SELECT: 0x16,
  QUEUE_SIZE: 0x18,
  QUEUE_MSIX_VECTOR: 0x1a,
  QUEUE_ENABLE: 0x1c,
  QUEUE_NOTIFY_OFF: 0x1e,
  QUEUE_DESC: 0x20,
  QUEUE_DRIVER: 0x28,
  QUEUE_DEVICE: 0x30,
  QUEUE_NOTIF_CONFIG_DATA: 0x38,
  QUEUE_RESET: 0x3a,
  ADMIN_QUEUE_INDEX: 0x3c,
  ADMIN_QUEUE_NUM: 0x3e,
} as const;

/** Registers of the legacy interface (4.1.4.10). Configuration follows, behind the two vectors when MSI-X is enabled. */
export const Legacy = {
  DEVICE_FEATURES: 0,
  GUEST_FEATURES: 4,
  QUEUE_PFN: 8,
  QUEUE_SIZE: 12,
  QUEUE_SELECT: 14,
  QUEUE_NOTIFY: 16,
  DEVICE_STATUS: 18,
  ISR_STATUS: 19,
  CONFIG_MSIX_VECTOR: 20,
  QUEUE_MSIX_VECTOR: 22,
} as const;
/** Where the type's configuration begins, without MSI-X and with it. */
export const LEGACY_CONFIG_AT = { intx: 20, msix: 24 } as const;
/** Bytes of a page and of the used ring's boundary, of legacy queues on PCI (2.7.2). */
export const LEGACY_PAGE = 4096;
