/**
 * Devices of a board whose registers are in memory at fixed addresses, each with an interrupt line of its own: software finds
 * none of them by asking a bus, the firmware tells it where they are.
 */
import type { AddressMap } from '../address-map';
import type { BusDevice, DeviceBus, RegisterBlock } from '../bus';
import type { MmioDeviceFacts } from '../firmware/dsdt';
import type { NetworkPort } from '../link/wire';
import type { QueuedDevice } from '../queued-device';
import type { BitField } from '../../trace/vocabulary/kind-row';
import type { Migratable } from '../snapshot';
import type { BoardUnits } from './board-state';
import type { BoardEnvironment, BoardUnit } from './environment';
import { registerNames } from './units';

/** Where QEMU's microvm has its virtio devices, 512 bytes each, and the IOAPIC inputs that their lines lead to. */
export const MMIO_SLOTS = { base: 0xfeb00000, bytes: 0x200, gsi: 16, count: 8 } as const;

/** A device whose registers are one block in memory. */
export interface MmioDevice extends RegisterBlock, BusDevice, Migratable {
  /** Where its cable is plugged in; absent: it has no network. */
  readonly network?: NetworkPort | undefined;
  /** Absent: registers and queues cannot be told apart. */
  readonly queued?: QueuedDevice | undefined;
  /** Bit fields of its registers by their names; absent: none are described. */
  registerFields?(): Record<string, readonly BitField[]>;
  /** As at power-on; its line is low then. */
  busReset(): void;
}

/** What the board needs to know of a device before it exists. */
export interface MmioPlace {
  /** Unique on its board: `virtio-net`, `virtio-net.1`. */
  name: string;
  /** Why it drops packets or needs a reset, by number. */
  reasons?: Readonly<Record<string, string>>;
  /** As `SocketOptions` has it. */
  dataPlaneInKernel?: boolean;
  busyPollNs?: number;
}

/** The places for such devices, in ascending order. */
export class MmioSlots<T> {
  private readonly devices: MmioDevice[] = [];

  constructor(
    private readonly env: BoardEnvironment<T>,
    private readonly kept: BoardUnits,
    private readonly memory: AddressMap<T>,
  ) {}

  /**
   * Puts a device at the next free place.
   * @throws RangeError when all places are taken
   */
  add(
    { name, reasons, dataPlaneInKernel, busyPollNs }: MmioPlace,
    make: (bus: DeviceBus, data?: DeviceBus) => MmioDevice,
  ): MmioDevice {
    const { base, bytes, gsi, count } = MMIO_SLOTS;
    const slot = this.devices.length;
    if (slot === count)
      throw new RangeError(
        `${this.env.name} has ${count} places for devices on MMIO: none is left for ${name}`,
      );
    const registers: Record<string, string> = {};
    const fields: Record<string, readonly BitField[]> = {};
    const unit: BoardUnit = {
      class: 'mmio-device',
      name,
      registers: () => registers,
      fields: () => fields,
      ...(reasons && { reasons }),
    };
    const socket = this.env.socket(unit, {
      gsi: gsi + slot,
      busMaster: () => true,
      ...(dataPlaneInKernel && { dataPlaneInKernel }),
      ...(busyPollNs !== undefined && { busyPollNs }),
    });
    const { data } = socket;
    const device = make(socket.bus, data?.bus);
    Object.assign(registers, registerNames([{ size: bytes, block: device, offset: 0 }]));
    Object.assign(fields, device.registerFields?.());
    socket.plug(device);
    if (device.queued) data?.plug(device.queued.dataPlane);
    this.memory.add(base + slot * bytes, bytes, device, this.env.tag(unit, 0));
    this.kept.add(name, device);
    this.devices.push(device);
    return device;
  }

  /** Where the devices are, for the firmware to tell. */
  get facts(): MmioDeviceFacts[] {
    const { base, bytes, gsi } = MMIO_SLOTS;
    return this.devices.map((_device, slot) => ({ base: base + slot * bytes, bytes, gsi: gsi + slot }));
  }

  reset(): void {
    for (const device of this.devices) device.busReset();
  }
}
