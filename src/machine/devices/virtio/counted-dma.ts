/** Transactions under way: a reset is done when nothing that was begun before it can still reach memory (2.4.1). */
import type { DeviceBus, DmaPort, RequesterId } from '../../bus';

/** A DMA port that knows which of its transactions have not ended. */
export class CountedDma implements DmaPort {
  /** Tags. They belong to the run: another host begins anew what is under way. */
  private flights: number[] = [];

  constructor(private readonly port: DmaPort) {}

  read(requester: RequesterId, address: number, length: number, tag: number): void {
    this.flights.push(tag);
    this.port.read(requester, address, length, tag);
  }

  write(requester: RequesterId, address: number, bytes: Uint8Array, tag: number): void {
    this.flights.push(tag);
    this.port.write(requester, address, bytes, tag);
  }

  look(requester: RequesterId, address: number, length: number): Uint8Array | undefined {
    return this.port.look?.(requester, address, length);
  }

  /** Nothing is under way. */
  get quiet(): boolean {
    return this.flights.length === 0;
  }

  /** One has ended. */
  ended(tag: number): void {
    this.flights = this.flights.filter((each) => each !== tag);
  }

  /** The bus was reset: nobody waits for the end of anything, which may never be told. */
  forget(): void {
    this.flights = [];
  }

  save(): number[] {
    return [...this.flights];
  }

  load(flights: readonly number[]): void {
    this.flights = [...flights];
  }
}

/** The same bus with another port for DMA. */
export function busWithDma(bus: DeviceBus, dma: DmaPort): DeviceBus {
  return {
    now: () => bus.now(),
    schedule: (delay, kind, arg) => bus.schedule(delay, kind, arg),
    cancel: (handle) => bus.cancel(handle),
    dma,
    // A watch writes nothing: no reset waits for its end.
    polling: bus.polling,
    irq: bus.irq,
    msi: bus.msi,
    trace: bus.trace,
    cyclesPerNanosecond: bus.cyclesPerNanosecond,
  };
}
