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
  DmaResult,
  IrqLine,
  MsiPort,
  Stateful,
} from '../../machine/bus';
import type { DmaMemory } from '../../machine/memory/dma-memory';
import type { DmaTranslated } from '../../machine/memory/dma-translation';
import type { DeviceSocket, SocketOptions } from '../../machine/platform/environment';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventHandle, EventTarget } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import type { Site } from '../host';
import type { Step, StepTarget } from '../threads/work';
import type { JobTarget } from '../threads/worker';
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
  memory: DmaMemory;
}

/** Kinds of steps. */
const Doing = { DmaRead: 0, DmaWrite: 1, Low: 2, High: 3, Msi: 4 } as const;

const NOTHING = new Uint8Array(0);
const BYTES_PER_UNIT = 64;

/** A timer of the device that is armed, or that has expired and whose turn in the main loop has not come. */
export interface ArmedTimer {
  /** Tells it from all others of the socket. */
  serial: number;
  handle: EventHandle;
  kind: number;
  arg: number;
}

/** Snapshot of an `EmulatedSocket`. */
export interface EmulatedSocketState {
  version: 2;
  asserted: boolean;
  timers: ArmedTimer[];
  serials: number;
}

/** One device's place in QEMU. */
export class EmulatedSocket
  implements DeviceSocket, DeviceBus, DmaPort, MsiPort, StepTarget, JobTarget, Stateful<EmulatedSocketState>
{
  readonly stepTargetId: string;
  readonly jobTargetId: string;
  readonly trace: DeviceTrace;
  readonly cyclesPerNanosecond: number;
  readonly bus: DeviceBus = this;
  readonly dma: DmaPort = this;
  readonly msi: MsiPort = this;
  readonly irq: IrqLine;
  readonly wire: IrqLine = { set: (asserted) => this.wireChanged(asserted) };
  private readonly site: Site;
  private readonly expiries: EventTarget;
  private device: BusDevice | undefined;
  private asserted = false;
  private timers: ArmedTimer[] = [];
  private serials = 0;

  constructor(
    private readonly qemu: QemuProcess,
    private readonly interrupts: KvmInterrupts,
    private readonly place: SocketPlace,
    private readonly options: SocketOptions,
  ) {
    const { site, mainLoop, targets } = qemu;
    this.site = site;
    this.stepTargetId = `${place.id}/bus`;
    this.jobTargetId = `${place.id}/timers`;
    this.trace = new TrackTrace(site, place.track);
    this.cyclesPerNanosecond = site.frequencyHz / 1e9;
    this.irq = options.gate ?? this.wire;
    this.expiries = {
      eventTargetId: this.jobTargetId,
      onEvent: (_kind, serial) => mainLoop.post(this, 0, serial),
    };
    site.island.queue.register(this.expiries);
    targets.set(this.stepTargetId, this);
    mainLoop.register(this);
    site.units.keep(this.stepTargetId, this);
  }

  plug(device: BusDevice): void {
    this.device = device;
  }

  now(): Cycles {
    return this.site.island.now();
  }

  schedule(delay: Cycles, kind: number, arg?: number): EventHandle {
    const serial = ++this.serials;
    const handle = this.site.island.queue.schedule(this.now() + delay, this.expiries, 0, serial);
    this.timers.push({ serial, handle, kind, arg: arg ?? 0 });
    return handle;
  }

  /** Also one that has expired while the main loop was at something else (`timer_del` of QEMU). */
  cancel(handle: EventHandle): void {
    this.site.island.queue.cancel(handle);
    this.timers = this.timers.filter((each) => each.handle !== handle);
  }

  /** A timer of the device has expired, and the main loop has come to it, if nobody has stopped it meanwhile. */
  onJob(_kind: number, serial: number): void {
    const timer = this.timers.find((each) => each.serial === serial);
    if (!timer) return;
    this.timers = this.timers.filter((each) => each !== timer);
    this.device?.onEvent(timer.kind, timer.arg);
  }

  read(requester: number, address: number, length: number, tag: number): void {
    this.addCopy(Doing.DmaRead, requester, { a: address, b: tag, c: length });
  }

  write(requester: number, address: number, bytes: Uint8Array, tag: number): void {
    this.addCopy(Doing.DmaWrite, requester, { a: address, b: tag, c: bytes.length, bytes });
  }

  send(_requester: number, address: number, data: number): void {
    this.add(Doing.Msi, this.site.costs['irq.ioctl'], address, data);
  }

  /** What is shown while the step is under way. */
  begin(step: Step, time: Cycles): RowRef {
    const { tracer } = this.site;
    switch (step.kind) {
      case Doing.DmaRead:
      case Doing.DmaWrite: {
        const way = this.wayOf(step);
        if (!way || 'fault' in way) return step.cause;
        const kind = step.kind === Doing.DmaRead ? Kind.DmaRead : Kind.DmaWrite;
        return tracer.span(time, step.cycles, this.place.dmaTrack(), kind, step.a, step.c);
      }
      case Doing.Msi:
        return tracer.instant(time, this.place.track(), Kind.Msi, step.a, step.b);
      default: {
        const kind = step.kind === Doing.High ? Kind.IrqRaise : Kind.IrqLower;
        return tracer.instant(time, this.place.track(), kind, step.a, 0);
      }
    }
  }

  finish(step: Step): void {
    switch (step.kind) {
      case Doing.DmaRead:
        this.device?.onDma(step.b, this.copied(step));
        break;
      case Doing.DmaWrite:
        this.device?.onDma(step.b, this.copied(step));
        break;
      case Doing.Msi:
        this.interrupts.msi(0, step.a, step.b);
        break;
      default:
        this.interrupts.setPin(step.a, this.place.id, step.kind === Doing.High);
    }
  }

  save(): EmulatedSocketState {
    const timers = this.timers.map((each) => ({ ...each }));
    return { version: 2, asserted: this.asserted, timers, serials: this.serials };
  }

  load(state: EmulatedSocketState): void {
    requireVersion('a device socket', state.version, 2);
    this.asserted = state.asserted;
    this.timers = state.timers.map((each) => ({ ...each }));
    this.serials = state.serials;
  }

  private wireChanged(asserted: boolean): void {
    const { gsi } = this.options;
    if (asserted === this.asserted || gsi === undefined) return;
    this.asserted = asserted;
    this.add(asserted ? Doing.High : Doing.Low, this.site.costs['irq.ioctl'], gsi, 0);
  }

  private add(kind: number, cycles: Cycles, a: number, b: number): void {
    this.addStep({ cycles, kind, a, b, c: 0 });
  }

  /** A copy takes its set-up, so much for each piece, and as long as the translation of its address takes. */
  private addCopy(kind: number, requester: number, what: Pick<Step, 'a' | 'b' | 'c' | 'bytes'>): void {
    const { costs } = this.site;
    const copy =
      costs['device.dmaSetup'] + Math.ceil(what.c / BYTES_PER_UNIT) * costs['device.dmaPer64Bytes'];
    const step = { ...what, kind, d: requester };
    this.addStep({ ...step, cycles: copy + (this.wayOf(step)?.cycles ?? 0) });
  }

  private addStep(step: Omit<Step, 'target' | 'cause'>): void {
    const { owner } = this.qemu.lock;
    if (!owner) throw new Error(`${this.place.id} works while nobody holds the lock of its QEMU`);
    owner.work.add({ ...step, target: this.stepTargetId, cause: this.site.tracer.cause });
  }

  /** Where a copy goes; undefined of a function that is no bus master. */
  private wayOf({ kind, a, c, d = 0 }: Pick<Step, 'kind' | 'a' | 'c' | 'd'>): DmaTranslated | undefined {
    if (!this.options.busMaster()) return undefined;
    return this.place.memory.translate(d, a, c, kind === Doing.DmaWrite);
  }

  private copied({ kind, a, c, d = 0, bytes = NOTHING }: Step): DmaResult {
    if (!this.options.busMaster()) return 'master-abort';
    const { memory } = this.place;
    return kind === Doing.DmaRead ? memory.read(d, a, c) : memory.write(d, a, bytes);
  }
}
