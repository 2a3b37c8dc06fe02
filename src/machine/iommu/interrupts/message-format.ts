/**
 * The two formats of interrupt requests (VT-d specification, 5.1.2): the compatibility format, which is that of an MSI (SDM
 * vol. 3, 10.11), and the remappable format, which names an entry of the interrupt-remapping table.
 */
import { MSI_BASE } from '../../interrupts/message';

/** Address bits of the remappable format: 19:5 are the low bits of the handle. */
const Address = { Handle15: 1 << 2, SubhandleValid: 1 << 3, Remappable: 1 << 4 } as const;
const HANDLE_SHIFT = 5;
const HANDLE_LOW = 0x7fff;

/** Bits of a redirection entry in remappable format (5.1.5.1): in its low half, and in its high one. */
const Low = { Index15: 1 << 11, Level: 1 << 15, Masked: 1 << 16 } as const;
const High = { Remappable: 1 << 16 } as const;
const HIGH_INDEX_SHIFT = 17;

/** A request as an interrupt-remapping unit reads it. */
export type InterruptRequest =
  | { format: 'compatibility' }
  /** `reserved`: a field is set that has to be 0. The index may be beyond 16 bits, as the sum that it is. */
  | { format: 'remappable'; index: number; reserved: boolean };

/**
 * Reads the format and the interrupt index of a request (5.1.3): the handle, and the subhandle on top of it where the address
 * says that the data have one; otherwise the data are ignored.
 */
export function decodeRequest(address: number, data: number): InterruptRequest {
  const low = address >>> 0;
  if ((low & Address.Remappable) === 0) return { format: 'compatibility' };
  const handle =
    ((low >>> HANDLE_SHIFT) & HANDLE_LOW) | ((low & Address.Handle15) !== 0 ? HANDLE_LOW + 1 : 0);
  if ((low & Address.SubhandleValid) === 0) return { format: 'remappable', index: handle, reserved: false };
  return { format: 'remappable', index: handle + (data & 0xffff), reserved: data >>> 16 !== 0 };
}

/**
 * The message that a device is to be programmed with for an entry of the table.
 * @param handle 16 bits
 * @param subhandle 16 bits; undefined: the handle alone is the index. A device with several vectors of MSI writes its own
 */
export function remappableMessage(handle: number, subhandle?: number): { address: number; data: number } {
  const bits =
    Address.Remappable |
    ((handle & HANDLE_LOW) << HANDLE_SHIFT) |
    (handle > HANDLE_LOW ? Address.Handle15 : 0) |
    (subhandle !== undefined ? Address.SubhandleValid : 0);
  return { address: MSI_BASE + bits, data: subhandle ?? 0 };
}

/** The redirection entry of an IOAPIC for an entry of the table (5.1.5.1), low and high half. */
export function remappableRedirection(
  index: number,
  entry: {
    /** That of the table's entry: by it the IOAPIC knows the end of interrupt. */
    vector: number;
    level: boolean;
    masked: boolean;
  },
): { low: number; high: number } {
  const low =
    entry.vector |
    (index > HANDLE_LOW ? Low.Index15 : 0) |
    (entry.level ? Low.Level : 0) |
    (entry.masked ? Low.Masked : 0);
  return { low, high: (High.Remappable | ((index & HANDLE_LOW) << HIGH_INDEX_SHIFT)) >>> 0 };
}
