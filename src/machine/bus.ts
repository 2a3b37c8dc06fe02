/**
 * What joins devices to the rest of a machine. A device is written once against these interfaces; whether its registers
 * are reached directly or through a VM exit, who moves the bytes of its DMA and whether an IOMMU stands in their way, is
 * the platform's business.
 */
import type { Cycles, EventHandle } from './time/event-queue';

/** Width of one access in bytes. The platform splits an 8-byte access into two 4-byte ones, low half first. */
export type AccessSize = 1 | 2 | 4;

/** Who accesses a register: the index of a CPU in its machine, or `NO_CPU`. */
export type Initiator = number;

/** An access that no CPU makes: the firmware's before the first instruction, a debugger's. */
export const NO_CPU: Initiator = -1;

/**
 * A block of registers or ports. Offsets are relative to the block; values are unsigned. An implementation that answers
 * everybody alike leaves the last parameter out.
 */
export interface RegisterBlock {
  read(offset: number, size: AccessSize, initiator: Initiator): number;
  write(offset: number, size: AccessSize, value: number, initiator: Initiator): void;
  /** The register's name at an offset by the device's manual, for the trace; undefined where nothing is. */
  registerName(offset: number): string | undefined;
}

/** PCI requester ID: bus in bits 15 to 8, device in 7 to 3, function in 2 to 0 (PCI Express Base Specification, 2.2.6.2). */
export type RequesterId = number;

/** Why a DMA transaction was not done. Memory is untouched then. */
export type DmaFault =
  /** Nothing answers at the address, or the function may not be a bus master. */
  | 'master-abort'
  /** An IOMMU refused it. */
  | 'blocked';

/** How a DMA transaction ended: the bytes read (none for a write), or why it was not done. */
export type DmaResult = Uint8Array | DmaFault;

/**
 * Bus-master accesses of one device. They take time: the call returns at once, and the end is told by `BusDevice.onDma`,
 * never within the call. Transactions of one port end in the order in which they were begun. What a read returns and when
 * a write is seen in memory is the moment of its end. A device that is reset gets the ends of what it had begun all the
 * same and ignores them by their tags.
 */
export interface DmaPort {
  /** @param tag whatever the device needs to know the transaction by: a whole number */
  read(requester: RequesterId, address: number, length: number, tag: number): void;
  /** @param bytes not to be changed afterwards */
  write(requester: RequesterId, address: number, bytes: Uint8Array, tag: number): void;
  /**
   * What a read would give at this moment, for a reader outside the machine: it takes no time and leaves nothing behind.
   * Undefined: it would be refused. Absent: nobody can look.
   */
  look?(requester: RequesterId, address: number, length: number): Uint8Array | undefined;
}

/** Message-signalled interrupts: a write of `data` to an address that an interrupt controller answers at. */
export interface MsiPort {
  send(requester: RequesterId, address: number, data: number): void;
  /**
   * As `send`, of a message that has waited while its vector was masked. Whoever serves the function's registers has seen the
   * mask go and sends it in the name of this port, where that is another's. Absent: as any other message.
   */
  sendUnmasked?(requester: RequesterId, address: number, data: number): void;
}

/** One interrupt wire. */
export interface IrqLine {
  /** True: asserted. Setting the same level twice does nothing. */
  set(asserted: boolean): void;
}

/** Somebody who looks at memory for a device again and again, in place of being notified of a change (busy polling). */
export interface BusyPolling {
  /**
   * Looks at bytes in memory until they are others than they were, or until the time for that is over. The end is told by
   * `BusDevice.onDma` with the bytes as they are then, as of a read, but in no order with the transactions of `DeviceBus.dma`.
   * @param seen the bytes as they were read last; not to be changed afterwards
   */
  watch(requester: RequesterId, address: number, seen: Uint8Array, tag: number): void;
}

/** What the platform gives to one device. */
export interface DeviceBus {
  now(): Cycles;
  /** Calls the device's `onEvent(kind, arg)` after `delay` cycles. */
  schedule(delay: Cycles, kind: number, arg?: number): EventHandle;
  cancel(handle: EventHandle): void;
  readonly dma: DmaPort;
  /** Absent: whoever does the device's work rests when there is none. */
  readonly polling?: BusyPolling | undefined;
  /** The device's own pin: INTx of a PCI function, the IRQ of an ISA device. */
  readonly irq: IrqLine;
  readonly msi: MsiPort;
  /** Trace notes on the device's own track; each becomes the current cause, so that what follows hangs on it. */
  readonly trace: DeviceTrace;
  /** Cycles per nanosecond of this host, for turning a data-sheet time into cycles. */
  readonly cyclesPerNanosecond: number;
}

/** What a device does when the platform calls it back. */
export interface BusDevice {
  /** A time asked for by `DeviceBus.schedule` has come. */
  onEvent(kind: number, arg: number): void;
  /** A transaction has ended; the trace's current cause is its row. */
  onDma(tag: number, result: DmaResult): void;
}

/** The device's pen. Kinds are ids of `trace/vocabulary/events.ts`; `a` and `b` are unsigned numbers. */
export interface DeviceTrace {
  /** The current cause (a row reference). A device that does several things for one reason keeps it and sets it back. */
  cause: number;
  instant(kind: number, a: number, b: number): void;
  /** A span from now for `duration` cycles. */
  span(duration: Cycles, kind: number, a: number, b: number): void;
}

/** A unit that gives and takes its state as plain data (numbers, strings, booleans, typed arrays, arrays, records). */
export interface Stateful<S> {
  save(): S;
  load(state: S): void;
}
