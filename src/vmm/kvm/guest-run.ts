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

  /** An instruction in whose midst the guest was entered is completed, then what the entry injected takes effect. */
  settle(): void {
    const { cpu, world } = this;
    while (world.place === 'guest' && world.finished.unfinished(cpu.now())) this.runTo(cpu.now() + 1);
    if (world.place !== 'guest') return;
    world.delivering = true;
    world.injection.deliver();
    world.delivering = false;
  }

  save(): GuestRunState {
    return { version: 1, belowThreshold: this.belowThreshold };
  }

  load(saved: GuestRunState): void {
    requireVersion('the guest of a vCPU', saved.version, 1);
    this.belowThreshold = saved.belowThreshold;
  }

  private runTo(deadline: Cycles): void {
    const { world } = this;
    const stopped = this.cpu.run(deadline);
    switch (stopped) {
      case StopReason.InterruptWindow:
        world.injection.windowCame(false);
        this.exit(VmxExit.INTERRUPT_WINDOW);
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

  private exit(reason: number): void {
    this.world.boundaryExit(reason, 0, 0, this.world.injection.innermost());
  }
}
