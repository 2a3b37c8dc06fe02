/**
 * The host's own PCI bus with its physical devices, as its kernel has it: BARs placed, interrupts given to physical CPUs, DMA into
 * host-physical memory. What stands between the devices and memory, and between their messages and the local APICs, is given: an
 * IOMMU, or nothing.
 */
import { AddressMap } from '../../machine/address-map';
import type { Stateful } from '../../machine/bus';
import { DmaMemory } from '../../machine/memory/dma-memory';
import type { DmaPiece, DmaTranslation } from '../../machine/memory/dma-translation';
import { BoardUnits } from '../../machine/platform/board-state';
import { plannedDevice, type DeviceSpec } from '../../machine/platform/device-models';
import { PciSlots, virtualName, virtualOf, type PciDevice } from '../../machine/platform/pci-slots';
import { firmwareAssign } from '../../machine/pci/firmware';
import { requireVersion } from '../../machine/snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { Cable } from '../guest';
import type { Site } from '../host';
import type { HostIrqTarget } from '../threads/host-vectors';
import type { UnitLane } from '../unit-lanes';
import type { IntxRouting } from './device-interrupts';
import type { DmaMapper } from './dma-mapper';
import { HostDevice, type HostAddresses } from './host-device';
import type { MessageDomain } from './message-domain';
import { HostSlotsEnvironment } from './slots-environment';

/** A device of the host. */
export interface HostDevicePlan {
  /** Its name is unique on the host: `nic0`. */
  readonly device: DeviceSpec;
  /** The cable of a NIC; absent: no carrier. */
  readonly cable: Cable | undefined;
  /** Device number on bus 0: no two devices of the host have the same, whatever island they are in. */
  readonly number: number;
  /**
   * The physical CPU that takes its interrupts, by its position in the island, which has `cpus` of them. Those of its virtual functions
   * come to this one and the following, one after the other.
   */
  readonly affinity: number;
  readonly cpus: number;
}

/** What stands between the devices and the rest of the host. */
export interface HostBusParts {
  /** On the way of their DMA to host-physical memory. */
  readonly dma: DmaTranslation;
  /** Fills what `dma` translates by. */
  readonly mapper: DmaMapper;
  /** Says what they have to send. */
  readonly messages: MessageDomain;
  /** Takes their messages to the local APICs of the island's physical CPUs. */
  msi(requester: number, address: number, data: number): void;
}

/** Snapshot of a `HostBus`: the global system interrupts that come to the kernel. */
export interface HostBusState {
  version: 1;
  routed: number[];
}

/** Registers of the IOAPIC (82093AA data sheet, 3.1). */
const IOAPIC_SELECT = 0x00;
const IOAPIC_DATA = 0x10;
const IOAPIC_TABLE = 0x10;

/** The devices of the host that one island has. */
export class HostBus implements HostIrqTarget, IntxRouting, Stateful<HostBusState> {
  readonly hostIrqId: string;
  private readonly environment: HostSlotsEnvironment;
  private readonly devices = new Map<string, HostDevice>();
  private readonly routed = new Set<number>();
  private readonly slots: PciSlots<UnitLane>;

  constructor(
    private readonly site: Site,
    plans: readonly HostDevicePlan[],
    private readonly parts: HostBusParts,
  ) {
    const name = `island${site.island.index}/host-bus`;
    this.hostIrqId = `${name}/intx`;
    site.scheduler.interrupts.vectors.register(this);
    site.units.keep(name, this);
    const memory = new DmaMemory(site.memory, parts.dma, (requester, piece) =>
      this.written(requester, piece),
    );
    this.environment = new HostSlotsEnvironment(name, site, {
      memory,
      msi: (requester, address, data) => {
        this.noteMessage(requester, address, data);
        parts.msi(requester, address, data);
      },
    });
    const units = new BoardUnits(name, (unit, state) => site.units.keep(unit, state));
    const addresses = {
      memory: new AddressMap<UnitLane>('host MMIO'),
      ports: new AddressMap<UnitLane>('host I/O ports'),
    };
    this.slots = new PciSlots(this.environment, units, addresses.memory, addresses.ports);
    for (const plan of plans) this.add(plan, addresses, parts);
    firmwareAssign(this.slots.root);
  }

  /**
   * A device by its name, or one of its virtual functions: `nic0.vf1`.
   * @throws RangeError when this bus has none of that name
   */
  device(name: string): HostDevice {
    const device = this.devices.get(name);
    if (!device) throw new RangeError(`the host has no device '${name}' on its bus`);
    return device;
  }

  /** The vector of a global system interrupt has come: each device whose pin is there is asked, as on a shared line. */
  onHostIrq(gsi: number): void {
    for (const device of this.devices.values()) if (device.gsi === gsi) device.interrupts.lineCame();
  }

  /** The kernel asks for an interrupt of the IOAPIC (request_irq); who comes later shares it with whoever was first. */
  route(gsi: number | undefined, cpu: number): void {
    if (gsi === undefined || this.routed.has(gsi)) return;
    const { fabric, vectors } = this.site.scheduler.interrupts;
    const place = vectors.give(cpu, 1, this, gsi);
    if (!place) return;
    this.routed.add(gsi);
    const { low, high } = this.parts.messages.redirect(gsi, place);
    const register = IOAPIC_TABLE + 2 * gsi;
    for (const [index, value] of [
      [register + 1, high],
      [register, low],
    ]) {
      fabric.ioapic.write(IOAPIC_SELECT, 4, index);
      fabric.ioapic.write(IOAPIC_DATA, 4, value >>> 0);
    }
  }

  save(): HostBusState {
    return { version: 1, routed: [...this.routed] };
  }

  load(state: HostBusState): void {
    requireVersion("the host's bus", state.version, 1);
    this.routed.clear();
    for (const gsi of state.routed) this.routed.add(gsi);
  }

  private add(
    { device: spec, cable, number, affinity: first, cpus }: HostDevicePlan,
    addresses: HostAddresses,
    { mapper, messages }: HostBusParts,
  ): void {
    const planned = plannedDevice(spec);
    if ('onMmio' in planned) throw new RangeError(`${spec.name} is no PCI device, and the host's bus is PCI`);
    const { name } = spec;
    const device = this.slots.add({ name, device: number, ...planned.place }, (bus, data, virtual) =>
      planned.make({ bus, data, virtual, serial: () => undefined }),
    );
    const keep = (unit: string, each: PciDevice, affinity: number): void => {
      const { lane, socket } = this.environment.placeOf(unit);
      const place = { name: unit, device: each, socket, lane, addresses, affinity };
      this.devices.set(unit, new HostDevice(this.site, { ...place, intx: this, mapper, messages }));
    };
    keep(name, device, first);
    virtualOf(device).virtualFunctions.forEach((each, index) =>
      keep(virtualName(name, index), each, (first + index) % cpus),
    );
    if (!device.network || !cable) return;
    device.network.connect(cable.wire);
    cable.attach(device.network);
  }

  private noteMessage(requester: number, address: number, data: number): void {
    const { tracer, island } = this.site;
    const device = this.withRequester(requester);
    if (device) tracer.cause = tracer.instant(island.now(), device.lane.track, Kind.Msi, address, data);
  }

  /** What a device writes outside the memory of the VM that it works for is somebody else's. */
  private written(requester: number, { address, length }: DmaPiece): void {
    const device = this.withRequester(requester);
    if (!device) return;
    const { base, size } = device.domain ?? { base: 0, size: 0 };
    const end = address + length;
    const parts = [
      { from: address, to: Math.min(end, base) },
      { from: Math.max(address, base + size), to: end },
    ];
    const { tracer, island } = this.site;
    for (const { from, to } of parts)
      if (from < to) tracer.instant(island.now(), device.lane.track, Kind.HostOverwritten, from, to - from);
  }

  private withRequester(requester: number): HostDevice | undefined {
    for (const device of this.devices.values()) if (device.pci.requester === requester) return device;
    return undefined;
  }
}
