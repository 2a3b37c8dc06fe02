/**
 * Halt polling (Linux Documentation/virt/kvm/halt-polling.rst): before a vCPU that has halted goes to sleep, KVM looks for some
 * time whether something wakes it. Waking is cheap then, as the thread has never left its CPU, which has worked for nothing
 * meanwhile. How long it looks follows from how long the last halts were (`kvm_vcpu_halt`): twice as long after a halt that was
 * short but longer than the look, not at all after a long one.
 */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';

/** By what the look grows (halt_poll_ns_grow of Linux), and what it begins with (halt_poll_ns_grow_start). */
const GROW = 2;
const GROW_START_NANOSECONDS = 10_000;

/** Snapshot of a `HaltPolling`. */
export interface HaltPollingState {
  version: 1;
  look: Cycles;
  since: Cycles;
  halts: number;
}

/** The looks of one vCPU. */
export class HaltPolling implements Stateful<HaltPollingState> {
  /** How long the next one is (halt_poll_ns of a vCPU). */
  private look: Cycles = 0;
  /** When the present halt began, and its number. */
  private since: Cycles = 0;
  private halts = 0;
  private readonly most: Cycles;
  private readonly first: Cycles;

  /** @param maxNs the longest look in nanoseconds (halt_poll_ns of the module); 0: there is none */
  constructor(maxNs: number, frequencyHz: number) {
    const cycles = (nanoseconds: number): Cycles => Math.round((nanoseconds * frequencyHz) / 1e9);
    this.most = cycles(maxNs);
    this.first = cycles(GROW_START_NANOSECONDS);
  }

  /** KVM looks before it lets a vCPU sleep, if only for nothing yet. */
  get enabled(): boolean {
    return this.most > 0;
  }

  /** Number of the present halt: tells the end of its look from that of another. */
  get halt(): number {
    return this.halts;
  }

  /** A halt begins at a time: how long to look. */
  begin(time: Cycles): Cycles {
    this.since = time;
    this.halts += 1;
    this.look = Math.min(this.look, this.most);
    return this.look;
  }

  /** It is over at a time, by a look or by waking. */
  end(time: Cycles): void {
    const { look, most } = this;
    const halted = time - this.since;
    if (halted <= look) return;
    // To nothing at once: halt_poll_ns_shrink is 0, its default until Linux 6.9.
    if (look > 0 && halted > most) this.look = 0;
    else if (look < most && halted < most) this.look = Math.max(GROW * look, this.first);
  }

  save(): HaltPollingState {
    return { version: 1, look: this.look, since: this.since, halts: this.halts };
  }

  load(state: HaltPollingState): void {
    requireVersion('the halt polling of a vCPU', state.version, 1);
    this.look = state.look;
    this.since = state.since;
    this.halts = state.halts;
  }
}
