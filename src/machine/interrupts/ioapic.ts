/**
 * An I/O APIC (82093AA data sheet, with the EOI register of version 0x20): turns interrupt pins into messages by its
 * redirection table.
 */
import type { AccessSize, RegisterBlock } from '../bus';
import { requireVersion } from '../snapshot';
import type { InterruptMessage } from './message';

/** Physical address of the only IOAPIC of a PC, its size and its number of pins. */
export const IOAPIC_BASE = 0xfec00000;
export const IOAPIC_SIZE = 0x1000;
export const IOAPIC_PINS = 24;

/** Version 0x20 (has the EOI register), highest redirection entry 23. */
const IOAPIC_VERSION = 0x00170020;

/** Bits of the low half of a redirection entry (82093AA, 3.2.4). */
const Entry = {
  Logical: 1 << 11,
  DeliveryStatus: 1 << 12,
  ActiveLow: 1 << 13,
  RemoteIrr: 1 << 14,
  Level: 1 << 15,
  Masked: 1 << 16,
} as const;
const WRITABLE_LOW = 0x1afff;
const WRITABLE_HIGH = 0xff000000;

const Window = { Select: 0x00, Data: 0x10, Eoi: 0x40 } as const;

/** A message with the pin it came from. */
export interface IoApicMessage extends InterruptMessage {
  pin: number;
}

/** Snapshot of an `IoApic`. */
export interface IoApicState {
  version: 1;
  id: number;
  select: number;
  low: Uint32Array;
  high: Uint32Array;
  sources: Uint32Array;
}

/** One IOAPIC. `deliver` is called for each interrupt it sends. */
export class IoApic implements RegisterBlock {
  private id = 0;
  private select = 0;
  private readonly low = new Uint32Array(IOAPIC_PINS).fill(Entry.Masked);
  private readonly high = new Uint32Array(IOAPIC_PINS);
  /** By pin: one bit per source that asserts it. */
  private readonly sources = new Uint32Array(IOAPIC_PINS);

  constructor(private readonly deliver: (message: IoApicMessage) => void) {}

  /**
   * Level of one source on a pin; a pin is asserted while any of its sources asserts it. `asserted` is what the device
   * means: the board is taken to be wired to the polarity that the entry is programmed for.
   * @param source 0..31, distinct for devices that share the pin
   */
  setPin(pin: number, asserted: boolean, source = 0): void {
    if (pin < 0 || pin >= IOAPIC_PINS || source < 0 || source > 31) {
      throw new RangeError(
        `IOAPIC pin ${pin}, source ${source}: pins go to ${IOAPIC_PINS - 1}, sources to 31`,
      );
    }
    const before = this.sources[pin];
    this.sources[pin] = asserted ? before | (1 << source) : before & ~(1 << source);
    if (before === 0 && asserted) this.pinRose(pin);
  }

  /** Whether any source asserts the pin. */
  pinAsserted(pin: number): boolean {
    return (this.sources[pin] ?? 0) !== 0;
  }

  /** End of interrupt for a vector: entries that wait for it may deliver again, and do while their pin is asserted. */
  eoi(vector: number): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      const entry = this.low[pin];
      if ((entry & 0xff) !== vector || (entry & Entry.Level) === 0) continue;
      this.low[pin] = entry & ~Entry.RemoteIrr;
      this.serviceLevel(pin);
    }
  }

  /** True when some level-triggered, unmasked entry has this vector: its EOI concerns the IOAPIC. */
  handlesVector(vector: number): boolean {
    return this.low.some((entry) => (entry & 0xff) === vector && (entry & Entry.Level) !== 0);
  }

  read(offset: number, size: AccessSize): number {
    const at = offset & ~3;
    const value = at === Window.Select ? this.select : at === Window.Data ? this.readIndirect() : 0;
    return size === 4 ? value : value >>> (8 * (offset & 3));
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset === Window.Select) this.select = value & 0xff;
    else if (size !== 4) return;
    else if (offset === Window.Data) this.writeIndirect(value);
    else if (offset === Window.Eoi) this.eoi(value & 0xff);
  }

  registerName(offset: number): string | undefined {
    return { [Window.Select]: 'IOREGSEL', [Window.Data]: 'IOWIN', [Window.Eoi]: 'EOI' }[offset & ~3];
  }

  save(): IoApicState {
    return {
      version: 1,
      id: this.id,
      select: this.select,
      low: this.low.slice(),
      high: this.high.slice(),
      sources: this.sources.slice(),
    };
  }

  load(state: IoApicState): void {
    requireVersion('an IOAPIC', state.version, 1);
    this.id = state.id;
    this.select = state.select;
    this.low.set(state.low);
    this.high.set(state.high);
    this.sources.set(state.sources);
  }

  private readIndirect(): number {
    if (this.select === 0 || this.select === 2) return (this.id << 24) >>> 0;
    if (this.select === 1) return IOAPIC_VERSION;
    const pin = (this.select - 0x10) >> 1;
    if (pin < 0 || pin >= IOAPIC_PINS) return 0;
    return (this.select & 1) === 0 ? this.low[pin] : this.high[pin];
  }

  private writeIndirect(value: number): void {
    if (this.select === 0) this.id = (value >>> 24) & 0xf;
    const pin = (this.select - 0x10) >> 1;
    if (pin < 0 || pin >= IOAPIC_PINS) return;
    if ((this.select & 1) !== 0) {
      this.high[pin] = value & WRITABLE_HIGH;
      return;
    }
    let entry = (value & WRITABLE_LOW) | (this.low[pin] & Entry.RemoteIrr);
    // Remote IRR has no meaning for edge; software clears a stuck one by turning the entry to edge and back.
    if ((entry & Entry.Level) === 0) entry &= ~Entry.RemoteIrr;
    this.low[pin] = entry;
    this.serviceLevel(pin);
  }

  private pinRose(pin: number): void {
    const entry = this.low[pin];
    if ((entry & Entry.Level) !== 0) this.serviceLevel(pin);
    else if ((entry & Entry.Masked) === 0) this.send(pin);
  }

  private serviceLevel(pin: number): void {
    const entry = this.low[pin];
    if ((entry & Entry.Level) === 0 || (entry & (Entry.Masked | Entry.RemoteIrr)) !== 0) return;
    if (this.sources[pin] === 0) return;
    this.low[pin] = entry | Entry.RemoteIrr;
    this.send(pin);
  }

  private send(pin: number): void {
    const entry = this.low[pin];
    this.deliver({
      pin,
      vector: entry & 0xff,
      mode: (entry >> 8) & 7,
      logical: (entry & Entry.Logical) !== 0,
      destination: this.high[pin] >>> 24,
      level: (entry & Entry.Level) !== 0,
    });
  }
}
