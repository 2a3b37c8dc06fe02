/** The devices of a VM and those of the host as a scenario has them: one object for each model. */
import { z } from 'zod';
import { ASSIGNABLE, NAME, UNICAST_MAC } from './patterns';

const MODEL =
  'The device: `e1000` is an Intel 82540EM Ethernet controller with INTx; `ixgbe` is an Intel 82599 10 Gigabit Ethernet controller with MSI-X, many queues and virtual functions (SR-IOV); `edu` is the teaching device of QEMU, with MSI and MSI-X beside its pin; `nvme` is an NVM Express 1.4 controller with one namespace; `virtio-net`, `virtio-blk`, `virtio-console` and `virtio-rng` are the network, block, console and entropy devices of virtio, over PCI or over MMIO.';
const BARE = 'Of no account without a VMM (`"vmm": "none"`): there it is the physical device.';
const backend = z
  .enum(['qemu'])
  .default('qemu')
  .describe(
    `Where its model runs: \`qemu\` is the user-space process of the VMM, so that every register access costs a user exit. ${BARE}`,
  );
const link = z
  .string()
  .regex(NAME)
  .optional()
  .describe(
    'The `id` of the link its cable is plugged into; NICs that name the same link hear each other. Without it the NIC sees no carrier.',
  );
const mac = z.string().regex(UNICAST_MAC).optional();
const COUNTED_MAC = '`52:54:00:12:34:56` and counting up when left out.';

const e1000 = z.strictObject({
  model: z.literal('e1000').default('e1000').describe(MODEL),
  backend,
  coalescedMmio: z
    .boolean()
    .default(false)
    .describe(
      'Whether KVM gathers the writes to registers that can wait and hands them to QEMU with the next exit that goes there, as QEMU asks of it for this device (coalesced MMIO). `false`: each write is an exit to QEMU.',
    ),
  link,
  mac: mac.describe(`Ethernet address in its EEPROM, ${COUNTED_MAC}`),
});

/** The 82599 has 64 pools, of which the physical function keeps one. */
export const MOST_VFS = 63;
const vfs = z.int().min(0).max(MOST_VFS).default(0);

const ixgbe = z.strictObject({
  model: z.literal('ixgbe').describe(MODEL),
  backend,
  link,
  mac: mac.describe(`Ethernet address of its physical function, ${COUNTED_MAC}`),
  vfs: vfs.describe(
    'Virtual functions that a driver can turn on (SR-IOV): each is a PCI function of its own with a pair of queues. `0`: it has no such capability.',
  ),
});

const edu = z.strictObject({
  model: z.literal('edu').describe(MODEL),
  backend,
  scratch: z
    .enum(['beside', 'page'])
    .optional()
    .describe(
      "Adds memory that only keeps what is written to it, which QEMU's edu does not have: `beside` is one register of 4 bytes at offset 0xA0 of BAR 0, among the others; `page` is 4 KiB at 0x1000, a page of its own, which the hypervisor maps to the guest. Without it there is none.",
    ),
  dmaBits: z
    .int()
    .min(28)
    .max(52)
    .optional()
    .describe(
      'Bits of the addresses of its DMA, of which it ignores the others (`dma_mask` of QEMU). 28 when left out, as QEMU has it.',
    ),
});

/** What a storage medium takes, in nanoseconds. */
const mediaTime = z.int().min(0).max(1e9);
/** What every disk has. */
const disk = {
  sizeMiB: z
    .int()
    .min(1)
    .max(1_048_576)
    .default(16)
    .describe('Size of the disk in MiB. Only what is written takes memory.'),
  image: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Path of a file with what the disk holds at first, relative to this file; zeros behind its end. What the guest writes stays in the run: the file is never changed.',
    ),
  blockSize: z
    .union([z.literal(512), z.literal(4096)])
    .default(512)
    .describe('Bytes of a logical block.'),
  readNs: mediaTime
    .default(10_000)
    .describe(
      'Nanoseconds that the medium takes for a read, beside the transfers. The default is what Intel specifies as typical for its Optane SSD DC P4800X (less than 10 microseconds).',
    ),
  writeNs: mediaTime.default(10_000).describe('Nanoseconds for a write: into the cache, while it is on.'),
  flushNs: mediaTime
    .default(10_000)
    .describe('Nanoseconds for a flush of the write cache, and more for a write past it. An assumption.'),
};
const nvme = z.strictObject({
  model: z.literal('nvme').describe(MODEL),
  backend,
  ...disk,
  queues: z
    .int()
    .min(1)
    .max(64)
    .default(4)
    .describe('I/O queue pairs. Each completion queue can have an MSI-X vector of its own.'),
});

/** What every virtio device has. */
const virtio = {
  transport: z
    .enum(['pci', 'mmio'])
    .default('pci')
    .describe(
      'How the driver reaches it: `pci` is a PCI function with MSI-X and a pin, found by asking the bus. `mmio` is 512 bytes of registers at a fixed address, which the driver has to know, and one interrupt line: as in the microvm machine of QEMU the first such device of a VM is at 0xFEB00000 with IOAPIC input 16, the next at 0xFEB00200 with input 17, and so on, level-triggered.',
    ),
  ioeventfd: z
    .boolean()
    .default(true)
    .describe(
      "Whether a notification is a signal of KVM's (an ioeventfd) to the thread that works on the queues: the guest goes on at once. `false`: it is a user exit, and the vCPU's thread does the work in QEMU.",
    ),
  legacy: z
    .boolean()
    .default(false)
    .describe(
      'Whether legacy drivers can drive it. Over PCI it is a transitional device then, with their registers in I/O BAR 0 beside; over MMIO it has version 1, the legacy interface alone. `false`: it has the interface of virtio 1 alone.',
    ),
  packed: z.boolean().default(true).describe('Whether it offers packed virtqueues (VIRTIO_F_RING_PACKED).'),
  eventIdx: z
    .boolean()
    .default(true)
    .describe('Whether it offers to suppress notifications by index (VIRTIO_F_EVENT_IDX).'),
  indirect: z
    .boolean()
    .default(true)
    .describe('Whether it offers indirect descriptors (VIRTIO_F_INDIRECT_DESC).'),
  inOrder: z
    .boolean()
    .default(false)
    .describe('Whether it offers to use buffers in the order in which they come (VIRTIO_F_IN_ORDER).'),
};

/** A second: a thread that polls for longer does nothing else any more. */
const BUSY_POLL_MOST_NS = 1_000_000_000;

const virtioNet = z.strictObject({
  model: z.literal('virtio-net').describe(MODEL),
  backend: z
    .enum(['qemu', 'vhost'])
    .default('qemu')
    .describe(
      `Who works on its queues: \`qemu\` is the main loop of the VMM's user-space process; \`vhost\` is a thread of the host's kernel, woken by ioeventfds and interrupting by irqfds, so that no packet costs a user exit. ${BARE}`,
    ),
  ...virtio,
  link,
  mac: mac.describe(`Ethernet address that it offers, ${COUNTED_MAC}`),
  queues: z
    .int()
    .min(1)
    .max(8)
    .default(1)
    .describe('Pairs of a receive and a transmit queue that a driver may use (VIRTIO_NET_F_MQ).'),
  batch: z
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe(
      'Sent packets whose buffers are shown to the driver together, as long as there is more to send: 1 with `qemu`, 64 with `vhost` when left out, as they do it.',
    ),
  busyPollNs: z
    .int()
    .min(0)
    .max(BUSY_POLL_MOST_NS)
    .default(0)
    .describe(
      'With `vhost`: nanoseconds for which its thread looks for more work before it sleeps (busy polling, as of VHOST_SET_VRING_BUSYLOOP_TIMEOUT): what comes meanwhile costs neither a notification nor a wake-up, and the thread keeps a physical CPU busy. 0: it does not.',
    ),
  offloads: z
    .boolean()
    .default(true)
    .describe('Whether it offers checksums and TCP segmentation (VIRTIO_NET_F_CSUM, HOST_TSO4, HOST_TSO6).'),
  mergeable: z
    .boolean()
    .default(true)
    .describe('Whether it offers to spread a packet over several receive buffers (VIRTIO_NET_F_MRG_RXBUF).'),
});

const virtioBlk = z.strictObject({
  model: z.literal('virtio-blk').describe(MODEL),
  backend,
  ...virtio,
  ...disk,
  queues: z
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe('Request queues that a driver may use (VIRTIO_BLK_F_MQ).'),
  readOnly: z
    .boolean()
    .default(false)
    .describe('Whether the disk cannot be written to (VIRTIO_BLK_F_RO): writes fail.'),
});

const virtioConsole = z.strictObject({
  model: z.literal('virtio-console').describe(MODEL),
  backend,
  ...virtio,
  channels: z
    .array(z.string().regex(/^[\x21-\x7e]{1,63}$/))
    .max(15)
    .default([])
    .describe(
      'Names of ports beside the console (VIRTIO_CONSOLE_F_MULTIPORT). What is behind them sends back every byte that it gets.',
    ),
});

const virtioRng = z.strictObject({ model: z.literal('virtio-rng').describe(MODEL), backend, ...virtio });

const assigned = z.strictObject({
  assign: z
    .string()
    .regex(ASSIGNABLE)
    .describe(
      'The `id` of a device of the host (`host.devices`), or of one of its virtual functions (`nic0.vf1`), which the VM gets for itself (VFIO): its registers are mapped to the guest, whose own driver for the device drives it; its DMA goes to memory without the VMM.',
    ),
  urgent: z
    .boolean()
    .optional()
    .describe(
      "Whether its interrupts are urgent where the host's IOMMU posts them (`interrupts` of the VM is `posted`): a vCPU that waits for a physical CPU then gets one at once. `false`: it takes them at its next turn, and the host is not told.",
    ),
});

/** Any device of a VM. */
export const deviceSchema = z.union([
  e1000,
  ixgbe,
  edu,
  nvme,
  virtioNet,
  virtioBlk,
  virtioConsole,
  virtioRng,
  assigned,
]);

/** What every device of the host has. */
const physical = {
  id: z.string().regex(NAME).describe('Name that `assign` of a VM refers to, and of its lane.'),
  affinity: z
    .int()
    .min(0)
    .max(255)
    .default(0)
    .describe(
      'The physical CPU that takes its interrupts, counted among those that the threads of its VM run on. Those of virtual functions come to this one and the next, one after the other.',
    ),
};

/** Any device of the host: the models that are physical devices, without what is said of an emulation. */
export const hostDeviceSchema = z.union([
  e1000.omit({ backend: true, coalescedMmio: true }).extend(physical),
  ixgbe.omit({ backend: true }).extend({
    ...physical,
    vfs: vfs.describe(
      "Virtual functions (SR-IOV), which VMs are given by the device's `id` and a number: `nic0.vf0`, `nic0.vf1`. The host's driver turns all of them on before the VMs run, gives each a MAC address, and answers what they ask for by the mailbox. `0`: none, and the device can be given to one VM as a whole.",
    ),
  }),
  edu.omit({ backend: true }).extend(physical),
  nvme.omit({ backend: true, image: true }).extend(physical),
  virtioNet.omit({ backend: true, busyPollNs: true, ioeventfd: true, transport: true }).extend(physical),
]);

/** Models that have a network. */
const NIC_MODELS = ['e1000', 'ixgbe', 'virtio-net'] as const;
export type NicModel = (typeof NIC_MODELS)[number];

/** Whether a device is plugged into a link. */
export function isNic<D extends object>(device: D): device is Extract<D, { model: NicModel }> {
  return NIC_MODELS.some((model) => 'model' in device && model === device.model);
}

/** Models that are a disk, which may begin with a file. */
const DISK_MODELS = ['nvme', 'virtio-blk'] as const;
type DiskModel = (typeof DISK_MODELS)[number];

/** Whether a device is a disk. */
export function isDisk<D extends object>(device: D): device is Extract<D, { model: DiskModel }> {
  return DISK_MODELS.some((model) => 'model' in device && model === device.model);
}
