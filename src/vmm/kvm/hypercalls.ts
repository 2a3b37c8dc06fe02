/** Hypercalls by VMCALL: number in RAX, arguments in RBX, RCX, RDX, RSI, answer in RAX (Linux Documentation/virt/kvm). */
import { Reg, type Cpu } from '../../machine/cpu/types';
import { Kind } from '../../trace/events';
import type { Host } from '../host';

/** The guest kit's own call: 'TRAP'. RBX is the mark's id, RCX its value. */
export const MARK_HYPERCALL = 0x5452_4150n;

const KVM_ENOSYS = -1000n;
const KVM_EPERM = -1n;

/** Serves the hypercall in the vCPU's registers. `track` is where a mark is drawn. */
export function hypercall(cpu: Cpu, host: Host, track: number): void {
  // User space of the guest may not ask anything of the host.
  if (cpu.cpl() !== 0) {
    cpu.setReg(Reg.RAX, KVM_EPERM);
    return;
  }
  if (cpu.getReg(Reg.RAX) !== MARK_HYPERCALL) {
    cpu.setReg(Reg.RAX, KVM_ENOSYS);
    return;
  }
  const id = Number(cpu.getReg(Reg.RBX) & 0xffff_ffffn);
  const value = Number(cpu.getReg(Reg.RCX) & 0xffff_ffffn);
  host.tracer.instant(cpu.now(), track, Kind.Mark, id, value);
  cpu.setReg(Reg.RAX, 0n);
}
