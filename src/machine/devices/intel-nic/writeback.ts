/**
 * Writing used descriptors back: they gather on the chip until as many as the write-back threshold (WTHRESH) are there, or until
 * they are flushed by a timer, by software or for want of room; then they go to the host's memory in one burst. (8254x manual,
 * 3.2.5 and 3.4.2; 82599 data sheet, 7.1.7 and 7.2.3.5.)
 */
import type { DmaResult } from '../../bus';
import { DESCRIPTOR } from './constants';
import { isFault, type Dma } from './dma';
import type { Ring } from './ring';

/** A used descriptor. */
export interface Used {
  index: number;
  /** Its 16 bytes as they are to stand in memory. Not to be changed. */
  bytes: Uint8Array;
  /** What the owner wants to know when it is written. */
  mark: number;
  /** Row of what it was used for. */
  cause: number;
}

/** What the hardware has of a `WriteBack`. */
export interface WriteBackHardware {
  indices: number[];
  bytes: Uint8Array[];
  marks: number[];
  signals: number[];
  writing: number;
  due: number;
}

/** Trace rows of a `WriteBack`, by used descriptor. */
export interface WriteBackRun {
  causes: number[];
}

/** Whose descriptors they are. */
export interface WriteBackOwner {
  /** They are in memory; or, with `ok` false, they could not be written. @param signals interrupt causes that waited for them */
  written(used: readonly Used[], ok: boolean, signals: number): void;
  /** A flush has found nothing to write. @param signals interrupt causes that would have waited, at least one */
  nothingToWrite(signals: number): void;
}

/** @property signals interrupt causes that are raised once it is written */
type Waiting = Used & { signals: number };

/** The used descriptors of one ring on their way out. */
export class WriteBack {
  private used: Waiting[] = [];
  /** So many of the first are in flight. */
  private writing = 0;
  /** So many of the first are to be written whatever the threshold. */
  private due = 0;

  /** @param channel of the writes */
  constructor(
    private readonly ring: Ring,
    private readonly dma: Dma,
    private readonly channel: number,
    private readonly owner: WriteBackOwner,
  ) {
    dma.onEnd(channel, (result) => this.ended(result));
  }

  /** Descriptors that wait or are in flight. */
  get held(): number {
    return this.used.length;
  }

  /** Whether some are in flight, or will be as soon as they can. */
  get active(): boolean {
    return this.writing > 0 || this.count() > 0;
  }

  add({ index, bytes, mark, cause }: Used): void {
    this.used.push({ index, bytes, mark, cause, signals: 0 });
    this.write();
  }

  /** Writes all that are used by now, then signals: at once when there are none. */
  flush(signals: number): void {
    const last = this.used[this.used.length - 1];
    this.due = this.used.length;
    if (last) {
      last.signals |= signals;
      this.write();
    } else if (signals !== 0) this.owner.nothingToWrite(signals);
  }

  /** Begins a burst if there is reason to, and none in flight. */
  write(): void {
    if (this.writing > 0 || !this.dma.allowed(this.channel)) return;
    const count = this.count();
    if (count === 0) return;
    const burst = this.used.slice(0, count);
    const bytes = new Uint8Array(count * DESCRIPTOR);
    burst.forEach((each, i) => bytes.set(each.bytes, i * DESCRIPTOR));
    this.writing = count;
    this.dma.write(this.channel, this.ring.address(burst[0].index), bytes, burst[count - 1].cause);
  }

  /** The ring is another: what has not been written is forgotten. */
  reset(): void {
    this.dma.forget(this.channel);
    this.used = [];
    this.writing = this.due = 0;
  }

  saveHardware(): WriteBackHardware {
    const { used, writing, due } = this;
    return {
      indices: used.map(({ index }) => index),
      bytes: used.map(({ bytes }) => bytes),
      marks: used.map(({ mark }) => mark),
      signals: used.map(({ signals }) => signals),
      writing,
      due,
    };
  }

  saveRun(): WriteBackRun {
    return { causes: this.used.map(({ cause }) => cause) };
  }

  load(hardware: WriteBackHardware, run: WriteBackRun | undefined): void {
    this.used = hardware.indices.map((index, i) => ({
      index,
      bytes: hardware.bytes[i],
      mark: hardware.marks[i],
      signals: hardware.signals[i],
      cause: run?.causes[i] ?? 0,
    }));
    this.writing = hardware.writing;
    this.due = hardware.due;
  }

  /** How many to write in one burst: neighbours in the ring, not round its end. */
  private count(): number {
    const { used } = this;
    const reached = used.length >= Math.max(1, this.ring.threshold('writeBack'));
    const wanted = reached ? used.length : this.due;
    let count = 0;
    while (count < wanted && used[count].index === used[0].index + count) count += 1;
    return count;
  }

  private ended(result: DmaResult): void {
    const count = this.writing;
    this.writing = 0;
    // A function that was taken off the bus meanwhile has not written: it does when it is a master again.
    if (isFault(result) && !this.dma.allowed(this.channel)) return;
    const done = this.used.splice(0, count);
    const signals = done.reduce((all, each) => all | each.signals, 0);
    this.due = Math.max(0, this.due - count);
    this.write();
    this.owner.written(done, !isFault(result), signals);
  }
}
