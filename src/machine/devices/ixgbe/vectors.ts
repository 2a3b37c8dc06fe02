/**
 * The interrupt vectors of one function (7.3): each has a cause bit, a mask bit and a throttle. An event of a vector is told by a
 * message as soon as the vector is not masked and its interval (EITR) since the message before is over; what masks and clears itself
 * with the message is the driver's choice (EIAM, EIAC).
 */
import type { Timers } from '../intel-nic/timers';
import { EITR_UNIT } from './bits';

/** What the hardware has of `Vectors`: 32 vectors in a word. */
export interface VectorsHardware {
  causes: Uint32Array;
  mask: Uint32Array;
  autoMask: Uint32Array;
  events: Uint32Array;
}

/** What vectors are connected to. */
export interface VectorHost {
  timers: Timers;
  /** Cycles of a data-sheet time. */
  cycles(nanoseconds: number): number;
  /** The register that has a vector's interval. */
  throttle(vector: number): number;
  /** Whether each vector signals by itself; else vector 0 does for all, and has other causes alone. */
  apart(): boolean;
  /** Bits of the first word that clear with the message; all vectors beyond do (7.3.1.4). */
  autoClear(): number;
  /** Whether the auto-mask bits have effect with a message. */
  autoMasks(): boolean;
  /** Whether a vector has a cause beside its own bit. */
  otherCause(vector: number): boolean;
  /** Sends the message of a vector. */
  send(vector: number): void;
  /** A vector's interval is over: used descriptors that wait for it are written back (7.2.3.5). */
  expired(vector: number): void;
}

/** EITR's interval: 9 bits from bit 3 on (8.2.3.5.12). */
const INTERVAL_SHIFT = 3;
const INTERVAL_MASK = 0x1ff;
/** Vectors whose causes software can have stay after the message. */
const CLEARABLE = 16;

/** All of one function. The timer of a vector has the vector's number. */
export class Vectors {
  private readonly causes: Uint32Array;
  private readonly mask: Uint32Array;
  private readonly autoMask: Uint32Array;
  /** Something has happened that no message has told of. */
  private readonly events: Uint32Array;

  constructor(
    private readonly count: number,
    private readonly host: VectorHost,
  ) {
    const words = Math.ceil(count / 32);
    this.causes = new Uint32Array(words);
    this.mask = new Uint32Array(words);
    this.autoMask = new Uint32Array(words);
    this.events = new Uint32Array(words);
  }

  /** Cause bits of 32 vectors. */
  causesOf(word: number): number {
    return this.causes[word];
  }

  /** Of 32 vectors those that are not masked. */
  enabledOf(word: number): number {
    return this.mask[word];
  }

  autoMaskOf(word: number): number {
    return this.autoMask[word];
  }

  setAutoMask(word: number, bits: number): void {
    this.autoMask[word] = bits;
  }

  /** Sets cause bits: something has happened. */
  set(word: number, bits: number): void {
    this.causes[word] |= bits;
    this.happened(word, bits);
  }

  /** A vector's cause other than its own bit has come true. */
  otherHappened(vector: number): void {
    this.happened(vector >> 5, 1 << (vector & 31));
  }

  clear(word: number, bits: number): void {
    this.causes[word] &= ~bits;
  }

  /** Unmasks: what had happened and still holds is told now. */
  enable(word: number, bits: number): void {
    const opened = bits & ~this.mask[word];
    this.mask[word] |= bits;
    this.happened(word, opened & this.causes[word]);
  }

  disable(word: number, bits: number): void {
    this.mask[word] &= ~bits;
  }

  /** Has `expired` called at the end of the vector's interval, or at once without one. */
  whenOver(vector: number): void {
    const { timers } = this.host;
    if (timers.running(vector)) return;
    const interval = this.interval(vector);
    if (interval > 0) timers.start(vector, interval);
    else this.host.expired(vector);
  }

  /** The timer of a vector has fired. */
  onTimer(vector: number): void {
    this.host.expired(vector);
    this.tell(vector);
  }

  /** Tells whatever can be told: another way of signalling was chosen. */
  settle(): void {
    for (let vector = 0; vector < this.count; vector++) this.tell(vector);
  }

  reset(): void {
    for (const words of [this.causes, this.mask, this.autoMask, this.events]) words.fill(0);
    for (let vector = 0; vector < this.count; vector++) this.host.timers.stop(vector);
  }

  save(): VectorsHardware {
    const [causes, mask, autoMask, events] = [this.causes, this.mask, this.autoMask, this.events].map(
      (words) => words.slice(),
    );
    return { causes, mask, autoMask, events };
  }

  load(hardware: VectorsHardware): void {
    this.causes.set(hardware.causes);
    this.mask.set(hardware.mask);
    this.autoMask.set(hardware.autoMask);
    this.events.set(hardware.events);
  }

  private happened(word: number, bits: number): void {
    this.events[word] |= bits;
    for (let left = bits; left !== 0; left &= left - 1) this.tell(word * 32 + 31 - Math.clz32(left & -left));
  }

  private interval(vector: number): number {
    const { host } = this;
    return host.cycles(((host.throttle(vector) >> INTERVAL_SHIFT) & INTERVAL_MASK) * EITR_UNIT);
  }

  private tell(vector: number): void {
    const { host } = this;
    const word = vector >> 5;
    const bit = 1 << (vector & 31);
    if (vector >= this.count || (this.events[word] & bit) === 0) return;
    const own = host.apart() && (this.causes[word] & this.mask[word] & bit) !== 0;
    if ((!own && !host.otherCause(vector)) || host.timers.running(vector)) return;
    this.events[word] &= ~bit;
    if (own) {
      if (vector >= CLEARABLE || (host.autoClear() & bit) !== 0) this.causes[word] &= ~bit;
      if (host.autoMasks()) this.mask[word] &= ~(this.autoMask[word] & bit);
    }
    const interval = this.interval(vector);
    if (interval > 0) host.timers.start(vector, interval);
    host.send(vector);
  }
}
