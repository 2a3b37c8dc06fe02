/**
 * Buffers in the device's hands, and how they go back: used entries are written, then what shows them, then it is looked whether
 * the driver wants to be notified (2.7.7, 2.7.8, 2.8.9). One batch after the other.
 */
import { Kind } from '../../../../trace/vocabulary/events';
import { lengthOf, type Chain } from '../contract';
import type { QueueCore } from './core';
import { advanced, type RingFormat, type UsedEntry } from './ring-format';
import { Lane, type MemoryWrite } from './transactions';

/** A buffer that the type has got. */
export interface Taken {
  readonly id: number;
  readonly slots: number;
  /** Bytes that could be written into it. */
  readonly room: number;
  /** It is the so-manieth of the queue. */
  readonly number: number;
}

/** A buffer that the type has done with. */
export interface Done {
  readonly id: number;
  readonly slots: number;
  readonly written: number;
  /** Written to the end: another one can speak for it in a batch (2.8.7). */
  readonly full: boolean;
}

type Step = 'none' | 'write' | 'wish';

/** What the hardware has of it. */
export interface ReturnsHardware {
  taken: Taken[];
  count: number;
  early: { number: number; done: Done }[];
  pushed: Done[];
  due: Done[];
  step: Step;
  position: number;
  writes: MemoryWrite[];
  buffers: number;
  slots: number;
}

/** Row of the flush that waits for the batch before it. */
export interface ReturnsRun {
  dueCause: number;
}

/** The way back of one queue's buffers. */
export class Returns {
  /** In the order of the ring. */
  private taken: Taken[] = [];
  /** Buffers taken so far, less those given back. */
  private count = 0;
  /** VIRTIO_F_IN_ORDER: done, while one before them is not. */
  private early: { number: number; done: Done }[] = [];
  /** Done, and not to be shown yet. */
  private pushed: Done[] = [];
  /** To be shown when the batch under way has been. */
  private due: Done[] = [];
  private dueCause = 0;
  private step: Step = 'none';
  /** Position in the ring of the next used entry: what lies before it has been shown. */
  private position = 0;
  /** Of the batch under way: what remains to be written, and what it will have shown. */
  private writes: MemoryWrite[] = [];
  private buffers = 0;
  private slots = 0;

  constructor(
    private readonly core: QueueCore,
    private readonly format: RingFormat,
  ) {}

  /** The driver has got back what lies before. */
  get shownTo(): number {
    return this.position;
  }

  /** The type gets a buffer. */
  take({ id, slots, writable }: Chain): void {
    this.taken.push({ id, slots, room: lengthOf(writable), number: this.count });
    this.count += 1;
  }

  /** The type gives the last ones back, as far as it still has them; in the order of the ring. */
  giveBack(count: number): Taken[] {
    const back: Taken[] = [];
    while (back.length < count && this.taken.at(-1)?.number === this.count - 1) {
      back.unshift(...this.taken.splice(-1));
      this.count -= 1;
    }
    return back;
  }

  /** A chain that the type has not got does nothing. */
  push({ id }: Chain, written: number): void {
    const at = this.taken.findIndex((each) => each.id === id);
    if (at < 0) return;
    const [{ slots, room, number }] = this.taken.splice(at, 1);
    const done = { id, slots, written, full: written >= room };
    if (!this.core.setup.inOrder) this.pushed.push(done);
    else {
      this.early.push({ number, done });
      this.passEarly();
    }
  }

  flush(): void {
    if (this.pushed.length === 0) return;
    if (this.due.length === 0) this.dueCause = this.core.host.bus.trace.cause;
    this.due.push(...this.pushed.splice(0));
    if (this.step === 'none') this.begin();
  }

  /** The transaction of the step has ended. */
  ended(bytes: Uint8Array): void {
    if (this.step === 'wish') this.wish(bytes);
    else if (this.writes.length > 0) this.write();
    else this.shown();
  }

  saveHardware(): ReturnsHardware {
    const { count, step, position, buffers, slots } = this;
    const lists = { taken: [...this.taken], early: [...this.early], pushed: [...this.pushed] };
    return { ...lists, due: [...this.due], writes: [...this.writes], count, step, position, buffers, slots };
  }

  saveRun(): ReturnsRun {
    return { dueCause: this.dueCause };
  }

  load(hardware: ReturnsHardware, run: ReturnsRun | undefined): void {
    this.taken = [...hardware.taken];
    this.count = hardware.count;
    this.early = [...hardware.early];
    this.pushed = [...hardware.pushed];
    this.due = [...hardware.due];
    this.step = hardware.step;
    this.position = hardware.position;
    this.writes = [...hardware.writes];
    this.buffers = hardware.buffers;
    this.slots = hardware.slots;
    this.dueCause = run?.dueCause ?? 0;
  }

  /** Those that were done early pass on, as far as none before them is still in the type's hands. */
  private passEarly(): void {
    const first = this.taken.at(0)?.number ?? this.count;
    const ready = this.early.filter(({ number }) => number < first);
    this.early = this.early.filter(({ number }) => number >= first);
    this.pushed.push(...ready.sort((a, b) => a.number - b.number).map(({ done }) => done));
  }

  private begin(): void {
    const { format, core, position } = this;
    const batch = this.due.splice(0);
    this.buffers = batch.length;
    this.slots = batch.reduce((sum, { slots }) => sum + slots, 0);
    const entries = entriesOf(batch, position, core.setup.inOrder, format);
    this.writes = format.used(entries, advanced(format, position, this.slots));
    this.step = 'write';
    const { trace } = core.host.bus;
    const { cause } = trace;
    trace.cause = this.dueCause;
    this.write();
    trace.cause = cause;
  }

  private write(): void {
    for (const next of this.writes.splice(0, 1)) this.core.transactions.write(Lane.Used, next);
  }

  /** The driver sees the batch; only what it wishes now counts. */
  private shown(): void {
    const { core, format } = this;
    core.host.bus.trace.instant(Kind.VirtqUsed, core.index, this.buffers);
    this.position = advanced(format, this.position, this.slots);
    this.step = 'wish';
    core.transactions.read(Lane.Used, format.driverWish);
  }

  private wish(bytes: Uint8Array): void {
    const { core, format, slots } = this;
    const wanted = format.wants(bytes, advanced(format, this.position, -slots), slots);
    this.step = 'none';
    if (!wanted) core.host.bus.trace.instant(Kind.VirtqSuppressed, core.index, 0);
    if (this.due.length > 0) this.begin();
    if (wanted) core.host.notifyDriver(core.index);
  }
}

/** An entry for each buffer; in order, one for each batch, which stands where its first buffer's would and names its last one. */
function entriesOf(
  batch: readonly Done[],
  position: number,
  inOrder: boolean,
  format: RingFormat,
): UsedEntry[] {
  const entries: UsedEntry[] = [];
  let first = position;
  let next = position;
  batch.forEach(({ id, slots, written, full }, i) => {
    next = advanced(format, next, slots);
    if (inOrder && full && i < batch.length - 1) return;
    entries.push({ position: first, id, written });
    first = next;
  });
  return entries;
}
