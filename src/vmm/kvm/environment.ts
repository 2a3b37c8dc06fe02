/** The board of a VM as KVM and QEMU put it up: who serves what, and where a device's work is done. */
import type { BoardUnit, DeviceSocket, PlainMemory, SocketOptions } from '../../machine/platform/environment';
import { EmulatedSocket, type KvmInterrupts } from '../qemu/emulated-socket';
import type { QemuProcess } from '../qemu/process';
import { SiteEnvironment, type SiteEnvironmentParts } from '../site-environment';
import { wayTo } from './exit-way';
import { placements } from './placement';
import type { KvmRegion, MappedPages } from './region';

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
      mapped: offset === 0 ? mappedPages(unit.plain) : undefined,
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

const PAGE = 4096;
/** Memory that QEMU lends to the guest: a load or store, and nothing more. */
const NOTHING_MORE = { read: 0, write: 0 };

/**
 * QEMU has the EPT map the pages of a BAR that are plain memory as a whole (a region of RAM in its memory API). A page that has
 * anything else on it, if only one register, is trapped as a whole.
 */
function mappedPages(plain: PlainMemory | undefined): MappedPages | undefined {
  if (!plain) return undefined;
  const first = Math.ceil(plain.offset / PAGE) * PAGE;
  const end = Math.floor((plain.offset + plain.size) / PAGE) * PAGE;
  return first < end ? { covers: (offset) => offset >= first && offset < end, ...NOTHING_MORE } : undefined;
}
