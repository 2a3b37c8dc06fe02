/**
 * An I/O APIC (82093AA data sheet; from version 0x20 with an EOI register): turns interrupt pins into messages by its
 * redirection table.
 */
import type { AccessSize, RegisterBlock } from '../bus';
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { nodeAt } from '../registers';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';
import { redirectionFields } from './apic-descriptions';
import { DeliveryMode, MSI_BASE, MsiAddress, MsiData, type InterruptMessage } from './message';

/** Physical address of the only IOAPIC of a PC, its size and its number of pins. */
export const IOAPIC_BASE = 0xfec00000;
export const IOAPIC_SIZE = 0x1000;
export const IOAPIC_PINS = 24;

/** Versions: that of the 82093AA, which KVM has too, and the one with the EOI register of later chipsets. */
export const IOAPIC_VERSION = { plain: 0x11, withEoi: 0x20 } as const;
/** In the version register: the number of the highest redirection entry. */
const HIGHEST_ENTRY = (IOAPIC_PINS - 1) << 16;

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
/** The destination; and what the remappable format has there (VT-d specification, 5.1.5.1): bit 48 and the interrupt index. */
const WRITABLE_HIGH = { plain: 0xff000000, remappable: 0xffff0000 } as const;
/** Vector and delivery mode, which stand in the data of a message as in an entry. */
const VECTOR_AND_MODE = 0x7ff;

const Window = { Select: 0x00, Data: 0x10, Eoi: 0x40 } as const;

/** A message with the pin it came from. */
export interface IoApicMessage extends InterruptMessage {
  pin: number;
}

/** What the hardware has of an `IoApic`; the run has nothing of it. */
export interface IoApicHardware extends HardwareState {
  version: 1;
  id: number;
  select: number;
  low: Uint32Array;
  high: Uint32Array;
  sources: Uint32Array;
}

/** One IOAPIC. */
export class IoApic implements RegisterBlock, Inspectable, Migratable<IoApicHardware> {
  private id = 0;
  private select = 0;
  private readonly low = new Uint32Array(IOAPIC_PINS).fill(Entry.Masked);
  private readonly high = new Uint32Array(IOAPIC_PINS);
  /** By pin: one bit per source that asserts it. */
  private readonly sources = new Uint32Array(IOAPIC_PINS);

  /**
   * @param deliver called for each interrupt it sends; whether any local APIC accepted it, which `refused` may take back later
   * @param version one of `IOAPIC_VERSION`
   * @param acknowledged told of the end of interrupt at a level-triggered pin, before that pin may deliver again
   * @param remappable its messages are remapped: entries can have the remappable format
   */
  constructor(
    private readonly deliver: (message: IoApicMessage) => boolean,
    private readonly version: number = IOAPIC_VERSION.withEoi,
    private readonly acknowledged: (pin: number) => void = () => undefined,
    private readonly remappable: boolean = false,
  ) {}

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
    if (!asserted || this.sources[pin] === before) return;
    // Another source of a level that no local APIC accepted: it is offered again.
    if (isLevel(this.low[pin])) this.serviceLevel(pin);
    else if (before === 0 && (this.low[pin] & Entry.Masked) === 0) this.send(pin);
  }

  /** Whether any source asserts the pin. */
  pinAsserted(pin: number): boolean {
    return (this.sources[pin] ?? 0) !== 0;
  }

  /** End of interrupt for a vector: entries that wait for it may deliver again, and do while their pin is asserted. */
  eoi(vector: number): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      const entry = this.low[pin];
      if ((entry & 0xff) !== vector || !isLevel(entry)) continue;
      this.acknowledged(pin);
      this.low[pin] = entry & ~Entry.RemoteIrr;
      this.serviceLevel(pin);
    }
  }

  /**
   * What a pin's message is on the bus, for a unit that remaps it: of the entry, bits 63:48 are bits 19:4 of the address, and the
   * destination mode is its bit 2.
   */
  request(pin: number): { address: number; data: number } {
    const entry = this.low[pin];
    const logical = (entry & Entry.Logical) !== 0 ? MsiAddress.logical : 0;
    const data = (entry & VECTOR_AND_MODE) | (isLevel(entry) ? MsiData.level | MsiData.assert : 0);
    return { address: MSI_BASE + (this.high[pin] >>> 16) * 16 + logical, data };
  }

  /** No local APIC accepted what a pin has sent, as is known only now: an end of interrupt is not to be waited for. */
  refused(pin: number): void {
    this.low[pin] &= ~Entry.RemoteIrr;
  }

  /** As after power-on: everything masked, and no pin asserted. */
  reset(): void {
    this.id = this.select = 0;
    this.low.fill(Entry.Masked);
    this.high.fill(0);
    this.sources.fill(0);
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
    else if (offset === Window.Eoi && this.hasEoi) this.eoi(value & 0xff);
  }

  registerName(offset: number): string | undefined {
    const at = offset & ~3;
    if (at === Window.Eoi) return this.hasEoi ? 'EOI' : undefined;
    return { [Window.Select]: 'IOREGSEL', [Window.Data]: 'IOWIN' }[at];
  }

  /** Names of its registers by offset, for a trace's track. */
  registerNames(): Record<string, string> {
    const named = Object.values(Window).flatMap((at) => {
      const name = this.registerName(at);
      return name === undefined ? [] : [[String(at), name]];
    });
    return Object.fromEntries(named) as Record<string, string>;
  }

  /** The redirection table, pin by pin. */
  inspect(path: StatePath): StateNode | undefined {
    const pins = Array.from({ length: IOAPIC_PINS }, (_, pin): StateNode => ({
      name: String(pin),
      description: this.pinAsserted(pin) ? 'asserted' : 'not asserted',
      value: {
        kind: 'register',
        value: (BigInt(this.high[pin]) << 32n) | BigInt(this.low[pin]),
        bits: 64,
        fields: redirectionFields,
      },
    }));
    const id: StateNode = { name: 'ID', value: { kind: 'number', value: BigInt(this.id) } };
    const table: StateNode = { name: 'Redirection table', children: pins };
    return nodeAt({ name: 'IOAPIC', children: [id, table] }, path);
  }

  save(): Checkpoint<IoApicHardware, RunState> {
    const { id, select } = this;
    const entries = { low: this.low.slice(), high: this.high.slice() };
    return { hardware: { version: 1, id, select, ...entries, sources: this.sources.slice() }, run: {} };
  }

  load({ hardware }: Checkpoint<IoApicHardware, RunState>): void {
    this.adopt(hardware);
  }

  /** Sends nothing: what was to be sent for these pins has been, and what waits does so for an event to come. */
  adopt(hardware: IoApicHardware): void {
    requireVersion('an IOAPIC', hardware.version, 1);
    this.id = hardware.id;
    this.select = hardware.select;
    this.low.set(hardware.low);
    this.high.set(hardware.high);
    this.sources.set(hardware.sources);
  }

  private get hasEoi(): boolean {
    return this.version >= IOAPIC_VERSION.withEoi;
  }

  private readIndirect(): number {
    if (this.select === 0 || this.select === 2) return (this.id << 24) >>> 0;
    if (this.select === 1) return HIGHEST_ENTRY | this.version;
    const pin = (this.select - 0x10) >> 1;
    if (pin < 0 || pin >= IOAPIC_PINS) return 0;
    return (this.select & 1) === 0 ? this.low[pin] : this.high[pin];
  }

  private writeIndirect(value: number): void {
    if (this.select === 0) this.id = (value >>> 24) & 0xf;
    const pin = (this.select - 0x10) >> 1;
    if (pin < 0 || pin >= IOAPIC_PINS) return;
    if ((this.select & 1) !== 0) {
      this.high[pin] = value & (this.remappable ? WRITABLE_HIGH.remappable : WRITABLE_HIGH.plain);
      return;
    }
    let entry = (value & WRITABLE_LOW) | (this.low[pin] & Entry.RemoteIrr);
    // Remote IRR has no meaning for edge; software clears a stuck one by turning the entry to edge and back.
    if (!isLevel(entry)) entry &= ~Entry.RemoteIrr;
    this.low[pin] = entry;
    this.serviceLevel(pin);
  }

  private serviceLevel(pin: number): void {
    const entry = this.low[pin];
    if (!isLevel(entry) || (entry & (Entry.Masked | Entry.RemoteIrr)) !== 0) return;
    if (this.sources[pin] === 0) return;
    this.low[pin] = entry | Entry.RemoteIrr;
    // Remote IRR says that a local APIC has accepted the interrupt (3.2.4); otherwise nobody's EOI would ever clear it.
    if (!this.send(pin)) this.low[pin] &= ~Entry.RemoteIrr;
  }

  private send(pin: number): boolean {
    const entry = this.low[pin];
    return this.deliver({
      pin,
      vector: entry & 0xff,
      mode: (entry >> 8) & 7,
      logical: (entry & Entry.Logical) !== 0,
      destination: this.high[pin] >>> 24,
      level: isLevel(entry),
    });
  }
}

/** Level-triggered; only a vector can be: NMI, INIT, SMI and ExtINT are edges whatever is programmed (3.2.4). */
function isLevel(entry: number): boolean {
  const mode = (entry >> 8) & 7;
  return (entry & Entry.Level) !== 0 && (mode === DeliveryMode.Fixed || mode === DeliveryMode.LowestPriority);
}
