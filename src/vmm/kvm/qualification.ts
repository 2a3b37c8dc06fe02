/**
 * Exit qualifications: what the processor tells of an exit beside its reason (SDM vol. 3, 28.2.1, "Basic VM-Exit Information").
 * An EPT misconfiguration has none: KVM finds out what it was by decoding the instruction.
 */
import { PortForm } from '../../machine/x86/types';

/** Bits for I/O instructions (table 28-5). */
const Io = { In: 1 << 3, String: 1 << 4, Rep: 1 << 5, Immediate: 1 << 6 } as const;
/** The port stands above them; below it, in these bits, is what the instruction does with it. */
export const PORT_SHIFT = 16;
export const IO_FORM = 0x7f;
/** For APIC accesses (table 28-6): the type of access, 0 for a linear read, above the offset. */
const APIC_WRITE = 1 << 12;
/** For EPT violations (table 28-7). */
const Ept = {
  Read: 1 << 0,
  Write: 1 << 1,
  Readable: 1 << 3,
  Executable: 1 << 5,
  LinearValid: 1 << 7,
  Translated: 1 << 8,
} as const;

/** What an instruction does with a port. */
export interface PortAccess {
  port: number;
  size: number;
  isIn: boolean;
  form: PortForm;
  /** It has a REP prefix. */
  repeated: boolean;
}

/** Of an I/O instruction. */
export function ioQualification({ port, size, isIn, form, repeated }: PortAccess): number {
  const bits =
    size -
    1 +
    (isIn ? Io.In : 0) +
    (form === PortForm.String ? Io.String : 0) +
    (repeated ? Io.Rep : 0) +
    (form === PortForm.Immediate ? Io.Immediate : 0);
  // Not by shifts: a port above 7FFFH would make it negative.
  return bits + port * 2 ** PORT_SHIFT;
}

/** Of a data access to the APIC-access page, by its offset there. */
export function apicQualification(offset: number, isWrite: boolean): number {
  return offset + (isWrite ? APIC_WRITE : 0);
}

/** Of a data access to a page that the EPT do not map: no permission bit of an entry is set. */
export function eptQualification(isWrite: boolean): number {
  return (isWrite ? Ept.Write : Ept.Read) + Ept.LinearValid + Ept.Translated;
}

/** Of a store to RAM that the EPT map for loads and fetches only. */
export function guardedStoreQualification(): number {
  return eptQualification(true) + Ept.Readable + Ept.Executable;
}
