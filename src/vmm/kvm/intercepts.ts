/**
 * What leaves the guest by the policy, apart from MSRs: how the exit is called, what KVM does with it and what that costs. KVM
 * gives the guest what it wanted in every case here, so that the instruction, or the delivery of the exception, goes on.
 */
import { crAccessOf, drAccessOf, exceptionOf, Intercept } from '../../machine/x86/policy';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { CostKey } from '../cost-keys';
import { SvmReason } from './processor';

const VECTOR_UD = 6;
const HIGH_HALF = 2 ** 32;

/** One exit as it is recorded and charged. */
export interface InterceptExit {
  reason: number;
  a: number;
  b: number;
  /** Of KVM's handler. */
  cost: CostKey;
  /** Exit qualification, where KVM reads one. */
  qualification?: number;
}

type Describe = (detail: number, low: number, high: number) => InterceptExit;

const plain = (reason: number, cost: CostKey): Describe => {
  const exit = { reason, a: 0, b: 0, cost };
  return () => exit;
};

/** Instruction information, and as exit qualification the displacement, of which 32 bits are what the instruction has. */
function descriptorTable(reason: number): Describe {
  return (detail, low) => ({ reason, a: detail >>> 0, b: low, cost: 'kvm.mmio', qualification: low });
}

/** By `Intercept`. What no policy of KVM intercepts is not here. */
const exits = new Map<Intercept, Describe>([
  [
    // handle_cr: kvm_set_cr0, kvm_set_cr4 and kvm_lmsw write what was asked for, or #GP is injected. CLTS never leaves.
    Intercept.CrAccess,
    (detail, low, high) => ({
      reason: VmxExit.CR_ACCESS,
      a: crAccessOf(detail).register,
      b: low + high * HIGH_HALF,
      cost: 'kvm.controlRegister',
    }),
  ],
  [
    Intercept.DrAccess,
    (detail, low, high) => ({
      reason: drAccessOf(detail).write ? VmxExit.DR_ACCESS : SvmReason.ReadDr,
      a: drAccessOf(detail).register,
      b: low + high * HIGH_HALF,
      cost: 'kvm.debugRegister',
    }),
  ],
  [
    // handle_exception_nmi: injected again at the entry; of #UD the emulator first looks whether it knows the instruction.
    Intercept.Exception,
    (detail) => {
      const { vector, errorCode } = exceptionOf(detail);
      const cost = vector === VECTOR_UD ? 'kvm.invalidOpcode' : 'kvm.exception';
      return { reason: VmxExit.EXCEPTION_NMI, a: vector, b: errorCode ?? 0, cost };
    },
  ],
  // handle_desc: KVM's emulator decodes the instruction and reads or writes its operand, as it does for a register in memory.
  [Intercept.GdtrIdtr, descriptorTable(VmxExit.GDTR_IDTR)],
  [Intercept.LdtrTr, descriptorTable(VmxExit.LDTR_TR)],
  // Without a device that bypasses the caches there is nothing to do (kvm_emulate_invd, kvm_emulate_wbinvd).
  [Intercept.Invd, plain(VmxExit.INVD, 'kvm.cacheFlush')],
  [Intercept.Wbinvd, plain(VmxExit.WBINVD, 'kvm.cacheFlush')],
  // kvm_emulate_rdpmc: the guest has no counters, so that #GP is injected; the vCPU raises the same.
  [Intercept.Rdpmc, plain(VmxExit.RDPMC, 'kvm.msr')],
]);

/** The exit that an intercept makes; undefined when KVM does not ask for it. */
export function exitOf(
  reason: Intercept,
  detail: number,
  low: number,
  high: number,
): InterceptExit | undefined {
  return exits.get(reason)?.(detail, low, high);
}
