/**
 * A 16550 UART as COM1 of a PC (National Semiconductor PC16550D data sheet). Characters take no time on the line: they are
 * handed over at once, and the transmitter is always empty. The character timeout of the receiver FIFO takes its time.
 */
import type { AccessSize, BusDevice, DeviceBus, RegisterBlock } from '../bus';
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { describedNodes, nodeAt } from '../registers';
import { numberNode } from '../state-nodes';
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../snapshot';
import type { Cycles } from '../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../time/pending-event';
import { uartDescriptions } from './uart-descriptions';

/** Ports of COM1, their number, and its ISA interrupt line. */
export const COM1 = { base: 0x3f8, size: 8, irq: 4 } as const;

const Lcr = { Dlab: 1 << 7 } as const;
const Mcr = { Out2: 1 << 3, Loop: 1 << 4 } as const;
const Lsr = { DataReady: 1 << 0, Overrun: 1 << 1, Thre: 1 << 5, Temt: 1 << 6 } as const;
const Ier = { Received: 1 << 0, Transmitter: 1 << 1, LineStatus: 1 << 2, Modem: 1 << 3 } as const;
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
/** Modem status: inputs that have changed since it was read, a bit for each; that of RI for its end only. */
const MSR_RING = 1 << 6;
const MSR_ANY_CHANGE = 0xb0;
const FIFO_DEPTH = 16;
/** 9600 bits a second of a 1.8432 MHz crystal. */
const DIVISOR = 12;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
/** Nanoseconds of one bit at divisor 1: 16 clocks of 1.8432 MHz. */
const BIT_NANOSECONDS = (16 * 1e9) / 1_843_200;
/** The FIFO times out after so many characters' time without one coming or being read (8.4). */
const TIMEOUT_CHARACTERS = 4;

/** What the hardware has of a `Uart16550`. */
export interface UartHardware extends HardwareState {
  version: 4;
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  scratch: number;
  divisor: number;
  overrun: boolean;
  modemChanges: number;
  transmitterPending: boolean;
  received: Uint8Array;
  buffer: number;
  waiting: Uint8Array;
  timedOut: boolean;
  /** Cycles that remain until the timeout; -1: it does not run. */
  remaining: Cycles;
}

/** Eight ports. */
export class Uart16550
  implements BusDevice, RegisterBlock, Inspectable, Migratable<UartHardware, PendingEventRun>
{
  private ier = 0;
  private fcr = 0;
  private lcr = 0;
  private mcr = 0;
  private scratch = 0;
  private divisor = DIVISOR;
  private overrun = false;
  /** Bits 3 to 0 of the modem status. */
  private modemChanges = 0;
  private transmitterPending = false;
  /** What the receiver FIFO (or the one buffer register) holds. */
  private received: number[] = [];
  /** What the one buffer register got last: without FIFOs it is read again and again until another character comes. */
  private buffer = 0;
  /** What the other end still has to send: it waits for room, as with hardware flow control. */
  private waiting: number[] = [];
  private timedOut = false;
  /** Of the receiver FIFO. */
  private readonly timeout: PendingEvent;

  /**
   * @param irq the ISA interrupt line
   * @param onByte gets each transmitted byte
   */
  constructor(
    private readonly bus: Pick<DeviceBus, 'irq' | 'now' | 'schedule' | 'cancel' | 'cyclesPerNanosecond'>,
    private readonly onByte: (byte: number) => void,
  ) {
    this.timeout = new PendingEvent(bus, (time) => bus.schedule(time - bus.now(), 0));
  }

  /** Bytes from the other end. They enter the FIFO as it has room, so that none is lost. */
  receive(bytes: Uint8Array): void {
    this.waiting.push(...bytes);
    this.refill();
    this.update();
  }

  /** The FIFO has timed out. */
  onEvent(): void {
    this.timeout.came();
    this.timedOut = true;
    this.update();
  }

  /** A UART is no bus master. */
  onDma(): void {
    return;
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
      () => this.takeModemStatus(),
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
      () => this.setMcr(byte & 0x1f),
      () => undefined,
      () => undefined,
      () => void (this.scratch = byte),
    ][offset]?.();
    this.update();
  }

  /** As after power-on. What the other end has to send is still to come. */
  reset(): void {
    this.ier = this.fcr = this.lcr = this.mcr = this.scratch = 0;
    this.divisor = DIVISOR;
    this.modemChanges = 0;
    this.overrun = this.transmitterPending = false;
    this.received = [];
    this.buffer = 0;
    this.refill();
    this.restartTimeout();
    this.update();
  }

  registerName(offset: number): string | undefined {
    return ['RBR/THR', 'IER', 'IIR/FCR', 'LCR', 'MCR', 'LSR', 'MSR', 'SCR'][offset];
  }

  /** All registers, whichever of those at one port can be reached now. */
  inspect(path: StatePath): StateNode | undefined {
    const { received, buffer, ier, fcr, lcr, mcr, scratch, divisor } = this;
    const children = describedNodes(uartDescriptions, 8, {
      RBR: received[0] ?? (this.fifosOn ? 0 : buffer),
      IER: ier,
      IIR: this.identificationRegister,
      FCR: fcr,
      LCR: lcr,
      MCR: mcr,
      LSR: this.lineStatus,
      MSR: this.modemInputs | this.modemChanges,
      SCR: scratch,
      DLL: divisor & 0xff,
      DLM: divisor >> 8,
    });
    const waiting = numberNode('received', received.length, 'bytes');
    return nodeAt({ name: 'uart', children: [{ name: 'Registers', children }, waiting] }, path);
  }

  save(): Checkpoint<UartHardware, PendingEventRun> {
    return { hardware: this.saveHardware(), run: this.timeout.save() };
  }

  load({ hardware, run }: Checkpoint<UartHardware, PendingEventRun>): void {
    this.loadHardware(hardware);
    this.timeout.load(run);
  }

  adopt(hardware: UartHardware): void {
    this.loadHardware(hardware);
    this.timeout.adopt(hardware.remaining);
    this.update();
  }

  private saveHardware(): UartHardware {
    const { ier, fcr, lcr, mcr, scratch, divisor, overrun, modemChanges } = this;
    const { transmitterPending, buffer, timedOut } = this;
    const { remaining } = this.timeout;
    const received = Uint8Array.from(this.received);
    const waiting = Uint8Array.from(this.waiting);
    const registers = { ier, fcr, lcr, mcr, scratch, divisor, overrun, modemChanges, transmitterPending };
    return { version: 4, ...registers, received, buffer, waiting, timedOut, remaining };
  }

  private loadHardware(hardware: UartHardware): void {
    requireVersion('a UART', hardware.version, 4);
    this.ier = hardware.ier;
    this.fcr = hardware.fcr;
    this.lcr = hardware.lcr;
    this.mcr = hardware.mcr;
    this.scratch = hardware.scratch;
    this.divisor = hardware.divisor;
    this.overrun = hardware.overrun;
    this.modemChanges = hardware.modemChanges;
    this.transmitterPending = hardware.transmitterPending;
    this.received = [...hardware.received];
    this.buffer = hardware.buffer;
    this.waiting = [...hardware.waiting];
    this.timedOut = hardware.timedOut;
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
    // In loopback nobody waits. A byte that finds no room takes the place of the one in the buffer register, but leaves a
    // full FIFO as it is; the line status tells both (8.3).
    const room = this.received.length < this.depth();
    if (!room) this.overrun = true;
    if (!this.fifosOn) this.received = [(this.buffer = byte)];
    else if (room) this.received.push(byte);
    this.restartTimeout();
  }

  private depth(): number {
    return this.fifosOn ? FIFO_DEPTH : 1;
  }

  private refill(): void {
    if ((this.mcr & Mcr.Loop) !== 0) return;
    const room = this.depth() - this.received.length;
    if (room <= 0 || this.waiting.length === 0) return;
    this.received.push(...this.waiting.splice(0, room));
    if (!this.fifosOn) [this.buffer] = this.received;
    this.restartTimeout();
  }

  private takeReceived(): number {
    const byte = this.received.shift() ?? (this.fifosOn ? 0 : this.buffer);
    this.restartTimeout();
    this.refill();
    return byte;
  }

  private get lineStatus(): number {
    const ready = this.received.length > 0 ? Lsr.DataReady : 0;
    return ready | (this.overrun ? Lsr.Overrun : 0) | Lsr.Thre | Lsr.Temt;
  }

  private takeLineStatus(): number {
    const status = this.lineStatus;
    this.overrun = false;
    return status;
  }

  /** In loopback the modem inputs are the modem outputs: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD. */
  private get modemInputs(): number {
    if ((this.mcr & Mcr.Loop) === 0) return MSR_CONNECTED;
    const m = this.mcr;
    return ((m & 2) << 3) | ((m & 1) << 5) | ((m & 4) << 4) | ((m & 8) << 4);
  }

  private takeModemStatus(): number {
    const changes = this.modemChanges;
    this.modemChanges = 0;
    return this.modemInputs | changes;
  }

  private setMcr(value: number): void {
    const before = this.modemInputs;
    this.mcr = value;
    const after = this.modemInputs;
    const changed = ((before ^ after) & MSR_ANY_CHANGE) | (before & ~after & MSR_RING);
    this.modemChanges |= changed >> 4;
  }

  /** A character has come or was read: the FIFO's timeout begins anew while it holds any (8.4). */
  private restartTimeout(): void {
    this.timeout.cancel();
    this.timedOut = false;
    if (!this.fifosOn || this.received.length === 0) return;
    const { lcr } = this;
    const stop = (lcr & 4) === 0 ? 1 : (lcr & 3) === 0 ? 1.5 : 2;
    const bits = 1 + 5 + (lcr & 3) + ((lcr & 8) !== 0 ? 1 : 0) + stop;
    const nanoseconds = TIMEOUT_CHARACTERS * bits * Math.max(1, this.divisor) * BIT_NANOSECONDS;
    this.timeout.comeAt(this.bus.now() + Math.ceil(nanoseconds * this.bus.cyclesPerNanosecond));
  }

  private get identificationRegister(): number {
    return this.identification() | (this.fifosOn ? Iir.FifosOn : 0);
  }

  private takeIdentification(): number {
    const register = this.identificationRegister;
    if (this.identification() === Iir.Transmitter) this.transmitterPending = false;
    return register;
  }

  private identification(): number {
    if (this.overrun && (this.ier & Ier.LineStatus) !== 0) return Iir.LineStatus;
    if ((this.ier & Ier.Received) !== 0) {
      const trigger = this.fifosOn ? TRIGGER_LEVELS[(this.fcr >> 6) & 3] : 1;
      if (this.received.length >= trigger) return Iir.Received;
      if (this.timedOut) return Iir.Timeout;
    }
    if (this.transmitterPending && (this.ier & Ier.Transmitter) !== 0) return Iir.Transmitter;
    return this.modemChanges !== 0 && (this.ier & Ier.Modem) !== 0 ? Iir.Modem : Iir.None;
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
    const cleared = ((value ^ this.fcr) & 1) !== 0 || (value & 2) !== 0;
    this.fcr = value & 0xc9;
    if (cleared) {
      this.received = [];
      this.restartTimeout();
    }
    this.refill();
  }

  /** On a PC the interrupt reaches the bus only through OUT2. */
  private update(): void {
    const gate = (this.mcr & (Mcr.Out2 | Mcr.Loop)) === Mcr.Out2;
    this.bus.irq.set(gate && this.identification() !== Iir.None);
  }
}
