/** Tracks of the small devices that every PC has and few guests touch: each appears in the explorer when it is first used. */
import type { AddressMap } from '../machine/address-map';
import type { RegisterBlock, Stateful } from '../machine/bus';
import { requireVersion } from '../machine/snapshot';
import type { Host } from './host';
import type { RegionTag } from './kvm/vm';

/** A part of a device: where it lies, and what tells its offsets from those of the device's other parts in the trace. */
export interface DevicePart {
  base: number;
  size: number;
  block: RegisterBlock;
  offset: number;
}

/** Snapshot of a `DeviceTrack`. */
export interface DeviceTrackState {
  version: 1;
  track: number;
}

/** At most this many offsets of a part are given names: enough for registers, and memory has none. */
const NAMED_OFFSETS = 64;

/** The track of one device, and the regions that are shown on it. */
export class DeviceTrack implements Stateful<DeviceTrackState> {
  private track = -1;
  private readonly parts: DevicePart[] = [];

  /**
   * @param vm index and name of the VM
   * @param inKernel whether KVM serves it; QEMU otherwise
   */
  constructor(
    private readonly host: Host,
    private readonly vm: { index: number; name: string },
    private readonly name: string,
    private readonly inKernel: boolean,
  ) {
    host.units.keep(`${vm.name}/track/${name}`, this);
  }

  /** Has a part answer in an address map. */
  place(map: AddressMap<RegionTag>, part: DevicePart): void {
    this.parts.push(part);
    const number = (): number => this.number;
    map.add(part.base, part.size, part.block, {
      inKernel: this.inKernel,
      unit: 'device',
      offset: part.offset,
      get track() {
        return number();
      },
    });
  }

  /** The track, which is made now if it does not exist yet. */
  get number(): number {
    if (this.track >= 0) return this.track;
    const { vm, name, host } = this;
    const type = this.inKernel ? 'irqchip' : 'device';
    this.track = host.tracer.addTrack({
      type,
      name,
      group: vm.name,
      vm: vm.index,
      registers: this.registerNames(),
    });
    return this.track;
  }

  save(): DeviceTrackState {
    return { version: 1, track: this.track };
  }

  load(state: DeviceTrackState): void {
    requireVersion(`the track of ${this.name}`, state.version, 1);
    this.track = state.track;
  }

  private registerNames(): Record<string, string> {
    const names: Record<string, string> = {};
    for (const { size, block, offset } of this.parts) {
      for (let at = 0; at < Math.min(size, NAMED_OFFSETS); at++) {
        const name = block.registerName(at);
        if (name !== undefined) names[String(at + offset)] = name;
      }
    }
    return names;
  }
}
