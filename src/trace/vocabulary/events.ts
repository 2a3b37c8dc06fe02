/**
 * The one vocabulary of what a run shows. A kind is one row of this table; explorer, statistics, exporters and
 * documentation read it. Ids are part of the file format: never renumber, only add.
 */
import { vmxExitReasons } from './vmx-exit-reasons';

/** Which colour an event takes everywhere: one meaning, one colour. */
export type ColourRole =
  | 'guest'
  | 'halted'
  | 'kernel'
  | 'user'
  | 'transition'
  | 'exit'
  | 'interrupt'
  | 'device'
  | 'dma'
  | 'iommu'
  | 'network'
  | 'thread'
  | 'mark'
  | 'fault';

/** Lane family of an event; a lane shows one or more groups of one track. */
export type KindGroup =
  | 'mode'
  | 'exit'
  | 'leg'
  | 'interrupt'
  | 'register'
  | 'ring'
  | 'dma'
  | 'iommu'
  | 'virtio'
  | 'packet'
  | 'thread'
  | 'vmm'
  | 'guest'
  /** Bookkeeping of the trace itself; in no lane. */
  | 'record';

/** How an argument is printed. `register` looks the offset up in the track's register names. */
export type ArgFormat =
  | 'none'
  | 'hex'
  | 'decimal'
  | 'register'
  | 'port'
  | 'vector'
  | 'bytes'
  | 'address'
  | 'msr'
  | 'pin'
  | 'reason';

export interface ArgSpec {
  name: string;
  format: ArgFormat;
}

/** One kind of event. */
export interface KindRow {
  id: number;
  /** As in `exit.EPT_MISCONFIG`. */
  name: string;
  group: KindGroup;
  role: ColourRole;
  shape: 'span' | 'instant';
  a?: ArgSpec;
  b?: ArgSpec;
  /** Argument whose exact total is kept beside the count (`TraceMeta.sums`), also when the kind is not recorded. */
  sum?: 'a' | 'b';
  /** One sentence of meaning, for tooltips and documentation. */
  sentence: string;
}

/** Ids by name. VM exits are `exitKind(reason)`. */
// prettier-ignore
export const Kind = {
  GuestKernel: 1, GuestUser: 2, RootKernel: 3, RootUser: 4, Halted: 5, Idle: 6, WaitSipi: 7,
  KvmHandle: 16, UserExit: 17, QemuHandle: 18, UserEnter: 19, Entry: 20,
  IrqRaise: 32, IoapicRoute: 33, IrqRemap: 34, IrqPost: 35, IrqInject: 36, IrqWindow: 37, IrqDeliver: 38, Handler: 39,
  IrqEoi: 40, IpiSend: 41, IrqLower: 42, IrqAccept: 43, IpiInit: 44, IpiStartUp: 45, IpiNmi: 46, NmiInject: 47,
  MmioRead: 48, MmioWrite: 49, PioIn: 50, PioOut: 51, CfgRead: 52, CfgWrite: 53, RingHead: 54, RingTail: 55, Doorbell: 56,
  DeviceWork: 57, DeviceIgnored: 58, DeviceMisused: 59,
  DmaRead: 64, DmaWrite: 65,
  IommuHit: 72, IommuWalk: 73, IommuFault: 74, IommuInvalidate: 75,
  VirtqKick: 80, VirtqSuppressed: 81, VirtqUsed: 82, VirtqInterrupt: 83,
  PacketTx: 88, PacketRx: 89, PacketDrop: 90, LinkTransit: 91,
  SchedRun: 96, SchedWake: 97, SchedSwitch: 98,
  Mark: 112, Serial: 113, GuestFault: 114,
  SpanOverflow: 127,
} as const;

/** First id of the VM exits: id = base + VMX basic exit reason (SDM vol. 3, appendix C). */
export const EXIT_KIND_BASE = 256;

/** Kind id of a VM exit by its VMX basic exit reason. */
export function exitKind(reason: number): number {
  return EXIT_KIND_BASE + reason;
}

const hex = (name: string): ArgSpec => ({ name, format: 'hex' });
const dec = (name: string): ArgSpec => ({ name, format: 'decimal' });
const arg = (name: string, format: ArgFormat): ArgSpec => ({ name, format });
const register = arg('register', 'register');
const vector = arg('vector', 'vector');

type Row = readonly [
  number,
  string,
  KindGroup,
  ColourRole,
  'span' | 'instant',
  ArgSpec | undefined,
  ArgSpec | undefined,
  string,
];

// prettier-ignore
const rows: readonly Row[] = [
  [Kind.GuestKernel, 'guest.kernel', 'mode', 'guest', 'span', undefined, undefined, 'The vCPU runs guest code at CPL 0.'],
  [Kind.GuestUser, 'guest.user', 'mode', 'guest', 'span', undefined, undefined, 'The vCPU runs guest code at CPL 3.'],
  [Kind.RootKernel, 'root.kernel', 'mode', 'kernel', 'span', undefined, undefined, 'The host CPU runs the kernel part of the VMM.'],
  [Kind.RootUser, 'root.user', 'mode', 'user', 'span', undefined, undefined, 'The host CPU runs the user-space part of the VMM.'],
  [Kind.Halted, 'halted', 'mode', 'halted', 'span', undefined, undefined, 'The vCPU sleeps in HLT until an interrupt comes.'],
  [Kind.Idle, 'idle', 'mode', 'halted', 'span', undefined, undefined, 'The CPU has nothing to do.'],
  [Kind.WaitSipi, 'wait.sipi', 'mode', 'halted', 'span', undefined, undefined, 'The vCPU waits for a start-up IPI: since power-up, or since an INIT.'],
  [Kind.KvmHandle, 'kvm.handle', 'leg', 'kernel', 'span', undefined, undefined, 'KVM decodes and dispatches the exit in the host kernel.'],
  [Kind.UserExit, 'user.exit', 'leg', 'transition', 'span', undefined, undefined, 'KVM_RUN returns to QEMU: the exit leaves the host kernel.'],
  [Kind.QemuHandle, 'qemu.handle', 'leg', 'user', 'span', undefined, undefined, 'QEMU runs the device model in user space.'],
  [Kind.UserEnter, 'user.enter', 'leg', 'transition', 'span', undefined, undefined, 'QEMU calls KVM_RUN again: back into the host kernel.'],
  [Kind.Entry, 'entry', 'leg', 'kernel', 'span', undefined, undefined, 'KVM prepares and performs the VM entry.'],
  [Kind.IrqRaise, 'irq.raise', 'interrupt', 'interrupt', 'instant', arg('pin', 'pin'), undefined, 'A device asserts its interrupt.'],
  [Kind.IrqLower, 'irq.lower', 'interrupt', 'interrupt', 'instant', arg('pin', 'pin'), undefined, 'A device deasserts its interrupt line.'],
  [Kind.IoapicRoute, 'ioapic.route', 'interrupt', 'interrupt', 'instant', arg('pin', 'pin'), vector, 'The IOAPIC turns a pin into a vector for a LAPIC.'],
  [Kind.IrqRemap, 'irq.remap', 'interrupt', 'iommu', 'instant', dec('index'), vector, 'The interrupt-remapping unit translates an interrupt request.'],
  [Kind.IrqPost, 'irq.post', 'interrupt', 'interrupt', 'instant', vector, undefined, 'An interrupt is posted to the vCPU without an exit.'],
  [Kind.IrqAccept, 'irq.accept', 'interrupt', 'interrupt', 'instant', vector, undefined, 'The LAPIC takes the vector into its IRR.'],
  [Kind.IrqInject, 'irq.inject', 'interrupt', 'interrupt', 'instant', vector, undefined, 'The VMM injects the vector at VM entry.'],
  [Kind.IrqWindow, 'irq.window', 'interrupt', 'interrupt', 'instant', vector, undefined, 'The guest has interrupts off: the VMM asks for an interrupt-window exit.'],
  [Kind.IrqDeliver, 'irq.deliver', 'interrupt', 'interrupt', 'instant', vector, undefined, "The vCPU takes the vector through the guest's IDT."],
  [Kind.Handler, 'handler', 'interrupt', 'interrupt', 'span', vector, undefined, "The guest's interrupt handler, from IDT delivery to IRET."],
  [Kind.IrqEoi, 'irq.eoi', 'interrupt', 'interrupt', 'instant', vector, undefined, 'End of interrupt: the LAPIC clears the in-service bit.'],
  [Kind.IpiSend, 'ipi.send', 'interrupt', 'interrupt', 'instant', vector, dec('target'), 'A CPU sends an inter-processor interrupt.'],
  [Kind.IpiInit, 'ipi.init', 'interrupt', 'interrupt', 'instant', dec('target'), undefined, 'A CPU sends INIT, which resets the CPUs it reaches.'],
  [Kind.IpiStartUp, 'ipi.startup', 'interrupt', 'interrupt', 'instant', hex('page'), dec('target'), 'A CPU sends a start-up IPI: CPUs that wait for one begin at that 4 KiB page in real mode.'],
  [Kind.IpiNmi, 'ipi.nmi', 'interrupt', 'interrupt', 'instant', dec('target'), undefined, 'A CPU sends a non-maskable interrupt.'],
  [Kind.NmiInject, 'nmi.inject', 'interrupt', 'interrupt', 'instant', undefined, undefined, 'The VMM injects a non-maskable interrupt at VM entry.'],
  [Kind.MmioRead, 'mmio.read', 'register', 'device', 'instant', register, hex('value'), 'A memory-mapped device register is read.'],
  [Kind.MmioWrite, 'mmio.write', 'register', 'device', 'instant', register, hex('value'), 'A memory-mapped device register is written.'],
  [Kind.PioIn, 'pio.in', 'register', 'device', 'instant', register, hex('value'), 'An I/O port is read.'],
  [Kind.PioOut, 'pio.out', 'register', 'device', 'instant', register, hex('value'), 'An I/O port is written.'],
  [Kind.CfgRead, 'cfg.read', 'register', 'device', 'instant', hex('offset'), hex('value'), 'PCI configuration space is read.'],
  [Kind.CfgWrite, 'cfg.write', 'register', 'device', 'instant', hex('offset'), hex('value'), 'PCI configuration space is written.'],
  [Kind.RingHead, 'ring.head', 'ring', 'device', 'instant', dec('head'), dec('tail'), 'The device moves a ring head.'],
  [Kind.RingTail, 'ring.tail', 'ring', 'device', 'instant', dec('tail'), dec('head'), 'The driver moves a ring tail.'],
  [Kind.Doorbell, 'doorbell', 'ring', 'device', 'instant', register, hex('value'), 'The driver tells the device that there is work.'],
  [Kind.DeviceWork, 'device.work', 'ring', 'device', 'span', undefined, undefined, 'The device processes work.'],
  [Kind.DeviceIgnored, 'device.ignored', 'register', 'fault', 'instant', register, hex('value'), 'The device ignores a write: too narrow, to a read-only register, or to none.'],
  [Kind.DeviceMisused, 'device.misused', 'register', 'fault', 'instant', register, hex('value'), "The driver writes a register as the device's manual forbids."],
  [Kind.DmaRead, 'dma.read', 'dma', 'dma', 'span', arg('address', 'address'), arg('length', 'bytes'), 'The device reads memory as bus master.'],
  [Kind.DmaWrite, 'dma.write', 'dma', 'dma', 'span', arg('address', 'address'), arg('length', 'bytes'), 'The device writes memory as bus master.'],
  [Kind.IommuHit, 'iommu.hit', 'iommu', 'iommu', 'instant', arg('iova', 'address'), undefined, 'The IOTLB knows the translation.'],
  [Kind.IommuWalk, 'iommu.walk', 'iommu', 'iommu', 'span', dec('references'), dec('levels'), 'The IOMMU walks its tables.'],
  [Kind.IommuFault, 'iommu.fault', 'iommu', 'fault', 'instant', arg('iova', 'address'), arg('reason', 'reason'), 'The IOMMU refuses an access.'],
  [Kind.IommuInvalidate, 'iommu.invalidate', 'iommu', 'iommu', 'span', undefined, undefined, 'Cached translations are invalidated.'],
  [Kind.VirtqKick, 'virtq.kick', 'virtio', 'device', 'instant', dec('queue'), undefined, 'The driver notifies the device of available buffers.'],
  [Kind.VirtqSuppressed, 'virtq.suppressed', 'virtio', 'device', 'instant', dec('queue'), undefined, 'A notification was suppressed.'],
  [Kind.VirtqUsed, 'virtq.used', 'virtio', 'device', 'instant', dec('queue'), dec('buffers'), 'The device returns used buffers.'],
  [Kind.VirtqInterrupt, 'virtq.interrupt', 'virtio', 'interrupt', 'instant', dec('queue'), undefined, 'The device interrupts for used buffers.'],
  [Kind.PacketTx, 'packet.tx', 'packet', 'network', 'instant', arg('length', 'bytes'), dec('packet'), 'A packet leaves the NIC.'],
  [Kind.PacketRx, 'packet.rx', 'packet', 'network', 'instant', arg('length', 'bytes'), dec('packet'), 'A packet has arrived in guest memory.'],
  [Kind.PacketDrop, 'packet.drop', 'packet', 'fault', 'instant', arg('length', 'bytes'), arg('reason', 'reason'), 'A packet is lost.'],
  [Kind.LinkTransit, 'link.transit', 'packet', 'network', 'span', arg('length', 'bytes'), dec('packet'), 'A packet is on the wire.'],
  [Kind.SchedRun, 'sched.run', 'thread', 'thread', 'span', undefined, undefined, 'A host thread runs.'],
  [Kind.SchedWake, 'sched.wake', 'thread', 'thread', 'instant', undefined, undefined, 'A host thread is woken.'],
  [Kind.SchedSwitch, 'sched.switch', 'thread', 'thread', 'instant', undefined, undefined, 'The host CPU switches threads.'],
  [Kind.Mark, 'mark', 'guest', 'mark', 'instant', dec('id'), dec('value'), 'The guest left a mark.'],
  [Kind.Serial, 'serial', 'guest', 'mark', 'instant', hex('byte'), undefined, 'The guest printed a character.'],
  [Kind.GuestFault, 'guest.fault', 'guest', 'fault', 'instant', vector, hex('error'), 'The guest raised an exception that stopped it.'],
  [Kind.SpanOverflow, 'span.overflow', 'record', 'mark', 'instant', dec('high'), dec('low'), 'Full duration of the causing row, which did not fit 32 bits.'],
];

/** Kinds with an argument worth a total: memory references of walks, bytes moved. */
const summed: ReadonlyMap<number, 'a' | 'b'> = new Map([
  [Kind.DmaRead, 'b'],
  [Kind.DmaWrite, 'b'],
  [Kind.IommuWalk, 'a'],
  [Kind.PacketTx, 'a'],
  [Kind.PacketRx, 'a'],
  [Kind.PacketDrop, 'a'],
]);

/** What an exit's two arguments mean, by VMX reason; the default is none. */
const exitArgs: Record<string, [ArgSpec, ArgSpec | undefined]> = {
  EPT_MISCONFIG: [arg('GPA', 'address'), hex('value')],
  EPT_VIOLATION: [arg('GPA', 'address'), hex('value')],
  APIC_ACCESS: [hex('offset'), hex('value')],
  IO_INSTRUCTION: [arg('port', 'port'), hex('value')],
  MSR_READ: [arg('MSR', 'msr'), hex('value')],
  MSR_WRITE: [arg('MSR', 'msr'), hex('value')],
  CPUID: [hex('leaf'), hex('subleaf')],
  EXTERNAL_INTERRUPT: [vector, undefined],
  EXCEPTION_NMI: [vector, hex('error')],
  VMCALL: [dec('number'), undefined],
};

function exitRow([reason, name]: readonly [number, string]): KindRow {
  const [a, b] = exitArgs[name] ?? [];
  return {
    id: exitKind(reason),
    name: `exit.${name}`,
    group: 'exit',
    role: name === 'TRIPLE_FAULT' ? 'fault' : 'exit',
    shape: 'span',
    ...(a && { a }),
    ...(b && { b }),
    sentence: `VM exit ${name}: from leaving the guest to entering it again.`,
  };
}

/** All kinds, by id. */
export const kinds: ReadonlyMap<number, KindRow> = new Map(
  [
    ...rows.map(([id, name, group, role, shape, a, b, sentence]): KindRow => {
      const sum = summed.get(id);
      return {
        id,
        name,
        group,
        role,
        shape,
        ...(a && { a }),
        ...(b && { b }),
        ...(sum && { sum }),
        sentence,
      };
    }),
    ...vmxExitReasons.map(exitRow),
  ].map((row) => [row.id, row]),
);

/** One more than the highest kind id that a trace may use; tables by kind have this length. */
export const KIND_LIMIT = 512;

/** The row of a kind; an id that this version does not know (a newer trace) gets a neutral row. */
export function kindRow(id: number): KindRow {
  return (
    kinds.get(id) ?? {
      id,
      name: `kind.${id}`,
      group: 'record',
      role: 'mark',
      shape: 'span',
      a: { name: 'a', format: 'hex' },
      b: { name: 'b', format: 'hex' },
      sentence: 'A kind of event that this version does not know.',
    }
  );
}

/** All kinds, by name. */
export const kindsByName: ReadonlyMap<string, KindRow> = new Map(
  [...kinds.values()].map((row) => [row.name, row]),
);
