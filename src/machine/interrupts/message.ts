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
  /** 8 bits from an xAPIC, IOAPIC or MSI; 32 bits from an x2APIC. */
  destination: number;
  /** True: level-triggered. */
  level: boolean;
}

/** An inter-processor interrupt: a message with a destination shorthand. */
export interface IpiMessage extends InterruptMessage {
  /** A `Shorthand`; anything but None makes `destination` meaningless. */
  shorthand: number;
}
