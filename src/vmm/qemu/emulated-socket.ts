/**
 * Where a device model is plugged in inside QEMU: its DMA is a copy, its interrupt pin an ioctl into KVM's interrupt
 * controller, both steps in the work of whichever thread runs the model, which is the one that holds QEMU's big lock. Its
 * timers run in the main loop.
 */
import type {
  BusDevice,
  DeviceBus,
  DeviceTrace,
  DmaPort,
  IrqLine,
  MsiPort,
  Stateful,
} from '../../machine/bus';
import type { DmaMemory } from '../../machine/memory/dma-memory';
import type { DeviceSocket, SocketOptions } from '../../machine/platform/environment';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventHandle } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import type { Site } from '../host';
import { CopiedDma } from '../threads/copied-dma';
import { ThreadTimers } from '../threads/thread-timers';
import type { Step, StepTarget, Work } from '../threads/work';
import { TrackTrace } from '../track-trace';
import type { QemuProcess } from './process';

/** What the socket needs of KVM: its interrupt controllers, by ioctl. */
export interface KvmInterrupts {
  /** KVM_IRQ_LINE: level of one source at one global system interrupt. */
  setPin(gsi: number, source: string, asserted: boolean): void;
  /** KVM_SIGNAL_MSI. */
  msi(requester: number, address: number, data: number): void;
}

/** Where the socket is. */
export interface SocketPlace {
  /** Unique in the run: `vm0/e1000`. */
  id: string;
  /** The device's track, and that of its DMA, which is made when there is some. */
  track: () => number;
  dmaTrack: () => number;
  /** What the trace calls the device. */
  who: string;
  memory: DmaMemory;
}

/** Kinds of steps. */
const Doing = { Low: 0, High: 1, Msi: 2 } as const;

/** Snapshot of an `EmulatedSocket`. */
export interface EmulatedSocketState {
  version: 3;
  asserted: boolean;
}

/** One device's place in QEMU. */
export class EmulatedSocket
  implements DeviceSocket, DeviceBus, MsiPort, StepTarget, Stateful<EmulatedSocketState>
{
  readonly stepTargetId: string;
  readonly trace: DeviceTrace;
  readonly cyclesPerNanosecond: number;
  readonly bus: DeviceBus = this;
  readonly dma: DmaPort;
  readonly msi: MsiPort = this;
  readonly irq: IrqLine;
  readonly wire: IrqLine = { set: (asserted) => this.wireChanged(asserted) };
  private readonly site: Site;
  private readonly timers: ThreadTimers;
  private device: BusDevice | undefined;
  private asserted = false;

  constructor(
    private readonly qemu: QemuProcess,
    private readonly interrupts: KvmInterrupts,
    private readonly place: SocketPlace,
    private readonly options: SocketOptions,
  ) {
    const { site, mainLoop, targets } = qemu;
    const { id, track, dmaTrack, memory, who } = place;
    const device = (): BusDevice | undefined => this.device;
    this.site = site;
    this.stepTargetId = `${id}/bus`;
    this.trace = new TrackTrace(site, track);
    this.cyclesPerNanosecond = site.frequencyHz / 1e9;
    this.irq = options.gate ?? this.wire;
    const { busMaster } = options;
    this.dma = new CopiedDma(
      site,
      { id: `${id}/dma`, dmaTrack, who, memory, busMaster, work: () => this.work, device },
      targets,
    );
    this.timers = new ThreadTimers(`${id}/timers`, site, mainLoop, device);
    targets.set(this.stepTargetId, this);
    site.units.keep(this.stepTargetId, this);
  }

  plug(device: BusDevice): void {
    this.device = device;
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
    this.add(Doing.Msi, address, data, requester);
  }

  /** What is shown while the ioctl is under way. */
  begin({ kind, a, b }: Step, time: Cycles): RowRef {
    const { tracer } = this.site;
    const track = this.place.track();
    if (kind === Doing.Msi) return tracer.instant(time, track, Kind.Msi, a, b);
    return tracer.instant(time, track, kind === Doing.High ? Kind.IrqRaise : Kind.IrqLower, a, 0);
  }

  finish({ kind, a, b, c }: Step): void {
    if (kind === Doing.Msi) this.interrupts.msi(c, a, b);
    else this.interrupts.setPin(a, this.place.id, kind === Doing.High);
  }

  save(): EmulatedSocketState {
    return { version: 3, asserted: this.asserted };
  }

  load(state: EmulatedSocketState): void {
    requireVersion('a device socket', state.version, 3);
    this.asserted = state.asserted;
  }

  private wireChanged(asserted: boolean): void {
    const { gsi } = this.options;
    if (asserted === this.asserted || gsi === undefined) return;
    this.asserted = asserted;
    this.add(asserted ? Doing.High : Doing.Low, gsi, 0);
  }

  private add(kind: number, a: number, b: number, c = 0): void {
    const { costs, tracer } = this.site;
    this.work.add({
      target: this.stepTargetId,
      cycles: costs['irq.ioctl'],
      kind,
      a,
      b,
      c,
      cause: tracer.cause,
    });
  }

  private get work(): Work {
    return this.qemu.workFor(this.place.id);
  }
}
