/** The devices of a VM, from what its scenario says of them. */
import type { VirtioOptions } from '../machine/devices/virtio/options';
import type { AssignedPlan, DevicePlan } from '../vmm/guest';
import type { HostDevice } from '../vmm/host-bus/host-device';
import type { Networks } from './networks';
import { isAssigned } from './assignments';
import type { ScenarioDevice, ScenarioHostDevice, ScenarioVmDevice } from './schema';

const MIB = 1024 * 1024;
/** More slots than a VM has. */
const SLOTS = 32;
/** Sent packets that are shown to the driver together (VHOST_NET_BATCH of Linux; QEMU shows each by itself). */
const BATCH = { qemu: 1, vhost: 64 } as const;
/** Longest payload of the links' Ethernet frames. */
const MTU = 1500;
const SCREEN = { columns: 80, rows: 25 } as const;

/** Whose devices they are. */
interface Place {
  /** The run's seed. */
  run: number;
  vm: number;
  /** Bytes of the files that its disks begin with, by position among its devices. */
  images?: ReadonlyMap<number, Uint8Array> | undefined;
  /** Devices of the host, by what `assign` says. */
  assigned(name: string): HostDevice;
}

/** What is known of every device. */
interface Planned {
  name: string;
  /** Of its random numbers: no two devices of a run draw the same. */
  seed: number;
  /** What it begins with, if it is a disk. */
  image: Uint8Array | undefined;
}

type AnyDevice = ScenarioDevice | ScenarioHostDevice;
type Model = AnyDevice['model'];
type ModelOf<M extends Model> = Extract<AnyDevice, { model: M }>;
type Planners = {
  [M in Model]: (device: ModelOf<M>, planned: Planned, networks: Networks) => DevicePlan;
};

const planners: Planners = {
  e1000: ({ model, mac, link, coalescedMmio }, { name }, networks) => ({
    device: { model, name, mac: bytesOf(mac), coalesced: coalescedMmio ?? false },
    cable: networks.plug(link),
  }),
  ixgbe: ({ model, mac, link, vfs }, { name }, networks) => ({
    device: { model, name, mac: bytesOf(mac), vfs },
    cable: networks.plug(link),
  }),
  edu: ({ model, scratch, dmaBits }, { name }) => ({
    device: { model, name, scratch, dmaBits },
    cable: undefined,
  }),
  nvme: (device, { name, image }) => {
    const { model, blockSize, queues } = device;
    return { device: { model, name, image, blockSize, queues, ...mediumOf(device) }, cable: undefined };
  },
  'virtio-net': (device, { name }, networks) => {
    const { model, mac, link, queues: pairs, backend, batch, busyPollNs, offloads, mergeable } = device;
    const inKernel = backend === 'vhost';
    return {
      device: {
        model,
        name,
        ...virtioOf(device),
        inKernel,
        busyPollNs,
        net: { mac: bytesOf(mac), pairs, batch: batch ?? BATCH[backend], offloads, mergeable, mtu: MTU },
      },
      cable: networks.plug(link),
      // Nobody but an eventfd wakes a thread of the kernel.
      ioeventfd: device.ioeventfd || inKernel,
    };
  },
  'virtio-blk': (device, { name, image }) => {
    const { model, blockSize, queues, readOnly } = device;
    const blk = { image, blockSize, queues, readOnly, ...mediumOf(device) };
    return {
      device: { model, name, ...virtioOf(device), blk },
      cable: undefined,
      ioeventfd: device.ioeventfd,
    };
  },
  'virtio-console': (device, { name }) => ({
    device: {
      model: device.model,
      name,
      ...virtioOf(device),
      console: { ...SCREEN, channels: device.channels },
    },
    cable: undefined,
    ioeventfd: device.ioeventfd,
  }),
  'virtio-rng': (device, { name, seed }) => ({
    device: { model: device.model, name, seed, ...virtioOf(device) },
    cable: undefined,
    ioeventfd: device.ioeventfd,
  }),
};

/** Devices in slot order; those of one model are counted: `e1000`, `e1000.1`. */
export function planDevices(
  devices: readonly ScenarioVmDevice[],
  networks: Networks,
  { run, vm, images, assigned }: Place,
): (DevicePlan | AssignedPlan)[] {
  const counts = new Map<string, number>();
  return devices.map((device, slot) => {
    if (isAssigned(device)) return { assigned: assigned(device.assign), urgent: device.urgent ?? false };
    const position = counts.get(device.model) ?? 0;
    counts.set(device.model, position + 1);
    const name = position === 0 ? device.model : `${device.model}.${position}`;
    // In the high half of a safe integer: the low half is the run's.
    const seed = run + (vm * SLOTS + slot + 1) * 2 ** 32;
    return plan(device, { name, seed, image: images?.get(slot) }, networks);
  });
}

/** A device of the host, by its `id`. @param seed of its random numbers */
export function planHostDevice(device: ScenarioHostDevice, networks: Networks, seed: number): DevicePlan {
  return plan(device, { name: device.id, seed, image: undefined }, networks);
}

function plan<M extends Model>(device: ModelOf<M>, planned: Planned, networks: Networks): DevicePlan {
  const planner = planners[device.model];
  return planner(device, planned, networks);
}

function bytesOf(mac: string): Uint8Array {
  return Uint8Array.from(mac.split(':'), (byte) => parseInt(byte, 16));
}

/** Size in bytes and times of a disk. */
function mediumOf({ sizeMiB, readNs, writeNs, flushNs }: Extract<AnyDevice, { sizeMiB: number }>) {
  const timing = { readNanoseconds: readNs, writeNanoseconds: writeNs, flushNanoseconds: flushNs };
  return { size: sizeMiB * MIB, timing };
}

/** What a scenario says of a virtio device, as the device has it. On MMIO one has either interface, not both. */
function virtioOf(device: Extract<ScenarioDevice, { legacy: boolean }>): {
  virtio: Partial<VirtioOptions>;
  transport: 'pci' | 'mmio';
} {
  const { transport, legacy, packed, eventIdx, indirect, inOrder } = device;
  const forLegacyDrivers = transport === 'mmio' ? 'legacy' : 'transitional';
  const interfaces = legacy ? forLegacyDrivers : 'modern';
  return { virtio: { interfaces, packed, eventIdx, indirect, inOrder }, transport };
}
