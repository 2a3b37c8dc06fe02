/** Where an interrupt fabric leads, and who watches it. */
import type { RequesterId } from '../bus';
import type { IpiMessage } from './message';

/** One CPU as the interrupt fabric sees it. */
export interface CpuSink {
  /** @see LocalApicOptions.page */
  readonly page?: Uint32Array | undefined;
  /** The CPU's local APIC, or the 8259s through it, asks for attention: a vector is pending that was not before. */
  interrupt(): void;
  /**
   * A vector has come for the CPU, which takes it by its LAPIC's `take`, now or later. Absent: it is taken at once, and
   * `interrupt` tells of it.
   */
  post?(vector: number): void;
  /** @see LapicHost.identityChanged */
  identityChanged?(): void;
  /** The CPU's own LAPIC timer has come to its end; `accept` puts its vector into the IRR, and has to be called once. */
  ownTimer(accept: () => void): void;
  /** An NMI has come, from another CPU, a pin or a message. */
  nmi(): void;
  /** INIT has come. */
  init(): void;
  /** A start-up IPI has come; the CPU that obeys it starts in real mode at this page of 4 KiB. */
  startUp(page: number): void;
}

/** Where an interrupt message came from. */
export type MessageSource =
  { from: 'ioapic'; pin: number } | { from: 'msi'; requester: RequesterId; address: number; data: number };

/**
 * What a fabric tells whoever keeps the trace. `deliver` does the thing itself, and has to be called once: so what follows
 * from it can hang on the row that was just recorded.
 */
export interface FabricObserver {
  /**
   * The IOAPIC sends the message of a pin, or a device has written one (MSI).
   * @param vector as the sender has it; of a request to be remapped, in remappable format, it may be none
   */
  message(source: MessageSource, vector: number, deliver: () => void): void;
  /** A CPU sends an IPI; returns what `send` returns, the number of CPUs it reached. */
  ipi(sender: number, message: IpiMessage, send: () => number): number;
  /** A local APIC has taken a vector into its IRR. */
  accepted(cpu: number, vector: number): void;
  /** A CPU has ended the service of a vector (EOI). */
  ended(cpu: number, vector: number): void;
}
