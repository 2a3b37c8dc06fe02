/**
 * What joins devices to the rest of a machine. A device is written once against these interfaces; whether its registers
 * are reached directly or through a VM exit, and whether its DMA passes an IOMMU, is the platform's business.
 */
import type { Cycles, EventHandle } from './time/event-queue';

/** Width of one access in bytes. The platform splits an 8-byte access into two 4-byte ones, low half first. */
export type AccessSize = 1 | 2 | 4;

/** A block of registers or ports. Offsets are relative to the block; values are unsigned. */
export interface RegisterBlock {
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
  /** The register's name at an offset by the device's manual, for the trace; undefined where nothing is. */
  registerName(offset: number): string | undefined;
}

/** What a device may do to the world around it. One instance belongs to one device. */
export interface DeviceBus {
  now(): Cycles;
  /** Calls the device's `onEvent(kind, arg)` after `delay` cycles. */
  schedule(delay: Cycles, kind: number, arg?: number): EventHandle;
  cancel(handle: EventHandle): void;
  /** Bus-master read. Undefined when the access was aborted (outside memory, or refused by an IOMMU). The bytes are a copy. */
  dmaRead(address: number, length: number): Uint8Array | undefined;
  /** Bus-master write; false when the access was aborted, and then memory is untouched. */
  dmaWrite(address: number, bytes: Uint8Array): boolean;
  /** Level of the device's INTx pin (true: asserted). Setting the same level twice does nothing. */
  setInterruptLine(asserted: boolean): void;
  /** Trace notes on the device's own track; each becomes the current cause, so that what follows hangs on it. */
  trace: DeviceTrace;
  /** Cycles per nanosecond of this host, for turning a data-sheet time into cycles. */
  readonly cyclesPerNanosecond: number;
}

/** The device's pen. Kinds are ids of `trace/events.ts`; `a` and `b` are unsigned 32-bit numbers. */
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
