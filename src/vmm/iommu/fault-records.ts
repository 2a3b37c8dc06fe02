/** How the host's kernel reads the fault recording registers of its IOMMU and clears them (dmar_fault of Linux). */
import { NO_CPU, type RegisterBlock, type RequesterId } from '../../machine/bus';
import { interruptFaultNames } from '../../machine/iommu/interrupts/interrupt-faults';
import { FaultStatus, Reg } from '../../machine/iommu/layout';

/** One record. */
export interface ReadFault {
  requester: RequesterId;
  /** Of address translation: the page that was accessed. Of an interrupt request: its index in the table. */
  about: number;
  reason: number;
  write: boolean;
}

const RECORD_BYTES = 16;
const PENDING = 1 << FaultStatus.pending;
const OVERFLOW = 1 << FaultStatus.overflow;
/** Of the fourth word: F, and that it was a read. */
const RECORDED = 2 ** 31;
const READ_REQUEST = 2 ** 30;
const INDEX_SHIFT = 16;
const SIZE = 4;

/** Reads all that is recorded, oldest first. @param count fault recording registers that the unit has */
export function takeFaults(registers: RegisterBlock, count: number): ReadFault[] {
  const faults: ReadFault[] = [];
  const read = (offset: number): number => registers.read(offset, SIZE, NO_CPU);
  const status = read(Reg.FaultStatus);
  const first = (status >>> FaultStatus.recordIndex) & 0xff;
  for (let index = 0; (status & PENDING) !== 0 && index < count; index++) {
    const at = Reg.FaultRecords + ((first + index) % count) * RECORD_BYTES;
    const last = read(at + 12);
    if (last < RECORDED) break;
    const reason = last & 0xff;
    const high = read(at + 4);
    faults.push({
      requester: read(at + 8) & 0xffff,
      about: isOfInterrupt(reason) ? high >>> INDEX_SHIFT : high * 2 ** 32 + read(at),
      reason,
      write: (last & READ_REQUEST) === 0,
    });
    registers.write(at + 12, SIZE, RECORDED, NO_CPU);
  }
  if ((status & OVERFLOW) !== 0) registers.write(Reg.FaultStatus, SIZE, OVERFLOW, NO_CPU);
  return faults;
}

/** Whether a reason is one of interrupt remapping. */
export function isOfInterrupt(reason: number): boolean {
  return Object.hasOwn(interruptFaultNames, reason);
}
