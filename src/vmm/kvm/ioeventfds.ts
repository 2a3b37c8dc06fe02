/**
 * ioeventfds (KVM_IOEVENTFD, Documentation/virt/kvm/api.rst, 4.59): writes to a register that KVM answers by a signal to an
 * eventfd, so that neither QEMU nor the device's model sees them. A device's back end registers them for its doorbells.
 *
 * KVM has absolute addresses, and QEMU registers anew whenever the guest moves a BAR (memory_region_add_eventfd). Here a
 * registration belongs to a block of registers, wherever that is mapped at the time: it moves with the BAR by itself, and is
 * silent while the BAR does not decode.
 *
 * The table has no snapshot of its own: what is registered follows from the state of the back end, which registers it again
 * when that state is loaded.
 */
import type { RegisterBlock } from '../../machine/bus';

/** Bytes of a write that hits; 0: of any width, which in memory KVM recognises without decoding the instruction. */
export type IoeventfdLength = 0 | 1 | 2 | 4 | 8;

/** Which writes signal. */
export interface IoeventfdPlace {
  /** The registers, in memory or at ports. */
  readonly block: RegisterBlock;
  /** Within them: a write signals only if it begins exactly here. */
  readonly offset: number;
  readonly length: IoeventfdLength;
  /** The one value that signals (KVM_IOEVENTFD_FLAG_DATAMATCH); absent: any. Not with length 0. */
  readonly match?: bigint;
}

/** What is signalled: an `EventFd`, or whoever else is told at the present instant. */
export interface Signalled {
  signal(): void;
}

/** One registration. */
export interface Ioeventfd extends IoeventfdPlace {
  readonly signalled: Signalled;
}

/** Those of one VM. */
export class Ioeventfds {
  private readonly byBlock = new Map<RegisterBlock, Ioeventfd[]>();

  /**
   * Registers one.
   * @throws RangeError for what KVM refuses: a value with length 0 (EINVAL), or one that some write would hit together with
   * another (EEXIST)
   */
  add(place: IoeventfdPlace, signalled: Signalled): Ioeventfd {
    const { block, offset, length, match } = place;
    if (length === 0 && match !== undefined)
      throw new RangeError(`ioeventfd at offset ${offset}: one of any width matches no value`);
    const there = this.byBlock.get(block) ?? [];
    if (there.some((other) => collide(other, place)))
      throw new RangeError(`ioeventfd at offset ${offset}: its writes signal another one already`);
    const added: Ioeventfd = { ...place, signalled };
    this.byBlock.set(block, [...there, added]);
    return added;
  }

  /** Takes a registration back; does nothing when that has been done. */
  remove(registered: Ioeventfd): void {
    const { block } = registered;
    const left = (this.byBlock.get(block) ?? []).filter((each) => each !== registered);
    if (left.length > 0) this.byBlock.set(block, left);
    else this.byBlock.delete(block);
  }

  /** The one that a write hits; undefined: the write goes its usual way. Asked at every write. */
  find(
    block: RegisterBlock | undefined,
    offset: number,
    size: number,
    low: number,
    high: number,
  ): Ioeventfd | undefined {
    if (this.byBlock.size === 0 || !block) return undefined;
    for (const each of this.byBlock.get(block) ?? []) {
      if (each.offset !== offset) continue;
      if (each.length === 0) return each;
      if (each.length === size && (each.match === undefined || each.match === valueOf(size, low, high)))
        return each;
    }
    return undefined;
  }
}

/** Whether some write would hit both (ioeventfd_check_collision of Linux). */
function collide(one: IoeventfdPlace, other: IoeventfdPlace): boolean {
  if (one.offset !== other.offset) return false;
  if (one.length === 0 || other.length === 0) return true;
  if (one.length !== other.length) return false;
  return one.match === undefined || other.match === undefined || one.match === other.match;
}

/** The value of a write, by its two halves of 32 bits. */
function valueOf(size: number, low: number, high: number): bigint {
  const whole = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return BigInt.asUintN(8 * size, whole);
}
