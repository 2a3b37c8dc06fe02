/** Where the devices of the host are plugged in: sockets of a physical bus, whose lanes stand under the host. */
import type { DmaMemory } from '../../machine/memory/dma-memory';
import type {
  BoardUnit,
  DeviceSocket,
  SlotEnvironment,
  SocketOptions,
} from '../../machine/platform/environment';
import type { Site } from '../host';
import { PhysicalSocket } from '../physical/physical-socket';
import { UnitLanes, type UnitLane } from '../unit-lanes';

/** What lies behind the sockets. */
export interface HostBusWays {
  readonly memory: DmaMemory;
  /** A message that a device has written, at the present instant; the tracer's cause is the device's. */
  msi(requester: number, address: number, data: number): void;
}

/** A device's place on the bus: its lane, and its socket. */
export interface HostPlace {
  readonly lane: UnitLane;
  readonly socket: PhysicalSocket;
}

/** `SlotEnvironment` of the host's own bus; what it keeps with a region is the lane of the unit. */
export class HostSlotsEnvironment implements SlotEnvironment<UnitLane> {
  private readonly lanes: UnitLanes;
  private readonly places = new Map<string, HostPlace>();

  /** @param name unique in the run */
  constructor(
    readonly name: string,
    private readonly site: Site,
    private readonly ways: HostBusWays,
  ) {
    this.lanes = new UnitLanes(site, { name, group: 'host', vm: -1 });
  }

  tag(unit: BoardUnit): UnitLane {
    return this.lanes.laneOf(unit);
  }

  socket(unit: BoardUnit, options: SocketOptions): DeviceSocket {
    const { site, lanes, ways, name } = this;
    const lane = lanes.laneOf(unit);
    const place = {
      id: `${name}/${unit.name}`,
      track: () => lane.track,
      dmaTrack: () => lanes.dmaTrackOf(unit),
      who: unit.name,
      memory: ways.memory,
      setPin: (gsi: number, source: string, asserted: boolean) =>
        site.scheduler.interrupts.fabric.setPin(gsi, source, asserted),
      msi: (requester: number, address: number, data: number) => ways.msi(requester, address, data),
    };
    const socket = new PhysicalSocket(site, place, options);
    this.places.set(unit.name, { lane, socket });
    return socket;
  }

  /** Software of the host reaches configuration space without the two mechanisms that would tell of it. */
  configAccess(): void {}

  /**
   * The place of a device.
   * @throws RangeError when there is none of that name
   */
  placeOf(unit: string): HostPlace {
    const place = this.places.get(unit);
    if (!place) throw new RangeError(`the host has no device '${unit}' on its bus`);
    return place;
  }
}
