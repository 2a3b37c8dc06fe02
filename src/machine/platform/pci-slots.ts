/**
 * The PCI slots of a board: a root complex, whose functions' registers are mapped where their BARs say and whose INTx pins are
 * wired to the interrupt controllers.
 */
import type { AddressMap } from '../address-map';
import type { BusDevice, DeviceBus, RegisterBlock } from '../bus';
import type { NetworkPort } from '../link/wire';
import type { RomShadow } from '../memory/rom-shadow';
import { BarMapper } from '../pci/bar-mapper';
import { barTraceOffset, type BarSpec } from '../pci/bars';
import { requesterOf } from '../pci/config';
import { FIRMWARE_ROUTES } from '../pci/firmware';
import type { PciFunction } from '../pci/function';
import { hostBridge } from '../pci/host-bridge';
import { IntxRouter, pirqOfPin } from '../pci/intx-router';
import { CONFIG_PORTS, ECAM, PciRoot, type PciPlatform, type PciSlot } from '../pci/root';
import type { QueuedDevice } from '../queued-device';
import type { Migratable } from '../snapshot';
import type { BoardUnits } from './board-state';
import type { BoardEnvironment, BoardUnit, DeviceSocket, PlainMemory } from './environment';
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
  /** RST# of the bus, as at power-on: everything but its configuration space, which the board resets; its pin is low then. */
  busReset(): void;
}

/** What the board needs to know of a device before it exists. */
export interface PciPlace {
  /** Unique on its board: `e1000`, `e1000.1`. */
  name: string;
  /** INTA to INTD: 1 to 4; 0: it has no pin. */
  pin: number;
  /** Why it drops packets or needs a reset, by number. */
  reasons?: Readonly<Record<string, string>>;
  /** Offsets of BAR 0 at which writes may wait for a later access; absent: none. */
  coalesces?: ((offset: number) => boolean) | undefined;
  /** As `SocketOptions` has it. */
  dataPlaneInKernel?: boolean;
  /** As `BoardUnit.plain`. */
  plain?: PlainMemory | undefined;
}

/** QEMU's first NIC stands at 00:03.0 of the bus, which gives it IRQ 11. */
const FIRST_DEVICE = 3;
/** In the trace accesses by ECAM are told from those by ports. */
const ECAM_OFFSET = 0x1000_0000;

/** Slots of bus 0. */
export class PciSlots<T> {
  readonly root: PciRoot;
  /** As our firmware leaves it, until somebody programs it. */
  readonly router = new IntxRouter(FIRMWARE_ROUTES);
  private readonly mapper: BarMapper<T>;
  private readonly devices: PciDevice[] = [];
  private readonly sockets = new Map<number, DeviceSocket>();
  private readonly units = new Map<number, BoardUnit>();
  private readonly configUnit: BoardUnit;

  constructor(
    private readonly env: BoardEnvironment<T>,
    private readonly kept: BoardUnits,
    memory: AddressMap<T>,
    private readonly ports: AddressMap<T>,
    rom?: RomShadow,
  ) {
    this.mapper = new BarMapper<T>(memory, ports, (slot, bar) => this.tagOf(slot, bar));
    const platform: PciPlatform = {
      barChanged: (slot, bar, base, enabled) => this.mapper.barChanged(slot, bar, base, enabled),
      interruptChanged: (slot, asserted) => this.sockets.get(slot.requester)?.wire.set(asserted),
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
   * @throws RangeError when all slots are taken
   */
  add<D extends PciDevice>(place: PciPlace, make: (bus: DeviceBus, data?: DeviceBus) => D): D {
    const { env, root } = this;
    const { name, pin, reasons, coalesces, plain, dataPlaneInKernel } = place;
    const address = { bus: 0, device: FIRST_DEVICE + this.devices.length, function: 0 };
    const requester = requesterOf(address);
    const registers: Record<string, string> = {};
    const plugged: { device?: D } = {}; // the socket comes before the device, and asks for it later
    const unit: BoardUnit = {
      class: 'pci-device',
      name,
      registers: () => registers,
      ...(reasons && { reasons }),
      ...(coalesces && { coalesces }),
      ...(plain && { plain }),
    };
    const { router } = this;
    const pirq = pin === 0 ? undefined : pirqOfPin(address.device, pin);
    const socket = env.socket(unit, {
      get gsi() {
        return pirq === undefined ? undefined : router.irqAt(pirq);
      },
      busMaster: () => plugged.device?.pci.busMaster ?? false,
      gate: { set: (asserted) => plugged.device?.pci.setInterrupt(asserted) },
      ...(dataPlaneInKernel && { dataPlaneInKernel }),
    });
    this.sockets.set(requester, socket);
    this.units.set(requester, unit);
    const { data } = socket;
    const device = make(socket.bus, data?.bus);
    plugged.device = device;
    if (pirq !== undefined) {
      router.connect({
        pirq,
        level: () => device.pci.interruptAsserted,
        drive: (asserted) => socket.wire.set(asserted),
      });
    }
    Object.assign(registers, namesOf(device));
    root.add(address, device.pci);
    socket.plug(device);
    if (device.queued) data?.plug(device.queued.dataPlane);
    this.kept.add(name, device);
    this.devices.push(device);
    return device;
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
    const unit = this.units.get(slot.requester);
    if (!unit) throw new Error(`${this.env.name}: PCI function ${slot.name} was not added as a device`);
    return this.env.tag(unit, barTraceOffset(bar));
  }
}

function namesOf(device: PciDevice): Record<string, string> {
  const others = device.pci.bars.filter(({ index }) => index !== 0);
  const parts = others.map((bar) => ({ size: bar.size, block: bar.block, offset: barTraceOffset(bar) }));
  return { ...device.registerNames(), ...registerNames(parts) };
}
