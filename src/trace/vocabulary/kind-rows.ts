/**
 * The kinds of events but for the VM exits, which come from tables of their own (`exit-tables.ts`). A kind is one row here:
 * a VMM that works in other steps adds rows, and no view changes.
 */
import type { ArgFormat, ArgSpec, BitField, ColourRole, KindGroup, KindRow } from './kind-row';
import { invalidationFields } from './invalidation';
import { amdFields, avicLogicalFields } from './amd-fields';
import { irteFields } from './irte-fields';
import { mailboxFields } from './mailbox-messages';
import { tableEntries, type TableEntry, type TableEntryKey } from './table-entries';

/** Ids by name; part of the file format: never renumber, only add. VM exits are `exitKind(reason)`. */
// prettier-ignore
export const Kind = {
  GuestKernel: 1, GuestUser: 2, RootKernel: 3, RootUser: 4, Halted: 5, Idle: 6, WaitSipi: 7, HaltPoll: 8,
  KvmHandle: 16, UserExit: 17, QemuHandle: 18, UserEnter: 19, Entry: 20,
  IrqRaise: 32, IoapicRoute: 33, IrqRemap: 34, IrqPost: 35, IrqInject: 36, IrqWindow: 37, IrqDeliver: 38, Handler: 39,
  IrqEoi: 40, IpiSend: 41, IrqLower: 42, IrqAccept: 43, IpiInit: 44, IpiStartUp: 45, IpiNmi: 46, NmiInject: 47,
  MmioRead: 48, MmioWrite: 49, PioIn: 50, PioOut: 51, CfgRead: 52, CfgWrite: 53, RingHead: 54, RingTail: 55, Doorbell: 56,
  DeviceWork: 57, DeviceIgnored: 58, DeviceMisused: 59,
  DmaRead: 64, DmaWrite: 65, IoSubmit: 66, IoComplete: 67,
  IommuHit: 72, IommuWalk: 73, IommuFault: 74, IommuInvalidate: 75,
  VirtqKick: 80, VirtqSuppressed: 81, VirtqUsed: 82, VirtqInterrupt: 83, VirtioNeedsReset: 84,
  PacketTx: 88, PacketRx: 89, PacketDrop: 90, LinkTransit: 91, PacketAcked: 92, PacketTimeout: 93,
  SchedRun: 96, SchedWake: 97, SchedSwitch: 98, LockWait: 99, SchedReady: 100, CpuThread: 101,
  Msi: 104, PicInta: 105,
  Mark: 112, Serial: 113, GuestFault: 114, GuestReset: 115,
  CoalescedFlush: 120, Ioeventfd: 121, Irqfd: 122,
  HostOverwritten: 144, VfioMap: 145, HostVector: 146, VfioIrqs: 147, VfioNested: 210,
  ArgsHigh: 126, SpanOverflow: 127,
  IrqBlocked: 136, IrqNotify: 137, IrteRead: 138, IrteRemapped: 139, IrtePosted: 140, IrteSource: 141,
  AvicDoorbell: 160,
  ReceiveTail: 152, ReceiveHead: 153, TransmitTail: 154, TransmitHead: 155, PacketSwitched: 156, Mailbox: 157, FunctionReset: 158,
  IommuRoot: 180, IommuContext: 181, IommuContextDomain: 182, IommuScalableContext: 183, IommuPasidDirectory: 184, IommuPasid: 185,
  IommuPasidDomain: 186, IommuPasidFirst: 187,
  IommuSs5: 190, IommuSs4: 191, IommuSs3: 192, IommuSs2: 193, IommuSs1: 194,
  IommuMap: 200, MapExtent: 201, IommuUnmap: 202, MemorySlot: 203,
  IommuTranslation: 204, IommuUnrecorded: 205, IommuWait: 206, IommuFaultRead: 207,
  VfsEnabled: 216, VfRequest: 217, VfRefused: 218,
  IommuFs5: 195, IommuFs4: 196, IommuFs3: 197, IommuFs2: 198, IommuFs1: 199,
  VhostPoll: 176,
  AvicPost: 230, GaLogEntry: 231, GaLogOverflow: 232, GaLogRead: 233, AmdDeviceEntry: 234,
  AmdIrteRemapped: 235, AmdIrteGuest: 236, AmdIrteUpper: 237, AvicPhysicalEntry: 238, AvicLogicalEntry: 239,
  IdtShadow: 244, VfioUnmap: 245, VfioShadow: 246,
} as const;

/** The kind of event that the reading of a table's entry is. */
export const entryKinds: Readonly<Record<TableEntryKey, number>> = {
  root: Kind.IommuRoot,
  context: Kind.IommuContext,
  contextDomain: Kind.IommuContextDomain,
  scalableContext: Kind.IommuScalableContext,
  pasidDirectory: Kind.IommuPasidDirectory,
  pasid: Kind.IommuPasid,
  pasidDomain: Kind.IommuPasidDomain,
  pasidFirst: Kind.IommuPasidFirst,
  ss5: Kind.IommuSs5,
  ss4: Kind.IommuSs4,
  ss3: Kind.IommuSs3,
  ss2: Kind.IommuSs2,
  ss1: Kind.IommuSs1,
  fs5: Kind.IommuFs5,
  fs4: Kind.IommuFs4,
  fs3: Kind.IommuFs3,
  fs2: Kind.IommuFs2,
  fs1: Kind.IommuFs1,
};

const hex = (name: string): ArgSpec => ({ name, format: 'hex' });
const dec = (name: string): ArgSpec => ({ name, format: 'decimal' });
const arg = (name: string, format: ArgFormat): ArgSpec => ({ name, format });
const register = arg('register', 'register');
const vector = arg('vector', 'vector');

type Details = Pick<KindRow, 'a' | 'b' | 'sum' | 'mode' | 'actor' | 'label'>;

/** Rows of one shape: id, name, group, colour, what else it has, its meaning, and the story of one event. */
const rowsOf =
  (shape: KindRow['shape']) =>
  (
    id: number,
    name: string,
    group: KindGroup,
    role: ColourRole,
    details: Details,
    sentence: string,
    story?: string,
  ): KindRow => ({
    id,
    name,
    group,
    role,
    shape,
    ...details,
    sentence,
    ...(story !== undefined && { story }),
  });
const span = rowsOf('span');
const instant = rowsOf('instant');

/** What a device may do with a mapping. */
const accessFields = [
  { name: 'read', low: 0, high: 0, format: 'flag' },
  { name: 'write', low: 1, high: 1, format: 'flag' },
] as const;

/** Entries of the tables that an IOMMU walks: by where they stand and what is in them. */
const entryRows: readonly KindRow[] = Object.entries(tableEntries).map(
  ([key, { name, what, fields }]: [string, TableEntry]) => {
    const details = { a: arg('at', 'address'), b: { name: 'entry', format: 'hex', fields } } as const;
    const id = entryKinds[key as TableEntryKey];
    return instant(
      id,
      `iommu.${name}`,
      'iommu',
      'iommu',
      details,
      `The IOMMU reads ${what}.`,
      `The IOMMU read ${what}: {b}, at {a}.`,
    );
  },
);

/** The dwords of an entry of the interrupt-remapping table, two by two. */
const irteRow = (id: number, name: keyof typeof irteFields, at: number, what: string): KindRow => {
  const [lower, upper] = irteFields[name];
  const dword = (low: number, fields: readonly BitField[]): ArgSpec => ({
    name: `bits ${low + 31} to ${low}`,
    format: 'hex',
    fields,
  });
  return instant(
    id,
    `irte.${name}`,
    'iommu',
    'iommu',
    { a: dword(at, lower), b: dword(at + 32, upper) },
    `${what} of an entry of the interrupt-remapping table.`,
    `${what} had {a} in its lower dword and {b} in its upper one.`,
  );
};
const irteRows: readonly KindRow[] = [
  irteRow(Kind.IrteRemapped, 'remapped', 0, 'The lower half, which makes a message,'),
  irteRow(Kind.IrtePosted, 'posted', 0, 'The lower half, which posts to a descriptor,'),
  irteRow(Kind.IrteSource, 'source', 64, 'The upper half, which says whose requests it is for,'),
];

/** Entries of AMD's tables: two dwords of each are the arguments, the lower one first. */
const amdRow = (id: number, name: string, key: keyof typeof amdFields, at: number, what: string): KindRow => {
  const [lower, upper] = amdFields[key];
  const dword = (low: number, fields: readonly BitField[]): ArgSpec => ({
    name: `bits ${low + 31} to ${low}`,
    format: 'hex',
    fields,
  });
  return instant(
    id,
    name,
    'iommu',
    'iommu',
    { a: dword(at, lower), b: dword(at + 32, upper) },
    `${what}.`,
    `${what}: {a} in the lower dword, {b} in the upper one.`,
  );
};
// prettier-ignore
const amdRows: readonly KindRow[] = [
  amdRow(Kind.AmdDeviceEntry, 'amd.dte', 'deviceEntry', 128, "The IOMMU reads the part of the function's device table entry that says where its interrupts lead"),
  amdRow(Kind.AmdIrteRemapped, 'amd.irte.remapped', 'irteRemapped', 0, 'The lower half of an entry of the interrupt remapping table, which makes a message'),
  amdRow(Kind.AmdIrteGuest, 'amd.irte.guest', 'irteGuest', 0, 'The lower half of an entry of the interrupt remapping table, which leads to the backing page of a vCPU'),
  amdRow(Kind.AmdIrteUpper, 'amd.irte.upper', 'irteUpper', 64, 'The upper half of an entry of the interrupt remapping table'),
  amdRow(Kind.AvicPhysicalEntry, 'avic.physical', 'avicPhysical', 0, 'The processor reads an entry of the physical APIC ID table, which leads to the backing page of a vCPU'),
];

// prettier-ignore
export const kindRows: readonly KindRow[] = [
  span(Kind.GuestKernel, 'guest.kernel', 'mode', 'guest', { mode: 'guest-kernel', label: 'guest' }, 'The vCPU runs guest code at CPL 0.', '{track} ran guest kernel code for {took}.'),
  span(Kind.GuestUser, 'guest.user', 'mode', 'guest', { mode: 'guest-user', label: 'guest user' }, 'The vCPU runs guest code at CPL 3.', '{track} ran guest user code for {took}.'),
  span(Kind.RootKernel, 'root.kernel', 'mode', 'kernel', { mode: 'vmm-kernel', label: 'VMM kernel' }, 'The host CPU runs the kernel part of the VMM.'),
  span(Kind.RootUser, 'root.user', 'mode', 'user', { mode: 'vmm-user', label: 'VMM user' }, 'The host CPU runs the user-space part of the VMM.'),
  span(Kind.Halted, 'halted', 'mode', 'halted', { mode: 'asleep', label: 'halted' }, 'The vCPU sleeps in HLT until an interrupt comes.', '{track} slept in HLT for {took}.'),
  span(Kind.Idle, 'idle', 'mode', 'halted', { mode: 'idle', label: 'idle' }, 'The CPU has nothing to do.'),
  span(Kind.SchedReady, 'sched.ready', 'thread', 'transition', { mode: 'idle', label: 'ready' }, 'A thread could run and waits for a physical CPU.', '{track} was ready to run and waited {took} for a CPU.'),
  span(Kind.LockWait, 'lock.wait', 'thread', 'halted', { a: arg('lock', 'lock'), b: arg('holder', 'track'), mode: 'asleep', label: 'waits for lock' }, 'A thread sleeps until it gets a lock.', '{track} waited {took} for {a}, which {b} held.'),
  span(Kind.CpuThread, 'cpu.thread', 'thread', 'thread', { a: arg('thread', 'track') }, 'A physical CPU runs this thread.', '{track} ran {a} for {took}.'),
  span(Kind.WaitSipi, 'wait.sipi', 'mode', 'halted', { mode: 'asleep', label: 'waits for SIPI' }, 'The vCPU waits for a start-up IPI: since power-up, or since an INIT.', '{track} waited {took} for its start-up IPI.'),
  span(Kind.HaltPoll, 'halt.poll', 'mode', 'kernel', { a: dec('cycles at most'), mode: 'vmm-kernel', label: 'polls' }, 'Before a halted vCPU sleeps, the VMM looks for some time whether something wakes it.', 'For {track}, which has halted, the host CPU looked for an interrupt for {took}, instead of letting it sleep.'),
  span(Kind.KvmHandle, 'kvm.handle', 'leg', 'kernel', { a: arg('qualification', 'qualification'), mode: 'vmm-kernel', actor: 'KVM' }, 'KVM decodes and dispatches the exit in the host kernel.', 'KVM handled the exit of {track} in the host kernel for {took}.'),
  span(Kind.UserExit, 'user.exit', 'leg', 'transition', { mode: 'transition', label: 'to user' }, 'KVM_RUN returns to QEMU: the exit leaves the host kernel.', 'Returning from KVM to QEMU cost {track} {took}.'),
  span(Kind.QemuHandle, 'qemu.handle', 'leg', 'user', { mode: 'vmm-user', actor: 'QEMU' }, 'QEMU runs the device model in user space.', 'QEMU worked for {track} in user space for {took}.'),
  span(Kind.UserEnter, 'user.enter', 'leg', 'transition', { mode: 'transition', label: 'to kernel' }, 'QEMU calls KVM_RUN again: back into the host kernel.', 'Going back from QEMU to KVM cost {track} {took}.'),
  span(Kind.Entry, 'entry', 'leg', 'kernel', { mode: 'vmm-kernel', label: 'entry' }, 'KVM prepares and performs the VM entry.', 'The VM entry of {track} took {took}.'),
  instant(Kind.IrqRaise, 'irq.raise', 'interrupt', 'interrupt', { a: arg('pin', 'pin') }, 'A device asserts its interrupt.', '{track} raised its interrupt (pin {a}).'),
  instant(Kind.IrqLower, 'irq.lower', 'interrupt', 'interrupt', { a: arg('pin', 'pin') }, 'A device deasserts its interrupt line.', '{track} lowered its interrupt line (pin {a}).'),
  instant(Kind.IoapicRoute, 'ioapic.route', 'interrupt', 'interrupt', { a: arg('pin', 'pin'), b: vector }, 'The IOAPIC turns a pin into a vector for a LAPIC.', '{track} turned pin {a} into vector {b}.'),
  instant(Kind.IrqRemap, 'irq.remap', 'interrupt', 'iommu', { a: dec('index'), b: vector }, 'The interrupt-remapping unit makes an interrupt for a local APIC of an interrupt request.', '{track} remapped the request of index {a} to vector {b}.'),
  instant(Kind.IrqPost, 'irq.post', 'interrupt', 'dma', { a: vector, b: arg('descriptor', 'address') }, "An interrupt is written to a vCPU's posted-interrupt descriptor in memory: it needs no exit.", '{track} posted vector {a} to the descriptor at {b}.'),
  instant(Kind.IrqNotify, 'irq.notify', 'interrupt', 'interrupt', { a: vector, b: dec('target') }, 'A notification event goes to the physical CPU that a posted-interrupt descriptor names.', '{track} notified CPU {b} of posted interrupts by vector {a}.'),
  instant(Kind.IrqBlocked, 'irq.blocked', 'interrupt', 'fault', { a: arg('reason', 'reason'), b: dec('index') }, 'The interrupt-remapping unit refuses an interrupt request.', '{track} refused the interrupt request of index {b} (reason {a}).'),
  instant(Kind.AvicDoorbell, 'avic.doorbell', 'interrupt', 'interrupt', { a: vector, b: dec('target') }, 'A doorbell rings at the physical CPU on which a vCPU runs: the processor looks for a pending vector, without an exit.', '{track} rang the doorbell of CPU {b} for vector {a}.'),
  instant(Kind.IdtShadow, 'idt.shadow', 'interrupt', 'kernel', { a: arg('base', 'address'), b: dec('present') }, "The VMM has built the shadow of the guest's IDT anew: the gates of vectors that are assigned to the guest are as in its own table, all others are not present.", "The shadow of the guest's IDT at {a} has {b} gates that are present."),
  instant(Kind.IrqAccept, 'irq.accept', 'interrupt', 'interrupt', { a: vector }, 'The LAPIC takes the vector into its IRR.', 'The local APIC took vector {a} into its IRR.'),
  instant(Kind.IrqInject, 'irq.inject', 'interrupt', 'kernel', { a: vector }, 'The VMM injects the vector at VM entry.', 'The VMM injected vector {a} at VM entry.'),
  instant(Kind.IrqWindow, 'irq.window', 'interrupt', 'interrupt', { a: vector }, 'The guest has interrupts off: the VMM asks for an interrupt-window exit.'),
  instant(Kind.IrqDeliver, 'irq.deliver', 'interrupt', 'interrupt', { a: vector }, "The vCPU takes the vector through the guest's IDT.", 'The guest was interrupted{at} by vector {a}.'),
  span(Kind.Handler, 'handler', 'interrupt', 'interrupt', { a: vector }, "The guest's interrupt handler, from IDT delivery to IRET.", "The guest's handler of vector {a} ran for {took}."),
  instant(Kind.IrqEoi, 'irq.eoi', 'interrupt', 'interrupt', { a: vector }, 'End of interrupt: the LAPIC clears the in-service bit.', 'The guest signalled end of interrupt for vector {a}.'),
  instant(Kind.IpiSend, 'ipi.send', 'interrupt', 'interrupt', { a: vector, b: dec('target') }, 'A CPU sends an inter-processor interrupt.'),
  instant(Kind.IpiInit, 'ipi.init', 'interrupt', 'interrupt', { a: dec('target') }, 'A CPU sends INIT, which resets the CPUs it reaches.', 'The guest sent INIT to {a}{at}.'),
  instant(Kind.IpiStartUp, 'ipi.startup', 'interrupt', 'interrupt', { a: hex('page'), b: dec('target') }, 'A CPU sends a start-up IPI: CPUs that wait for one begin at that 4 KiB page in real mode.', 'The guest told {b}{at} to start up at page {a}.'),
  instant(Kind.IpiNmi, 'ipi.nmi', 'interrupt', 'interrupt', { a: dec('target') }, 'A CPU sends a non-maskable interrupt.', 'The guest sent an NMI to {a}{at}.'),
  instant(Kind.NmiInject, 'nmi.inject', 'interrupt', 'kernel', {}, 'The VMM injects a non-maskable interrupt at VM entry.', 'The VMM injected an NMI at VM entry.'),
  instant(Kind.Msi, 'msi', 'interrupt', 'interrupt', { a: arg('address', 'address'), b: hex('data') }, 'A device writes an interrupt message.', '{track} sent the interrupt message {b} to {a}.'),
  instant(Kind.PicInta, 'pic.inta', 'interrupt', 'interrupt', { a: vector }, 'The interrupt-acknowledge cycle of a CPU: the 8259A names the vector.', 'The 8259A acknowledged with vector {a}.'),
  instant(Kind.MmioRead, 'mmio.read', 'register', 'device', { a: register, b: hex('value') }, 'A memory-mapped device register is read.', 'The guest read {b} from {track} register {a}{at}.'),
  instant(Kind.MmioWrite, 'mmio.write', 'register', 'device', { a: register, b: hex('value') }, 'A memory-mapped device register is written.', 'The guest wrote {b} to {track} register {a}{at}.'),
  instant(Kind.PioIn, 'pio.in', 'register', 'device', { a: register, b: hex('value') }, 'An I/O port is read.', 'The guest read {b} from {track} port {a}{at}.'),
  instant(Kind.PioOut, 'pio.out', 'register', 'device', { a: register, b: hex('value') }, 'An I/O port is written.', 'The guest wrote {b} to {track} port {a}{at}.'),
  instant(Kind.CfgRead, 'cfg.read', 'register', 'device', { a: hex('offset'), b: hex('value') }, 'PCI configuration space is read.'),
  instant(Kind.CfgWrite, 'cfg.write', 'register', 'device', { a: hex('offset'), b: hex('value') }, 'PCI configuration space is written.'),
  instant(Kind.DeviceIgnored, 'device.ignored', 'register', 'device', { a: register, b: hex('value') }, 'The device ignores an access to a register: it is reserved, read-only or of the wrong size.', '{track} ignored the access to register {a} (value {b}){at}.'),
  instant(Kind.DeviceMisused, 'device.misused', 'register', 'fault', { a: register, b: hex('value') }, "The driver writes a register as the device's manual forbids.", "{track}: the driver wrote {b} to {a}, which the device's manual forbids{at}."),
  instant(Kind.RingHead, 'ring.head', 'ring', 'device', { a: dec('head'), b: dec('tail') }, 'The device moves a ring head.'),
  instant(Kind.RingTail, 'ring.tail', 'ring', 'device', { a: dec('tail'), b: dec('head') }, 'The driver moves a ring tail.'),
  instant(Kind.Doorbell, 'doorbell', 'ring', 'device', { a: register, b: hex('value') }, 'The driver tells the device that there is work.'),
  instant(Kind.ReceiveTail, 'receive.tail', 'ring', 'device', { a: dec('queue'), b: dec('tail') }, 'The driver gives descriptors of a receive queue to the device.', 'The driver moved the tail of receive queue {a} of {track} to {b}.'),
  instant(Kind.ReceiveHead, 'receive.head', 'ring', 'device', { a: dec('queue'), b: dec('head') }, 'The device gives descriptors of a receive queue back.', '{track} moved the head of receive queue {a} to {b}.'),
  instant(Kind.TransmitTail, 'transmit.tail', 'ring', 'device', { a: dec('queue'), b: dec('tail') }, 'The driver gives descriptors of a transmit queue to the device.', 'The driver moved the tail of transmit queue {a} of {track} to {b}.'),
  instant(Kind.TransmitHead, 'transmit.head', 'ring', 'device', { a: dec('queue'), b: dec('head') }, 'The device has done descriptors of a transmit queue.', '{track} moved the head of transmit queue {a} to {b}.'),
  span(Kind.DeviceWork, 'device.work', 'ring', 'device', { label: 'work' }, 'The device processes work.'),
  span(Kind.DmaRead, 'dma.read', 'dma', 'dma', { a: arg('address', 'address'), b: arg('length', 'bytes'), sum: 'b' }, 'The device reads memory as bus master.', '{track} read {b} from memory at {a} in {took}.'),
  span(Kind.DmaWrite, 'dma.write', 'dma', 'dma', { a: arg('address', 'address'), b: arg('length', 'bytes'), sum: 'b' }, 'The device writes memory as bus master.', '{track} wrote {b} to memory at {a} in {took}.'),
  instant(Kind.IoSubmit, 'io.submit', 'dma', 'dma', { a: hex('command'), b: arg('length', 'bytes'), sum: 'b' }, 'A block device takes a command of its driver.', '{track} took command {a}, which moves {b}.'),
  instant(Kind.IoComplete, 'io.complete', 'dma', 'dma', { a: hex('command'), b: arg('length', 'bytes'), sum: 'b' }, 'A block device has told its driver, in memory, how a command ended; the bytes are 0 where it failed.', '{track} completed command {a}, which moved {b}.'),
  instant(Kind.IommuHit, 'iommu.hit', 'iommu', 'iommu', { a: arg('iova', 'address'), b: arg('to', 'address') }, 'The IOTLB knows the translation.', 'The IOTLB knew that {a} leads to host-physical {b}.'),
  span(Kind.IommuWalk, 'iommu.walk', 'iommu', 'iommu', { a: dec('references'), b: dec('levels'), sum: 'a' }, 'The IOMMU walks its tables: so many reads of paging entries; those of other tables are rows of their own.', 'The IOMMU walked {b} levels with {a} memory references in {took}.'),
  instant(Kind.IommuTranslation, 'iommu.translation', 'iommu', 'iommu', { a: arg('iova', 'address'), b: arg('to', 'address') }, 'What a walk has found: where an address of a device leads.', 'The walk found that {a} leads to host-physical {b}.'),
  instant(Kind.IommuFault, 'iommu.fault', 'iommu', 'fault', { a: arg('iova', 'address'), b: arg('reason', 'reason') }, 'The IOMMU refuses an access.', 'The IOMMU refused the access to {a} (reason {b}).'),
  instant(Kind.IommuUnrecorded, 'iommu.unrecorded', 'iommu', 'fault', { a: hex('requester'), b: arg('reason', 'reason') }, 'A fault is not recorded: all fault recording registers hold earlier ones, or the entry says that its faults are not to be.', 'No register tells of the fault of requester {a} ({b}).'),
  instant(Kind.IommuFaultRead, 'iommu.fault.read', 'iommu', 'kernel', { a: arg('iova', 'address'), b: arg('reason', 'reason') }, "The host's kernel reads and clears a fault recording register.", "The host's kernel read that the access to {a} had been refused (reason {b})."),
  span(Kind.IommuInvalidate, 'iommu.invalidate', 'iommu', 'iommu', { a: { name: 'what', format: 'hex', fields: invalidationFields }, b: dec('dropped') }, 'Cached entries are invalidated; so many were there.', 'The IOMMU invalidated entries of a cache, of which it held {b}, in {took}.'),
  span(Kind.IommuWait, 'iommu.wait', 'iommu', 'iommu', { a: arg('status', 'address'), b: hex('data') }, 'The wait descriptor of the invalidation queue: everything before it is done, which a word in memory tells, or an interrupt.', 'The IOMMU told by {b} at {a} that all invalidations before were done.'),
  instant(Kind.VirtqKick, 'virtq.kick', 'virtio', 'device', { a: dec('queue') }, 'The driver notifies the device of available buffers.'),
  instant(Kind.VirtqSuppressed, 'virtq.suppressed', 'virtio', 'device', { a: dec('queue') }, 'A notification was suppressed.'),
  instant(Kind.VirtqUsed, 'virtq.used', 'virtio', 'device', { a: dec('queue'), b: dec('buffers') }, 'The device returns used buffers.'),
  instant(Kind.VirtqInterrupt, 'virtq.interrupt', 'virtio', 'interrupt', { a: dec('queue') }, 'The device interrupts for used buffers.'),
  instant(Kind.VirtioNeedsReset, 'virtio.needs-reset', 'virtio', 'fault', { a: arg('reason', 'reason'), b: dec('queue') }, 'The device cannot go on before its driver resets it.', '{track} cannot go on before its driver resets it (reason {a}, queue {b}).'),
  instant(Kind.PacketTx, 'packet.tx', 'packet', 'network', { a: arg('length', 'bytes'), b: dec('packet'), sum: 'a' }, 'A packet leaves the NIC.', 'Packet {b} of {a} left {track}.'),
  instant(Kind.PacketRx, 'packet.rx', 'packet', 'network', { a: arg('length', 'bytes'), b: dec('packet'), sum: 'a' }, 'A packet has arrived in guest memory.', 'Packet {b} of {a} arrived in guest memory by {track}.'),
  instant(Kind.PacketDrop, 'packet.drop', 'packet', 'fault', { a: arg('length', 'bytes'), b: arg('reason', 'reason'), sum: 'a' }, 'A packet is lost.', '{track} lost a packet of {a} (reason {b}).'),
  instant(Kind.PacketSwitched, 'packet.switched', 'packet', 'network', { a: arg('length', 'bytes'), b: dec('pool'), sum: 'a' }, "The NIC's own switch hands a packet to one of its pools.", 'The switch of {track} handed a packet of {a} to pool {b}.'),
  instant(Kind.Mailbox, 'mailbox', 'register', 'device', { a: dec('function'), b: hex('bits') }, 'A physical and a virtual function signal to each other by the mailbox between them.', '{track}: the mailbox of virtual function {a} got {b}{at}.'),
  instant(Kind.FunctionReset, 'function.reset', 'register', 'device', { a: dec('function') }, 'A virtual function is reset: its queues are off, its interrupts masked.', 'Virtual function {a} of {track} was reset{at}.'),
  span(Kind.LinkTransit, 'link.transit', 'packet', 'network', { a: arg('length', 'bytes'), b: dec('packet') }, 'A packet is on the wire.', 'Packet {b} of {a} was on {track} for {took}.'),
  instant(Kind.PacketAcked, 'packet.acked', 'packet', 'network', { a: dec('nanoseconds'), b: dec('window'), sum: 'a' }, 'A peer that waits for acknowledgements got one for a packet sent once.', 'A packet was acknowledged after {a} ns, with a window of {b} packets.'),
  instant(Kind.PacketTimeout, 'packet.timeout', 'packet', 'fault', { a: dec('packets'), b: dec('window'), sum: 'a' }, 'A peer that waits for acknowledgements got none in time.', '{a} packets under way on {track} were not acknowledged in time.'),
  span(Kind.SchedRun, 'sched.run', 'thread', 'thread', {}, 'A host thread runs.', '{track} ran for {took}.'),
  instant(Kind.SchedWake, 'sched.wake', 'thread', 'thread', {}, 'A host thread is woken.'),
  instant(Kind.SchedSwitch, 'sched.switch', 'thread', 'thread', { a: arg('CPU', 'decimal'), b: arg('thread', 'track') }, 'A physical CPU switches to this thread.', 'CPU {a} switched to {b}.'),
  instant(Kind.Mark, 'mark', 'guest', 'mark', { a: dec('id'), b: dec('value') }, 'The guest left a mark.'),
  instant(Kind.Serial, 'serial', 'guest', 'mark', { a: hex('byte') }, 'The guest printed a character.'),
  instant(Kind.GuestFault, 'guest.fault', 'guest', 'fault', { a: vector, b: hex('error') }, 'The guest raised an exception that stopped it.'),
  instant(Kind.GuestReset, 'guest.reset', 'guest', 'mark', {}, 'The guest restarted its machine.', 'The guest restarted its machine{at}.'),
  instant(Kind.CoalescedFlush, 'coalesced.flush', 'vmm', 'user', { a: dec('writes') }, 'The device writes that the VMM kernel had put aside are done in user space.', '{track} got {a} writes that had been put aside.'),
  instant(Kind.Ioeventfd, 'ioeventfd', 'vmm', 'kernel', { a: arg('address', 'address'), b: hex('value') }, 'A write ends in the VMM kernel, which signals an event instead of going to user space.', 'The write of {b} to {a}{at} signalled an event.'),
  instant(Kind.Irqfd, 'irqfd', 'interrupt', 'interrupt', { a: arg('target', 'address'), b: hex('data') }, 'A part of the host kernel raises an interrupt of the VM by an event, without going to user space: by a message (address and data), or at a pin.', '{track} raised an interrupt of the VM from the kernel ({b} to {a}).'),
  instant(Kind.IommuMap, 'iommu.map', 'iommu', 'iommu', { a: arg('iova', 'address'), b: arg('to', 'address') }, 'Memory is mapped for the devices of a domain.', 'Addresses of {track} from {a} were made to lead to host-physical memory from {b}.'),
  instant(Kind.MapExtent, 'map.extent', 'iommu', 'iommu', { a: arg('size', 'bytes'), b: { name: 'access', format: 'hex', fields: accessFields }, sum: 'a' }, 'How much a mapping holds, and what may be done with it.', 'The mapping holds {a}.'),
  instant(Kind.IommuUnmap, 'iommu.unmap', 'iommu', 'iommu', { a: arg('iova', 'address'), b: arg('size', 'bytes') }, 'A mapping of a domain is taken away. Until the IOTLB has been invalidated, devices may still use it.', '{b} of {track} from {a} were unmapped.'),
  instant(Kind.MemorySlot, 'memory.slot', 'iommu', 'mark', { a: arg('guest-physical', 'address'), b: arg('host-physical', 'address') }, 'Where in host-physical memory the memory of a VM stands.', 'Guest-physical memory from {a} stands in host-physical memory from {b}.'),
  instant(Kind.VfsEnabled, 'vf.enabled', 'vmm', 'kernel', { a: dec('functions') }, 'The driver of a physical function puts its virtual functions onto the bus.', 'The driver of {track} put {a} virtual functions onto the bus.'),
  span(Kind.VfRequest, 'vf.request', 'vmm', 'kernel', { a: dec('function'), b: { name: 'message', format: 'hex', fields: mailboxFields } }, 'The driver of the physical function does what a virtual function has asked for by the mailbox, or refuses it, and answers.', '{track} answered message {b} of virtual function {a} after {took}.'),
  instant(Kind.VfRefused, 'vf.refused', 'vmm', 'fault', { a: dec('function'), b: arg('reason', 'reason') }, 'The driver of the physical function refuses what a virtual function has asked for.', '{track} refused a request of virtual function {a}: {b}.'),
  instant(Kind.HostOverwritten, 'host.overwritten', 'vmm', 'fault', { a: arg('address', 'address'), b: arg('length', 'bytes'), sum: 'b' }, 'A device writes host memory that is not of the VM which it works for: data of the VMM, or of another VM.', '{track} overwrote {b} of host memory at {a}, which are not of the VM that it works for.'),
  instant(Kind.VfioNested, 'vfio.nested', 'vmm', 'kernel', { a: arg('table', 'address'), b: dec('levels') }, "First-stage tables of a guest are nested in the second stage of its VM: the host's IOMMU walks both.", "{track} is translated by the guest's tables at guest-physical {a}, of {b} levels, in the second stage of its VM."),
  instant(Kind.VfioMap, 'vfio.map', 'vmm', 'kernel', { a: arg('iova', 'address'), b: arg('length', 'bytes'), sum: 'b' }, 'Memory of a VM is pinned and mapped for a device that the VM was given.', '{b} of the VM were pinned and mapped for {track}, from {a} as the device addresses them.'),
  instant(Kind.VfioUnmap, 'vfio.unmap', 'vmm', 'kernel', { a: arg('iova', 'address'), b: arg('length', 'bytes') }, 'Memory of a VM is unmapped and let go, so that a device that the VM was given reaches it no more.', '{b} from {a} on, as {track} addresses them, were unmapped.'),
  instant(Kind.VfioShadow, 'vfio.shadow', 'vmm', 'user', { a: arg('from', 'address'), b: dec('tables') }, "The user-space part of the VMM walks second-stage tables of a guest from an address on, to map and unmap for a device of the host what has changed.", "User space read {b} of the guest's tables, for what {track} addresses from {a} on."),
  instant(Kind.HostVector, 'host.vector', 'interrupt', 'kernel', { a: dec('message'), b: vector }, "The host's kernel gives one of its vectors to a message of a device.", "The host's kernel gave vector {b} to message {a} of {track}."),
  instant(Kind.VfioIrqs, 'vfio.irqs', 'vmm', 'user', { a: dec('messages') }, 'The user-space part of the VMM asks the host for the interrupts that the guest has programmed: so many messages, or the pin.', 'User space asked the host for {a} interrupt messages of {track}.'),
  ...entryRows,
  instant(Kind.IrteRead, 'irte.read', 'iommu', 'iommu', { a: arg('at', 'address'), b: dec('index') }, 'The IOMMU reads an entry of the interrupt-remapping table.', 'The IOMMU read entry {b} of the interrupt-remapping table, at {a}.'),
  ...irteRows,
  ...amdRows,
  instant(Kind.AvicLogicalEntry, 'avic.logical', 'interrupt', 'interrupt', { a: arg('at', 'address'), b: { name: 'entry', format: 'hex', fields: avicLogicalFields } }, 'The processor reads an entry of the logical APIC ID table, which says whose bit of a logical destination it is.', 'The processor read an entry of the logical APIC ID table: {b}, at {a}.'),
  instant(Kind.AvicPost, 'avic.post', 'interrupt', 'dma', { a: vector, b: arg('backing page', 'address') }, "The IOMMU sets a vector's bit in the IRR of a vCPU's backing page in memory: it needs no exit.", '{track} requested vector {a} in the backing page at {b}.'),
  instant(Kind.GaLogEntry, 'galog.entry', 'iommu', 'iommu', { a: hex('tag'), b: arg('at', 'address') }, 'The IOMMU writes an entry to its guest virtual APIC log: a vCPU that does not run has got an interrupt.', '{track} wrote the tag {a} to its guest virtual APIC log, at {b}.'),
  instant(Kind.GaLogOverflow, 'galog.overflow', 'iommu', 'fault', { a: hex('tag') }, 'The guest virtual APIC log is full: entries are lost until software has cleared that.', '{track} could not write the tag {a}: its guest virtual APIC log is full.'),
  instant(Kind.GaLogRead, 'galog.read', 'iommu', 'kernel', { a: hex('tag'), b: hex('head') }, "The host's kernel reads an entry of the guest virtual APIC log, and wakes the vCPU that its tag is of.", "The host's kernel read the tag {a} in the guest virtual APIC log, at {b}."),
  span(Kind.VhostPoll, 'vhost.poll', 'thread', 'thread', { a: dec('cycles at most'), b: dec('found'), sum: 'b' }, 'Before a vhost worker sleeps, it looks for some time whether a driver has added something to a queue, or a packet has come.', '{track} looked for work for {took}, instead of sleeping.'),
  instant(Kind.ArgsHigh, 'args.high', 'record', 'mark', { a: hex('a high'), b: hex('b high') }, 'High halves of the arguments of the causing row, where they did not fit 32 bits.'),
  instant(Kind.SpanOverflow, 'span.overflow', 'record', 'mark', { a: dec('high'), b: dec('low') }, 'Full duration of the causing row, which did not fit 32 bits.'),
];
