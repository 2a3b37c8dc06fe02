/** Interrupt messages as they travel between IOAPIC, MSI writers and LAPICs (SDM vol. 3, 10.6.1 and 10.11). */

/** Delivery modes, as encoded in ICR bits 10:8, in redirection entries and in MSI data. */
export const DeliveryMode = {
  Fixed: 0,
  LowestPriority: 1,
  Smi: 2,
  Nmi: 4,
  Init: 5,
  StartUp: 6,
  ExtInt: 7,
} as const;

/** Destination shorthands of the ICR (bits 19:18). */
export const Shorthand = { None: 0, Self: 1, AllIncludingSelf: 2, AllExcludingSelf: 3 } as const;

/** One interrupt on its way to one or more LAPICs. */
export interface InterruptMessage {
  /** A `DeliveryMode`. */
  mode: number;
  vector: number;
  /** Destination mode: logical (LDR/DFR) or physical (APIC ID). */
  logical: boolean;
  /** 8 bits from an xAPIC, IOAPIC or MSI; 32 bits from an x2APIC or an interrupt-remapping unit. */
  destination: number;
  /** True: level-triggered. */
  level: boolean;
}

/** An inter-processor interrupt: a message with a destination shorthand. */
export interface IpiMessage extends InterruptMessage {
  /** A `Shorthand`; anything but None makes `destination` meaningless. */
  shorthand: number;
}

/** MSI addresses: all that a processor takes for interrupts and not for memory (10.11.1). */
export const MSI_BASE = 0xfee00000;
const MSI_SIZE = 0x100000;
/** Bits of a message's address and data beside destination, vector and delivery mode. */
export const MsiAddress = { logical: 1 << 2, redirect: 1 << 3 } as const;
export const MsiData = { assert: 1 << 14, level: 1 << 15 } as const;

/** Whether a write to an address is an interrupt message. */
export function isMsiAddress(address: number): boolean {
  return address >= MSI_BASE && address < MSI_BASE + MSI_SIZE;
}

/** A message of 8 bits of destination as one of 32: whoever has 8 bits means everybody by all of them. */
export function widened<M extends Pick<InterruptMessage, 'destination'>>(message: M): M {
  return message.destination === 0xff ? { ...message, destination: 0xffffffff } : message;
}

/**
 * Decodes a message that a device wrote (SDM vol. 3, 10.11). The destination mode bit is obeyed with the redirection hint and
 * without it, as processors do and as Linux relies on; with it the vector goes to one processor of those that are meant, as
 * by lowest priority.
 * @returns undefined when the address is not one of interrupts, or the message takes a level back, which no LAPIC heeds
 */
export function decodeMsi(address: number, data: number): InterruptMessage | undefined {
  if (!isMsiAddress(address)) return undefined;
  const level = (data & MsiData.level) !== 0;
  if (level && (data & MsiData.assert) === 0) return undefined;
  const mode = (data >> 8) & 7;
  const redirected = (address & MsiAddress.redirect) !== 0 && mode === DeliveryMode.Fixed;
  return {
    vector: data & 0xff,
    mode: redirected ? DeliveryMode.LowestPriority : mode,
    level,
    logical: (address & MsiAddress.logical) !== 0,
    destination: (address >>> 12) & 0xff,
  };
}

/**
 * Decodes a message by which a remapping unit interrupts on its own account (VT-d specification, 5.1.6): an MSI whose address has
 * in bits 63:40 those above the eighth of an x2APIC's ID. The destination has 32 bits.
 * @returns undefined as `decodeMsi` does
 */
export function decodeUnitMessage(address: number, data: number): InterruptMessage | undefined {
  const message = decodeMsi(address % 2 ** 32, data);
  const upper = Math.floor(address / 2 ** 40);
  if (!message || upper === 0) return message && widened(message);
  return { ...message, destination: upper * 0x100 + message.destination };
}
