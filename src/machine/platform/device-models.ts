/**
 * The PCI devices that a board can have, by the names that a scenario has for them. A new one is a folder in `devices/` and a row
 * here: no board and no VMM knows one by name.
 */
import type { DeviceBus } from '../bus';
import { dropReasonNames } from '../devices/e1000/constants';
import { E1000 } from '../devices/e1000/e1000';
import { EDU_SCRATCH, Edu, type EduScratch } from '../devices/edu';
import { Nvme } from '../devices/nvme/nvme';
import type { NvmeOptions } from '../devices/nvme/options';
import { queueFaultNames, virtioOnPci } from '../devices/virtio/assemble';
import { VirtioBlk } from '../devices/virtio/blk/blk';
import { blkReasons } from '../devices/virtio/blk/constants';
import type { VirtioBlkOptions } from '../devices/virtio/blk/medium';
import { consoleReasons } from '../devices/virtio/console/constants';
import { VirtioConsole, type VirtioConsoleOptions } from '../devices/virtio/console/console';
import { netReasons } from '../devices/virtio/net/constants';
import { VirtioNet, type VirtioNetOptions } from '../devices/virtio/net/net';
import type { VirtioOptions } from '../devices/virtio/options';
import { VirtioRng } from '../devices/virtio/rng';
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
  };
  nvme: Omit<NvmeOptions, 'serial'>;
  'virtio-net': VirtioModel & {
    net: VirtioNetOptions;
    /** The host's kernel works on its queues, where there is such a thing. */
    inKernel: boolean;
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
  /** Gets a byte for the guest's console. */
  serial: (byte: number) => void;
}

/** What a board needs to know of a device before it exists, and how it is made. */
interface Planned {
  place: Omit<PciPlace, 'name'>;
  make(parts: DeviceParts): PciDevice;
}

const models: { [M in DeviceModel]: (spec: DeviceSpec<M>) => Planned } = {
  e1000: ({ mac, coalesced }) => ({
    place: { pin: 1, reasons: dropReasonNames, ...(coalesced && { coalesces: E1000.coalesces }) },
    make: ({ bus }) => new E1000(bus, { mac }),
  }),
  edu: ({ scratch }) => ({
    place: { pin: 1, ...(scratch && { plain: EDU_SCRATCH[scratch] }) },
    make: ({ bus }) => new Edu(bus, scratch),
  }),
  nvme: ({ model: _model, name, ...options }) => ({
    place: { pin: 1 },
    make: ({ bus }) => new Nvme(bus, { ...options, serial: `TL-${name}` }),
  }),
  'virtio-net': ({ virtio, net, inKernel }) => ({
    place: { pin: 1, reasons: { ...queueFaultNames, ...netReasons }, dataPlaneInKernel: inKernel },
    make: (parts) => virtioOnPci(parts, virtio, (host) => new VirtioNet(host, net)),
  }),
  'virtio-blk': ({ virtio, blk, name }) => ({
    place: { pin: 1, reasons: { ...queueFaultNames, ...blkReasons } },
    make: (parts) =>
      virtioOnPci(parts, virtio, (host) => new VirtioBlk(host, { ...blk, serial: `TL-${name}` })),
  }),
  'virtio-console': ({ virtio, console }) => ({
    place: { pin: 1, reasons: { ...queueFaultNames, ...consoleReasons } },
    make: (parts) =>
      virtioOnPci(parts, virtio, (host) => new VirtioConsole(host, { ...console, output: parts.serial })),
  }),
  'virtio-rng': ({ virtio, seed }) => ({
    place: { pin: 1, reasons: queueFaultNames },
    make: (parts) => virtioOnPci(parts, virtio, (host) => new VirtioRng(host, seed)),
  }),
};

/** As the board puts it into a slot. */
export function plannedDevice<M extends DeviceModel>(spec: DeviceSpec<M>): Planned {
  return models[spec.model](spec);
}
