/**
 * Whose processor KVM works with, and what that changes of exits: KVM's parts speak of VMX reasons, and an exit is shown by the name
 * that the processor has for it (SDM vol. 3, appendix C; AMD64 vol. 2, appendix C).
 */
import type { CpuVendor } from '../../machine/x86/types';
import { exitKind } from '../../trace/vocabulary/events';
import { exitId } from '../../trace/vocabulary/exit-table';
import { svmExits } from '../../trace/vocabulary/svm-exit-codes';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { InterruptMode } from '../interrupt-modes';

/** Exits that VMX has no reason for, or does not tell from another: above all of its numbers. */
export const SvmReason = { ReadDr: 0x1_0020, IncompleteIpi: 0x1_0401, NoAcceleration: 0x1_0402 } as const;

/** What a processor calls its exits. */
export interface Processor {
  /** Kind of the row of an exit. @param a its first argument */
  kindOf(reason: number, a: number): number;
  /** Accesses to the xAPIC page leave by a reason of their own. Otherwise the page is one that is not mapped, like a device's. */
  readonly knowsApicPage: boolean;
}

const INTEL: Processor = {
  kindOf: (reason) => exitKind(reason === SvmReason.ReadDr ? VmxExit.DR_ACCESS : reason),
  knowsApicPage: true,
};

/** SVM exit codes by reason; for some the register or the vector is in the code. */
const svmCodes: Readonly<Record<number, number | ((a: number) => number)>> = {
  [VmxExit.EXCEPTION_NMI]: (vector) => 0x40 + vector,
  [VmxExit.EXTERNAL_INTERRUPT]: 0x60,
  [VmxExit.TRIPLE_FAULT]: 0x7f,
  [VmxExit.INTERRUPT_WINDOW]: 0x64,
  // KVM waits for the handler's IRET.
  [VmxExit.NMI_WINDOW]: 0x74,
  [VmxExit.CPUID]: 0x72,
  [VmxExit.HLT]: 0x78,
  [VmxExit.INVD]: 0x76,
  [VmxExit.RDPMC]: 0x6f,
  [VmxExit.VMCALL]: 0x81,
  [VmxExit.CR_ACCESS]: (register) => 0x10 + register,
  [VmxExit.DR_ACCESS]: (register) => 0x30 + register,
  [SvmReason.ReadDr]: (register) => 0x20 + register,
  [VmxExit.IO_INSTRUCTION]: 0x7b,
  [VmxExit.MSR_READ]: 0x7c,
  [VmxExit.MSR_WRITE]: 0x7c,
  // There is no TPR threshold: KVM intercepts CR8 while something is held back.
  [VmxExit.TPR_BELOW_THRESHOLD]: 0x18,
  [VmxExit.EPT_VIOLATION]: 0x400,
  [VmxExit.EPT_MISCONFIG]: 0x400,
  // There is no preemption timer: a timer of the host interrupts the CPU.
  [VmxExit.PREEMPTION_TIMER]: 0x60,
  [VmxExit.WBINVD]: 0x89,
  [VmxExit.APIC_ACCESS]: 0x402,
  [SvmReason.NoAcceleration]: 0x402,
  [SvmReason.IncompleteIpi]: 0x401,
};

function svmKind(reason: number, a: number): number {
  const code = svmCodes[reason];
  if (code === undefined) throw new RangeError(`no SVM exit code stands for reason ${reason}`);
  return exitId(svmExits, typeof code === 'number' ? code : code(a));
}

const AMD: Processor = { kindOf: svmKind, knowsApicPage: false };
const AMD_WITH_AVIC: Processor = { kindOf: svmKind, knowsApicPage: true };

/** The processor of a VM. */
export function processorOf(vendor: CpuVendor, interrupts: InterruptMode): Processor {
  if (vendor === 'intel') return INTEL;
  return interrupts === 'avic' ? AMD_WITH_AVIC : AMD;
}
