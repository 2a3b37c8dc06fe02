/** How a virtio device on PCI interrupts (4.1.4.5, 4.1.5.1.2, 4.1.5.3): ISR status and pin, or MSI-X. */
import { Kind } from '../../../../trace/vocabulary/events';
import type { DeviceBus } from '../../../bus';
import type { MsixVectors } from '../../../pci/msix';
import type { VirtioNotifier } from '../contract';
import { Isr, NO_VECTOR } from './layout';

/** What the hardware has of it. */
export interface PciInterruptsHardware {
  isr: number;
  configurationVector: number;
  queueVectors: number[];
}

/** The state of one function's interrupts. The pin is asserted while the ISR status has a bit; MSI-X silences it. */
export class PciInterrupts implements VirtioNotifier {
  private isr = 0;
  private configurationVector: number = NO_VECTOR;
  private queueVectors: number[];

  /** @param vectors how many MSI-X has */
  constructor(
    private readonly bus: DeviceBus,
    private readonly msix: MsixVectors,
    private readonly vectors: number,
    queues: number,
  ) {
    this.queueVectors = Array.from({ length: queues }, () => NO_VECTOR);
  }

  /** MSI-X is enabled. */
  get byMessage(): boolean {
    return this.msix.enabled;
  }

  usedBuffers(queue: number, via: DeviceBus): void {
    const vector = this.queueVectors[queue];
    if (this.byMessage && vector === NO_VECTOR) return;
    const { trace } = via;
    const { cause } = trace;
    trace.instant(Kind.VirtqInterrupt, queue, 0);
    if (this.byMessage) this.msix.raise(vector, via.msi);
    else this.set(Isr.queue, via);
    trace.cause = cause;
  }

  configurationChanged(via: DeviceBus): void {
    this.set(Isr.configuration, via);
    if (this.byMessage && this.configurationVector !== NO_VECTOR)
      this.msix.raise(this.configurationVector, via.msi);
  }

  /** The driver reads the ISR status, which clears it and deasserts the pin. */
  readIsr(): number {
    const { isr } = this;
    this.isr = 0;
    if (isr !== 0) this.bus.irq.set(false);
    return isr;
  }

  /** Vector of configuration changes. */
  get configuration(): number {
    return this.configurationVector;
  }

  /** A vector that there is not is no vector: the driver reads back whether it was taken. */
  mapConfiguration(vector: number): void {
    this.configurationVector = this.taken(vector);
  }

  /** Vector of a queue. */
  vectorOf(queue: number): number {
    return this.queueVectors[queue] ?? NO_VECTOR;
  }

  mapQueue(queue: number, vector: number): void {
    this.queueVectors[queue] = this.taken(vector);
  }

  unmapQueue(queue: number): void {
    this.queueVectors[queue] = NO_VECTOR;
  }

  /** All events without vector, nothing pending. */
  reset(): void {
    this.readIsr();
    this.configurationVector = NO_VECTOR;
    this.queueVectors.fill(NO_VECTOR);
  }

  save(): PciInterruptsHardware {
    const { isr, configurationVector } = this;
    return { isr, configurationVector, queueVectors: [...this.queueVectors] };
  }

  load({ isr, configurationVector, queueVectors }: PciInterruptsHardware): void {
    this.isr = isr;
    this.configurationVector = configurationVector;
    this.queueVectors = [...queueVectors];
  }

  /** Has the pin at its level, on another host. */
  drive(): void {
    this.bus.irq.set(this.isr !== 0);
  }

  private set(bit: number, via: DeviceBus): void {
    this.isr |= bit;
    via.irq.set(true);
  }

  private taken(vector: number): number {
    return vector < this.vectors ? vector : NO_VECTOR;
  }
}
