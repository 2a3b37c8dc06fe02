/**
 * irqfds (KVM_IRQFD, Documentation/virt/kvm/api.rst, 4.75): a part of the host's kernel raises an interrupt of a VM by an
 * eventfd that KVM listens to, without a system call and without QEMU. Whoever signals does KVM's work: it is a step of a
 * kernel thread (vhost), or the end of a handler of the host's (VFIO).
 */
import type { RequesterId, Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { EventHandle, EventTarget } from '../../machine/time/event-queue';
import type { RowRef } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import type { KvmInterrupts } from '../qemu/emulated-socket';
import type { Site } from '../host';
import type { Step, StepTarget, Work } from '../threads/work';

/** KVM's interrupt controllers as a back end in the kernel reaches them. */
export interface KvmIrqchip extends KvmInterrupts {
  /** Has somebody told of each end of interrupt of a global system interrupt (kvm_register_irq_ack_notifier). */
  onAcknowledged(gsi: number, told: () => void): void;
}

/** What a signal does. */
const Doing = { Msi: 0, Pulse: 1, Raise: 2 } as const;

/** A signal out of an interrupt handler whose time has not come. */
interface SavedSignal {
  kind: number;
  a: number;
  b: number;
  /** Of a message: the requester. */
  c: number;
  /** The event of its time. */
  event: EventHandle;
}

/** Snapshot of an `Irqfd`. */
export interface IrqfdState {
  version: 3;
  signals: SavedSignal[];
}

/** Where the interrupts come from. */
export interface IrqfdPlace {
  /** Unique in the run: `vm0/virtio-net/irqfd`. It is also the name of the source at a wire. */
  id: string;
  /** The device's track. */
  track: () => number;
}

/**
 * The irqfds of one device. Each method takes the work of the thread that signals, of which the signal becomes a step;
 * undefined: the host's interrupt handler, which is done so many cycles later.
 */
export class Irqfd implements StepTarget, EventTarget, Stateful<IrqfdState> {
  readonly stepTargetId: string;
  readonly eventTargetId: string;
  /** Signals of handlers, in order: all take the same time. */
  private signals: SavedSignal[] = [];

  /** @param targets those whose steps the signalling threads may do, by id; it adds itself */
  constructor(
    private readonly irqchip: KvmIrqchip,
    private readonly place: IrqfdPlace,
    private readonly site: Site,
    targets: Map<string, StepTarget>,
  ) {
    this.stepTargetId = this.eventTargetId = place.id;
    targets.set(this.stepTargetId, this);
    site.island.queue.register(this);
    site.units.keep(place.id, this);
  }

  /** An irqfd with an MSI route (KVM_SET_GSI_ROUTING): the message of one vector. */
  msi(work: Work | undefined, requester: RequesterId, address: number, data: number): void {
    this.signal(work, { kind: Doing.Msi, a: address, b: data, c: requester });
  }

  /** One with a pin of the interrupt controllers: an edge, the line goes up and down. */
  pulse(work: Work | undefined, gsi: number): void {
    this.signal(work, { kind: Doing.Pulse, a: gsi, b: 0, c: 0 });
  }

  /** One that resamples (KVM_IRQFD_FLAG_RESAMPLE): the line stays up until the guest's end of interrupt, see `resample`. */
  raise(work: Work | undefined, gsi: number): void {
    this.signal(work, { kind: Doing.Raise, a: gsi, b: 0, c: 0 });
  }

  /**
   * Makes a pin one that resamples: at each end of interrupt KVM lowers the line, and then tells the back end, which raises
   * it again if its device still asks for service.
   */
  resample(gsi: number, ended: { signal(): void }): void {
    this.irqchip.onAcknowledged(gsi, () => {
      this.irqchip.setPin(gsi, this.place.id, false);
      ended.signal();
    });
  }

  /** A thread begins with the signal. */
  begin({ a, b }: Step, time: number): RowRef {
    return this.site.tracer.instant(time, this.place.track(), Kind.Irqfd, a, b);
  }

  finish({ kind, a, b, c }: Step): void {
    this.take({ kind, a, b, c });
  }

  /** The time of a handler's signal has come. */
  onEvent(): void {
    const signal = this.signals.shift();
    if (signal) this.take(signal);
  }

  /** Its device is reset: signals whose time has not come are lost. */
  reset(): void {
    for (const { event } of this.signals) this.site.island.queue.cancel(event);
    this.signals = [];
  }

  save(): IrqfdState {
    return { version: 3, signals: this.signals.map((signal) => ({ ...signal })) };
  }

  /** The event queue's own snapshot brings the events back. */
  load(state: IrqfdState): void {
    requireVersion('the irqfds of a device', state.version, 3);
    this.signals = state.signals.map((signal) => ({ ...signal }));
  }

  private signal(work: Work | undefined, { kind, a, b, c }: Omit<SavedSignal, 'event'>): void {
    const { tracer, costs, island } = this.site;
    const cycles = costs['irq.irqfd'];
    const { cause } = tracer;
    if (work) {
      work.add({ target: this.stepTargetId, cycles, kind, a, b, c, cause });
      return;
    }
    const now = island.now();
    tracer.cause = tracer.instant(now, this.place.track(), Kind.Irqfd, a, b);
    this.signals.push({ kind, a, b, c, event: island.queue.schedule(now + cycles, this, 0) });
    tracer.cause = cause;
  }

  private take({ kind, a, b, c }: Omit<SavedSignal, 'event'>): void {
    const { irqchip, place } = this;
    if (kind === Doing.Msi) irqchip.msi(c, a, b);
    else {
      irqchip.setPin(a, place.id, true);
      if (kind === Doing.Pulse) irqchip.setPin(a, place.id, false);
    }
  }
}
