/** What a plan and its CPUs say of the guest's board, whichever VMM puts it up. */
import type { PcOptions } from '../machine/platform/pc-board';
import { cpuidOf, type CpuidSubject } from './cpu/cpuid';
import type { GuestPlan } from './guest';

/** CPUID leaf 1: family, model and stepping in EAX, features in EDX (SDM 2A, CPUID). */
const VERSION_LEAF = 1;

/** The part of a board's options that is no VMM's choice. @param cpu CPU 0 */
export function boardOptions(
  plan: GuestPlan,
  cpu: CpuidSubject,
): Omit<PcOptions, 'apicBusHz' | 'ioapicVersion'> {
  const { eax, edx } = cpuidOf(VERSION_LEAF, 0, cpu);
  return {
    x2apic: plan.features.x2apic,
    startSeconds: plan.startSeconds,
    cmdline: plan.cmdline,
    testDevices: plan.testDevices,
    serialInput: plan.serialInput,
    biosTimer: plan.boot.start.mode === 'protected', // a Multiboot loader is started by a BIOS
    rom: plan.rom,
    cpuSignature: eax,
    cpuFeatures: edx,
  };
}
