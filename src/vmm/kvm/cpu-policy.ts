/**
 * What leaves a guest of KVM on Intel processors with EPT, as Linux 6.16 sets it up. The core's MSRs that are not named here
 * (EFER, STAR, LSTAR, SYSCALL_MASK, PAT, TSC_AUX, TSC_ADJUST, MISC_ENABLE) leave for reads and writes alike.
 */
import { Intercept, type CpuPolicy } from '../../machine/x86/policy';
import type { InterruptMode } from '../interrupt-modes';

/** arch/x86/kvm/vmx/vmx.c, `vmx_vcpu_create`: read and written directly; of the TSC the reads only. */
const IA32_TSC = 0x10;
const DIRECT_MSRS = [
  0xc0000100, // FS_BASE
  0xc0000101, // GS_BASE
  0xc0000102, // KERNEL_GS_BASE
  0x174, // SYSENTER_CS
  0x175, // SYSENTER_ESP
  0x176, // SYSENTER_EIP
];

/** arch/x86/kvm/kvm_cache_regs.h, `KVM_POSSIBLE_CR0_GUEST_BITS`: TS and WP are the guest's own. */
const CR0_OWNED = 0x10008n;
/** `KVM_POSSIBLE_CR4_GUEST_BITS`: PVI, TSD, DE, PGE, PCE, OSFXSR, OSXMMEXCPT, FSGSBASE. */
const CR4_OWNED = 0x1078en;

const VECTOR_DB = 1;
const VECTOR_UD = 6;
const VECTOR_AC = 17;
const VECTOR_MC = 18;

/**
 * The policy of a vCPU at its start. Debug registers leave at their first use only: `handle_dr` lets the guest have them until
 * the next exit, and the instruction is executed again. INVD and WBINVD leave (SDM vol. 3, 26.1.2 and 26.1.3), RDTSC, PAUSE,
 * INVLPG and MOV to CR3 do not. #PF leaves with shadow paging only (`vmx_update_exception_bitmap`).
 */
const KVM_POLICY: CpuPolicy = {
  msrs: { reads: [IA32_TSC, ...DIRECT_MSRS], writes: DIRECT_MSRS },
  cr0: { mask: BigInt.asUintN(64, ~CR0_OWNED) },
  cr4: { mask: BigInt.asUintN(64, ~CR4_OWNED) },
  cr3: { loads: false, stores: false },
  exceptions: (1 << VECTOR_DB) | (1 << VECTOR_UD) | (1 << VECTOR_AC) | (1 << VECTOR_MC),
  pageFaults: { mask: 0, match: 0 },
  instructions: [Intercept.DrAccess, Intercept.Invd, Intercept.Wbinvd, Intercept.Rdpmc],
};

/** With exitless interrupts also what changes the guest's IDTR leaves, and with it all of descriptor-table exiting (SDM vol. 3, 25.6.2). */
const WITH_TABLES: CpuPolicy = {
  ...KVM_POLICY,
  instructions: [...KVM_POLICY.instructions, Intercept.GdtrIdtr, Intercept.LdtrTr],
};

/** The policy of a vCPU at its start, by how its VM gets its interrupts. */
export function policyOf(interrupts: InterruptMode): CpuPolicy {
  return interrupts === 'eli' ? WITH_TABLES : KVM_POLICY;
}
