/** Registers of a virtio device on MMIO (4.2.2, 4.2.4). */

/** Bytes that the device takes: registers, then the type's configuration. */
export const MMIO_BYTES = 0x200;
export const MMIO_CONFIG_AT = 0x100;

/** Both versions have these. */
export const Mmio = {
  MAGIC_VALUE: 0x000,
  VERSION: 0x004,
  DEVICE_ID: 0x008,
  VENDOR_ID: 0x00c,
  DEVICE_FEATURES: 0x010,
  DEVICE_FEATURES_SEL: 0x014,
  DRIVER_FEATURES: 0x020,
  DRIVER_FEATURES_SEL: 0x024,
  QUEUE_SEL: 0x030,
  QUEUE_SIZE_MAX: 0x034,
  QUEUE_SIZE: 0x038,
  QUEUE_NOTIFY: 0x050,
  INTERRUPT_STATUS: 0x060,
  INTERRUPT_ACK: 0x064,
  STATUS: 0x070,
} as const;

/** Version 2 alone. */
export const MmioModern = {
  QUEUE_READY: 0x044,
  QUEUE_DESC: 0x080,
  QUEUE_DRIVER: 0x090,
  QUEUE_DEVICE: 0x0a0,
  SHM_SEL: 0x0ac,
  SHM_LEN: 0x0b0,
  SHM_BASE: 0x0b8,
  QUEUE_RESET: 0x0c0,
  CONFIG_GENERATION: 0x0fc,
} as const;

/** Version 1 alone (4.2.4). */
export const MmioLegacy = { GUEST_PAGE_SIZE: 0x028, QUEUE_ALIGN: 0x03c, QUEUE_PFN: 0x040 } as const;

/** `virt`. */
export const MMIO_MAGIC = 0x74726976;
export const MmioVersion = { legacy: 1, modern: 2 } as const;
/** `QEMU`. */
export const MMIO_VENDOR = 0x554d4551;
/** Bits of the interrupt status. */
export const MmioInterrupt = { usedBuffers: 1, configuration: 2 } as const;
/** Length and base of a shared memory region that is not there. */
export const NO_REGION = 0xffffffff;
