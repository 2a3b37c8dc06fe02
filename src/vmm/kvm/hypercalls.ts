/** Hypercalls by VMCALL: number in RAX, arguments in RBX, RCX, RDX, RSI, answer in RAX (Linux Documentation/virt/kvm). */
import { Reg, type Cpu } from '../../machine/x86/types';
import { Shorthand, type IpiMessage } from '../../machine/interrupts/message';
import type { Cycles } from '../../machine/time/event-queue';
import { MARK_HYPERCALL, noteMark } from '../cpu/mark';
import type { Site } from '../host';

const KVM_HC_VAPIC_POLL_IRQ = 1n;
const KVM_HC_SEND_IPI = 10n;
const KVM_ENOSYS = -1000n;
const KVM_EPERM = -1n;
const WORD = 0xffff_ffffn;
/** Bits of the two words of targets, in long mode. */
const TARGET_BITS = 64n;

/** Sends an IPI of the calling vCPU; returns how many LAPICs it reached. */
export type IpiSender = (message: IpiMessage) => number;

/** Serves the hypercall in the vCPU's registers at a time. `track` is where a mark is drawn. */
export function hypercall(cpu: Cpu, site: Site, track: number, time: Cycles, send: IpiSender): void {
  cpu.setReg(Reg.RAX, answer(cpu, site, track, time, send));
}

function answer(cpu: Cpu, site: Site, track: number, time: Cycles, send: IpiSender): bigint {
  // User space of the guest may not ask anything of the host.
  if (cpu.cpl() !== 0) return KVM_EPERM;
  switch (cpu.getReg(Reg.RAX)) {
    case MARK_HYPERCALL:
      noteMark(cpu, site.tracer, track, time);
      return 0n;
    case KVM_HC_VAPIC_POLL_IRQ:
      return 0n;
    case KVM_HC_SEND_IPI:
      return BigInt(sendIpis(cpu, send));
    default:
      return KVM_ENOSYS;
  }
}

/** RBX and RCX are a bit each for 128 APIC IDs from RDX on, RSI is an ICR's low half. */
function sendIpis(cpu: Cpu, send: IpiSender): number {
  const first = cpu.getReg(Reg.RDX) & WORD;
  const icr = Number(cpu.getReg(Reg.RSI) & WORD);
  let targets = cpu.getReg(Reg.RBX) | (cpu.getReg(Reg.RCX) << TARGET_BITS);
  let reached = 0;
  for (let id = Number(first); targets !== 0n && id < 0xff; id++, targets >>= 1n) {
    if ((targets & 1n) === 0n) continue;
    reached += send({
      mode: (icr >> 8) & 7,
      vector: icr & 0xff,
      logical: false,
      level: false,
      shorthand: Shorthand.None,
      destination: id,
    });
  }
  return reached;
}
