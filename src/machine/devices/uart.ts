/**
 * A 16550 UART as COM1 of a PC (National Semiconductor PC16550D data sheet). Characters take no time on the line: they are
 * handed over at once, and the transmitter is always empty.
 */
import type { AccessSize, DeviceBus, RegisterBlock } from '../bus';
import { requireVersion } from '../snapshot';

/** Ports of COM1, their number, and its ISA interrupt line. */
export const COM1 = { base: 0x3f8, size: 8, irq: 4 } as const;

const Lcr = { Dlab: 1 << 7 } as const;
const Mcr = { Out2: 1 << 3, Loop: 1 << 4 } as const;
const Lsr = { DataReady: 1 << 0, Overrun: 1 << 1, Thre: 1 << 5, Temt: 1 << 6 } as const;
const Ier = { Received: 1 << 0, Transmitter: 1 << 1, LineStatus: 1 << 2 } as const;
/** Interrupt identification, by descending priority (table 5 of the data sheet). */
const Iir = {
  None: 1,
  LineStatus: 6,
  Received: 4,
  Timeout: 12,
  Transmitter: 2,
  Modem: 0,
  FifosOn: 0xc0,
} as const;
/** CTS, DSR and DCD: somebody is at the other end. */
const MSR_CONNECTED = 0xb0;
const FIFO_DEPTH = 16;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

/** Snapshot of a `Uart16550`. */
export interface UartState {
  version: 1;
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  scratch: number;
  divisor: number;
  overrun: boolean;
  transmitterPending: boolean;
  received: Uint8Array;
  waiting: Uint8Array;
}

/** Eight ports. */
export class Uart16550 implements RegisterBlock {
  private ier = 0;
  private fcr = 0;
  private lcr = 0;
  private mcr = 0;
  private scratch = 0;
  private divisor = 12;
  private overrun = false;
  private transmitterPending = false;
  /** What the receiver FIFO (or the one buffer register) holds. */
  private received: number[] = [];
  /** What the other end still has to send: it waits for room, as with hardware flow control. */
  private waiting: number[] = [];

  /** @param onByte gets each transmitted byte */
  constructor(
    private readonly bus: Pick<DeviceBus, 'irq'>,
    private readonly onByte: (byte: number) => void,
  ) {}

  /** Bytes from the other end. They enter the FIFO as it has room, so that none is lost. */
  receive(bytes: Uint8Array): void {
    this.waiting.push(...bytes);
    this.refill();
    this.update();
  }

  read(offset: number, _size: AccessSize): number {
    const dlab = (this.lcr & Lcr.Dlab) !== 0;
    const value = [
      () => (dlab ? this.divisor & 0xff : this.takeReceived()),
      () => (dlab ? this.divisor >> 8 : this.ier),
      () => this.takeIdentification(),
      () => this.lcr,
      () => this.mcr,
      () => this.takeLineStatus(),
      () => this.modemStatus(),
      () => this.scratch,
    ][offset]?.();
    this.update();
    return value ?? 0xff;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    const byte = value & 0xff;
    const dlab = (this.lcr & Lcr.Dlab) !== 0;
    [
      () => (dlab ? this.setDivisor(byte, 0x00ff) : this.transmit(byte)),
      () => (dlab ? this.setDivisor(byte << 8, 0xff00) : this.setIer(byte & 0xf)),
      () => this.setFcr(byte),
      () => void (this.lcr = byte),
      () => void (this.mcr = byte & 0x1f),
      () => undefined,
      () => undefined,
      () => void (this.scratch = byte),
    ][offset]?.();
    this.update();
  }

  registerName(offset: number): string | undefined {
    return ['RBR/THR', 'IER', 'IIR/FCR', 'LCR', 'MCR', 'LSR', 'MSR', 'SCR'][offset];
  }

  save(): UartState {
    return {
      version: 1,
      ier: this.ier,
      fcr: this.fcr,
      lcr: this.lcr,
      mcr: this.mcr,
      scratch: this.scratch,
      divisor: this.divisor,
      overrun: this.overrun,
      transmitterPending: this.transmitterPending,
      received: Uint8Array.from(this.received),
      waiting: Uint8Array.from(this.waiting),
    };
  }

  /** Tells nobody of the interrupt line: the bus has a snapshot of its own. */
  load(state: UartState): void {
    requireVersion('a UART', state.version, 1);
    this.ier = state.ier;
    this.fcr = state.fcr;
    this.lcr = state.lcr;
    this.mcr = state.mcr;
    this.scratch = state.scratch;
    this.divisor = state.divisor;
    this.overrun = state.overrun;
    this.transmitterPending = state.transmitterPending;
    this.received = [...state.received];
    this.waiting = [...state.waiting];
  }

  private get fifosOn(): boolean {
    return (this.fcr & 1) !== 0;
  }

  private transmit(byte: number): void {
    // Writing the holding register ends the interrupt that it was empty (8.6.3); that it is empty again is a new one, for
    // an edge-triggered input too.
    this.transmitterPending = false;
    this.update();
    this.transmitterPending = true;
    if ((this.mcr & Mcr.Loop) === 0) {
      this.onByte(byte);
      return;
    }
    // In loopback nobody waits: a byte that finds no room is lost, and the line status says so.
    if (this.received.length < this.depth()) this.received.push(byte);
    else this.overrun = true;
  }

  private depth(): number {
    return this.fifosOn ? FIFO_DEPTH : 1;
  }

  private refill(): void {
    if ((this.mcr & Mcr.Loop) !== 0) return;
    const room = this.depth() - this.received.length;
    if (room > 0 && this.waiting.length > 0) this.received.push(...this.waiting.splice(0, room));
  }

  private takeReceived(): number {
    const byte = this.received.shift() ?? 0;
    this.refill();
    return byte;
  }

  private takeLineStatus(): number {
    const ready = this.received.length > 0 ? Lsr.DataReady : 0;
    const overrun = this.overrun ? Lsr.Overrun : 0;
    this.overrun = false;
    return ready | overrun | Lsr.Thre | Lsr.Temt;
  }

  /** In loopback the modem inputs are the modem outputs: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD. */
  private modemStatus(): number {
    if ((this.mcr & Mcr.Loop) === 0) return MSR_CONNECTED;
    const m = this.mcr;
    return ((m & 2) << 3) | ((m & 1) << 5) | ((m & 4) << 4) | ((m & 8) << 4);
  }

  private takeIdentification(): number {
    const cause = this.identification();
    if (cause === Iir.Transmitter) this.transmitterPending = false;
    return cause | (this.fifosOn ? Iir.FifosOn : 0);
  }

  private identification(): number {
    if (this.overrun && (this.ier & Ier.LineStatus) !== 0) return Iir.LineStatus;
    if (this.received.length > 0 && (this.ier & Ier.Received) !== 0) {
      const trigger = this.fifosOn ? TRIGGER_LEVELS[(this.fcr >> 6) & 3] : 1;
      return this.received.length >= trigger ? Iir.Received : Iir.Timeout;
    }
    return this.transmitterPending && (this.ier & Ier.Transmitter) !== 0 ? Iir.Transmitter : Iir.None;
  }

  private setDivisor(bits: number, mask: number): void {
    this.divisor = (this.divisor & ~mask) | bits;
  }

  private setIer(value: number): void {
    // Enabling the transmitter interrupt while the holding register is empty raises it (data sheet, 8.6.3).
    if ((value & ~this.ier & Ier.Transmitter) !== 0) this.transmitterPending = true;
    this.ier = value;
  }

  private setFcr(value: number): void {
    if (((value ^ this.fcr) & 1) !== 0 || (value & 2) !== 0) this.received = [];
    this.fcr = value & 0xc9;
    this.refill();
  }

  /** On a PC the interrupt reaches the bus only through OUT2. */
  private update(): void {
    const gate = (this.mcr & (Mcr.Out2 | Mcr.Loop)) === Mcr.Out2;
    this.bus.irq.set(gate && this.identification() !== Iir.None);
  }
}
