/**
 * Kinds that only traces of other tools have: what Linux's tracepoints tell and a simulated machine has no row for. Ids are part
 * of the file format, like those of `Kind`.
 */
import type { ArgFormat, ArgSpec, KindRow } from './kind-row';

/** Ids by name: never renumber, only add. */
// prettier-ignore
export const ForeignKind = {
  Guest: 512,
  HostIrq: 513, HostInterrupt: 514, SoftIrq: 515, CpuTask: 516,
  MsrRead: 520, MsrWrite: 521, Cpuid: 522, CrRead: 523, CrWrite: 524, ApicRead: 525, ApicWrite: 526, Hypercall: 527,
  PageFault: 528, Emulate: 529, MmioMatch: 530, FastMmio: 531,
  PicPin: 536, IoapicPin: 537, IrqAck: 538, ApicvPost: 539, IrteUpdate: 540, ExceptionInject: 541,
  HostEvent: 544,
} as const;

const hex = (name: string): ArgSpec => ({ name, format: 'hex' });
const dec = (name: string): ArgSpec => ({ name, format: 'decimal' });
const arg = (name: string, format: ArgFormat): ArgSpec => ({ name, format });
const vector = arg('vector', 'vector');
const register = arg('register', 'register');

/** Softirqs by number (Linux, include/linux/interrupt.h). */
const softIrqs = [
  'HI', 'TIMER', 'NET_TX', 'NET_RX', 'BLOCK', 'IRQ_POLL', 'TASKLET', 'SCHED', 'HRTIMER', 'RCU',
]; // prettier-ignore
const softIrq: ArgSpec = {
  name: 'number',
  format: 'decimal',
  fields: [{ name: 'action', low: 0, high: 3, format: 'choice', names: softIrqs }],
};
const accessed: ArgSpec = {
  name: 'access',
  format: 'hex',
  fields: [{ name: 'write', low: 0, high: 0, format: 'flag' }],
};

// prettier-ignore
export const foreignKindRows: readonly KindRow[] = [
  { id: ForeignKind.Guest, name: 'guest', group: 'mode', role: 'guest', shape: 'span', mode: 'guest-kernel', actor: 'guest', label: 'guest', sentence: 'The vCPU runs guest code, from VM entry to VM exit; the tracepoints do not say at which privilege level.', story: '{track} ran guest code for {took}.' },
  { id: ForeignKind.HostIrq, name: 'host.irq', group: 'interrupt', role: 'interrupt', shape: 'span', a: dec('IRQ'), sentence: "The host's kernel runs the handler of a device's interrupt.", story: '{track} ran the handler of host IRQ {a} for {took}.' },
  { id: ForeignKind.HostInterrupt, name: 'host.interrupt', group: 'interrupt', role: 'interrupt', shape: 'span', a: vector, sentence: "The host's kernel handles an interrupt of a local APIC or of another CPU.", story: '{track} handled host vector {a} for {took}.' },
  { id: ForeignKind.SoftIrq, name: 'host.softirq', group: 'interrupt', role: 'kernel', shape: 'span', a: softIrq, sentence: "The host's kernel does what interrupt handlers have left for later.", story: '{track} ran softirq {a} for {took}.' },
  { id: ForeignKind.CpuTask, name: 'cpu.task', group: 'thread', role: 'thread', shape: 'span', a: dec('thread'), sentence: 'A physical CPU runs a thread; the number is the one that Linux gives it.', story: '{track} ran thread {a} for {took}.' },
  { id: ForeignKind.MsrRead, name: 'msr.read', group: 'register', role: 'kernel', shape: 'instant', a: arg('MSR', 'msr'), b: hex('value'), sentence: 'KVM emulates RDMSR.', story: 'The guest read {b} from MSR {a}{at}.' },
  { id: ForeignKind.MsrWrite, name: 'msr.write', group: 'register', role: 'kernel', shape: 'instant', a: arg('MSR', 'msr'), b: hex('value'), sentence: 'KVM emulates WRMSR.', story: 'The guest wrote {b} to MSR {a}{at}.' },
  { id: ForeignKind.Cpuid, name: 'cpuid', group: 'register', role: 'kernel', shape: 'instant', a: hex('leaf'), b: hex('subleaf'), sentence: 'KVM emulates CPUID.', story: 'The guest asked for CPUID leaf {a}, subleaf {b}{at}.' },
  { id: ForeignKind.CrRead, name: 'cr.read', group: 'register', role: 'kernel', shape: 'instant', a: dec('register'), b: hex('value'), sentence: 'KVM emulates the reading of a control register.', story: 'The guest read {b} from CR{a}{at}.' },
  { id: ForeignKind.CrWrite, name: 'cr.write', group: 'register', role: 'kernel', shape: 'instant', a: dec('register'), b: hex('value'), sentence: 'KVM emulates the writing of a control register.', story: 'The guest wrote {b} to CR{a}{at}.' },
  { id: ForeignKind.ApicRead, name: 'apic.read', group: 'register', role: 'interrupt', shape: 'instant', a: register, b: hex('value'), sentence: 'KVM emulates the reading of a register of the local APIC.', story: 'The guest read {b} from register {a} of its local APIC{at}.' },
  { id: ForeignKind.ApicWrite, name: 'apic.write', group: 'register', role: 'interrupt', shape: 'instant', a: register, b: hex('value'), sentence: 'KVM emulates the writing of a register of the local APIC.', story: 'The guest wrote {b} to register {a} of its local APIC{at}.' },
  { id: ForeignKind.Hypercall, name: 'hypercall', group: 'vmm', role: 'kernel', shape: 'instant', a: dec('number'), b: hex('first argument'), sentence: 'The guest calls its hypervisor.', story: 'The guest made hypercall {a}{at}.' },
  { id: ForeignKind.PageFault, name: 'kvm.page-fault', group: 'vmm', role: 'kernel', shape: 'instant', a: arg('address', 'address'), b: hex('error code'), sentence: 'KVM handles an access that its page tables do not map, or forbid: the address is guest-physical with two-dimensional paging.', story: 'KVM handled the page fault at {a}{at} (error code {b}).' },
  { id: ForeignKind.Emulate, name: 'kvm.emulate', group: 'vmm', role: 'kernel', shape: 'instant', a: hex('first bytes'), b: dec('length'), sentence: 'KVM emulates an instruction of the guest; its first bytes are in the order of memory.', story: 'KVM emulated an instruction of {b} bytes{at}, which begins {a}.' },
  { id: ForeignKind.MmioMatch, name: 'mmio.match', group: 'vmm', role: 'kernel', shape: 'instant', a: arg('guest-physical', 'address'), b: accessed, sentence: 'KVM knows from the access before where the address leads, and need not walk the tables of the guest.', story: 'KVM knew that the access leads to {a}{at}.' },
  { id: ForeignKind.FastMmio, name: 'ioeventfd.fast', group: 'vmm', role: 'kernel', shape: 'instant', a: arg('address', 'address'), sentence: 'A write to an address alone, whatever the value, signals an event in the kernel: KVM need not even decode the instruction.', story: 'The write to {a}{at} signalled an event.' },
  { id: ForeignKind.PicPin, name: 'pic.pin', group: 'interrupt', role: 'interrupt', shape: 'instant', a: arg('pin', 'pin'), b: { name: 'state', format: 'hex', fields: [{ name: 'level', low: 0, high: 0, format: 'flag' }, { name: 'masked', low: 1, high: 1, format: 'flag' }] }, sentence: 'A pin of the 8259A pair changes; 8 to 15 are those of the slave.', story: 'Pin {a} of the 8259A pair changed.' },
  { id: ForeignKind.IoapicPin, name: 'ioapic.pin', group: 'interrupt', role: 'interrupt', shape: 'instant', a: arg('pin', 'pin'), b: vector, sentence: 'A pin of the IOAPIC changes and delivers nothing: it falls, is masked, or is asserted already.', story: 'Pin {a} of the IOAPIC, with vector {b}, changed and delivered nothing.' },
  { id: ForeignKind.IrqAck, name: 'irq.ack', group: 'interrupt', role: 'interrupt', shape: 'instant', a: arg('pin', 'pin'), sentence: 'An interrupt controller tells KVM that an interrupt of a pin is over, so that a level can be asserted anew.', story: '{track} acknowledged pin {a}.' },
  { id: ForeignKind.ApicvPost, name: 'irq.apicv', group: 'interrupt', role: 'dma', shape: 'instant', a: vector, sentence: 'KVM leaves the vector to APICv, AVIC or posted interrupts: the processor gives it to the guest without an injection.', story: 'KVM left vector {a} to the processor, which needs no injection.' },
  { id: ForeignKind.IrteUpdate, name: 'irte.update', group: 'interrupt', role: 'kernel', shape: 'instant', a: vector, b: dec('host IRQ'), sentence: 'KVM makes an entry of the interrupt-remapping table post to a vCPU, or takes that back.', story: 'KVM changed how host IRQ {b} is posted as vector {a}.' },
  { id: ForeignKind.ExceptionInject, name: 'exception.inject', group: 'interrupt', role: 'kernel', shape: 'instant', a: vector, sentence: 'KVM injects an exception at VM entry.', story: 'KVM injected exception {a} at VM entry.' },
  { id: ForeignKind.HostEvent, name: 'host.event', group: 'vmm', role: 'kernel', shape: 'instant', a: arg('event', 'reason'), sentence: 'A tracepoint of KVM, the IOMMU or vhost that has no kind of its own.', story: '{track}: {a}{at}.' },
];
