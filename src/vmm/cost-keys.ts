/**
 * The figures a cost profile gives, in host TSC cycles unless the name says otherwise. Adding a figure here makes every
 * profile state it.
 */
export const costKeys = {
  'instruction.base': 'A retired guest instruction',
  'instruction.memory': 'Added for an instruction that reads or writes memory',
  'instruction.branch': 'Added for a taken or untaken branch',
  'instruction.multiply': 'Added for a multiplication',
  'instruction.divide': 'Added for a division',
  'instruction.control': 'Added for MOV to or from a control or debug register that makes no exit',
  'instruction.pause': 'Added for PAUSE, by which a waiting loop lets time pass',
  'instruction.serialising': 'Added for a serialising instruction (CPUID, IRET, WRMSR …)',
  'bus.read': 'A CPU reads a memory-mapped register of a device over the bus',
  'bus.write': 'A CPU writes one',
  'bus.portRead': 'A CPU reads an I/O port',
  'bus.portWrite': 'A CPU writes an I/O port',
  'bus.apic': 'A CPU accesses its own local APIC',
  'apic.virtual': 'A CPU serves an access of its guest to the local APIC from the virtual-APIC page',
  'exit.hardware': 'VM exit: from the guest instruction to the first instruction of KVM',
  'entry.hardware': "VM entry: from KVM's last instruction to the guest",
  'kvm.dispatch': 'KVM finds out why the guest left and calls the handler',
  'kvm.pio': 'KVM decodes and dispatches a port access',
  'kvm.mmio': 'KVM walks the page tables, decodes and dispatches an MMIO access',
  'kvm.apic': 'KVM serves an access to its LAPIC',
  'kvm.ioapic': 'KVM serves an access to its IOAPIC',
  'kvm.fastWrite':
    'KVM finds the ioeventfd of a write that it need not decode: at a port, or by its address (fast MMIO)',
  'kvm.eventfd': 'KVM signals an eventfd: whoever waits for it is woken',
  'kvm.cpuid': 'KVM emulates CPUID',
  'kvm.msr': 'KVM emulates RDMSR or WRMSR',
  'kvm.controlRegister': 'KVM emulates MOV to CR0 or CR4',
  'kvm.debugRegister': 'KVM lets the guest have the debug registers',
  'kvm.cacheFlush': 'KVM emulates INVD or WBINVD',
  'kvm.exception': 'KVM takes an exception of the guest and injects it again',
  'kvm.invalidOpcode': 'KVM takes #UD, looks whether it emulates the instruction, and injects it again',
  'kvm.hypercall': 'KVM serves a hypercall',
  'kvm.externalInterrupt': 'KVM lets the host take its interrupt',
  'kvm.inject': 'KVM evaluates the LAPIC and injects an interrupt at entry',
  'kvm.preemptionTimer': 'KVM takes the end of the preemption timer for that of the LAPIC timer',
  'kvm.eptViolation': 'KVM resolves an EPT violation',
  'kvm.halt': 'KVM puts a halted vCPU to sleep',
  'kvm.wake': 'From an interrupt for a halted vCPU to its thread running again',
  'user.exit': 'KVM_RUN returns to QEMU',
  'user.enter': 'QEMU calls KVM_RUN',
  'qemu.dispatch': 'QEMU finds the device of an access and runs its model',
  'qemu.coalesced': 'QEMU performs one write that KVM has kept for it (coalesced MMIO)',
  'qemu.ioThread': 'QEMU I/O thread takes one event (a packet, a timer)',
  'qemu.packet': 'QEMU reads a further packet from a tap device that it has come to',
  'vhost.packet': 'A vhost worker reads a further packet from a tap device that it has come to',
  'vhost.job': 'A vhost worker takes one job: the kick of a queue, a packet from the tap device',
  'irq.ioctl': 'A QEMU thread sets an interrupt line of KVM by ioctl',
  'irq.irqfd': 'A part of the host kernel raises an interrupt of a VM by an irqfd',
  'vfio.setIrqs':
    'A QEMU thread has the kernel set up interrupts of an assigned device by ioctl (VFIO_DEVICE_SET_IRQS)',
  'irq.ioapic': "The IOAPIC's message gets to a local APIC, once a pin has been asserted (no VMM)",
  'irq.kick': 'An IPI that makes a running vCPU leave the guest arrives',
  'irq.notification': 'A notification of posted interrupts arrives at a physical CPU',
  'irq.doorbell': 'The doorbell of the AVIC rings at a physical CPU',
  'sched.switch': 'A physical CPU changes from one thread to another',
  'sched.slice': 'How long a thread runs while others wait for its CPU',
  'sched.sleeperCredit':
    'By how much CPU time a thread that wakes counts as having had less than the others, at most',
  'sched.wakeupGranularity':
    'By how much CPU time another must have had more than a thread that wakes, to lose its CPU to it at once',
  'iommu.lookup': 'The IOMMU looks an address up in its IOTLB, or an interrupt in its cache of entries',
  'iommu.reference': 'The IOMMU reads an entry of a table in memory',
  'iommu.invalidate': 'The IOMMU works on one descriptor of its invalidation queue, or one command',
  'iommu.post': 'The IOMMU posts an interrupt to a descriptor in memory',
  'iommu.map': 'The host kernel maps memory for a device: the entries of the tables',
  'iommu.unmap': 'The host kernel unmaps it, without invalidation',
  'vfio.map': 'A QEMU thread has the kernel map memory for an assigned device by ioctl (VFIO_IOMMU_MAP_DMA)',
  'vfio.unmap':
    'A QEMU thread has the kernel unmap memory of an assigned device by ioctl (VFIO_IOMMU_UNMAP_DMA), without invalidation',
  'device.dmaSetup': 'One DMA transaction, apart from its bytes',
  'device.dmaPer64Bytes': 'Moving 64 bytes by DMA',
} as const;

/** Name of one figure. */
export type CostKey = keyof typeof costKeys;

/** All figures of a profile, in cycles. */
export type Costs = Record<CostKey, number>;
