/**
 * The PCI devices that a board can have, by the names that a scenario has for them. A new one is a folder in `devices/` and a row
 * here: no board and no VMM knows one by name.
 */
import type { DeviceBus } from '../bus';
import { dropReasonNames } from '../devices/e1000/constants';
import { E1000 } from '../devices/e1000/e1000';
import { Edu } from '../devices/edu';
import { Nvme } from '../devices/nvme/nvme';
import type { NvmeOptions } from '../devices/nvme/options';
import type { PciDevice, PciPlace } from './pci-slots';

/** What is to be said of a device beside its name, by model. */
interface ModelOptions {
  e1000: {
    /** Six bytes. */
    mac: Uint8Array;
    /** Writes to the registers that QEMU coalesces may wait for a later access. */
    coalesced: boolean;
  };
  edu: object;
  nvme: Omit<NvmeOptions, 'serial'>;
}
export type DeviceModel = keyof ModelOptions;

/** A device of a board; its name is unique there: `e1000`, `e1000.1`. */
export type DeviceSpec<M extends DeviceModel = DeviceModel> = {
  [K in M]: { model: K; name: string } & ModelOptions[K];
}[M];

/** What a board needs to know of a device before it exists, and how it is made. */
interface Planned {
  place: Omit<PciPlace, 'name'>;
  make(bus: DeviceBus): PciDevice;
}

const models: { [M in DeviceModel]: (spec: DeviceSpec<M>) => Planned } = {
  e1000: ({ mac, coalesced }) => ({
    place: { pin: 1, reasons: dropReasonNames, ...(coalesced && { coalesces: E1000.coalesces }) },
    make: (bus) => new E1000(bus, { mac }),
  }),
  edu: () => ({ place: { pin: 1 }, make: (bus) => new Edu(bus) }),
  nvme: ({ model: _model, name, ...options }) => ({
    place: { pin: 1 },
    make: (bus) => new Nvme(bus, { ...options, serial: `TL-${name}` }),
  }),
};

/** As the board puts it into a slot. */
export function plannedDevice<M extends DeviceModel>(spec: DeviceSpec<M>): Planned {
  return models[spec.model](spec);
}
