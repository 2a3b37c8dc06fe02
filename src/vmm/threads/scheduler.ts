/**
 * Who runs on which physical CPU: a fair share of time, fixed slices, a thread that wakes takes a free CPU or, if it has had
 * less than the one that runs, that one's. Deterministic: of equals the thread made first comes first.
 *
 * A CPU that nobody else waits for is never interrupted (a tickless host, NO_HZ_FULL of Linux).
 */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef, Tracer } from '../../trace/record/tracer';
import type { Costs } from '../cost-keys';
import { HostInterrupts, HostVector } from './host-interrupts';
import type { Island } from './island';
import type { HostThread, SavedThread, ThreadState } from './thread';

/** A physical CPU of the host. */
interface PhysicalCpu {
  /** Index among all CPUs of the host. */
  readonly index: number;
  current: HostThread | undefined;
  /** Track and open span of what runs; -1: nothing has run yet. */
  track: number;
  row: RowRef;
  /** Its timer is set to the end of the slice. */
  sliceArmed: boolean;
  /** Who runs has been told to give it up. */
  wanted: boolean;
}

/** Snapshot of a `ThreadScheduler`. */
export interface ThreadSchedulerState {
  version: 2;
  threads: SavedThread[];
  /** Threads that wait, in the order in which they came. */
  ready: number[];
  cpus: { current: number; track: number; row: RowRef; sliceArmed: boolean; wanted: boolean }[];
}

/** The scheduler of the CPUs of one island. */
export class ThreadScheduler implements EventTarget, Stateful<ThreadSchedulerState> {
  readonly eventTargetId: string;
  /** The local APICs of the CPUs; saved apart. */
  readonly interrupts: HostInterrupts;
  private readonly threads: HostThread[] = [];
  private ready: HostThread[] = [];
  private readonly cpus: PhysicalCpu[];
  /** Told of each wake-up vector of posted interrupts. Whoever is has registered at its construction. */
  private readonly wokenUp: (() => void)[] = [];

  /** @param cpus indexes of the island's physical CPUs, at least one */
  constructor(
    private readonly island: Island,
    private readonly tracer: Tracer,
    private readonly costs: Costs,
    cpus: readonly number[],
  ) {
    this.eventTargetId = `island${island.index}/scheduler`;
    this.cpus = cpus.map((index) => ({
      index,
      current: undefined,
      track: -1,
      row: 0,
      sliceArmed: false,
      wanted: false,
    }));
    this.interrupts = new HostInterrupts(
      island,
      tracer,
      cpus,
      (cpu, vector) => this.interrupted(cpu, vector),
      (cpu) => this.cpus[cpu].current?.body.interruptPending?.() ?? false,
    );
    island.queue.register(this);
  }

  /** Makes a thread known; it is asleep until it is woken. */
  add(thread: HostThread): void {
    this.threads.push(thread);
  }

  /** Some thread waits for a CPU. */
  get contended(): boolean {
    return this.ready.length > 0;
  }

  /** A thread that sleeps is to run. Does nothing to one that is awake. */
  wake(thread: HostThread): void {
    if (thread.state !== 'blocked') return;
    const now = this.island.now();
    // Who has slept for long has no claim to all that time: at most to one slice more than the others.
    thread.ran = Math.max(thread.ran, this.leastRan(now) - this.costs['sched.slice']);
    const free = this.freeCpu(thread);
    if (free) this.assign(free, thread, now);
    else this.makeReady(thread, now);
  }

  /** The thread that calls sleeps from a time on, which must be the present. */
  block(thread: HostThread, time: Cycles): void {
    this.leave(thread, time, 'blocked');
  }

  /** The thread that calls gives its CPU up and waits for its next turn. */
  yield(thread: HostThread, time: Cycles): void {
    const cpu = this.cpuOf(thread);
    if (!cpu) return;
    this.account(thread, time);
    this.makeReady(thread, time);
    this.release(cpu, time);
  }

  /** The thread is gone for good. */
  end(thread: HostThread, time: Cycles): void {
    if (thread.state === 'running') this.leave(thread, time, 'ended');
    else this.ready = this.ready.filter((each) => each !== thread);
    thread.state = 'ended';
  }

  /** Sends an IPI to the physical CPU on which a thread runs, if it does: whoever runs there when it comes is interrupted. */
  kick(thread: HostThread): void {
    const cpu = this.apicIdOf(thread);
    if (cpu >= 0) this.interrupts.send(cpu, HostVector.Reschedule, this.costs['irq.kick']);
  }

  /** APIC ID of the physical CPU that a thread has, which is the CPU's position in the island; -1: none. */
  apicIdOf(thread: HostThread): number {
    return this.cpus.findIndex(({ current }) => current === thread);
  }

  /** Has somebody look for posted interrupts whenever their wake-up vector has come to a CPU (pi_wakeup_handler of KVM). */
  onPostedWakeUp(look: () => void): void {
    this.wokenUp.push(look);
  }

  /** A thread that has been given a CPU begins there. */
  onEvent(_kind: number, arg: number, time: Cycles): void {
    this.dispatch(this.threads[arg], time);
  }

  save(): ThreadSchedulerState {
    return {
      version: 2,
      threads: this.threads.map((thread) => thread.save()),
      ready: this.ready.map((thread) => this.threads.indexOf(thread)),
      cpus: this.cpus.map(({ current, track, row, sliceArmed, wanted }) => ({
        current: current ? this.threads.indexOf(current) : -1,
        track,
        row,
        sliceArmed,
        wanted,
      })),
    };
  }

  load(state: ThreadSchedulerState): void {
    requireVersion('the scheduler', state.version, 2);
    this.threads.forEach((thread, i) => thread.load(state.threads[i]));
    this.ready = state.ready.map((i) => this.threads[i]);
    this.cpus.forEach((cpu, i) => {
      const saved = state.cpus[i];
      cpu.current = saved.current < 0 ? undefined : this.threads[saved.current];
      cpu.track = saved.track;
      cpu.row = saved.row;
      cpu.sliceArmed = saved.sliceArmed;
      cpu.wanted = saved.wanted;
    });
  }

  private cpuOf(thread: HostThread): PhysicalCpu | undefined {
    return this.cpus.find(({ current }) => current === thread);
  }

  /** The CPU that a thread ran on last, if it is free, for its caches; else the first free one. */
  private freeCpu(thread: HostThread): PhysicalCpu | undefined {
    const last = this.cpus.find(({ index, current }) => index === thread.cpu && !current);
    return last ?? this.cpus.find(({ current }) => !current);
  }

  private assign(cpu: PhysicalCpu, thread: HostThread, time: Cycles): void {
    cpu.current = thread;
    thread.cpu = cpu.index;
    thread.state = 'running';
    thread.since = time;
    this.island.queue.schedule(time, this, 0, this.threads.indexOf(thread));
  }

  private dispatch(thread: HostThread, time: Cycles): void {
    const { tracer } = this;
    const cpu = this.cpuOf(thread);
    if (!cpu) return;
    const { cause } = tracer;
    if (thread.row !== 0) tracer.close(thread.row, time);
    thread.row = 0;
    if (cpu.track < 0) {
      cpu.track = tracer.addTrack({ type: 'cpu', name: `pCPU ${cpu.index}`, group: 'host', vm: -1 });
    }
    cpu.row = tracer.open(time, cpu.track, Kind.CpuThread, thread.track, 0);
    tracer.cause = cause;
    this.armSlice(cpu, time);
    thread.body.dispatched(time);
  }

  private makeReady(thread: HostThread, time: Cycles): void {
    thread.state = 'ready';
    thread.since = time;
    thread.row = this.tracer.open(time, thread.track, Kind.SchedReady, 0, 0);
    this.ready.push(thread);
    const longest = this.cpus.reduce((most, cpu) =>
      this.ranOn(cpu, time) > this.ranOn(most, time) ? cpu : most,
    );
    if (this.ranOn(longest, time) - thread.ran > this.costs['sched.slice']) this.preempt(longest);
    else for (const cpu of this.cpus) this.armSlice(cpu, time);
  }

  private leave(thread: HostThread, time: Cycles, state: ThreadState): void {
    const cpu = this.cpuOf(thread);
    if (!cpu) return;
    this.account(thread, time);
    thread.state = state;
    this.release(cpu, time);
  }

  /** The CPU goes to the thread that waits and has had least, or is free. */
  private release(cpu: PhysicalCpu, time: Cycles): void {
    if (cpu.row !== 0) this.tracer.close(cpu.row, time);
    cpu.row = 0;
    if (cpu.sliceArmed) this.interrupts.setTimer(this.cpus.indexOf(cpu), 0);
    cpu.sliceArmed = cpu.wanted = false;
    cpu.current = undefined;
    const [first] = this.ready;
    if (!first) return;
    const next = this.ready.reduce((least, each) => (each.ran < least.ran ? each : least), first);
    this.ready = this.ready.filter((each) => each !== next);
    this.assign(cpu, next, time + this.costs['sched.switch']);
  }

  private account(thread: HostThread, time: Cycles): void {
    thread.ran += Math.max(0, time - thread.since);
    thread.since = time;
  }

  private ranOn({ current }: PhysicalCpu, now: Cycles): Cycles {
    return current ? current.ran + Math.max(0, now - current.since) : -1;
  }

  private leastRan(now: Cycles): Cycles {
    let least = Infinity;
    for (const cpu of this.cpus) if (cpu.current) least = Math.min(least, this.ranOn(cpu, now));
    for (const { ran } of this.ready) least = Math.min(least, ran);
    return least === Infinity ? 0 : least;
  }

  private armSlice(cpu: PhysicalCpu, now: Cycles): void {
    if (cpu.row === 0 || !cpu.current || cpu.sliceArmed || this.ready.length === 0) return;
    const end = Math.max(now, cpu.current.since + this.costs['sched.slice']);
    cpu.sliceArmed = true;
    this.interrupts.setTimer(this.cpus.indexOf(cpu), end);
  }

  /** A vector has come to a CPU: the kernel's handler, then what the interrupt is to the thread it has found there. */
  private interrupted(position: number, vector: number): void {
    const cpu = this.cpus[position];
    const { current } = cpu;
    if (vector === HostVector.LocalTimer) {
      cpu.sliceArmed = false;
      if (this.ready.length > 0) this.demand(cpu);
    } else if (vector === HostVector.PostedWakeUp) for (const look of this.wokenUp) look();
    if (current && cpu.current === current) current.body.hostInterrupt(vector);
  }

  /** The CPU is wanted for one that has just woken: its thread is told, and an IPI makes it look. */
  private preempt(cpu: PhysicalCpu): void {
    const { current } = cpu;
    if (cpu.wanted || !this.demand(cpu)) return;
    if (current && cpu.current === current) this.kick(current);
  }

  /**
   * The thread that runs is to give its CPU up. False: it is still on its way there, and has a slice like everybody once it
   * has arrived.
   */
  private demand(cpu: PhysicalCpu): boolean {
    if (cpu.row === 0 || !cpu.current) return false;
    cpu.wanted = true;
    cpu.current.body.preempt();
    return true;
  }
}
