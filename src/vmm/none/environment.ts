/** The board of a bare machine: every unit is reached over its bus, and what a device does goes on beside the CPUs. */
import type { BoardUnit, DeviceSocket, SocketOptions } from '../../machine/platform/environment';
import type { UnitLane } from '../unit-lanes';
import type { CostKey } from '../cost-keys';
import { SiteEnvironment, type SiteEnvironmentParts } from '../site-environment';
import { PhysicalSocket } from '../physical/physical-socket';

/** What a bare machine keeps with each region of addresses. */
export interface BareRegion {
  readonly lane: UnitLane;
  /** Added to the offset in the trace. */
  readonly offset: number;
  /** What a read and a write of memory-mapped registers take: those of the CPU's own LAPIC never leave it. */
  readonly read: CostKey;
  readonly write: CostKey;
}

/** `BoardEnvironment` without a VMM. */
export class BareEnvironment extends SiteEnvironment<BareRegion> {
  private readonly sockets: PhysicalSocket[] = [];

  constructor(
    private readonly home: SiteEnvironmentParts,
    private readonly msi: (requester: number, address: number, data: number) => void,
  ) {
    super(home);
  }

  tag(unit: BoardUnit, offset: number): BareRegion {
    const own = unit.class === 'lapic';
    return {
      lane: this.home.trace.laneOf(unit),
      offset,
      read: own ? 'bus.apic' : 'bus.read',
      write: own ? 'bus.apic' : 'bus.write',
    };
  }

  socket(unit: BoardUnit, options: SocketOptions): DeviceSocket {
    const { site, trace, name, setPin } = this.home;
    trace.know(unit);
    const place = {
      id: `${name}/${unit.name}`,
      track: () => trace.trackOf(unit),
      dmaTrack: () => trace.dmaTrackOf(unit),
      who: unit.name,
      memory: this.dma,
      setPin,
      msi: this.msi,
    };
    const socket = new PhysicalSocket(site, place, options);
    this.sockets.push(socket);
    return socket;
  }

  /** The machine is reset: nothing that is on its way over the bus arrives. */
  reset(): void {
    for (const socket of this.sockets) socket.reset();
  }
}
