/**
 * The interrupt controllers of the host beneath the VMs: a local APIC for each physical CPU of an island, and what the host's
 * kernel does when a vector comes there. Whoever runs on that CPU is interrupted; a guest leaves by an exit.
 */
import type { Stateful } from '../../machine/bus';
import type { Inspectable, StateNode, StatePath } from '../../machine/inspect';
import {
  InterruptFabric,
  type FabricHardware,
  type FabricOptions,
  type FabricRun,
} from '../../machine/interrupts/fabric';
import { IOAPIC_VERSION } from '../../machine/interrupts/ioapic';
import { ApicBase, ApicMsr, Lapic, LAPIC_BASE, SVR_ENABLE } from '../../machine/interrupts/lapic-registers';
import { TimerMode } from '../../machine/interrupts/lapic-timer';
import type { CpuSink, FabricObserver, MessageSource } from '../../machine/interrupts/sinks';
import { requireVersion, type Checkpoint } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import type { Tracer } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import { HostVectors, type HostVectorsState } from './host-vectors';
import type { Island } from './island';

/** Vectors of Linux on x86 (arch/x86/include/asm/irq_vectors.h). */
export const HostVector = {
  Reschedule: 0xfd,
  PostedInterrupt: 0xf2,
  PostedWakeUp: 0xf1,
  LocalTimer: 0xec,
} as const;

/** Snapshot of a `HostInterrupts`. */
export interface HostInterruptsState {
  version: 2;
  fabric: Checkpoint<FabricHardware, FabricRun>;
  vectors: HostVectorsState;
  /** Of each physical CPU; -1: no vector has come to it yet. */
  tracks: number[];
  /** Likewise of the IOAPIC. */
  ioapicTrack: number;
}

const VECTORS = 256;
/** Kinds of events; each has a CPU and a vector. */
const Event = { Arrive: 0, Look: 1, Handle: 2, Doorbell: 3 } as const;
const SPURIOUS_VECTOR = 0xff;
const TIMER_MODE_SHIFT = 17;
/** The kernel's timers are deadlines of the TSC, so that the tick of the LAPIC's own clock is nobody's concern. */
const CYCLES_PER_TICK = 1;

const x2apicMsr = (register: number): number => ApicMsr.X2First + register / 16;

/** The local APICs of one island's physical CPUs; their APIC IDs are the CPUs' positions in the island. */
export class HostInterrupts
  implements EventTarget, FabricObserver, Inspectable, Stateful<HostInterruptsState>
{
  readonly eventTargetId: string;
  readonly fabric: InterruptFabric;
  /** What the kernel has given to devices. */
  readonly vectors: HostVectors;
  private readonly tracks: number[];
  private ioapicTrack = -1;

  /**
   * @param cpus indexes of the physical CPUs among all of the host
   * @param handle what the kernel does with a vector that a CPU, given by its position in the island, has taken
   * @param offer whether a guest that runs on a CPU takes what is pending there itself
   * @param rung the doorbell of a CPU has rung
   * @param remapping stands between devices and the local APICs; absent: nothing does
   */
  constructor(
    private readonly island: Island,
    private readonly tracer: Tracer,
    private readonly cpus: readonly number[],
    private readonly handle: (cpu: number, vector: number) => void,
    private readonly offer: (cpu: number) => boolean,
    private readonly rung: (cpu: number) => void,
    remapping?: FabricOptions['remapping'],
  ) {
    const name = `island${island.index}/host`;
    this.eventTargetId = `${name}/system-bus`;
    this.tracks = cpus.map(() => -1);
    this.vectors = new HostVectors(cpus.length);
    this.fabric = new InterruptFabric({
      name,
      scheduler: island.queue,
      cpus: cpus.map((_, cpu) => this.sinkOf(cpu)),
      observer: this,
      timerCyclesPerTick: CYCLES_PER_TICK,
      x2apicSupported: true,
      ioapicVersion: IOAPIC_VERSION.withEoi,
      remapping,
    });
    cpus.forEach((_, cpu) => this.turnOn(cpu));
    island.queue.register(this);
  }

  /**
   * An IPI: some CPU writes its ICR now, and the vector enters the target's IRR when the wire has carried it there. Who
   * writes is told by the trace's cause.
   *
   * @param cpu the target's position in the island
   */
  send(cpu: number, vector: number, wire: Cycles): void {
    this.island.queue.schedule(this.island.now() + wire, this, Event.Arrive, cpu * VECTORS + vector);
  }

  /**
   * Rings the doorbell of a CPU: no interrupt, but a signal to the processor, which is lost where no guest runs that heeds it.
   * @param cpu the target's position in the island; that of no CPU is nobody's
   */
  ringDoorbell(cpu: number, wire: Cycles): void {
    if (cpu < this.cpus.length)
      this.island.queue.schedule(this.island.now() + wire, this, Event.Doorbell, cpu * VECTORS);
  }

  /** At a time, the kernel has a CPU back from a guest that takes interrupts itself, and looks for what is pending there. */
  lookAt(time: Cycles, cpu: number): void {
    this.island.queue.schedule(Math.max(time, this.island.now()), this, Event.Look, cpu * VECTORS);
  }

  /** At a time, the kernel handles a vector that a CPU has acknowledged for a guest, and that is none of the guest's. */
  handleAt(time: Cycles, cpu: number, vector: number): void {
    this.island.queue.schedule(Math.max(time, this.island.now()), this, Event.Handle, cpu * VECTORS + vector);
  }

  /** The CPU's own timer is to interrupt it at a time, 0: not at all. In place of what it was set to before. */
  setTimer(cpu: number, deadline: Cycles): void {
    const high = Math.floor(deadline / 2 ** 32);
    this.fabric.lapic(cpu).msrWrite(ApicMsr.TscDeadline, deadline - high * 2 ** 32, high);
  }

  onEvent(kind: number, arg: number): void {
    const cpu = Math.floor(arg / VECTORS);
    const vector = arg % VECTORS;
    if (kind === Event.Arrive) this.fabric.lapic(cpu).accept(vector, false);
    else if (kind === Event.Look) this.look(cpu);
    else if (kind === Event.Doorbell) this.rung(cpu);
    else this.finish(cpu, vector);
  }

  /** A message of a device is shown where the device is. */
  message(source: MessageSource, vector: number, deliver: () => void): void {
    const { tracer } = this;
    const before = tracer.cause;
    if (source.from === 'ioapic') {
      if (this.ioapicTrack < 0)
        this.ioapicTrack = tracer.addTrack({ type: 'irqchip', name: 'IOAPIC', group: 'host', vm: -1 });
      tracer.cause = tracer.instant(
        this.island.now(),
        this.ioapicTrack,
        Kind.IoapicRoute,
        source.pin,
        vector,
      );
    }
    deliver();
    tracer.cause = before;
  }

  ipi(_sender: number, _message: unknown, send: () => number): number {
    return send();
  }

  accepted(cpu: number, vector: number): void {
    const { tracer, tracks } = this;
    if (tracks[cpu] < 0) {
      const name = `pCPU ${this.cpus[cpu]}`;
      tracks[cpu] = tracer.addTrack({ type: 'interrupts', name, group: 'host', vm: -1 });
    }
    tracer.cause = tracer.instant(this.island.now(), tracks[cpu], Kind.IrqAccept, vector, 0);
  }

  /** Linux ends the interrupts of its own vectors first thing in the handler: a row of its own would stand on the first one. */
  ended(): void {}

  inspect(path: StatePath): StateNode | undefined {
    return this.fabric.inspect(path);
  }

  save(): HostInterruptsState {
    return {
      version: 2,
      fabric: this.fabric.save(),
      vectors: this.vectors.save(),
      tracks: [...this.tracks],
      ioapicTrack: this.ioapicTrack,
    };
  }

  /** IPIs that are on their way come back with the event queue. */
  load(state: HostInterruptsState): void {
    requireVersion('the interrupt controllers of the host', state.version, 2);
    this.fabric.load(state.fabric);
    this.vectors.load(state.vectors);
    state.tracks.forEach((track, cpu) => (this.tracks[cpu] = track));
    this.ioapicTrack = state.ioapicTrack;
  }

  /** The kernel keeps interrupts on but for its handlers, in which no time passes: it takes each vector when it comes. */
  private sinkOf(cpu: number): CpuSink {
    return {
      interrupt: () => this.look(cpu),
      ownTimer: (accept) => accept(),
      nmi: () => undefined,
      init: () => undefined,
      startUp: () => undefined,
    };
  }

  /** Something is pending: the guest's, or the kernel takes it. */
  private look(cpu: number): void {
    const lapic = this.fabric.lapic(cpu);
    while (lapic.highestPending() >= 0 && !this.offer(cpu)) this.finish(cpu, lapic.acknowledge());
  }

  /**
   * A vector that has been acknowledged. A level is ended when its handler has silenced the device; of an edge nothing shows when
   * that is.
   */
  private finish(cpu: number, vector: number): void {
    this.vectors.handle(cpu, vector);
    this.fabric.lapic(cpu).eoi();
    this.handle(cpu, vector);
  }

  /** As the kernel leaves a LAPIC at its start: x2APIC, enabled, the timer waiting for deadlines of the TSC. */
  private turnOn(cpu: number): void {
    const lapic = this.fabric.lapic(cpu);
    lapic.msrWrite(ApicMsr.Base, LAPIC_BASE + ApicBase.Enable + ApicBase.X2, 0);
    lapic.msrWrite(x2apicMsr(Lapic.Svr), SVR_ENABLE | SPURIOUS_VECTOR, 0);
    const timer = (TimerMode.TscDeadline << TIMER_MODE_SHIFT) | HostVector.LocalTimer;
    lapic.msrWrite(x2apicMsr(Lapic.LvtTimer), timer, 0);
  }
}
