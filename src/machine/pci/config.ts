/** Numbers of PCI configuration space (PCI Local Bus Specification 3.0, chapter 6; PCI Express Base Specification, chapter 7). */
import type { RequesterId } from '../bus';

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

/** Bytes of a conventional function's space, and of one with PCI Express's extended space behind them. */
export const CONFIG_BYTES = { conventional: 256, extended: 4096 } as const;

/** First byte that a capability may take, and where the extended ones begin. */
export const FIRST_CAPABILITY = 0x40;
export const FIRST_EXTENDED_CAPABILITY = 0x100;

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

/** Bit 7 of the header type: the device has other functions than 0. */
export const MULTI_FUNCTION = 0x80;

/** Capability identifiers (PCI Code and ID Assignment Specification, chapter 2). */
export const CapabilityId = {
  powerManagement: 0x01,
  msi: 0x05,
  vendor: 0x09,
  express: 0x10,
  msix: 0x11,
} as const;

/** Identifiers of extended capabilities (the same, chapter 3). */
export const ExtendedCapabilityId = { ari: 0x0e, ats: 0x0f, sriov: 0x10 } as const;

/** The bytes of a 16-bit register, in their order. */
export function bytes16(value: number): number[] {
  return [value & 0xff, value >> 8];
}

/** Where a function stands: bus 0..255, device 0..31, function 0..7. */
export interface PciAddress {
  bus: number;
  device: number;
  function: number;
}

/** `00:03.0`, as `lspci` prints it. */
export function addressName(address: PciAddress): string {
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  return `${hex(address.bus)}:${hex(address.device)}.${address.function}`;
}

/** The number by which a function's transactions are known (PCI Express Base Specification, 2.2.6.2). */
export function requesterOf(address: PciAddress): RequesterId {
  return (address.bus << 8) | (address.device << 3) | address.function;
}

/** The place that a requester ID tells of. */
export function addressOf(requester: RequesterId): PciAddress {
  return { bus: (requester >> 8) & 0xff, device: (requester >> 3) & 0x1f, function: requester & 7 };
}
