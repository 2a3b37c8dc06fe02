/** The guest kit's own count of its accesses (`struct tl_access_log` of trapline.h), read from guest memory after a run. */
import { ByteReader } from './elf/byte-reader';
import { GuestImageError } from './errors';

/** Symbol of the log in a guest that is linked with the kit. */
export const ACCESS_LOG_SYMBOL = 'tl_access_log';
/** "TLOG", little-endian. */
const MAGIC = 0x474f4c54;
const VERSION = 1;

/** Accesses to one page of registers or one port. */
export interface AccessCounter {
  /** Physical address of the 4 KiB page, or port number. */
  address: number;
  isPort: boolean;
  reads: number;
  writes: number;
}

/** Instructions executed, by kind. */
export interface AccessLog {
  mmioReads: number;
  mmioWrites: number;
  /** Configuration accesses are port accesses. */
  pioReads: number;
  pioWrites: number;
  msrReads: number;
  msrWrites: number;
  cpuid: number;
  hlt: number;
  vmcalls: number;
  /** Accesses that are in the totals but in no entry, the table being full. */
  entriesLost: number;
  entries: AccessCounter[];
}

/**
 * Decodes the log.
 * @param bytes of guest memory at the symbol, as many as the symbol's size
 * @throws GuestImageError when it is no log of a version that is known
 */
export function readAccessLog(bytes: Uint8Array): AccessLog {
  const reader = new ByteReader(bytes, 'the access log');
  const magic = reader.u32();
  const version = reader.u32();
  const used = reader.u32();
  reader.skip(4); // capacity
  if (magic !== MAGIC || version !== VERSION) {
    throw new GuestImageError(
      'There is no access log of version 1 at tl_access_log: link the guest with this guest kit.',
    );
  }
  const next = (): number => reader.u64Number();
  return {
    mmioReads: next(),
    mmioWrites: next(),
    pioReads: next(),
    pioWrites: next(),
    msrReads: next(),
    msrWrites: next(),
    cpuid: next(),
    hlt: next(),
    vmcalls: next(),
    entriesLost: next(),
    entries: Array.from({ length: used }, () => {
      const [address, reads, writes, isPort] = [next(), next(), next(), next()] as const;
      return { address, isPort: isPort !== 0, reads, writes };
    }),
  };
}
