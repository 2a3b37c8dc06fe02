/**
 * How vectors come to a vCPU that KVM does not inject: from a descriptor in memory (`PostedInterrupts`), or from the physical CPU
 * (`Exitless`). Which of the two there is, if any, follows from the mode of its VM's interrupts.
 */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { Cpu } from '../../machine/x86/types';
import type { Site } from '../host';
import type { EventTarget } from '../../machine/time/event-queue';
import type { LockUser } from '../threads/lock';
import { Exitless, type ExitlessState, type ExitlessWorld } from './exitless';
import { PostedInterrupts, type PostedInterruptsState } from './posted-interrupts';
import type { VcpuVm } from './vm-face';

/** Snapshot of a `HandOver`. */
export interface HandOverState {
  version: 1;
  posted?: PostedInterruptsState;
  exitless?: ExitlessState;
}

/** That of one vCPU. */
export class HandOver implements Stateful<HandOverState> {
  /** Absent: its interrupts are not posted. */
  readonly posted: PostedInterrupts | undefined;
  /** Absent: external interrupts leave the guest. */
  readonly exitless: Exitless | undefined;

  /** @param vcpu whose it is */
  constructor(
    private readonly site: Site,
    private readonly vm: VcpuVm,
    private readonly cpu: Cpu,
    private readonly world: ExitlessWorld,
    private readonly vcpu: EventTarget & LockUser,
  ) {
    const descriptor = vm.postedDescriptor(cpu.index);
    if (descriptor !== undefined) this.posted = new PostedInterrupts(site, descriptor, world.injection.track);
    if (vm.interrupts === 'eli') this.exitless = new Exitless(site, vm, cpu, world, vcpu);
  }

  /** The guest goes on: what is pending, and is for the processor to deliver, comes as soon as the guest can take it. */
  recognise(): void {
    if (this.exitless) this.exitless.recognise();
    else this.world.injection.recognise(this.world.lapic);
  }

  /** The guest can take what the processor has recognised. False: KVM has to look. */
  deliver(): boolean {
    if (!this.exitless) return this.world.injection.deliverRecognised(this.world.lapic);
    this.exitless.deliver();
    return true;
  }

  /** Something has been posted that is not in the LAPIC yet. */
  get outstanding(): boolean {
    return this.posted?.outstanding ?? false;
  }

  /** KVM brings what has been posted into the LAPIC. */
  take(): void {
    this.posted?.take(this.world.lapic);
  }

  /** The thread has been given a physical CPU. */
  loaded(): void {
    const apicId = this.site.scheduler.apicIdOf(this.vcpu.thread);
    this.posted?.loaded(apicId);
    this.vm.avic?.loaded(this.cpu.index, apicId);
  }

  /** The thread goes to sleep. */
  blocked(): void {
    this.posted?.blocked();
    this.vm.avic?.put(this.cpu.index, true);
    this.exitless?.unloaded();
  }

  /** The thread gives its CPU up, and waits for another turn. */
  preempted(): void {
    this.posted?.preempted();
    this.vm.avic?.put(this.cpu.index, false);
    this.exitless?.unloaded();
  }

  /** INIT or a reset. */
  reset(): void {
    this.posted?.reset();
    this.exitless?.reset();
  }

  save(): HandOverState {
    const { posted, exitless } = this;
    return {
      version: 1,
      ...(posted && { posted: posted.save() }),
      ...(exitless && { exitless: exitless.save() }),
    };
  }

  load(state: HandOverState): void {
    requireVersion('the hand-over of interrupts to a vCPU', state.version, 1);
    if (state.posted) this.posted?.load(state.posted);
    if (state.exitless) this.exitless?.load(state.exitless);
  }
}
