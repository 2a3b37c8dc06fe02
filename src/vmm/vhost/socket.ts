/**
 * Where the data plane of a device is plugged in inside the host's kernel (vhost): its DMA is a copy by the vhost worker, its
 * interrupt message an irqfd. The device's registers are QEMU's all the same, and so is its pin: what has to be shown there is
 * told to QEMU's main loop by an eventfd.
 *
 * What a register write of the guest's begins (DRIVER_OK has the device look at its queues) is no job of the worker's: it is woken,
 * and does the steps that it finds.
 */
import type {
  BusDevice,
  BusyPolling,
  DeviceBus,
  DeviceTrace,
  DmaPort,
  IrqLine,
  MsiPort,
  Stateful,
} from '../../machine/bus';
import type { DataSocket } from '../../machine/platform/environment';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventHandle } from '../../machine/time/event-queue';
import type { Site } from '../host';
import { Irqfd, type KvmIrqchip } from '../kvm/irqfd';
import type { SocketPlace } from '../qemu/emulated-socket';
import type { QemuProcess } from '../qemu/process';
import { CopiedDma } from '../threads/copied-dma';
import { ThreadTimers } from '../threads/thread-timers';
import type { Work } from '../threads/work';
import type { JobTarget } from '../threads/worker';
import { TrackTrace } from '../track-trace';
import { BusyPoll } from './busy-poll';
import type { VhostWorker } from './worker';

/** What a socket in the kernel has of the one in QEMU. */
export interface ControlSide {
  readonly qemu: QemuProcess;
  readonly irqchip: KvmIrqchip;
  /** The device's pin. */
  readonly pin: IrqLine;
  readonly busMaster: () => boolean;
  /** Nanoseconds for which the worker looks for more to do before it sleeps; 0: it does not. */
  readonly busyPollNs: number;
}

/** Snapshot of a `VhostSocket`. */
export interface VhostSocketState {
  version: 1;
  pinDue: boolean | undefined;
}

/** One device's place in the kernel. */
export class VhostSocket implements DataSocket, DeviceBus, MsiPort, JobTarget, Stateful<VhostSocketState> {
  readonly jobTargetId: string;
  readonly bus: DeviceBus = this;
  readonly trace: DeviceTrace;
  readonly cyclesPerNanosecond: number;
  readonly dma: DmaPort;
  readonly polling: BusyPolling | undefined;
  readonly msi: MsiPort = this;
  readonly irq: IrqLine;
  private readonly site: Site;
  private readonly timers: ThreadTimers;
  private readonly irqfd: Irqfd;
  /** A job that wakes the worker for steps that none of its own has begun. */
  private readonly wake: JobTarget;
  private device: BusDevice | undefined;
  /** What the device's pin is to show, once QEMU's main loop comes to it; undefined: nothing else than it does. */
  private pinDue: boolean | undefined;

  constructor(
    private readonly worker: VhostWorker,
    private readonly control: ControlSide,
    place: SocketPlace,
  ) {
    const { qemu, irqchip, busMaster, busyPollNs } = control;
    const { site } = qemu;
    const { thread, targets } = worker;
    const { id, track, dmaTrack, memory, who } = place;
    const device = (): BusDevice | undefined => this.device;
    this.site = site;
    this.jobTargetId = `${id}/vhost/pin`;
    this.trace = new TrackTrace(site, track);
    this.cyclesPerNanosecond = site.frequencyHz / 1e9;
    this.dma = new CopiedDma(
      site,
      { id: `${id}/vhost/dma`, dmaTrack, who, memory, busMaster, work: () => this.work, device },
      targets,
    );
    const pollCycles = Math.round(busyPollNs * this.cyclesPerNanosecond);
    const wake = (): void => this.wakeIdle();
    const polled = { id: `${id}/vhost/poll`, who, memory, busMaster, device, wake };
    this.polling = pollCycles > 0 ? new BusyPoll(site, thread, polled, pollCycles) : undefined;
    this.timers = new ThreadTimers(`${id}/vhost/timers`, site, thread, device);
    this.irqfd = new Irqfd(irqchip, { id: `${id}/vhost/irqfd`, track }, site, targets);
    qemu.targets.set(this.irqfd.stepTargetId, this.irqfd);
    this.irq = { set: (asserted) => this.askForPin(asserted) };
    this.wake = { jobTargetId: `${id}/vhost/wake`, onJob: () => undefined };
    qemu.mainLoop.register(this);
    thread.register(this.wake);
    site.units.keep(this.jobTargetId, this);
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

  send(requester: number, address: number, data: number): void {
    this.irqfd.msi(this.work, requester, address, data);
  }

  /**
   * While a vector is masked, the worker signals another eventfd than the irqfd, which nobody listens to (vhost_virtqueue_mask of
   * QEMU). The thread of QEMU that unmasks the vector looks there, and signals the irqfd itself (virtio_pci_one_vector_unmask).
   */
  sendUnmasked(requester: number, address: number, data: number): void {
    this.irqfd.msi(this.control.qemu.workFor(this.jobTargetId), requester, address, data);
  }

  /** QEMU has set the device's pin itself: what was due for it is out of date. */
  pinSet(): void {
    this.pinDue = undefined;
  }

  /** QEMU's main loop has come to the device's pin. */
  onJob(): void {
    const due = this.pinDue;
    this.pinDue = undefined;
    if (due !== undefined) this.control.pin.set(due);
  }

  save(): VhostSocketState {
    return { version: 1, pinDue: this.pinDue };
  }

  load(state: VhostSocketState): void {
    requireVersion('the pin of a vhost device', state.version, 1);
    this.pinDue = state.pinDue;
  }

  private askForPin(asserted: boolean): void {
    if (this.pinDue === undefined) this.control.qemu.mainLoop.post(this, 0, 0);
    this.pinDue = asserted;
  }

  /** The worker's, who is awake then. */
  private get work(): Work {
    this.wakeIdle();
    return this.worker.thread.work;
  }

  private wakeIdle(): void {
    const { thread } = this.worker;
    if (thread.idle) thread.post(this.wake, 0, 0);
  }
}
