/** The registers of AMD's IOMMU as dwords: what they hold, and what of it software can write. */
import { AmdReg, Control, FEATURES, Status } from './layout';

/** Bits that software can write, by the offset of a dword. */
const WRITABLE: Readonly<Record<number, number>> = {
  [AmdReg.DeviceTable]: 0xfffff1ff,
  [AmdReg.DeviceTable + 4]: 0xfffff,
  [AmdReg.CommandBase]: 0xfffff000,
  [AmdReg.CommandBase + 4]: 0x0f0fffff,
  [AmdReg.Control]: 0xffffffff,
  [AmdReg.Control + 4]: 0xffffffff,
  [AmdReg.GuestLogBase]: 0xfffff000,
  [AmdReg.GuestLogBase + 4]: 0x0f0fffff,
  [AmdReg.GuestLogTailAddress]: 0xfffffff8,
  [AmdReg.GuestLogTailAddress + 4]: 0xfffff,
  [AmdReg.GuestLogInterrupt]: 0xffffff04,
  [AmdReg.GuestLogInterrupt + 4]: 0xff0001ff,
  [AmdReg.CommandHead]: 0x7fff0,
  [AmdReg.CommandTail]: 0x7fff0,
  [AmdReg.GuestLogHead]: 0x7fff8,
  [AmdReg.GuestLogTail]: 0x7fff8,
};

/** Status bits that writing 1 clears. */
const CLEARED = Status.ComWaitInt | Status.GALogOverflow | Status.GALogInt;
const PAGE_LOW = 0xfffff000;
const ADDRESS_HIGH = 0xfffff;

/** The dwords, by offset. */
export class AmdRegisterFile {
  private readonly values = new Map<number, number>([[AmdReg.Features, FEATURES]]);

  /** A dword; 0 where there is no register. */
  get(offset: number): number {
    return this.values.get(offset) ?? 0;
  }

  /** What the unit itself makes of a dword. */
  set(offset: number, value: number): void {
    this.values.set(offset, value >>> 0);
  }

  /** A write of software: bits that it cannot write stay as they are. */
  write(offset: number, value: number): void {
    if (offset === AmdReg.Status) return this.set(offset, this.get(offset) & ~(value & CLEARED));
    const mask = WRITABLE[offset];
    if (mask !== undefined) this.set(offset, (this.get(offset) & ~mask) | (value & mask));
  }

  /** A bit of the control register, of which some are in the upper dword. */
  controls(bit: number): boolean {
    const word = this.get(bit < 32 ? AmdReg.Control : AmdReg.Control + 4);
    return ((word >>> (bit % 32)) & 1) !== 0;
  }

  /** The guest APIC mode (GAMEn). */
  get guestMode(): number {
    return (this.get(AmdReg.Control) >>> Control.GAMEn) & 7;
  }

  /** The page address in a base register, bits 51 to 12. */
  base(offset: number): number {
    return (this.get(offset + 4) & ADDRESS_HIGH) * 2 ** 32 + ((this.get(offset) & PAGE_LOW) >>> 0);
  }

  /** The length field of a base register, bits 59 to 56. */
  length(offset: number): number {
    return (this.get(offset + 4) >>> 24) & 0xf;
  }

  /** Sets and clears bits of the status register. */
  status(set: number, clear = 0): void {
    this.set(AmdReg.Status, (this.get(AmdReg.Status) & ~clear) | set);
  }

  /** By offset. */
  save(): [offset: number, value: number][] {
    return [...this.values];
  }

  load(values: readonly (readonly [offset: number, value: number])[]): void {
    this.values.clear();
    for (const [offset, value] of values) this.values.set(offset, value);
  }
}
