/**
 * The PCI slots of a board: a root complex, whose functions' registers are mapped where their BARs say and whose INTx pins are
 * wired to the interrupt controllers.
 */
import type { BitField } from '../../trace/vocabulary/kind-row';
import type { AddressMap } from '../address-map';
import type { BusDevice, DeviceBus, RegisterBlock } from '../bus';
import type { NetworkPort } from '../link/wire';
import type { RomShadow } from '../memory/rom-shadow';
import { BarMapper } from '../pci/bar-mapper';
import { barTraceOffset, type BarSpec } from '../pci/bars';
import { addressOf, requesterOf, type PciAddress } from '../pci/config';
import { FIRMWARE_ROUTES } from '../pci/firmware';
import type { PciFunction } from '../pci/function';
import { hostBridge } from '../pci/host-bridge';
import { IntxRouter, pirqOfPin } from '../pci/intx-router';
import { CONFIG_PORTS, ECAM, PciRoot, type PciPlatform, type PciSlot } from '../pci/root';
import type { Sriov } from '../pci/sriov';
import type { QueuedDevice } from '../queued-device';
import type { Migratable } from '../snapshot';
import type { BoardUnits } from './board-state';
import type { BoardUnit, DeviceSocket, PlainMemory, SlotEnvironment, SocketOptions } from './environment';
import { registerNames } from './units';

/** A device with one PCI function. */
export interface PciDevice extends BusDevice, Migratable {
  readonly pci: PciFunction;
  /** Where its cable is plugged in; absent: it has no network. */
  readonly network?: NetworkPort | undefined;
  /** Absent: registers and queues cannot be told apart. */
  readonly queued?: QueuedDevice | undefined;
  /** Names of its registers by offset in BAR 0, and of others beside those that the blocks of the BARs know. */
  registerNames(): Record<string, string>;
  /** Bit fields of its registers by their names; absent: none are described. */
  registerFields?(): Record<string, readonly BitField[]>;
  /** RST# of the bus, as at power-on: everything but its configuration space, which the board resets; its pin is low then. */
  busReset(): void;
}

/**
 * A device with virtual functions, which are on the bus while VF Enable is set (PCI Express Base Specification 6.0, 9.3.3.3.1). Each
 * is a device of its own to the board: with its own DMA, its own permission to be a bus master, its own requester ID.
 */
export interface SriovDevice extends PciDevice {
  /** The capability of `pci`; undefined: this one has no virtual functions. */
  readonly sriov: Sriov | undefined;
  /** By number, as many as `PciPlace` says; their functions were made by `sriov.addFunction`. */
  readonly virtualFunctions: readonly PciDevice[];
}

/**
 * Makes a device on its bus.
 * @param data absent: `bus` is that of its data plane too
 * @param virtual of its virtual functions, by number
 */
export type MakePciDevice<D extends PciDevice> = (
  bus: DeviceBus,
  data: DeviceBus | undefined,
  virtual: readonly DeviceBus[],
) => D;

/** What the board needs to know of a device before it exists. */
export interface PciPlace {
  /** Unique on its board: `e1000`, `e1000.1`. */
  name: string;
  /** INTA to INTD: 1 to 4; 0: it has no pin. */
  pin: number;
  /** Its device number on bus 0, which is free; absent: the next one. */
  device?: number;
  /** Why it drops packets or needs a reset, by number. */
  reasons?: Readonly<Record<string, string>>;
  /** Offsets of BAR 0 at which writes may wait for a later access; absent: none. */
  coalesces?: ((offset: number) => boolean) | undefined;
  /** As `SocketOptions` has it. */
  dataPlaneInKernel?: boolean;
  busyPollNs?: number;
  bypassesIommu?: boolean;
  /** As `BoardUnit.plain`. */
  plain?: PlainMemory | undefined;
  /** How many virtual functions it can have, which makes it a `SriovDevice`; absent: none. */
  virtualFunctions?: number | undefined;
}

/** QEMU's first NIC stands at 00:03.0 of the bus, which gives it IRQ 11. */
const FIRST_DEVICE = 3;
/** In the trace accesses by ECAM are told from those by ports. */
const ECAM_OFFSET = 0x1000_0000;

/**
 * Requester IDs of virtual functions (First VF Offset and VF Stride, PCI Express Base Specification 6.0, 9.3.3.9): there are no
 * bridges, and bus 0 is for physical functions, so the VFs of each device have the next bus to themselves: 01:00.0, 01:00.1 and so on.
 */
const VF_STRIDE = 1;

/** The socket of one function. It comes before the device, and asks for it later. */
class FunctionSocket<T> {
  readonly unit: BoardUnit;
  readonly socket: DeviceSocket;
  private device: PciDevice | undefined;
  /** Names of its registers, of which there can be thousands, once somebody has asked for them: then it fills what was given out. */
  private names: Record<string, string> | undefined;
  /** Likewise the fields of those that are described. */
  private fields: Record<string, readonly BitField[]> | undefined;

  /** @param gsi where its pin leads to; absent: it has none */
  constructor(
    env: SlotEnvironment<T>,
    unit: Omit<BoardUnit, 'class' | 'registers' | 'fields'>,
    dataPlane: Pick<SocketOptions, 'dataPlaneInKernel' | 'busyPollNs' | 'bypassesIommu'>,
    gsi: () => number | undefined = () => undefined,
  ) {
    this.unit = {
      ...unit,
      class: 'pci-device',
      registers: () => (this.names ??= this.device ? namesOf(this.device) : {}),
      fields: () => (this.fields ??= this.device?.registerFields?.() ?? {}),
    };
    this.socket = env.socket(this.unit, {
      get gsi() {
        return gsi();
      },
      busMaster: () => this.device?.pci.busMaster ?? false,
      gate: { set: (asserted) => this.device?.pci.setInterrupt(asserted) },
      ...dataPlane,
    });
  }

  plug(device: PciDevice): void {
    this.device = device;
    if (this.names) Object.assign(this.names, namesOf(device));
    if (this.fields) Object.assign(this.fields, device.registerFields?.());
    this.socket.plug(device);
    if (device.queued) this.socket.data?.plug(device.queued.dataPlane);
  }
}

/** Slots of bus 0. */
export class PciSlots<T> {
  readonly root: PciRoot;
  /** As our firmware leaves it, until somebody programs it. */
  readonly router = new IntxRouter(FIRMWARE_ROUTES);
  private readonly mapper: BarMapper<T>;
  /** Virtual functions among them. */
  private readonly devices: PciDevice[] = [];
  /** Slots that are taken, and the last bus that there is. */
  private plugged = 0;
  private lastBus = 0;
  /** By requester ID. */
  private readonly sockets = new Map<number, FunctionSocket<T>>();
  private readonly configUnit: BoardUnit;

  constructor(
    private readonly env: SlotEnvironment<T>,
    private readonly kept: BoardUnits,
    memory: AddressMap<T>,
    private readonly ports: AddressMap<T>,
    rom?: RomShadow,
  ) {
    this.mapper = new BarMapper<T>(memory, ports, (slot, bar) => this.tagOf(slot, bar));
    const platform: PciPlatform = {
      barChanged: (slot, bar, base, enabled) => this.mapper.barChanged(slot, bar, base, enabled),
      interruptChanged: (slot, asserted) => this.sockets.get(slot.requester)?.socket.wire.set(asserted),
      configAccess: (slot, isWrite, offset, value) =>
        env.configAccess(slot?.requester, isWrite, offset, value),
    };
    this.root = new PciRoot(platform, hostBridge(rom));
    kept.add('pci', this.root);
    this.configUnit = {
      class: 'pci-config',
      name: 'PCI config',
      registers: () => ({ '0': 'CONFIG_ADDRESS', '1': 'RESET_CONTROL', '4': 'CONFIG_DATA' }),
    };
    memory.add(ECAM.base, ECAM.size, this.root.ecam, env.tag(this.configUnit, ECAM_OFFSET));
  }

  /**
   * Plugs a device into the next free slot.
   * @throws RangeError when all slots or buses are taken
   */
  add<D extends PciDevice>(place: PciPlace, make: MakePciDevice<D>): D {
    const { env, router } = this;
    const {
      name,
      pin,
      reasons,
      coalesces,
      plain,
      dataPlaneInKernel,
      busyPollNs,
      device: deviceNumber = FIRST_DEVICE + this.plugged,
      bypassesIommu = false,
      virtualFunctions = 0,
    } = place;
    const address = { bus: 0, device: deviceNumber, function: 0 };
    const pirq = pin === 0 ? undefined : pirqOfPin(address.device, pin);
    const why = reasons && { reasons };
    const own = new FunctionSocket(
      env,
      { name, ...why, ...(coalesces && { coalesces }), ...(plain && { plain }) },
      {
        ...(dataPlaneInKernel && { dataPlaneInKernel }),
        ...(busyPollNs !== undefined && { busyPollNs }),
        ...(bypassesIommu && { bypassesIommu }),
      },
      () => (pirq === undefined ? undefined : router.irqAt(pirq)),
    );
    const virtual = Array.from(
      { length: virtualFunctions },
      (_, number) => new FunctionSocket(env, { name: virtualName(name, number), ...why }, {}),
    );
    const device = make(
      own.socket.bus,
      own.socket.data?.bus,
      virtual.map(({ socket }) => socket.bus),
    );
    if (pirq !== undefined) {
      router.connect({
        pirq,
        level: () => device.pci.interruptAsserted,
        drive: (asserted) => own.socket.wire.set(asserted),
      });
    }
    this.plugged += 1;
    this.plug(own, device, address);
    this.plugVirtual(virtual, device);
    return device;
  }

  private plug(socket: FunctionSocket<T>, device: PciDevice, address: PciAddress): void {
    this.sockets.set(requesterOf(address), socket);
    socket.plug(device);
    this.root.add(address, device.pci);
    this.kept.add(socket.unit.name, device);
    this.devices.push(device);
  }

  private plugVirtual(sockets: readonly FunctionSocket<T>[], device: PciDevice): void {
    const { sriov, virtualFunctions } = virtualOf(device);
    if (virtualFunctions.length !== sockets.length) {
      const made = `${virtualFunctions.length} virtual functions where its place has ${sockets.length}`;
      throw new Error(`${this.env.name}: a PCI device has ${made}`);
    }
    if (!sriov) return;
    this.lastBus += 1;
    const first = requesterOf({ bus: this.lastBus, device: 0, function: 0 });
    sriov.route({ offset: first - device.pci.requester, stride: VF_STRIDE });
    virtualFunctions.forEach((each, number) => {
      this.plug(sockets[number], each, addressOf(sriov.requesterOf(number)));
    });
  }

  /** Puts the configuration ports into the map of ports. `block` is the root complex's, perhaps with what the chipset adds. */
  mapPorts(block: RegisterBlock): void {
    this.ports.add(CONFIG_PORTS.base, CONFIG_PORTS.size, block, this.env.tag(this.configUnit, 0));
  }

  /** Devices, then their configuration spaces. */
  reset(): void {
    for (const device of this.devices) device.busReset();
    this.root.reset();
  }

  private tagOf(slot: PciSlot, bar: BarSpec): T {
    const socket = this.sockets.get(slot.requester);
    if (!socket) throw new Error(`${this.env.name}: PCI function ${slot.name} was not added as a device`);
    return this.env.tag(socket.unit, barTraceOffset(bar));
  }
}

type Virtual = Pick<SriovDevice, 'sriov' | 'virtualFunctions'>;

const NOT_VIRTUAL: Virtual = { sriov: undefined, virtualFunctions: [] };

function isSriov(device: PciDevice): device is SriovDevice {
  return 'virtualFunctions' in device;
}

/** What a device has of virtual functions, if anything. */
export function virtualOf(device: PciDevice): Virtual {
  return isSriov(device) ? device : NOT_VIRTUAL;
}

/** Name of the unit that a device's virtual function is. */
export function virtualName(device: string, number: number): string {
  return `${device}.vf${number}`;
}

function namesOf(device: PciDevice): Record<string, string> {
  const others = device.pci.bars.filter(({ index }) => index !== 0);
  const parts = others.map((bar) => ({ size: bar.size, block: bar.block, offset: barTraceOffset(bar) }));
  return { ...device.registerNames(), ...registerNames(parts) };
}
