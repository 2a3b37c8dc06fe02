/** Whether a guest's segments lie where a PC has memory for them. */
import { GuestImageError } from '../errors';
import type { LoadSegment } from '../file';

/** A stretch of physical addresses, as the firmware tells of it. */
export interface MemoryRange {
  base: number;
  /** Bytes. */
  size: number;
  /** RAM that is free; false where the firmware keeps its tables, and where there is none. */
  usable: boolean;
}

/** Bytes for RAM at a physical address. */
export interface BootPiece {
  address: number;
  bytes: Uint8Array;
  /** Absent: as many as `bytes`. Otherwise zeros follow up to here, which RAM does not hold by itself after a reset. */
  size?: number;
}

const MIB = 1024 * 1024;

/** What a loader writes of a segment. */
export function pieceOf({ address, bytes, memorySize }: LoadSegment): BootPiece {
  return { address: Number(address), bytes, size: Number(memorySize) };
}

/** End of the RAM that a memory map describes. */
export function ramEnd(map: readonly MemoryRange[]): number {
  return map.reduce((end, { base, size, usable }) => (usable ? Math.max(end, base + size) : end), 0);
}

/**
 * Checks that all segments lie in usable RAM.
 * @param name of the file, for messages
 * @throws GuestImageError that says where they may lie
 */
export function checkPlacement(
  name: string,
  segments: readonly LoadSegment[],
  map: readonly MemoryRange[],
): void {
  checkSize(name, segments, BigInt(ramEnd(map)));
  for (const { address, memorySize } of segments) {
    const inside = map.some(
      ({ base, size, usable }) => usable && address >= base && address + memorySize <= base + size,
    );
    if (inside) continue;
    const end = address + memorySize - 1n;
    throw new GuestImageError(
      `${name} has a segment at physical addresses 0x${address.toString(16)} to 0x${end.toString(16)}, and a PC has no free RAM in all of that ` +
        `(video memory and firmware lie below 1 MiB): link it to 0x100000 and upward.`,
    );
  }
}

function checkSize(name: string, segments: readonly LoadSegment[], ram: bigint): void {
  const end = segments.reduce((most, each) => {
    const its = each.address + each.memorySize;
    return its > most ? its : most;
  }, 0n);
  if (end <= ram) return;
  const needs = (end + 0xfffffn) >> 20n;
  if (needs > 1n << 20n) {
    throw new GuestImageError(
      `${name} has a segment at physical address 0x${(end - 1n).toString(16)}, which is no RAM: link it to low addresses, as guest.ld does.`,
    );
  }
  throw tooSmall(name, Number(needs), ram);
}

/** That a VM has too little RAM for what is loaded. */
export function tooSmall(name: string, needsMiB: number, ram: bigint | number): GuestImageError {
  return new GuestImageError(
    `${name} needs ${needsMiB} MiB of RAM, the VM has ${Number(ram) / MIB} MiB: raise memoryMiB to at least ${needsMiB}.`,
  );
}
