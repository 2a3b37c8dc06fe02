/** Transactions under way: a reset is done when nothing that was begun before it can still reach memory (2.4.1). */
import type { DeviceBus, DmaPort, RequesterId } from '../../bus';

/** A DMA port that knows how many of its transactions have not ended. */
export class CountedDma implements DmaPort {
  /** Belongs to the run: another host begins anew what is under way. */
  inFlight = 0;

  constructor(private readonly port: DmaPort) {}

  read(requester: RequesterId, address: number, length: number, tag: number): void {
    this.inFlight += 1;
    this.port.read(requester, address, length, tag);
  }

  write(requester: RequesterId, address: number, bytes: Uint8Array, tag: number): void {
    this.inFlight += 1;
    this.port.write(requester, address, bytes, tag);
  }

  /** One has ended. */
  ended(): void {
    this.inFlight -= 1;
  }
}

/** The same bus with another port for DMA. */
export function busWithDma(bus: DeviceBus, dma: DmaPort): DeviceBus {
  return {
    now: () => bus.now(),
    schedule: (delay, kind, arg) => bus.schedule(delay, kind, arg),
    cancel: (handle) => bus.cancel(handle),
    dma,
    irq: bus.irq,
    msi: bus.msi,
    trace: bus.trace,
    cyclesPerNanosecond: bus.cyclesPerNanosecond,
  };
}
