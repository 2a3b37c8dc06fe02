/**
 * Where the data plane of a device is plugged in inside the host's kernel (vhost): its DMA is a copy by the vhost worker, its
 * interrupt message an irqfd. The device's registers are QEMU's all the same, and so is its pin: what has to be shown there is
 * told to QEMU's main loop by an eventfd.
 */
import type { BusDevice, DeviceBus, DeviceTrace, DmaPort, IrqLine, MsiPort } from '../../machine/bus';
import type { DataSocket } from '../../machine/platform/environment';
import type { Cycles, EventHandle } from '../../machine/time/event-queue';
import type { Site } from '../host';
import { Irqfd, type KvmIrqchip } from '../kvm/irqfd';
import type { SocketPlace } from '../qemu/emulated-socket';
import { CopiedDma } from '../threads/copied-dma';
import { ThreadTimers } from '../threads/thread-timers';
import type { JobTarget, Worker } from '../threads/worker';
import { TrackTrace } from '../track-trace';
import type { VhostWorker } from './worker';

/** What a socket in the kernel has of the one in QEMU. */
export interface ControlSide {
  readonly site: Site;
  readonly mainLoop: Worker;
  readonly irqchip: KvmIrqchip;
  /** The device's pin. */
  readonly pin: IrqLine;
  readonly busMaster: () => boolean;
}

/** One device's place in the kernel. */
export class VhostSocket implements DataSocket, DeviceBus, MsiPort, JobTarget {
  readonly jobTargetId: string;
  readonly bus: DeviceBus = this;
  readonly trace: DeviceTrace;
  readonly cyclesPerNanosecond: number;
  readonly dma: DmaPort;
  readonly msi: MsiPort = this;
  readonly irq: IrqLine;
  private readonly site: Site;
  private readonly timers: ThreadTimers;
  private readonly irqfd: Irqfd;
  private device: BusDevice | undefined;

  constructor(
    private readonly worker: VhostWorker,
    private readonly control: ControlSide,
    place: SocketPlace,
  ) {
    const { site, mainLoop, irqchip, busMaster } = control;
    const { thread, targets } = worker;
    const { id, track, dmaTrack, memory } = place;
    const device = (): BusDevice | undefined => this.device;
    this.site = site;
    this.jobTargetId = `${id}/vhost/pin`;
    this.trace = new TrackTrace(site, track);
    this.cyclesPerNanosecond = site.frequencyHz / 1e9;
    this.dma = new CopiedDma(
      site,
      { id: `${id}/vhost/dma`, dmaTrack, memory, busMaster, work: () => thread.work, device },
      targets,
    );
    this.timers = new ThreadTimers(`${id}/vhost/timers`, site, thread, device);
    this.irqfd = new Irqfd(irqchip, { id: `${id}/vhost/irqfd`, track }, site, targets);
    this.irq = { set: (asserted) => mainLoop.post(this, 0, asserted ? 1 : 0) };
    mainLoop.register(this);
  }

  plug(dataPlane: BusDevice): void {
    this.device = dataPlane;
  }

  now(): Cycles {
    return this.site.island.now();
  }

  schedule(delay: Cycles, kind: number, arg = 0): EventHandle {
    return this.timers.schedule(delay, kind, arg);
  }

  cancel(handle: EventHandle): void {
    this.timers.cancel(handle);
  }

  send(_requester: number, address: number, data: number): void {
    this.irqfd.msi(this.worker.thread.work, address, data);
  }

  /** QEMU's main loop has come to what the device's pin is to show. */
  onJob(_kind: number, level: number): void {
    this.control.pin.set(level !== 0);
  }
}
