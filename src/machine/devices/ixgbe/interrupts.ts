/**
 * The physical function's interrupts (7.3 and 8.2.3.5). With MSI-X the causes of its queues go to vectors by IVAR, all others to the
 * one in IVAR_MISC. Without, IVAR maps queues to the 16 low bits of EICR, and one pin or message tells of all of them: it is vector
 * 0's, whose throttle holds for it.
 */
import type { MessageVectors } from '../../pci/msi';
import type { Timers } from '../intel-nic/timers';
import { Gpie, Ivar, OTHER_CAUSES, QUEUE_CAUSES } from './bits';
import type { IxgbeCore } from './core';
import { Reg, VECTORS } from './offsets';
import { Vectors, type VectorsHardware } from './vectors';

/** A queue's two directions, by their place in IVAR. */
export const Direction = { receive: 0, transmit: 1 } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

/** What the hardware has of an `InterruptUnit`; what else it has are registers. */
export interface InterruptsHardware {
  vectors: VectorsHardware;
  others: number;
  othersMask: number;
  asserted: boolean;
}

/** Vectors from this one on have their interval elsewhere. */
const LOW_EITRS = 24;

/** The offset of a vector's EITR. */
export function eitrOffset(vector: number): number {
  return vector < LOW_EITRS ? Reg.EITR + vector * 4 : Reg.EITR_HIGH + (vector - LOW_EITRS) * 4;
}

/** What becomes of the physical function's interrupt causes. */
export class InterruptUnit {
  readonly vectors: Vectors;
  /** Causes that are no queue's, and which of them are not masked. */
  private others = 0;
  private othersMask = 0;
  private asserted = false;

  /**
   * @param messages MSI-X, and MSI
   * @param expired told of the end of a vector's interval
   */
  constructor(
    private readonly core: IxgbeCore,
    timers: Timers,
    private readonly messages: { msix: MessageVectors; msi: MessageVectors },
    expired: (vector: number) => void,
  ) {
    this.vectors = new Vectors(VECTORS, {
      timers,
      cycles: (nanoseconds) => core.cycles(nanoseconds),
      throttle: (vector) => core.get(eitrOffset(vector)),
      autoClear: () => core.get(Reg.EIAC) & QUEUE_CAUSES,
      apart: () => this.messages.msix.enabled,
      autoMasks: () => (core.get(Reg.GPIE) & Gpie.EIAME) !== 0,
      otherCause: (vector) => this.otherCause(vector),
      send: (vector) => this.send(vector),
      expired,
    });
  }

  /** The vector that a queue's direction is mapped to; undefined: none. */
  vectorOf(queue: number, direction: Direction): number | undefined {
    return vectorAt(this.core.byteOf(Reg.IVAR, queueEntry(queue, direction)));
  }

  /** Descriptors of a queue of the physical function were written back. */
  queueDone(queue: number, direction: Direction): void {
    const mapped = this.vectorOf(queue, direction);
    if (mapped === undefined) return;
    const vector = this.messages.msix.enabled ? mapped : mapped & 15;
    this.vectors.set(vector >> 5, 1 << (vector & 31));
    this.update(true);
  }

  /** Causes that are no queue's. */
  raise(causes: number): void {
    this.others |= causes & OTHER_CAUSES;
    this.othersHappened();
  }

  /** EICR: without GPIE.OCD, or without MSI-X, reading clears all of it (8.2.3.5.1). */
  readCauses(): number {
    const value = this.pending();
    const others = this.messages.msix.enabled && (this.core.get(Reg.GPIE) & Gpie.OCD) !== 0;
    this.clear(others ? value & OTHER_CAUSES : value);
    if (!this.messages.msix.enabled) this.disable(this.autoMask());
    return value;
  }

  /** EICR's bits, without clearing them. */
  pending(): number {
    return (this.others | (this.vectors.causesOf(0) & QUEUE_CAUSES)) >>> 0;
  }

  clear(causes: number): void {
    this.others &= ~causes;
    this.vectors.clear(0, causes & QUEUE_CAUSES);
    this.update();
  }

  /** EICS. */
  set(causes: number): void {
    this.vectors.set(0, causes & QUEUE_CAUSES);
    this.raise(causes);
  }

  /** EIMS. */
  enabled(): number {
    return (this.othersMask | (this.vectors.enabledOf(0) & QUEUE_CAUSES)) >>> 0;
  }

  enable(causes: number): void {
    this.othersMask |= causes & OTHER_CAUSES;
    this.vectors.enable(0, causes & QUEUE_CAUSES);
    if ((this.others & causes) !== 0) this.othersHappened();
    this.update(true);
  }

  disable(causes: number): void {
    this.othersMask &= ~causes;
    this.vectors.disable(0, causes & QUEUE_CAUSES);
    this.update();
  }

  /** EIAM. */
  autoMask(): number {
    return ((this.core.get(Reg.EIAM) & OTHER_CAUSES) | (this.vectors.autoMaskOf(0) & QUEUE_CAUSES)) >>> 0;
  }

  setAutoMask(causes: number): void {
    this.core.set(Reg.EIAM, (causes & OTHER_CAUSES) >>> 0);
    this.vectors.setAutoMask(0, (this.vectors.autoMaskOf(0) & ~QUEUE_CAUSES) | (causes & QUEUE_CAUSES));
  }

  onTimer(vector: number): void {
    this.vectors.onTimer(vector);
    this.update();
  }

  /** Follows the causes with the pin, or with MSI's one message. @param event something has happened, which is a message of its own */
  update(event = false): void {
    const { msix, msi } = this.messages;
    if (msix.enabled) {
      this.drive(false);
      return;
    }
    const wanted = (this.pending() & this.enabled()) !== 0;
    if (!wanted) this.drive(false);
    else if (msi.enabled ? event : !this.asserted) this.vectors.otherHappened(0);
  }

  reset(): void {
    this.vectors.reset();
    this.others = this.othersMask = 0;
    this.update();
  }

  save(): InterruptsHardware {
    const { others, othersMask, asserted } = this;
    return { vectors: this.vectors.save(), others, othersMask, asserted };
  }

  load(hardware: InterruptsHardware): void {
    this.vectors.load(hardware.vectors);
    this.others = hardware.others;
    this.othersMask = hardware.othersMask;
    this.asserted = hardware.asserted;
  }

  /** After a move to another bus: the line there shows the level. */
  resume(): void {
    this.core.bus.irq.set(this.asserted);
  }

  private othersHappened(): void {
    const vector = vectorAt(this.core.byteOf(Reg.IVAR_MISC, 1));
    if (this.messages.msix.enabled && vector !== undefined) this.vectors.otherHappened(vector);
    this.update(true);
  }

  private otherCause(vector: number): boolean {
    if (!this.messages.msix.enabled) return vector === 0 && (this.pending() & this.enabled()) !== 0;
    return (this.others & this.othersMask) !== 0 && vectorAt(this.core.byteOf(Reg.IVAR_MISC, 1)) === vector;
  }

  private send(vector: number): void {
    const { msix, msi } = this.messages;
    if (msix.enabled) msix.raise(vector);
    else if (msi.enabled) msi.raise(0);
    else this.drive(true);
  }

  private drive(asserted: boolean): void {
    if (asserted === this.asserted) return;
    this.asserted = asserted;
    this.core.bus.irq.set(asserted);
  }
}

/** The byte of IVAR or VTIVAR for a queue: two queues to a register, reception before transmission. */
export function queueEntry(queue: number, direction: Direction): number {
  return 2 * queue + direction;
}

/** The vector of an entry; undefined: it is not valid. */
export function vectorAt(entry: number): number | undefined {
  return (entry & Ivar.VALID) === 0 ? undefined : entry & Ivar.VECTOR;
}
