/**
 * What the two formats of a ring have in common. A position in a ring is a number modulo `modulus`, so that a lap is told from the
 * next: of a split ring its 16-bit index, of a packed one the offset of a descriptor, plus the size while the wrap counter is 0.
 */
import type { Descriptor } from './chain-walk';
import type { MemoryRange, MemoryWrite } from './transactions';

/** An entry that shows a used buffer, or a batch of them (2.7.9, 2.8.7). */
export interface UsedEntry {
  readonly position: number;
  readonly id: number;
  /** Bytes written into the buffer. */
  readonly written: number;
}

/** One format, for one queue. */
export interface RingFormat {
  readonly modulus: number;
  /** Asks the driver for a notification when it makes something available at a position. */
  enable(position: number): MemoryWrite;
  /** Asks for none; undefined with VIRTIO_F_EVENT_IDX, where none comes once the driver is past the position asked for. */
  readonly disable: MemoryWrite | undefined;
  /** What is to be written, in this order, to show used buffers. @param end position after them */
  used(entries: readonly UsedEntry[], end: number): MemoryWrite[];
  /** Where the driver says whether it wants to be notified. */
  readonly driverWish: MemoryRange;
  /** Whether it wants that when `count` positions from `from` have been used. @param bytes of `driverWish` */
  wants(bytes: Uint8Array, from: number, count: number): boolean;
  /** A descriptor, of the ring or of an indirect table. */
  descriptor(view: DataView, at: number): Descriptor;
}

/** The position that is `count` further on. */
export function advanced({ modulus }: RingFormat, position: number, count: number): number {
  return (position + count + modulus) % modulus;
}

/** How far it is from one position to another, going forward. */
export function distance({ modulus }: RingFormat, from: number, to: number): number {
  return (to - from + modulus) % modulus;
}

/** Writes that follow each other in memory become one. */
export function joined(writes: readonly MemoryWrite[]): MemoryWrite[] {
  const out: MemoryWrite[] = [];
  let run: MemoryWrite[] = [];
  let end = -1;
  const close = (): void => {
    if (run.length > 0) out.push(joinedRun(run));
  };
  for (const write of writes) {
    if (write.address !== end) {
      close();
      run = [];
    }
    run.push(write);
    end = write.address + write.bytes.length;
  }
  close();
  return out;
}

function joinedRun(run: readonly MemoryWrite[]): MemoryWrite {
  const [{ address }] = run;
  const bytes = new Uint8Array(run.reduce((sum, each) => sum + each.bytes.length, 0));
  for (const each of run) bytes.set(each.bytes, each.address - address);
  return { address, bytes };
}

/** Little-endian 16-bit words. */
export function words(...values: number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value & 0xff, (value >> 8) & 0xff]));
}

/** The little-endian 16-bit word at an offset. */
export function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8);
}
