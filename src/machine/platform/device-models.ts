/**
 * The PCI devices that a board can have, by the names that a scenario has for them. A new one is a folder in `devices/` and a row
 * here: no board and no VMM knows one by name.
 */
import type { DeviceBus } from '../bus';
import { dropReasonNames } from '../devices/e1000/constants';
import { E1000 } from '../devices/e1000/e1000';
import { EDU_SCRATCH, Edu, type EduScratch } from '../devices/edu';
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
  edu: ({ scratch }) => ({
    place: { pin: 1, ...(scratch && { plain: EDU_SCRATCH[scratch] }) },
    make: (bus) => new Edu(bus, scratch),
  }),
};

/** As the board puts it into a slot. */
export function plannedDevice<M extends DeviceModel>(spec: DeviceSpec<M>): Planned {
  return models[spec.model](spec);
}
