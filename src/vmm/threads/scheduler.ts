/**
 * Who runs on which physical CPU: a fair share of time, fixed slices, a thread that wakes takes a free CPU or, if it has had
 * less than the one that runs, that one's. Deterministic: of equals the thread made first comes first.
 *
 * A CPU that nobody else waits for is never interrupted (a tickless host, NO_HZ_FULL of Linux).
 */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventHandle, EventTarget } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef, Tracer } from '../../trace/record/tracer';
import type { Costs } from '../cost-keys';
import type { Island } from './island';
import type { HostThread, SavedThread, ThreadState } from './thread';

/** Vectors of Linux on x86 (arch/x86/include/asm/irq_vectors.h). */
export const HostVector = { Reschedule: 0xfd, LocalTimer: 0xec } as const;

/** A physical CPU of the host. */
interface PhysicalCpu {
  /** Index among all CPUs of the host. */
  readonly index: number;
  current: HostThread | undefined;
  /** Track and open span of what runs; -1: nothing has run yet. */
  track: number;
  row: RowRef;
  sliceTimer: EventHandle;
}

/** Snapshot of a `ThreadScheduler`. */
export interface ThreadSchedulerState {
  version: 1;
  threads: SavedThread[];
  /** Threads that wait, in the order in which they came. */
  ready: number[];
  cpus: { current: number; track: number; row: RowRef; sliceTimer: EventHandle }[];
}

const Event = { Dispatch: 0, SliceEnd: 1, Vector: 2 } as const;
const VECTORS = 256;

/** The scheduler of the CPUs of one island. */
export class ThreadScheduler implements EventTarget, Stateful<ThreadSchedulerState> {
  readonly eventTargetId: string;
  private readonly threads: HostThread[] = [];
  private ready: HostThread[] = [];
  private readonly cpus: PhysicalCpu[];

  /** @param cpus indexes of the island's physical CPUs, at least one */
  constructor(
    private readonly island: Island,
    private readonly tracer: Tracer,
    private readonly costs: Costs,
    cpus: readonly number[],
  ) {
    this.eventTargetId = `island${island.index}/scheduler`;
    this.cpus = cpus.map((index) => ({ index, current: undefined, track: -1, row: 0, sliceTimer: 0 }));
    island.queue.register(this);
  }

  /** Makes a thread known; it is asleep until it is woken. */
  add(thread: HostThread): void {
    this.threads.push(thread);
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

  /** Sends a vector to the physical CPU of a thread, where it arrives after a delay and whoever runs there is interrupted. */
  interrupt(thread: HostThread, vector: number, delay: Cycles): void {
    const cpu = this.cpus.findIndex(({ current }) => current === thread);
    if (cpu < 0) return;
    this.island.queue.schedule(this.island.now() + delay, this, Event.Vector, cpu * VECTORS + vector);
  }

  onEvent(kind: number, arg: number, time: Cycles): void {
    if (kind === Event.Dispatch) this.dispatch(this.threads[arg], time);
    else if (kind === Event.SliceEnd) this.sliceEnded(this.cpus[arg]);
    else this.cpus[Math.floor(arg / VECTORS)].current?.body.hostInterrupt(arg % VECTORS);
  }

  save(): ThreadSchedulerState {
    return {
      version: 1,
      threads: this.threads.map((thread) => thread.save()),
      ready: this.ready.map((thread) => this.threads.indexOf(thread)),
      cpus: this.cpus.map(({ current, track, row, sliceTimer }) => ({
        current: current ? this.threads.indexOf(current) : -1,
        track,
        row,
        sliceTimer,
      })),
    };
  }

  load(state: ThreadSchedulerState): void {
    requireVersion('the scheduler', state.version, 1);
    this.threads.forEach((thread, i) => thread.load(state.threads[i]));
    this.ready = state.ready.map((i) => this.threads[i]);
    this.cpus.forEach((cpu, i) => {
      const saved = state.cpus[i];
      cpu.current = saved.current < 0 ? undefined : this.threads[saved.current];
      cpu.track = saved.track;
      cpu.row = saved.row;
      cpu.sliceTimer = saved.sliceTimer;
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
    this.island.queue.schedule(time, this, Event.Dispatch, this.threads.indexOf(thread));
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
    this.island.queue.cancel(cpu.sliceTimer);
    cpu.sliceTimer = 0;
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
    if (cpu.row === 0 || !cpu.current || cpu.sliceTimer !== 0 || this.ready.length === 0) return;
    const end = Math.max(now, cpu.current.since + this.costs['sched.slice']);
    cpu.sliceTimer = this.island.queue.schedule(end, this, Event.SliceEnd, this.cpus.indexOf(cpu));
  }

  private sliceEnded(cpu: PhysicalCpu): void {
    cpu.sliceTimer = 0;
    if (this.ready.length > 0) this.preempt(cpu);
  }

  /** Whoever is on its way to the CPU gets there first, and has a slice like everybody. */
  private preempt(cpu: PhysicalCpu): void {
    if (cpu.row !== 0) cpu.current?.body.preempt();
  }
}
