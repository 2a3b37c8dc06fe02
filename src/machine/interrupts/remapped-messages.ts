/**
 * Interrupt messages behind an interrupt-remapping unit. Remapping takes time: what comes out of the unit is on its way until
 * that has passed, and only then reaches local APICs. Messages of one requester arrive in the order in which they were sent,
 * however long each took.
 */
import type { RequesterId } from '../bus';
import {
  requireVersion,
  SnapshotError,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';
import type { Cycles, EventHandle, EventTarget, Scheduler } from '../time/event-queue';
import type { InterruptMessage } from './message';
import type { MessageRemapping } from './message-remapping';

/** A message that has been remapped and has not arrived. */
interface Underway {
  message: InterruptMessage;
  requester: RequesterId;
  /** Pin of the IOAPIC that sent it; undefined: a device did. */
  pin: number | undefined;
}

/** What the hardware has of `RemappedMessages`. */
export interface RemappedMessagesHardware extends HardwareState {
  version: 1;
  /** In the order in which they were sent, each with the cycles until it arrives. */
  underway: (Underway & { remaining: Cycles })[];
}

/** What the run has of them: the event of each message's arrival, its argument and its time. */
export interface RemappedMessagesRun extends RunState {
  arrivals: { arrival: EventHandle; number: number; at: Cycles }[];
  next: number;
}

/** A message as it is written. */
interface Request {
  address: number;
  data: number;
}

/** Construction of `RemappedMessages`. */
export interface RemappedMessagesOptions {
  /** Unique in the run. */
  eventTargetId: string;
  scheduler: Scheduler & { register(target: EventTarget): void };
  unit: MessageRemapping;
  /** As whom the IOAPIC sends: what the DMAR table of ACPI says of it. */
  ioapicRequester: RequesterId;
  /** A message has arrived, of this pin of the IOAPIC or of a device. Its destination has 32 bits. */
  deliver(message: InterruptMessage, pin: number | undefined): void;
}

/** The way from a unit to the local APICs. */
export class RemappedMessages
  implements EventTarget, Migratable<RemappedMessagesHardware, RemappedMessagesRun>
{
  readonly eventTargetId: string;
  /** By the argument of the event of their arrival, which counts up. */
  private readonly underway = new Map<number, Underway & { at: Cycles; arrival: EventHandle }>();
  private next = 0;

  constructor(private readonly options: RemappedMessagesOptions) {
    this.eventTargetId = options.eventTargetId;
    options.scheduler.register(this);
  }

  /**
   * Has the request of a device remapped and sends on what comes of it: a message, or a notification event.
   * @returns false when the unit refuses it, or it is no interrupt
   */
  ofDevice(requester: RequesterId, request: Request): boolean {
    return this.send(requester, request, undefined);
  }

  /** Likewise that of a pin of the IOAPIC. */
  ofPin(pin: number, request: Request): boolean {
    return this.send(this.options.ioapicRequester, request, pin);
  }

  onEvent(_kind: number, number: number): void {
    const arrived = this.underway.get(number);
    if (!arrived) return;
    this.underway.delete(number);
    this.options.deliver(arrived.message, arrived.pin);
  }

  /** What is on its way is lost. */
  reset(): void {
    for (const { arrival } of this.underway.values()) this.options.scheduler.cancel(arrival);
    this.underway.clear();
  }

  save(): Checkpoint<RemappedMessagesHardware, RemappedMessagesRun> {
    const now = this.options.scheduler.now();
    const entries = [...this.underway];
    return {
      hardware: {
        version: 1,
        underway: entries.map(([, { message, requester, pin, at }]) => ({
          message: { ...message },
          requester,
          pin,
          remaining: at - now,
        })),
      },
      run: {
        arrivals: entries.map(([number, { arrival, at }]) => ({ arrival, number, at })),
        next: this.next,
      },
    };
  }

  load({ hardware, run }: Checkpoint<RemappedMessagesHardware, RemappedMessagesRun>): void {
    requireVersion('remapped messages', hardware.version, 1);
    this.underway.clear();
    hardware.underway.forEach(({ message, requester, pin }, index) => {
      const known = run.arrivals[index];
      if (!known) throw new SnapshotError('snapshot of remapped messages has one without an arrival');
      const { number, at, arrival } = known;
      this.underway.set(number, { message: { ...message }, requester, pin, at, arrival });
    });
    this.next = run.next;
  }

  adopt(hardware: RemappedMessagesHardware): void {
    requireVersion('remapped messages', hardware.version, 1);
    this.reset();
    for (const { remaining, ...message } of hardware.underway) this.schedule(message, remaining);
  }

  private send(requester: RequesterId, { address, data }: Request, pin: number | undefined): boolean {
    const remapped = this.options.unit.remap(requester, address, data);
    const { outcome, cycles } = remapped;
    if (outcome === 'message') this.begin({ message: remapped.message, requester, pin }, cycles);
    // A notification event is nobody's pin: that it finds no CPU says nothing about the request, which is in the descriptor.
    else if (outcome === 'posted' && remapped.notification)
      this.begin({ message: remapped.notification, requester, pin: undefined }, cycles);
    return outcome === 'message' || outcome === 'posted';
  }

  private begin(message: Underway, cycles: Cycles): void {
    const now = this.options.scheduler.now();
    let after = cycles;
    for (const { requester, at } of this.underway.values())
      if (requester === message.requester) after = Math.max(after, at - now);
    if (after === 0 && !this.waiting(message.requester)) this.options.deliver(message.message, message.pin);
    else this.schedule(message, after);
  }

  /** Whether messages of a requester are on their way. */
  private waiting(requester: RequesterId): boolean {
    for (const each of this.underway.values()) if (each.requester === requester) return true;
    return false;
  }

  private schedule(message: Underway, after: Cycles): void {
    const { scheduler } = this.options;
    const at = scheduler.now() + after;
    const number = this.next++;
    this.underway.set(number, { ...message, at, arrival: scheduler.schedule(at, this, 0, number) });
  }
}
