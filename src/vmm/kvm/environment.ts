/** The board of a VM as KVM and QEMU put it up: who serves what, and where a device's work is done. */
import type { BoardUnit, DeviceSocket, SocketOptions } from '../../machine/platform/environment';
import { EmulatedSocket, type KvmInterrupts } from '../qemu/emulated-socket';
import type { QemuProcess } from '../qemu/process';
import { SiteEnvironment, type SiteEnvironmentParts } from '../site-environment';
import { wayTo } from './exit-way';
import { placements } from './placement';
import type { KvmRegion } from './region';

/** `BoardEnvironment` of a VM under KVM with QEMU. */
export class KvmEnvironment extends SiteEnvironment<KvmRegion> {
  constructor(
    private readonly home: SiteEnvironmentParts,
    private readonly qemu: QemuProcess,
    private readonly interrupts: KvmInterrupts,
  ) {
    super(home);
  }

  tag(unit: BoardUnit, offset: number): KvmRegion {
    return {
      placement: placements[unit.class],
      lane: this.home.trace.laneOf(unit),
      memory: wayTo(unit.class, 'memory', this.home.site.costs),
      port: wayTo(unit.class, 'ports', this.home.site.costs),
      offset,
      coalesces: unit.coalesces,
    };
  }

  socket(unit: BoardUnit, options: SocketOptions): DeviceSocket {
    const { trace, name } = this.home;
    trace.know(unit);
    const place = {
      id: `${name}/${unit.name}`,
      track: () => trace.trackOf(unit),
      dmaTrack: () => trace.dmaTrackOf(unit),
      memory: this.dma,
    };
    return new EmulatedSocket(this.qemu, this.interrupts, place, options);
  }
}
