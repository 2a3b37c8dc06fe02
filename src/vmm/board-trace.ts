/** The lanes of one board, and the interrupts on their ways between them. */
import { DeliveryMode, type IpiMessage } from '../machine/interrupts/message';
import type { FabricObserver, MessageSource } from '../machine/interrupts/sinks';
import { Kind } from '../trace/vocabulary/events';
import type { InterruptLane } from './cpu/interrupt-lane';
import type { Site } from './host';
import { UnitLanes } from './unit-lanes';

/** How IPIs that are not vectors are shown: kind and arguments. */
const ipiRows: Record<number, (message: IpiMessage) => readonly [kind: number, a: number, b: number]> = {
  [DeliveryMode.Init]: ({ destination }) => [Kind.IpiInit, destination, 0],
  [DeliveryMode.StartUp]: ({ vector, destination }) => [Kind.IpiStartUp, vector, destination],
  [DeliveryMode.Nmi]: ({ destination }) => [Kind.IpiNmi, destination, 0],
};

/** One board's lanes. */
export class BoardTrace extends UnitLanes implements FabricObserver {
  /** @param guest index and name of the guest whose board it is */
  constructor(
    site: Site,
    guest: { index: number; name: string },
    private readonly cpus: readonly InterruptLane[],
  ) {
    super(site, { name: guest.name, group: guest.name, vm: guest.index });
  }

  message(source: MessageSource, vector: number, deliver: () => void): void {
    const { tracer, island } = this.site;
    const before = tracer.cause;
    tracer.cause =
      source.from === 'ioapic'
        ? tracer.instant(island.now(), this.trackNamed('IOAPIC'), Kind.IoapicRoute, source.pin, vector)
        : tracer.instant(island.now(), this.trackNamed('LAPIC'), Kind.Msi, source.address, source.data);
    deliver();
    tracer.cause = before;
  }

  ipi(sender: number, message: IpiMessage, send: () => number): number {
    const { tracer, island } = this.site;
    const { vector, destination } = message;
    const [kind, a, b] = ipiRows[message.mode]?.(message) ?? [Kind.IpiSend, vector, destination];
    const before = tracer.cause;
    tracer.cause = tracer.instant(island.now(), this.cpus[sender].track, kind, a, b);
    const reached = send();
    // One hypercall sends several: each hangs on what the sender is at.
    tracer.cause = before;
    return reached;
  }

  accepted(cpu: number, vector: number): void {
    this.cpus[cpu].accepted(vector);
  }

  ended(cpu: number, vector: number): void {
    const { tracer, island } = this.site;
    tracer.cause = tracer.instant(island.now(), this.cpus[cpu].track, Kind.IrqEoi, vector, 0);
  }
}
