/**
 * The invalidation queue (VT-d specification, 6.5.2): descriptors in memory, worked on one after the other, each in its time. A
 * descriptor that is none stops the queue until software has cleared the error.
 */
import type { Cycles } from '../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../time/pending-event';
import { decodeDescriptor, isWait, QueueError, type Descriptor, type QueueErrorCode } from './descriptors';
import { EventMessage, type EventMessageState, type SendMessage } from './event-message';
import type { FaultLog } from './fault-log';
import { drains, type Invalidator } from './invalidator';
import { Reg, type Register } from './layout';
import type { IommuObserver } from './observer';
import type { RemappingOptions } from './options';
import type { TableMemory } from './table-reader';
import type { UnitClock } from './unit-clock';
import { bytesOf, field, isSet, pageAddress, wordsOf, type Words } from './words';

/** Bits of the address register: size, descriptors of 256 bits. */
const SIZE_BITS = 3;
const WIDE = 11;
const ADDRESS_LOW = 0xfffff000;
/** Bits of head and tail. */
const POSITION = 0x7fff0;
const WAIT_COMPLETE = 1;

/** What the queue needs of its unit. */
export interface QueueHost {
  readonly clock: UnitClock;
  /** Number of the event that ends the work on a descriptor. */
  readonly event: number;
  readonly memory: TableMemory;
  readonly options: RemappingOptions;
  readonly invalidator: Invalidator;
  /** When the requests that are under way now have come to memory. */
  drained(): Cycles;
  readonly faults: FaultLog;
  readonly observer: IommuObserver;
  readonly interrupts: boolean;
  readonly send: SendMessage;
  /** Scalable mode is on, which takes wide descriptors only. */
  scalable(): boolean;
}

/** What the hardware has. */
export interface QueueHardware {
  enabled: boolean;
  head: number;
  tail: number;
  address: Uint32Array;
  error: number;
  complete: boolean;
  event: EventMessageState;
  /** The descriptor under way, and cycles until it is done. */
  current: Uint32Array | undefined;
  /** What it asks for has been dropped, and requests that were translated before are still under way. */
  draining: boolean;
  remaining: Cycles;
}

/** What the run has. */
export interface QueueRun extends PendingEventRun {
  begin: Cycles;
}

/** The queue. */
export class InvalidationQueue {
  private enabled = false;
  /** Offsets in bytes. */
  private head = 0;
  private tail = 0;
  /** IQA. */
  private readonly address = new Uint32Array(2);
  /** IQEI. */
  private error = 0;
  /** IWC. */
  private complete = false;
  private current: Words | undefined;
  private draining = false;
  private begin: Cycles = 0;
  private readonly end: PendingEvent;
  private readonly event: EventMessage;

  constructor(private readonly host: QueueHost) {
    const { clock, event, send } = host;
    this.end = new PendingEvent(clock, (time) => clock.schedule(time - clock.now(), event));
    this.event = new EventMessage(Reg.CompletionEvent, ['IECTL', 'IEDATA', 'IEADDR', 'IEUADDR'], send);
  }

  /** QIES. */
  get isEnabled(): boolean {
    return this.enabled;
  }

  /** QIE is written. Turned on, the queue begins at its first descriptor. */
  setEnabled(enabled: boolean): void {
    if (enabled === this.enabled) return;
    this.enabled = enabled;
    this.stop();
    this.head = 0;
    this.proceed();
  }

  /** Goes on where an error has stopped it, once software has cleared that. */
  resume(): void {
    if (!this.host.faults.shows('queueError')) this.error = 0;
    this.proceed();
  }

  /** The descriptor under way is done. */
  onEvent(): void {
    this.end.came();
    const { current, begin, host, draining } = this;
    this.current = undefined;
    this.draining = false;
    if (!current) return;
    if (draining) return this.proceed();
    const descriptor = this.decode(current);
    const times = { begin, end: host.clock.now() };
    if ('error' in descriptor) return this.fail(descriptor.error);
    this.advance();
    if (isWait(descriptor)) {
      const { status, interrupt } = descriptor;
      if (status) host.memory.write(status.address, bytesOf([status.data]));
      host.observer.waited({ status, interrupt, ...times });
      if (interrupt) this.completed();
    } else if (host.invalidator.isAnswered(descriptor)) {
      const end = drains(descriptor) ? host.drained() : times.end;
      host.invalidator.apply(descriptor, { by: 'queue', begin, end });
      if (end > times.end) return this.drain(current, end);
    } else this.timeOut();
    this.proceed();
  }

  reset(): void {
    this.stop();
    this.enabled = this.complete = false;
    this.head = this.tail = this.error = 0;
    this.address.fill(0);
    this.event.reset();
  }

  registers(): Register[] {
    const zero = (offset: number, name: string): Register => ({ offset, name, read: () => 0 });
    return [
      { offset: Reg.QueueHead, name: 'IQH', read: () => this.head },
      zero(Reg.QueueHead + 4, 'IQH_HI'),
      { offset: Reg.QueueTail, name: 'IQT', read: () => this.tail, write: (value) => this.setTail(value) },
      zero(Reg.QueueTail + 4, 'IQT_HI'),
      {
        offset: Reg.QueueAddress,
        name: 'IQA',
        read: () => this.address[0],
        write: (value) => void (this.address[0] = value & (ADDRESS_LOW | this.configurable)),
      },
      {
        offset: Reg.QueueAddress + 4,
        name: 'IQA_HI',
        read: () => this.address[1],
        write: (value) => void (this.address[1] = value),
      },
      {
        offset: Reg.CompletionStatus,
        name: 'ICS',
        read: () => (this.complete ? WAIT_COMPLETE : 0),
        write: (value) => {
          if ((value & WAIT_COMPLETE) === 0) return;
          this.complete = false;
          this.event.serviced();
        },
      },
      ...this.event.registers(),
      { offset: Reg.QueueError, name: 'IQERCD', read: () => this.error },
      zero(Reg.QueueError + 4, 'IQERCD_HI'),
    ];
  }

  save(): { hardware: QueueHardware; run: QueueRun } {
    const { enabled, head, tail, address, error, complete, event, current, draining, begin, end } = this;
    return {
      hardware: {
        enabled,
        head,
        tail,
        address: address.slice(),
        error,
        complete,
        event: event.save(),
        current,
        draining,
        remaining: end.remaining,
      },
      run: { begin, ...end.save() },
    };
  }

  load(hardware: QueueHardware, run: QueueRun): void {
    this.take(hardware);
    this.begin = run.begin;
    this.end.load(run);
  }

  adopt(hardware: QueueHardware): void {
    this.take(hardware);
    this.begin = this.host.clock.now();
    this.end.adopt(hardware.remaining);
  }

  private take(hardware: QueueHardware): void {
    this.enabled = hardware.enabled;
    this.head = hardware.head;
    this.tail = hardware.tail;
    this.address.set(hardware.address);
    this.error = hardware.error;
    this.complete = hardware.complete;
    this.event.load(hardware.event);
    this.current = hardware.current;
    this.draining = hardware.draining;
  }

  /** Bits of the address register's lower page that can be written. */
  private get configurable(): number {
    return (1 << SIZE_BITS) - 1 + (this.host.options.scalableMode ? 1 << WIDE : 0);
  }

  private get wide(): boolean {
    return isSet(this.address[0], WIDE);
  }

  private get descriptorBytes(): number {
    return this.wide ? 32 : 16;
  }

  /** 2^QS pages. */
  private get bytes(): number {
    return 4096 * 2 ** field(this.address[0], 0, SIZE_BITS);
  }

  private get stopped(): boolean {
    const { faults } = this.host;
    return faults.shows('queueError') || faults.shows('timeOut') || faults.shows('completionError');
  }

  private setTail(value: number): void {
    this.tail = value & POSITION;
    this.proceed();
  }

  /** Takes the next descriptor, if there is one and nothing is under way. */
  private proceed(): void {
    if (!this.enabled || this.current || this.stopped || this.head === this.tail) return;
    const words = this.fetch();
    if (!(words instanceof Uint32Array)) return this.fail(words);
    this.current = words;
    this.begin = this.host.clock.now();
    this.end.comeAt(this.begin + this.cost(this.decode(words)));
  }

  private fetch(): Words | QueueErrorCode {
    // Software may have changed size and width with descriptors in the queue: the head then lies where no descriptor begins.
    if (this.tail >= this.bytes || this.head >= this.bytes) return QueueError.tail;
    if ((this.tail | this.head) % this.descriptorBytes !== 0) return QueueError.tailAlignment;
    if (!this.wide && this.host.scalable()) return QueueError.width;
    const bytes = this.host.memory.read(pageAddress(this.address) + this.head, this.descriptorBytes);
    return bytes ? wordsOf(bytes) : QueueError.fetch;
  }

  private decode(words: Words): Descriptor {
    return decodeDescriptor(words, this.host.options, this.host.interrupts);
  }

  private cost(descriptor: Descriptor): Cycles {
    const { options, invalidator } = this.host;
    const { costs } = options;
    if ('error' in descriptor || isWait(descriptor) || descriptor.cache !== 'device-tlb')
      return costs.descriptor;
    const answered = invalidator.isAnswered(descriptor);
    return costs.descriptor + (answered ? costs.deviceInvalidation : costs.deviceTimeout);
  }

  /** The descriptor is over only at a time: nothing after it begins before. */
  private drain(current: Words, until: Cycles): void {
    this.current = current;
    this.draining = true;
    this.end.comeAt(until);
  }

  private advance(): void {
    this.head = (this.head + this.descriptorBytes) % this.bytes;
  }

  private stop(): void {
    this.end.cancel();
    this.current = undefined;
    this.draining = false;
  }

  /** The head stays at the descriptor that is none. */
  private fail(error: QueueErrorCode): void {
    this.error = error;
    this.host.faults.show('queueError');
  }

  /** A device has not answered. A wait descriptor that waits for it is given up: it is passed, and tells nothing (6.5.2.11). */
  private timeOut(): void {
    const next = this.head === this.tail ? undefined : this.fetch();
    if (next instanceof Uint32Array && isWait(this.decode(next))) this.advance();
    this.host.faults.show('timeOut');
  }

  private completed(): void {
    if (this.complete) return;
    this.complete = true;
    this.event.raise();
  }
}
