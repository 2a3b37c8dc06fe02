/** The board of a VM as KVM and QEMU put it up: who serves what, and where a device's work is done. */
import type { IrqLine } from '../../machine/bus';
import type { BoardUnit, DeviceSocket, PlainMemory, SocketOptions } from '../../machine/platform/environment';
import type { HostDevice } from '../host-bus/host-device';
import { EmulatedSocket, type SocketPlace } from '../qemu/emulated-socket';
import type { QemuProcess } from '../qemu/process';
import type { TapReading } from '../qemu/tap';
import { SiteEnvironment, type SiteEnvironmentParts } from '../site-environment';
import type { Worker } from '../threads/worker';
import { AssignedUnit } from '../vfio/assigned-unit';
import { VhostSocket } from '../vhost/socket';
import { VhostWorker } from '../vhost/worker';
import { wayTo } from './exit-way';
import type { KvmIrqchip } from './irqfd';
import { placements, splitPlacements } from './placement';
import type { Processor } from './processor';
import type { KvmRegion, MappedPages } from './region';

/** Packets that are read from a tap device in one go: `tap_send` of QEMU; VHOST_NET_PKT_WEIGHT of Linux. */
const QEMU_PACKETS = 50;
const VHOST_PACKETS = 256;

/** `BoardEnvironment` of a VM under KVM with QEMU. */
export class KvmEnvironment extends SiteEnvironment<KvmRegion> {
  /** By the name of the device whose queues they work on. */
  private readonly vhostWorkers = new Map<string, VhostWorker>();
  /** Devices of the host that the VM was given, by their names on its board. */
  private readonly assigned = new Map<string, AssignedUnit>();

  constructor(
    private readonly home: SiteEnvironmentParts,
    private readonly qemu: QemuProcess,
    private readonly irqchip: KvmIrqchip,
    private readonly processor: Processor,
  ) {
    super(home);
  }

  /** Who answers for each class of units. */
  private get places(): typeof placements {
    return this.iommu?.remapping ? splitPlacements : placements;
  }

  tag(unit: BoardUnit, offset: number): KvmRegion {
    const assigned = this.assigned.get(unit.name);
    const plain = offset === 0 ? mappedPages(unit.plain) : undefined;
    return {
      placement: this.places[unit.class],
      unit: unit.name,
      lane: assigned?.lane ?? this.home.trace.laneOf(unit),
      memory: wayTo(unit.class, 'memory', this.home.site.costs, this.processor, this.places),
      port: wayTo(unit.class, 'ports', this.home.site.costs, this.processor, this.places),
      offset,
      coalesces: unit.coalesces,
      mapped: assigned ? assigned.mappedPages(offset, this.home.site.costs) : plain,
    };
  }

  socket(unit: BoardUnit, options: SocketOptions): DeviceSocket {
    const { trace, name } = this.home;
    const assigned = this.assigned.get(unit.name);
    assigned?.place(options);
    trace.know(unit);
    const place = {
      id: `${name}/${unit.name}`,
      track: () => assigned?.lane.track ?? trace.trackOf(unit),
      dmaTrack: () => trace.dmaTrackOf(unit),
      who: unit.name,
      memory: options.bypassesIommu || unit.class !== 'pci-device' ? this.untranslated : this.dma,
    };
    if (!options.dataPlaneInKernel) return new EmulatedSocket(this.qemu, this.irqchip, place, options);
    return this.socketWithVhost(unit, options, place);
  }

  /** Makes a device of the host known, before it is put into a slot by the unit's name. */
  assign(host: HostDevice): AssignedUnit {
    const unit = new AssignedUnit(host);
    this.assigned.set(unit.name, unit);
    return unit;
  }

  /** The thread that works on the queues of a device, by its name on the board. */
  workerOf(device: string): Worker {
    return this.vhostWorkers.get(device)?.thread ?? this.qemu.mainLoop;
  }

  /** How that thread reads the device's tap device. */
  tapReadingOf(device: string): TapReading {
    const { costs } = this.qemu.site;
    return this.vhostWorkers.has(device)
      ? { cycles: costs['vhost.packet'], most: VHOST_PACKETS }
      : { cycles: costs['qemu.packet'], most: QEMU_PACKETS };
  }

  /** Registers in QEMU, queues in the kernel. The device's pin is QEMU's. */
  private socketWithVhost(unit: BoardUnit, options: SocketOptions, place: SocketPlace): DeviceSocket {
    const { qemu, irqchip } = this;
    const { site, vm } = qemu;
    const worker = new VhostWorker(site, vm, unit.name);
    this.vhostWorkers.set(unit.name, worker);
    const pin: IrqLine = {
      set: (asserted) => {
        data.pinSet();
        (options.gate ?? inQemu.wire).set(asserted);
      },
    };
    const inQemu = new EmulatedSocket(qemu, irqchip, place, { ...options, gate: pin });
    const { busMaster, busyPollNs = 0 } = options;
    const data = new VhostSocket(worker, { qemu, irqchip, pin, busMaster, busyPollNs }, place);
    return { bus: inQemu.bus, wire: inQemu.wire, plug: (device) => inQemu.plug(device), data };
  }
}

const PAGE = 4096;
/** Memory that QEMU lends to the guest: a load or store, and nothing more. */
const NOTHING_MORE = { read: 0, write: 0, onTouch: false };

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
