/** A device of the host as a unit of a VM's board: its lane is the host's, and the EPT map its registers. */
import type { SocketOptions } from '../../machine/platform/environment';
import type { Costs } from '../cost-keys';
import type { HostDevice } from '../host-bus/host-device';
import type { MappedPages } from '../kvm/region';
import type { UnitLane } from '../unit-lanes';
import type { AssignedDevice } from './assigned-device';

/** One such unit. The environment knows it before its socket and its device exist. */
export class AssignedUnit {
  /** On the VM's board. */
  readonly name: string;
  readonly lane: UnitLane;
  private options: SocketOptions | undefined;
  private device: AssignedDevice | undefined;

  constructor(host: HostDevice) {
    this.name = `assigned ${host.name}`;
    this.lane = host.lane;
  }

  /** Its socket is there. */
  place(options: SocketOptions): void {
    this.options = options;
  }

  /** Its device is there. */
  plug(device: AssignedDevice): AssignedDevice {
    this.device = device;
    return device;
  }

  /** Global system interrupt of the board that its pin leads to; undefined: it has none. */
  gsi(): number | undefined {
    return this.options?.gsi;
  }

  /** Pages of a BAR that the guest reaches itself, over the host's bus; by the BAR's place in the trace. */
  mappedPages(traceOffset: number, costs: Costs): MappedPages | undefined {
    const covers = this.device?.pci.mapsPage(traceOffset);
    return covers && { covers, read: costs['bus.read'], write: costs['bus.write'], onTouch: true };
  }
}
