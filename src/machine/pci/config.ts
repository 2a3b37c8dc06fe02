/** Numbers of PCI configuration space (PCI Local Bus Specification 3.0, chapter 6). */

/** Offsets of the type 0 header. */
export const Config = {
  VendorId: 0x00,
  DeviceId: 0x02,
  Command: 0x04,
  Status: 0x06,
  RevisionId: 0x08,
  ClassCode: 0x09,
  CacheLineSize: 0x0c,
  LatencyTimer: 0x0d,
  HeaderType: 0x0e,
  Bist: 0x0f,
  Bar0: 0x10,
  SubsystemVendorId: 0x2c,
  SubsystemId: 0x2e,
  RomBase: 0x30,
  CapabilitiesPointer: 0x34,
  InterruptLine: 0x3c,
  InterruptPin: 0x3d,
  MinGrant: 0x3e,
  MaxLatency: 0x3f,
} as const;

/** Bits of the command register (6.2.2). */
export const Command = {
  IoSpace: 1 << 0,
  MemorySpace: 1 << 1,
  BusMaster: 1 << 2,
  ParityErrorResponse: 1 << 6,
  SerrEnable: 1 << 8,
  InterruptDisable: 1 << 10,
} as const;

/** Bits of the status register (6.2.3). */
export const Status = { InterruptStatus: 1 << 3, CapabilitiesList: 1 << 4, WriteOneToClear: 0xf900 } as const;

/** Where a function stands: device 0..31 and function 0..7 of bus 0, printed as `00:03.0`. */
export interface PciAddress {
  device: number;
  function: number;
}

/** `00:03.0`, as `lspci` prints it. */
export function addressName(address: PciAddress): string {
  return `00:${address.device.toString(16).padStart(2, '0')}.${address.function}`;
}
