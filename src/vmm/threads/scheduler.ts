/**
 * Who runs on which physical CPU: a fair share of time and fixed slices. Deterministic: of equals the thread made first comes first.
 *
 * A thread that wakes is placed and preempts as in Linux' Completely Fair Scheduler (kernel/sched/fair.c until 6.5), all threads
 * having one weight, so that virtual time is CPU time:
 * - It takes a free CPU.
 * - Without one, it counts as having had as little as it really has, but at most `sched.sleeperCredit` less than the others
 *   (`place_entity`): that is half of sysctl_sched_latency (GENTLE_FAIR_SLEEPERS), counted from min_vruntime.
 * - It takes the CPU of the thread that has had most at once, if that one has had more than `sched.wakeupGranularity` more than it
 *   (`check_preempt_wakeup`, `wakeup_preempt_entity`): so a thread that sleeps most of the time runs when it is woken, and one that
 *   computes waits for the end of the slice.
 *
 * A CPU that nobody else waits for is never interrupted (a tickless host, NO_HZ_FULL of Linux).
 */
import type { Stateful } from '../../machine/bus';
import type { FabricOptions } from '../../machine/interrupts/fabric';
import type { Inspectable, StateNode, StatePath } from '../../machine/inspect';
import { nodeAt } from '../../machine/registers';
import { requireVersion } from '../../machine/snapshot';
import { numberNode, textNode } from '../../machine/state-nodes';
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
  version: 3;
  threads: SavedThread[];
  leastRan: Cycles;
  /** Threads that wait, in the order in which they came. */
  ready: number[];
  cpus: { current: number; track: number; row: RowRef; sliceArmed: boolean; wanted: boolean }[];
}

/** The scheduler of the CPUs of one island. */
export class ThreadScheduler implements EventTarget, Inspectable, Stateful<ThreadSchedulerState> {
  readonly eventTargetId: string;
  /** The local APICs of the CPUs; saved apart. */
  readonly interrupts: HostInterrupts;
  private readonly threads: HostThread[] = [];
  private ready: HostThread[] = [];
  /** What the thread that has had least, of all that were awake, has had; it never falls (min_vruntime of Linux). */
  private leastRan: Cycles;
  private readonly cpus: PhysicalCpu[];
  /** Told of each wake-up vector of posted interrupts. Whoever is has registered at its construction. */
  private readonly wokenUp: (() => void)[] = [];

  /**
   * @param cpus indexes of the island's physical CPUs, at least one
   * @param remapping as `HostInterrupts` has it
   */
  constructor(
    private readonly island: Island,
    private readonly tracer: Tracer,
    private readonly costs: Costs,
    cpus: readonly number[],
    remapping?: FabricOptions['remapping'],
  ) {
    this.eventTargetId = `island${island.index}/scheduler`;
    // The host has been at work for long when a run begins: who sleeps then has its whole credit.
    this.leastRan = costs['sched.sleeperCredit'];
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
      (cpu) => this.cpus[cpu].current?.body.doorbellRang?.(),
      remapping,
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

  /** A thread that has just been made is to run: it has not slept, and so has no credit (`wake_up_new_task` of Linux). */
  start(thread: HostThread): void {
    this.updateLeastRan(this.island.now());
    thread.ran = this.leastRan;
    this.wake(thread);
  }

  /** A thread that sleeps is to run. Does nothing to one that is awake. */
  wake(thread: HostThread): void {
    if (thread.state !== 'blocked') return;
    const now = this.island.now();
    this.updateLeastRan(now);
    thread.ran = Math.max(thread.ran, this.leastRan - this.costs['sched.sleeperCredit']);
    const free = this.freeCpu(thread);
    if (free) this.assign(free, thread, now);
    else {
      this.enqueue(thread, now);
      this.preemptFor(thread, now);
      this.armSlices(now);
    }
  }

  /** A thread that waits for a CPU is as one that has just woken: it gets one at once, where somebody else has had more. */
  hasten(thread: HostThread): void {
    if (thread.state !== 'ready') return;
    const now = this.island.now();
    this.updateLeastRan(now);
    thread.ran = Math.min(thread.ran, this.leastRan - this.costs['sched.sleeperCredit']);
    this.preemptFor(thread, now);
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
    this.enqueue(thread, time);
    this.armSlices(time);
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

  /** The threads: what each is at, and where; in the order in which they were made. */
  inspect(path: StatePath): StateNode | undefined {
    const children = this.threads.map(({ name, state, cpu, ran, since }): StateNode => {
      // The present share of a running thread is counted when it gives its CPU up.
      const now = state === 'running' ? ran + Math.max(0, this.island.now() - since) : ran;
      return {
        ...textNode(name, cpu < 0 ? state : `${state}, CPU ${cpu}`),
        children: [textNode('state', state), numberNode('CPU time', now, 'cycles')],
      };
    });
    return nodeAt({ name: 'scheduler', children }, path);
  }

  save(): ThreadSchedulerState {
    return {
      version: 3,
      threads: this.threads.map((thread) => thread.save()),
      leastRan: this.leastRan,
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
    requireVersion('the scheduler', state.version, 3);
    this.threads.forEach((thread, i) => thread.load(state.threads[i]));
    this.leastRan = state.leastRan;
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
    if (cpu.wanted && cpu.current === thread) this.preempt(cpu);
  }

  private enqueue(thread: HostThread, time: Cycles): void {
    thread.state = 'ready';
    thread.since = time;
    thread.row = this.tracer.open(time, thread.track, Kind.SchedReady, 0, 0);
    this.ready.push(thread);
  }

  /** The thread has woken, and no CPU was free: it gets that of the thread that has had most at once, or waits for its turn. */
  private preemptFor(thread: HostThread, time: Cycles): void {
    let longest: PhysicalCpu | undefined;
    for (const cpu of this.cpus) {
      if (!cpu.wanted && (!longest || this.ranOn(cpu, time) > this.ranOn(longest, time))) longest = cpu;
    }
    const lead = longest ? this.ranOn(longest, time) - thread.ran : 0;
    if (longest && lead > this.costs['sched.wakeupGranularity']) this.preempt(longest);
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
    this.updateLeastRan(time);
  }

  private ranOn({ current }: PhysicalCpu, now: Cycles): Cycles {
    return current ? current.ran + Math.max(0, now - current.since) : -1;
  }

  /** While all sleep it stays as it is (`update_min_vruntime`). */
  private updateLeastRan(now: Cycles): void {
    let least = Infinity;
    for (const cpu of this.cpus) if (cpu.current) least = Math.min(least, this.ranOn(cpu, now));
    for (const { ran } of this.ready) least = Math.min(least, ran);
    if (least < Infinity) this.leastRan = Math.max(this.leastRan, least);
  }

  private armSlices(now: Cycles): void {
    for (const cpu of this.cpus) this.armSlice(cpu, now);
  }

  private armSlice(cpu: PhysicalCpu, now: Cycles): void {
    if (cpu.row === 0 || !cpu.current || cpu.sliceArmed || cpu.wanted || this.ready.length === 0) return;
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

  /** The CPU is wanted for one that has just woken: its thread is told, and an IPI makes it look unless it does so anyhow. */
  private preempt(cpu: PhysicalCpu): void {
    const { current } = cpu;
    const unaware = this.demand(cpu);
    if (unaware && current && cpu.current === current) this.kick(current);
  }

  /**
   * The thread that runs is to give its CPU up; one that is still on its way there is told when it has arrived. True: it does not
   * come to it without an interrupt.
   */
  private demand(cpu: PhysicalCpu): boolean {
    if (!cpu.current) return false;
    cpu.wanted = true;
    return cpu.row !== 0 && cpu.current.body.preempt();
  }
}
