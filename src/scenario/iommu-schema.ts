/** The IOMMUs of a scenario: that of the host, and one that a machine has for its guest. */
import { z } from 'zod';

/** Size and shape of an IOTLB, whoever owns the unit. */
const iotlb = {
  iotlbEntries: z
    .int()
    .min(0)
    .max(65_536)
    .default(64)
    .describe(
      'Pages whose translations its IOTLB holds: a multiple of `iotlbWays` by a power of two. 0: it has none.',
    ),
  iotlbWays: z
    .int()
    .min(1)
    .max(64)
    .default(4)
    .describe('Entries of a set of the IOTLB, of which an address has one.'),
};

/** What it is, and what the host's kernel does with it. All but `model` is of account with `vt-d` only. */
export const iommuSchema = z
  .strictObject({
    model: z
      .enum(['none', 'vt-d', 'amd-vi'])
      .default('none')
      .describe(
        "What translates the addresses of the devices' DMA. `none`: nothing, they reach all of host-physical memory by its own addresses. So that a driver in a VM can work at all, the memory of the VM with assigned devices stands at host-physical 0 then, where its guest-physical addresses are right; data of the VMM stand behind it, and nothing keeps a device from them. `vt-d`: a remapping unit of Intel, whose tables the host's kernel has in memory: a device has the guest-physical addresses of the VM that it works for, and reaches nothing else. `amd-vi`: the IOMMU of AMD, for interrupts only: it remaps them, and delivers those of an assigned device to a VM with `avic` by the backing page of its vCPU and a doorbell, or an entry of its guest virtual APIC log where the vCPU sleeps. Addresses of DMA pass as without an IOMMU. All VMs have processors of AMD then.",
      ),
    ...iotlb,
    pagingStructureEntries: z
      .int()
      .min(0)
      .max(65_536)
      .default(32)
      .describe(
        'Entries of upper tables that it remembers, so that a walk begins further down: a multiple of 4 by a power of two. 0: none, and each walk reads every level.',
      ),
    pages: z
      .enum(['4k', '2m', '1g'])
      .default('2m')
      .describe(
        "Largest pages that the kernel maps a VM's memory by. The larger, the shorter a walk, and the more memory an entry of the IOTLB stands for.",
      ),
    levels: z
      .union([z.literal(3), z.literal(4), z.literal(5)])
      .default(4)
      .describe('Levels of its tables: addresses of devices have 39, 48 or 52 bits.'),
    unmap: z
      .enum(['strict', 'deferred'])
      .default('strict')
      .describe(
        'When an unmapping is invalidated: `strict` is at once, and whoever unmaps waits for it; `deferred` is for 250 together, or after 10 milliseconds, until when devices may still use what is unmapped.',
      ),
    scalableMode: z
      .boolean()
      .default(false)
      .describe(
        "Whether the kernel uses its scalable mode, in which tables of a guest can be nested in those of its VM: for a device that is behind the VM's own IOMMU (`vms[].iommu`), which has to be in scalable mode as well. One with `cachingMode` instead is shadowed, whatever this says.",
      ),
    interruptRemapping: z
      .boolean()
      .default(true)
      .describe(
        'Whether it remaps interrupts: the message of a device then is an index into a table of the kernel, and one that a device makes up itself is refused. `false`: whatever a device writes to the addresses of interrupts is one.',
      ),
    onDemand: z
      .boolean()
      .default(false)
      .describe(
        '`false`: all memory of a VM is mapped before it starts. `true`: a page is mapped once a device has asked for it in vain, which devices do not expect: the access is lost.',
      ),
    pinnedPages: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1_000_000)
      .describe(
        'With `onDemand`, pages of 4 KiB that are mapped at a time at most: for another, the one that was mapped first is unmapped.',
      ),
  })
  .prefault({})
  .describe('The IOMMU of the host.');

/** The IOMMU of a VM's board, or of a bare machine. */
export const vmIommuSchema = z
  .strictObject({
    model: z
      .enum(['none', 'vt-d'])
      .default('none')
      .describe(
        "What stands between the machine's devices and its memory. `vt-d`: a remapping unit of Intel at 0xFED90000, which the DMAR table of ACPI tells of and which the guest owns: it translates nothing until the guest's driver has turned it on. In a VM it is QEMU's intel-iommu: each access to its registers is an exit to QEMU, and so is one to the IOAPIC (`kernel-irqchip=split`). On a bare machine it is the chipset's. A virtio device in a VM is not behind it, as it does not offer VIRTIO_F_ACCESS_PLATFORM.",
      ),
    ...iotlb,
    addressWidth: z
      .union([z.literal(39), z.literal(48)])
      .default(48)
      .describe("Bits of a device's address: up to three or four levels of tables."),
    scalableMode: z
      .boolean()
      .default(false)
      .describe(
        'Whether it has scalable mode: PASIDs, first-stage tables, and translation by two stages one in the other.',
      ),
    cachingMode: z
      .boolean()
      .default(false)
      .describe(
        "Whether the driver has to invalidate also what it makes present (CAP.CM): who shadows the guest's tables asks for it. A device of the host behind such a unit, without `scalableMode`, is translated by a shadow: QEMU walks the guest's tables for what is invalidated, and has the host's kernel map and unmap what has changed.",
      ),
    interruptRemapping: z
      .boolean()
      .default(true)
      .describe('Whether it remaps interrupts, once the guest has turned that on.'),
  })
  .prefault({})
  .describe("The IOMMU of the VM's board, or of the bare machine, which the guest owns.");
