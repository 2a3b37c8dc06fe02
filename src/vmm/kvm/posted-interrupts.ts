/**
 * Posted interrupts (SDM vol. 3, 30.6; arch/x86/kvm/vmx/posted_intr.c of Linux): whoever has a vector for a vCPU (KVM in any
 * thread, an IOMMU) sets its bit in a descriptor in the host's memory, and sends a notification vector to the physical CPU that
 * the descriptor names. If the vCPU runs guest code there, the processor takes over what is in the descriptor, without an exit;
 * otherwise KVM does that at the next entry.
 */
import type { Stateful } from '../../machine/bus';
import type { LocalApic } from '../../machine/interrupts/lapic';
import {
  notificationField,
  postInterrupt,
  postedVectors,
  readPostedControl,
  takePosted,
  updatePostedControl,
} from '../../machine/interrupts/posted-descriptor';
import { requireVersion } from '../../machine/snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { Site } from '../host';
import { HostVector } from '../threads/host-interrupts';

const VECTORS = 256;

/** Snapshot of `PostedInterrupts`; the descriptor itself is memory. */
export interface PostedInterruptsState {
  version: 1;
  rows: Float64Array;
}

/** Those of one vCPU. */
export class PostedInterrupts implements Stateful<PostedInterruptsState> {
  /** Rows that show the posts, by vector; 0: somebody else than KVM has posted it, or nobody has. */
  private readonly rows = new Float64Array(VECTORS);

  /**
   * @param address of the descriptor, in the host's memory
   * @param track where posts are shown
   */
  constructor(
    private readonly site: Site,
    readonly address: number,
    private readonly track: number,
  ) {
    site.iommu?.onPosted(address, (vector, row) => (this.rows[vector] = row));
  }

  /** Somebody has posted since the last `take` of what there was. */
  get outstanding(): boolean {
    return readPostedControl(this.site.memory, this.address)?.outstanding ?? false;
  }

  /** Something that is urgent was posted while notifications were suppressed: nothing else is outstanding then. */
  get urgent(): boolean {
    const control = readPostedControl(this.site.memory, this.address);
    return control !== undefined && control.outstanding && control.suppressed;
  }

  /** KVM posts a vector, at the present instant; `notify` is called when somebody has to see to it. */
  post(vector: number, notify: () => void): void {
    const { site, address, rows } = this;
    const { tracer } = site;
    const { cause } = tracer;
    rows[vector] = tracer.instant(site.island.now(), this.track, Kind.IrqPost, vector, address);
    tracer.cause = rows[vector];
    // KVM minds no suppression: it looks at where the vCPU is instead.
    if (postInterrupt(site.memory, address, vector, true)?.notify) notify();
    tracer.cause = cause;
  }

  /** What was posted is taken into the LAPIC: by the processor, or by KVM (vmx_sync_pir_to_irr). */
  take(lapic: LocalApic): void {
    if (!this.outstanding) return;
    const { site, rows } = this;
    const { tracer } = site;
    const { cause } = tracer;
    for (const vector of takePosted(site.memory, this.address) ?? []) {
      if (rows[vector] !== 0) tracer.cause = rows[vector];
      rows[vector] = 0;
      lapic.take(vector);
      tracer.cause = cause;
    }
  }

  /** The vCPU's thread has a physical CPU (vmx_vcpu_pi_load): what came while nobody was to be notified is outstanding now. */
  loaded(apicId: number): void {
    const { memory } = this.site;
    const pending = (postedVectors(memory, this.address)?.length ?? 0) > 0;
    updatePostedControl(memory, this.address, {
      destination: notificationField(apicId, true),
      vector: HostVector.PostedInterrupt,
      suppressed: false,
      ...(pending && { outstanding: true }),
    });
  }

  /** The thread sleeps: whoever posts wakes it, by another vector (pi_enable_wakeup_handler). */
  blocked(): void {
    updatePostedControl(this.site.memory, this.address, { vector: HostVector.PostedWakeUp });
  }

  /**
   * The thread has given its CPU up and waits for its next turn: nobody is to be notified, as nothing would come of it. What is
   * urgent is notified all the same: by the vector at which KVM looks for it.
   */
  preempted(): void {
    const { memory } = this.site;
    updatePostedControl(memory, this.address, { suppressed: true, vector: HostVector.PostedWakeUp });
  }

  /** INIT or a reset: what was posted is forgotten. */
  reset(): void {
    takePosted(this.site.memory, this.address);
    this.rows.fill(0);
  }

  save(): PostedInterruptsState {
    return { version: 1, rows: this.rows.slice() };
  }

  load(state: PostedInterruptsState): void {
    requireVersion('the posted interrupts of a vCPU', state.version, 1);
    this.rows.set(state.rows);
  }
}
