/**
 * Exits that touch registers only: CPUID, HLT, VMCALL and what the policy intercepts. KVM serves them all itself. What has to
 * wait for its time waits at the boundary behind the instruction.
 */
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import { Disposition, Intercept, drAccessOf, tableAccessOf } from '../../machine/x86/policy';
import { Reg, type Cpu } from '../../machine/x86/types';
import { Kind } from '../../trace/vocabulary/events';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { CpuidAnswer } from '../cpu/cpuid';
import type { Site } from '../host';
import type { Runnable } from '../threads/island';
import { hypercall } from './hypercalls';
import { exitOf } from './intercepts';
import type { VcpuVm } from './vm-face';
import { VcpuEvent } from './vcpu-event';
import type { WorldSwitch } from './world-switch';

/** CR4: debug extensions. */
const CR4_DE = 8n;
const WORD = 0xffff_ffffn;

/** The exits of one vCPU for its registers; the methods named as call-outs are those. */
export class RegisterExits {
  /** @param vcpu gets the events, and hands them on to `haltCame` and `hypercallCame` */
  constructor(
    private readonly site: Site,
    private readonly vm: VcpuVm,
    private readonly cpu: Cpu,
    private readonly world: WorldSwitch,
    private readonly vcpu: Runnable & EventTarget,
  ) {}

  cpuid(leaf: number, subleaf: number): CpuidAnswer {
    this.world.leave(VmxExit.CPUID, leaf, subleaf, 'kvm.cpuid');
    const answer = this.vm.cpuid(leaf, subleaf, this.cpu.index);
    this.world.goOn();
    return answer;
  }

  hlt(): void {
    const { enabled } = this.world.polling;
    this.world.leave(VmxExit.HLT, 0, 0, enabled ? undefined : 'kvm.halt');
    const now = this.cpu.now();
    if (this.waits(now, VcpuEvent.Halt)) return;
    if (this.staysAwake()) this.world.goOn();
    else this.rest(now);
  }

  /** HLT that had to wait, at the boundary behind it. */
  haltCame(time: Cycles): void {
    if (this.staysAwake()) this.world.finish(time);
    else this.rest(time);
  }

  /** KVM has looked long enough, or its CPU is wanted for another thread: the vCPU's thread goes to sleep. */
  pollEnded(time: Cycles, halt: number): void {
    const { world, cpu } = this;
    if (world.place !== 'polling' || halt !== world.polling.halt) return;
    world.place = 'root';
    cpu.setNow(Math.max(cpu.now(), time));
    world.exits.endPoll();
    this.block(time);
  }

  /** Something has come that wakes the vCPU while KVM looked. */
  pollFound(time: Cycles): void {
    const { world, cpu } = this;
    cpu.setNow(Math.max(cpu.now(), time));
    world.exits.endPoll();
    world.polling.end(cpu.now());
    world.finish(cpu.now());
  }

  /** The thread is about to sleep. */
  blockCame(time: Cycles): void {
    if (this.staysAwake()) this.world.finish(time);
    else this.sleep(time);
  }

  vmcall(): void {
    this.world.leave(VmxExit.VMCALL, Number(this.cpu.getReg(Reg.RAX) & WORD), 0, 'kvm.hypercall');
    const now = this.cpu.now();
    if (this.waits(now, VcpuEvent.Hypercall)) {
      this.cpu.requestAttention();
      return;
    }
    this.serveHypercall(now);
    this.world.goOn();
  }

  /** VMCALL that had to wait, at the boundary behind it. */
  hypercallCame(time: Cycles): void {
    this.serveHypercall(time);
    this.world.finish(time);
  }

  /** KVM gives the guest what it wanted; the exit is all there is to see of it. */
  intercepted(reason: Intercept, detail: number, low: number, high: number): Disposition {
    const { world, cpu } = this;
    const exit = exitOf(reason, detail, low, high);
    // KVM's emulator does the rest of its instruction itself. The delivery of an interrupt raises nothing that leaves.
    const emulated = world.owes && world.emulation.goesOn();
    if (!exit || emulated || world.delivering) return Disposition.Proceed;
    world.leave(exit.reason, exit.a, exit.b, exit.cost, exit.qualification);
    if (reason === Intercept.GdtrIdtr && tableAccessOf(reason, detail) === 'lidt')
      world.handOver.exitless?.tableWillCome();
    if (reason === Intercept.DrAccess && this.mayHaveDebugRegisters(detail)) {
      world.debugRegisters.grant();
      world.oweRestart(cpu.now());
      cpu.abandonInstruction();
    } else world.goOn();
    return Disposition.Proceed;
  }

  private waits(time: Cycles, event: number): boolean {
    const { island } = this.site;
    if (!island.mustWait(this.vcpu, time)) return false;
    island.queue.schedule(time, this.vcpu, event);
    return true;
  }

  /** HLT's decision: a vCPU for which something is pending does not sleep. */
  private staysAwake(): boolean {
    const { world, vm } = this;
    return world.startUp.initPending || vm.resetting || world.wakes();
  }

  /** The vCPU has halted. KVM looks first, unless another thread waits for a CPU (`kvm_vcpu_can_poll`). */
  private rest(time: Cycles): void {
    const { world, site } = this;
    const { polling } = world;
    if (!polling.enabled) return this.sleep(time);
    const cycles = polling.begin(time);
    if (cycles === 0 || site.scheduler.contended) return this.block(time);
    world.place = 'polling';
    world.exits.poll(time, cycles);
    site.island.queue.schedule(time + cycles, this.vcpu, VcpuEvent.PollEnd, polling.halt);
  }

  /** The way to sleep takes its time, and something may come meanwhile. */
  private block(time: Cycles): void {
    const { world, site } = this;
    const cycles = site.costs['kvm.halt'];
    world.exits.kernelFrom(time, cycles);
    site.island.queue.schedule(time + cycles, this.vcpu, VcpuEvent.Block);
  }

  private sleep(time: Cycles): void {
    this.site.island.standAt(time);
    this.world.sleep(time, Kind.Halted, 'halted');
  }

  private serveHypercall(time: Cycles): void {
    this.site.island.standAt(time);
    hypercall(this.cpu, this.site, this.world.exits.track, time, (message) =>
      this.vm.sendIpi(this.cpu.index, message),
    );
  }

  /** Not where the MOV itself ends in #UD or #GP, which KVM injects instead (`kvm_require_dr`). */
  private mayHaveDebugRegisters(detail: number): boolean {
    const { register } = drAccessOf(detail);
    const alias = register === 4 || register === 5;
    return this.cpu.cpl() === 0 && !(alias && (this.cpu.readControl(4) & CR4_DE) !== 0n);
  }
}
