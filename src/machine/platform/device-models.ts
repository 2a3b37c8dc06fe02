/**
 * The devices that a board can have, by the names that a scenario has for them, and where each is plugged in. A new one is a
 * folder in `devices/` and a row here: no board and no VMM knows one by name.
 */
import type { DeviceBus } from '../bus';
import { dropReasonNames } from '../devices/intel-nic/constants';
import { E1000 } from '../devices/e1000/e1000';
import { EDU_SCRATCH, Edu, type EduScratch } from '../devices/edu';
import { dropReasonNames as ixgbeReasons } from '../devices/ixgbe/bits';
import { Ixgbe } from '../devices/ixgbe/ixgbe';
import { Nvme } from '../devices/nvme/nvme';
import type { NvmeOptions } from '../devices/nvme/options';
import { queueFaultNames, virtioOnMmio, virtioOnPci } from '../devices/virtio/assemble';
import { VirtioBlk } from '../devices/virtio/blk/blk';
import { blkReasons } from '../devices/virtio/blk/constants';
import type { VirtioBlkOptions } from '../devices/virtio/blk/medium';
import { consoleReasons } from '../devices/virtio/console/constants';
import { VirtioConsole, type VirtioConsoleOptions } from '../devices/virtio/console/console';
import { netReasons } from '../devices/virtio/net/constants';
import { VirtioNet, type VirtioNetOptions } from '../devices/virtio/net/net';
import type { TypeHost, VirtioType } from '../devices/virtio/contract';
import type { VirtioOptions } from '../devices/virtio/options';
import { VirtioRng } from '../devices/virtio/rng';
import type { MmioDevice, MmioPlace } from './mmio-slots';
import type { PciDevice, PciPlace } from './pci-slots';

/** What is to be said of a device beside its name, by model. */
interface ModelOptions {
  e1000: {
    /** Six bytes. */
    mac: Uint8Array;
    /** Writes to the registers that QEMU coalesces may wait for a later access. */
    coalesced: boolean;
  };
  edu: {
    /** Where its scratch memory lies; absent: it has none. */
    scratch?: EduScratch | undefined;
    /** Bits of the addresses of its DMA; absent: as many as QEMU's has. */
    dmaBits?: number | undefined;
  };
  ixgbe: {
    /** Six bytes. */
    mac: Uint8Array;
    /** Virtual functions that it can have: 0 to 63. */
    vfs: number;
  };
  nvme: Omit<NvmeOptions, 'serial'>;
  'virtio-net': VirtioModel & {
    net: VirtioNetOptions;
    /** The host's kernel works on its queues, where there is such a thing. */
    inKernel: boolean;
    /** As `SocketOptions` has it. */
    busyPollNs?: number;
  };
  'virtio-blk': VirtioModel & { blk: Omit<VirtioBlkOptions, 'serial'> };
  'virtio-console': VirtioModel & { console: Omit<VirtioConsoleOptions, 'output'> };
  'virtio-rng': VirtioModel & {
    /** Of its random numbers. */
    seed: number;
  };
}
interface VirtioModel {
  /** What every virtio device may be told. */
  virtio: Partial<VirtioOptions>;
  /** Where it is plugged in; absent: `pci`. */
  transport?: 'pci' | 'mmio' | undefined;
}
export type DeviceModel = keyof ModelOptions;

/** A device of a board; its name is unique there: `e1000`, `e1000.1`. */
export type DeviceSpec<M extends DeviceModel = DeviceModel> = {
  [K in M]: { model: K; name: string } & ModelOptions[K];
}[M];

/** What a device is connected to. */
export interface DeviceParts {
  bus: DeviceBus;
  /** Absent: `bus` is that of its data plane too. */
  data: DeviceBus | undefined;
  /** Of its virtual functions, by number: as many as its place says. */
  virtual: readonly DeviceBus[];
  /** Gets a byte for the guest's console. */
  serial: (byte: number) => void;
}

/** What a board needs to know of a device before it exists, and how it is made: of one with a PCI function. */
interface Planned {
  place: Omit<PciPlace, 'name'>;
  make(parts: DeviceParts): PciDevice;
}
/** Likewise of one whose registers are in memory at a fixed address. */
interface PlannedOnMmio {
  onMmio: Omit<MmioPlace, 'name'>;
  make(parts: DeviceParts): MmioDevice;
}

const models: { [M in DeviceModel]: (spec: DeviceSpec<M>) => Planned | PlannedOnMmio } = {
  e1000: ({ mac, coalesced }) => ({
    place: { pin: 1, reasons: dropReasonNames, ...(coalesced && { coalesces: E1000.coalesces }) },
    make: ({ bus }) => new E1000(bus, { mac }),
  }),
  edu: ({ scratch, dmaBits }) => ({
    place: { pin: 1, ...(scratch && { plain: EDU_SCRATCH[scratch] }) },
    make: ({ bus }) => new Edu(bus, scratch, dmaBits),
  }),
  ixgbe: ({ mac, vfs }) => ({
    place: { pin: 1, reasons: ixgbeReasons, virtualFunctions: vfs },
    make: ({ bus, virtual }) => new Ixgbe(bus, { mac, virtual }),
  }),
  nvme: ({ model: _model, name, ...options }) => ({
    place: { pin: 1 },
    make: ({ bus }) => new Nvme(bus, { ...options, serial: `TL-${name}` }),
  }),
  'virtio-net': ({ net, inKernel, busyPollNs = 0, ...spec }) =>
    virtio(
      spec,
      { reasons: { ...queueFaultNames, ...netReasons }, dataPlaneInKernel: inKernel, busyPollNs },
      (host) => new VirtioNet(host, net),
    ),
  'virtio-blk': ({ blk, ...spec }) =>
    virtio(
      spec,
      { reasons: { ...queueFaultNames, ...blkReasons } },
      (host) => new VirtioBlk(host, { ...blk, serial: `TL-${spec.name}` }),
    ),
  'virtio-console': ({ console, ...spec }) =>
    virtio(
      spec,
      { reasons: { ...queueFaultNames, ...consoleReasons } },
      (host, { serial }) => new VirtioConsole(host, { ...console, output: serial }),
    ),
  'virtio-rng': ({ seed, ...spec }) =>
    virtio(spec, { reasons: queueFaultNames }, (host) => new VirtioRng(host, seed)),
};

/** A virtio device of a type, on the transport that is wanted. */
function virtio(
  { virtio: options, transport }: VirtioModel,
  place: Omit<MmioPlace, 'name'>,
  type: (host: TypeHost, parts: DeviceParts) => VirtioType,
): Planned | PlannedOnMmio {
  const typeWith =
    (parts: DeviceParts) =>
    (host: TypeHost): VirtioType =>
      type(host, parts);
  if (transport === 'mmio')
    return { onMmio: place, make: (parts) => virtioOnMmio(parts, options, typeWith(parts)) };
  const bypassesIommu = !(options.accessPlatform ?? false);
  return {
    place: { pin: 1, bypassesIommu, ...place },
    make: (parts) => virtioOnPci(parts, options, typeWith(parts)),
  };
}

/** As the board puts it into a slot, or at an address. */
export function plannedDevice<M extends DeviceModel>(spec: DeviceSpec<M>): Planned | PlannedOnMmio {
  return models[spec.model](spec);
}
