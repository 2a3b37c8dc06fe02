/**
 * The guest at work between exits of its instructions: it runs to a deadline, what an entry has injected takes effect, and the
 * exits that come between two instructions are made.
 */
import type { Stateful } from '../../machine/bus';
import { StopReason, type Cpu } from '../../machine/x86/types';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { Site } from '../host';
import type { TrapExits } from './trap-exits';
import type { WorldSwitch } from './world-switch';

/** Snapshot of a `GuestRun`. */
export interface GuestRunState {
  version: 1;
  belowThreshold: boolean;
}

/** The guest of one vCPU. */
export class GuestRun implements Stateful<GuestRunState> {
  /** The task priority has fallen below what the LAPIC holds back (SDM vol. 3, 29.1.2): an exit is due. */
  private belowThreshold = false;

  constructor(
    private readonly site: Site,
    private readonly cpu: Cpu,
    private readonly world: WorldSwitch,
    private readonly traps: TrapExits,
  ) {}

  /** Whether the TPR threshold's exit has to be made at the next boundary. */
  setBelowThreshold(is: boolean): void {
    this.belowThreshold = is;
    if (is) this.cpu.requestAttention();
  }

  /**
   * Runs. What the last entry injected takes effect at the beginning, not before this is called again: what is due before the
   * end of that entry has happened by then, whether an event brought the entry or a call-out made it.
   */
  until(deadline: Cycles): void {
    const { world } = this;
    if (world.injection.pending) this.settle();
    if (world.place === 'guest') this.runTo(deadline);
  }

  /** What the last entry injected takes effect. */
  settle(): void {
    const { world } = this;
    world.delivering = true;
    world.injection.deliver();
    world.delivering = false;
  }

  /** The instruction at RIP, whose access an event has brought, is executed anew and gets the answer. */
  finishInstruction(): void {
    const { cpu } = this;
    const now = cpu.now();
    let stopped = cpu.run(now + 1, true);
    // Attention that was asked for before it was given up.
    if (stopped === StopReason.Attention && cpu.now() === now) stopped = cpu.run(now + 1, true);
    this.stopped(stopped);
  }

  save(): GuestRunState {
    return { version: 1, belowThreshold: this.belowThreshold };
  }

  load(saved: GuestRunState): void {
    requireVersion('the guest of a vCPU', saved.version, 1);
    this.belowThreshold = saved.belowThreshold;
  }

  private runTo(deadline: Cycles): void {
    this.stopped(this.cpu.run(deadline));
  }

  /** The vCPU has stopped at a boundary. */
  private stopped(reason: StopReason): void {
    const { world } = this;
    let why = reason;
    if (world.owes) {
      why = this.emulate(reason);
      // What cannot go on stops again when it is run again.
      if (!this.settled()) return;
    }
    // What else stops a vCPU here stops it again when it is run again.
    if (this.traps.due && world.place === 'guest') return this.traps.make();
    switch (why) {
      case StopReason.InterruptWindow:
        this.interruptible();
        break;
      case StopReason.NmiWindow:
        world.injection.windowCame(true);
        this.exit(VmxExit.NMI_WINDOW);
        break;
      case StopReason.Shutdown:
        world.begin(VmxExit.TRIPLE_FAULT, 0, 0);
        world.shutDown();
        break;
      case StopReason.Unsupported:
        this.site.tracer.cause = world.injection.innermost();
        world.crash();
        break;
      default:
        break;
    }
    if (this.belowThreshold && world.place === 'guest') {
      this.belowThreshold = false;
      this.exit(VmxExit.TPR_BELOW_THRESHOLD);
    }
  }

  /** The guest can take interrupts: KVM has asked for an exit then, or the processor delivers what it has recognised. */
  private interruptible(): void {
    const { world } = this;
    if (world.injection.windowWanted) {
      world.injection.windowCame(false);
      this.exit(VmxExit.INTERRUPT_WINDOW);
    } else if (!world.handOver.deliver()) world.kick();
  }

  /** KVM's emulator goes on with a repeated instruction: nothing comes between its iterations. */
  private emulate(reason: StopReason): StopReason {
    const { cpu, world } = this;
    let why = reason;
    let before = 0;
    for (;;) {
      const left = world.emulation.iterationsToCome();
      if (!world.owes || left === 0 || left === before) return why;
      before = left;
      why = cpu.run(cpu.now() + 1, true);
    }
  }

  /** The entry that is owed, if any, is made. False: the guest is not in the midst of what it was at. */
  private settled(): boolean {
    const { world } = this;
    if (world.owes) world.settle();
    return world.place === 'guest' && !world.injection.pending;
  }

  private exit(reason: number): void {
    this.world.boundaryExit(reason, 0, 0, this.world.injection.innermost());
  }
}
