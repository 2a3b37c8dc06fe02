/**
 * Debug registers under KVM: the guest leaves at its first MOV to or from one. KVM then lets it have them and has the
 * instruction executed again; the next exit, for whatever reason, ends that (arch/x86/kvm/vmx/vmx.c, `handle_dr` and
 * `vmx_sync_dirty_debug_regs` of Linux).
 */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import { Intercept, type CpuPolicy } from '../../machine/x86/policy';
import type { Cpu } from '../../machine/x86/types';

/** Whose they are: KVM's; the guest's from the next entry on; the guest's until its next exit. */
type Owner = 'kvm' | 'granted' | 'guest';

/** Snapshot of `DebugRegisters`. */
export interface DebugRegistersState {
  version: 1;
  owner: Owner;
}

/** The debug registers of one vCPU, and with them the vCPU's policy. */
export class DebugRegisters implements Stateful<DebugRegistersState> {
  private owner: Owner = 'kvm';

  /** While the guest has them. */
  private readonly granting: CpuPolicy;

  /** @param policy of the vCPU, by which debug registers leave */
  constructor(
    private readonly cpu: Cpu,
    private readonly policy: CpuPolicy,
  ) {
    const instructions = policy.instructions.filter((each) => each !== Intercept.DrAccess);
    this.granting = { ...policy, instructions };
    cpu.policy = policy;
  }

  /** The guest may have them until its next exit but the present one. */
  grant(): void {
    this.owner = 'granted';
  }

  /** The guest is entered. */
  entered(): void {
    if (this.owner !== 'kvm') this.give(this.owner === 'granted' ? 'guest' : 'kvm');
  }

  /** The machine was reset. */
  reset(): void {
    this.give('kvm');
  }

  save(): DebugRegistersState {
    return { version: 1, owner: this.owner };
  }

  load(state: DebugRegistersState): void {
    requireVersion('the debug registers of a vCPU', state.version, 1);
    this.give(state.owner);
  }

  private give(owner: Owner): void {
    this.owner = owner;
    this.cpu.policy = owner === 'guest' ? this.granting : this.policy;
  }
}
