/** The controller's interrupts (7.5): a message for each new completion with MSI-X; else the pin, for as long as there are some. */
import type { MsixVectors } from '../../pci/msix';
import type { NvmeCore } from './core';
import type { CompletionQueue, Queues } from './queues';

/** Vectors that INTMS and INTMC have a bit for. */
const MASKED_VECTORS = 32;

/** MSI-X, or the pin with its mask. */
export class Interrupts {
  /** INTMS and INTMC. */
  mask = 0;

  constructor(
    private readonly core: NvmeCore,
    private readonly queues: Queues,
    private readonly msix: MsixVectors,
  ) {}

  /** Whether the pin is out of use, and its mask with it. */
  get byMessage(): boolean {
    return this.msix.enabled;
  }

  /** A completion is in memory. */
  posted({ interrupts, vector }: CompletionQueue): void {
    if (interrupts) this.msix.raise(vector);
    this.update();
  }

  /** INTMS: bits to mask. */
  setMask(bits: number): void {
    this.mask = (this.mask | bits) >>> 0;
    this.update();
  }

  /** INTMC: bits to unmask. */
  clearMask(bits: number): void {
    this.mask = (this.mask & ~bits) >>> 0;
    this.update();
  }

  /** Drives the pin: its level is that of completions which the driver has not taken. The function silences it with MSI-X. */
  update(): void {
    const due = [...this.queues.completion.values()].some(
      ({ interrupts, head, posted, vector }) => interrupts && head !== posted && !this.masked(vector),
    );
    this.core.bus.irq.set(due);
  }

  private masked(vector: number): boolean {
    return vector < MASKED_VECTORS && ((this.mask >>> vector) & 1) !== 0;
  }
}
