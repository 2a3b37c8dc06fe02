/** One virtual machine under KVM with QEMU: its vCPUs, its board, and who serves what. */
import { AddressMap } from '../../machine/address-map';
import type { Stateful } from '../../machine/bus';
import { IOAPIC_VERSION } from '../../machine/interrupts/ioapic';
import type { LocalApic } from '../../machine/interrupts/lapic';
import type { InterruptMessage, IpiMessage } from '../../machine/interrupts/message';
import { POSTED_DESCRIPTOR_BYTES } from '../../machine/interrupts/posted-descriptor';
import { postedDescriptorsAt, type LookAtHost } from '../../machine/interrupts/posted-view';
import { DataSlot } from '../../machine/memory/data-slot';
import { PAGE_SIZE } from '../../machine/memory/dirty-log';
import type { PhysicalMemory } from '../../machine/memory/physical-memory';
import type { BoardEvents } from '../../machine/platform/environment';
import { PcBoard } from '../../machine/platform/pc-board';
import { requireVersion } from '../../machine/snapshot';
import type { FaultReport, MissingInstruction } from '../../machine/x86/types';
import { Kind } from '../../trace/vocabulary/events';
import { boardIommu, emulatedIommu } from '../board-iommu';
import { boardOptions } from '../board-options';
import { BoardTrace } from '../board-trace';
import {
  isShadowed,
  type AssignedPlan,
  type CpuFeatures,
  type DevicePlan,
  type Guest,
  type GuestCpuView,
  type GuestEnd,
  type GuestPlan,
} from '../guest';
import { GuestMachine } from '../guest-machine';
import type { Site } from '../host';
import type { PostingTarget } from '../host-bus/message-domain';
import type { InterruptMode } from '../interrupt-modes';
import { QemuProcess } from '../qemu/process';
import { Tap } from '../qemu/tap';
import type { HostLock } from '../threads/lock';
import type { StepTarget } from '../threads/work';
import type { JobTarget } from '../threads/worker';
import { TrackTrace } from '../track-trace';
import { AssignedDevice } from '../vfio/assigned-device';
import { ExitlessBypass, PostingBypass, type IrqBypass } from '../vfio/irq-bypass';
import type { BackedIommu } from '../vfio/backed-iommu';
import { NestedStages } from '../vfio/nested-stages';
import { VmAvic } from './avic';
import { AvicIpis, type IpiVm } from './avic-ipis';
import { ShadowedFunctions } from '../vfio/shadowed-functions';
import { CoalescedRing } from './coalesced-ring';
import { cpuidOf, type CpuidAnswer, type CpuidSubject } from '../cpu/cpuid';
import { msrsOf, type CpuMsrs } from '../cpu/msrs';
import { Doorbells } from './doorbells';
import { KvmEnvironment } from './environment';
import { EptPages } from './ept-pages';
import { IoBitmaps } from './io-bitmaps';
import { Ioeventfds } from './ioeventfds';
import type { KvmIrqchip } from './irqfd';
import { mapPhysicalPorts } from './physical-ports';
import { processorOf, type Processor } from './processor';
import { memoryMapAt } from './memory-map-view';
import type { KvmRegion } from './region';
import { StoreGuard } from './store-guard';
import { KvmVcpu } from './vcpu';
import type { VcpuVm } from './vm-face';

/** Undivided ticks a second of the LAPIC timers (APIC_BUS_CYCLE_NS of Linux: one nanosecond each). */
const KVM_APIC_BUS_HZ = 1e9;
/**
 * Seconds: a guest that programs a shorter period of its LAPIC timer gets this one, so that it cannot keep the host busy with timers
 * (min_timer_period_us of Linux' kvm module, 200 unless set otherwise; limit_periodic_timer_frequency).
 */
const KVM_LEAST_APIC_PERIOD = 200e-6;

/** Snapshot of a `KvmVm`; its parts have snapshots of their own. */
export interface KvmVmState {
  version: 3;
  resetting: string | undefined;
  assignedVectors: number[];
}

/** A VM as KVM has it. */
export class KvmVm implements Guest, VcpuVm, JobTarget, Stateful<KvmVmState> {
  readonly index: number;
  readonly name: string;
  readonly memory: PhysicalMemory;
  readonly features: CpuFeatures;
  readonly interrupts: InterruptMode;
  readonly processor: Processor;
  readonly avic: VmAvic | undefined;
  readonly avicIpis: AvicIpis | undefined;
  /** Never beyond a call-out, so that no snapshot has it. */
  servedFor = -1;
  readonly mmio: AddressMap<KvmRegion>;
  readonly ports: AddressMap<KvmRegion>;
  readonly ept = new EptPages();
  readonly guard: StoreGuard;
  readonly ioeventfds = new Ioeventfds();
  readonly ioBitmaps: IoBitmaps;
  readonly haltPollNs: number;
  readonly assignedVectors = new Set<number>();
  readonly physicalPorts = new AddressMap<KvmRegion>('physical ports');
  /** The interrupt controllers, for back ends in QEMU and in the kernel. */
  readonly irqchip: KvmIrqchip;
  readonly coalesced: CoalescedRing;
  readonly lock: HostLock;
  readonly stepTargets: Map<string, StepTarget>;
  readonly jobTargetId: string;
  private readonly machine: GuestMachine;
  private readonly qemu: QemuProcess;
  private readonly environment: KvmEnvironment;
  /** Devices of the host, behind the VM's own IOMMU. */
  private readonly backed: BackedIommu;
  private readonly board: PcBoard<KvmRegion>;
  private readonly vcpus: readonly KvmVcpu[];
  private readonly trace: BoardTrace;
  private readonly ownMsrs: readonly CpuMsrs[];
  /** Where the posted-interrupt descriptors of its vCPUs begin in the host's memory. */
  private readonly descriptors: number | undefined;
  /** How the guest has asked for its reset, until that is done. */
  private resetAsked: string | undefined;

  constructor(
    private readonly site: Site,
    private readonly plan: GuestPlan,
  ) {
    const { name, core, features } = plan;
    this.index = plan.index;
    this.name = name;
    this.features = features;
    this.interrupts = plan.interrupts ?? 'inject';
    this.processor = processorOf(features.vendor, this.interrupts);
    this.memory = core.memory;
    this.guard = new StoreGuard(core);
    this.haltPollNs = plan.haltPollNs ?? 0;
    this.ioBitmaps = new IoBitmaps(plan.passPorts ?? []);
    this.jobTargetId = `${name}/reset`;
    this.qemu = new QemuProcess(site, { index: plan.index, name });
    const ownIommu = (): KvmEnvironment['iommu'] => this.environment.iommu;
    const { qemu, memory } = this;
    this.backed = isShadowed(plan.iommu)
      ? new ShadowedFunctions(name, qemu, memory, ownIommu)
      : new NestedStages(name, qemu, ownIommu);
    this.lock = this.qemu.lock;
    this.stepTargets = this.qemu.targets;
    this.qemu.mainLoop.register(this);
    this.machine = new GuestMachine(plan, () => this.vcpus);
    this.ownMsrs = msrsOf(plan, site.units);
    if (this.interrupts === 'posted') this.descriptors = this.addDescriptors(core.cpus.length);
    if (this.interrupts === 'avic') {
      this.avic = new VmAvic(site, this, core.cpus.length);
      this.avicIpis = new AvicIpis(site, this.avic, this.ipiVm());
    }
    this.vcpus = core.cpus.map((cpu) => new KvmVcpu(site, this, cpu));
    this.trace = new BoardTrace(
      site,
      this,
      this.vcpus.map(({ lane }) => lane),
    );
    const { trace } = this;
    const assigned = plan.devices.filter((device) => 'assigned' in device).length;
    const home = {
      site,
      name,
      memory: core.memory,
      memoryBase: plan.memoryBase,
      cpus: this.vcpus.map((vcpu) => vcpu.arrivals),
      processors: core.cpus,
      trace,
      iommu: boardIommu(
        plan,
        { site, trace, fabric: () => this.board.fabric, backed: this.backed },
        emulatedIommu(site.costs, isShadowed(plan.iommu) ? 0 : assigned),
      ),
      setPin: (gsi: number, source: string, asserted: boolean) =>
        this.board.fabric.setPin(gsi, source, asserted),
      events: this.boardEvents(),
    };
    this.irqchip = {
      setPin: home.setPin,
      msi: (requester, address, data) => this.board.fabric.msi(requester, address, data),
      onAcknowledged: (gsi, told) => this.board.fabric.onAcknowledged(gsi, told),
    };
    this.environment = new KvmEnvironment(home, this.qemu, this.irqchip, this.processor);
    if (!this.ioBitmaps.trapAll)
      mapPhysicalPorts(this.physicalPorts, (unit) => this.environment.tag(unit, 0));
    this.board = new PcBoard(this.environment, {
      ...boardOptions(plan, this.cpuidSubject(0)),
      apicBusHz: KVM_APIC_BUS_HZ,
      leastApicPeriod: KVM_LEAST_APIC_PERIOD,
      ioapicVersion: IOAPIC_VERSION.plain,
    });
    this.describeApics();
    this.avic?.watch({
      requested: (cpu, vector) => this.vcpus[cpu].lane.accepted(vector),
      logged: (cpu) => this.look(cpu),
    });
    this.mmio = this.board.memory;
    this.ports = this.board.ports;
    this.coalesced = new CoalescedRing(name, site, this.mmio);
    this.stepTargets.set(this.coalesced.stepTargetId, this.coalesced);
    for (const device of plan.devices) {
      if ('assigned' in device) this.addAssigned(device);
      else this.addDevice(device);
    }
    site.units.keep(name, this);
    site.units.keep(`${name}/machine`, this.machine);
    site.stops.add({ index: plan.index, name, core, cpuName: (cpu) => `vCPU ${cpu}` });
    site.units.keep(`${name}/ept`, this.ept);
    const ram = { size: core.memory.size, hostBase: plan.memoryBase };
    const map = { ram, mmio: this.mmio, ports: this.ports, ept: this.ept };
    site.units.show(`${name}/ept`, { inspect: (path) => memoryMapAt(map, path) });
  }

  get end(): GuestEnd | undefined {
    return this.machine.end;
  }

  get instructions(): number {
    return this.machine.instructions;
  }

  get rips(): readonly bigint[] {
    return this.machine.rips;
  }

  get cpus(): readonly GuestCpuView[] {
    return this.vcpus;
  }

  get missingInstructions(): MissingInstruction[] {
    return this.machine.missingInstructions;
  }

  get resetting(): boolean {
    return this.resetAsked !== undefined;
  }

  boot(): void {
    this.board.powerOn();
    this.machine.boot();
  }

  msrs(cpu: number): CpuMsrs {
    const found = this.ownMsrs[cpu];
    if (!found) throw new RangeError(`${this.name} has no CPU ${cpu}`);
    return found;
  }

  lapic(cpu: number): LocalApic {
    return this.board.fabric.lapic(cpu);
  }

  /**
   * Makes a vector of the physical CPUs the guest's or takes it back. It has to be the vector that the guest has programmed, and
   * nobody else's on the CPUs that the VM's threads run on.
   */
  assignVector(vector: number, assigned: boolean): void {
    if (assigned) this.assignedVectors.add(vector);
    else this.assignedVectors.delete(vector);
    for (const vcpu of this.vcpus) vcpu.assignedChanged();
  }

  postedDescriptor(cpu: number): number | undefined {
    return this.descriptors === undefined ? undefined : this.descriptors + cpu * POSTED_DESCRIPTOR_BYTES;
  }

  describeApics(): void {
    this.avic?.describe(this.vcpus.map((_, cpu) => this.lapic(cpu).identity));
  }

  sendIpi(sender: number, message: IpiMessage): number {
    return this.board.fabric.ipi(sender, message);
  }

  cpuid(leaf: number, subleaf: number, id: number): CpuidAnswer {
    return cpuidOf(leaf, subleaf, { ...this.cpuidSubject(id), apicEnabled: this.lapic(id).enabled });
  }

  crashed(report: FaultReport | undefined): void {
    this.machine.crashed(report);
  }

  get resetsOnTripleFault(): boolean {
    return this.plan.tripleFault === 'reset';
  }

  tripleFault(): void {
    this.askReset('a triple fault');
  }

  /** The last vCPU that stops lets QEMU's main loop reset the machine. */
  stoppedForReset(): void {
    if (this.vcpus.every((vcpu) => vcpu.stopped)) this.qemu.mainLoop.post(this, 0, 0);
  }

  /** The reset itself: board and CPUs as after power-up, then what firmware and boot loader do. */
  onJob(): void {
    const { site } = this;
    const now = site.island.now();
    const how = this.resetAsked;
    if (how === undefined || this.end) return;
    site.tracer.cause = site.tracer.instant(
      now,
      this.qemu.mainLoop.thread.track,
      Kind.GuestReset,
      this.index,
      0,
    );
    this.resetAsked = undefined;
    this.coalesced.clear();
    this.ept.clear();
    this.board.reset();
    for (const vcpu of this.vcpus) vcpu.reset(now);
    for (const msrs of this.ownMsrs) msrs.powerUp();
    this.boot();
  }

  save(): KvmVmState {
    return { version: 3, resetting: this.resetAsked, assignedVectors: [...this.assignedVectors] };
  }

  load(state: KvmVmState): void {
    requireVersion('a VM', state.version, 3);
    this.resetAsked = state.resetting;
    this.assignedVectors.clear();
    for (const vector of state.assignedVectors) this.assignedVectors.add(vector);
  }

  /** Puts a descriptor for each vCPU into the host's memory. */
  private addDescriptors(count: number): number {
    const { site, name } = this;
    const slot = new DataSlot(Math.ceil((count * POSTED_DESCRIPTOR_BYTES) / PAGE_SIZE) * PAGE_SIZE);
    const unit = `${name}/posted-interrupt descriptors`;
    site.units.keep(unit, slot);
    const base = site.memory.append(slot);
    const look: LookAtHost = (address, length) => site.memory.look(address, length);
    site.units.show(unit, { inspect: (path) => postedDescriptorsAt(look, base, count, path) });
    return base;
  }

  /** What its vCPUs' IPIs need, most of which does not exist yet when this is made. */
  private ipiVm(): IpiVm {
    return {
      lapic: (cpu) => this.lapic(cpu),
      lane: (cpu) => this.vcpus[cpu].lane,
      targetsOf: (sender, message) => this.board.fabric.ipiTargets(sender, message),
      shown: (sender, message, send) => void this.trace.ipi(sender, message, send),
      look: (cpu) => this.look(cpu),
    };
  }

  /** KVM looks at what a vCPU has got that has no physical CPU. */
  private look(cpu: number): void {
    const { arrivals, thread } = this.vcpus[cpu];
    if (thread.state !== 'running') arrivals.look();
  }

  /** What CPUID tells of a vCPU, its LAPIC on. */
  private cpuidSubject(id: number): CpuidSubject {
    return {
      apicId: id,
      vcpus: this.vcpus.length,
      apicEnabled: true,
      ...this.features,
      hypervisor: 'KVMKVMKVM\0\0\0',
      frequencyHz: this.site.frequencyHz,
    };
  }

  private boardEvents(): BoardEvents {
    return {
      serial: (byte) => this.plan.serial(byte),
      exited: (code) => this.machine.exited(code),
      poweredOff: (how) => this.machine.stopped(how),
      reset: (how) => this.askReset(how),
    };
  }

  /** QEMU stops all vCPUs before it resets the machine (qemu_system_reset_request, pause_all_vcpus). */
  private askReset(how: string): void {
    if (this.resetting || this.end) return;
    this.resetAsked = how;
    for (const vcpu of this.vcpus) vcpu.stopForReset();
  }

  /** Before anything runs, all of the guest's memory is within the device's reach: devices cannot wait for pages. */
  private addAssigned({ assigned: host, urgent }: AssignedPlan): void {
    const { board, environment, qemu, irqchip, plan, memory } = this;
    host.assign({
      vm: this.index,
      name: this.name,
      base: plan.memoryBase,
      size: memory.size,
      apart: isShadowed(plan.iommu),
    });
    const unit = environment.assign(host);
    const place = {
      id: `${this.name}/${unit.name}`,
      gsi: () => unit.gsi(),
      bypass: this.irqBypass(urgent),
      unmapped: (base: number, size: number) => this.ept.forget(base, size),
    };
    const { pci } = board.addPci({ name: unit.name, pin: host.pci.identity.interruptPin }, (bus) =>
      unit.plug(new AssignedDevice(host, qemu, irqchip, bus, place)),
    );
    this.backed.add({ host, requester: () => pci.requester });
  }

  /**
   * How messages of its assigned devices reach its vCPUs without KVM; undefined: by irqfds only, as where the guest has an IOMMU that
   * remaps them: what they lead to then is in a table of the guest.
   */
  private irqBypass(urgent: boolean): IrqBypass | undefined {
    if (this.environment.iommu?.remapping) return undefined;
    if (this.interrupts === 'eli')
      return new ExitlessBypass((vector, assigned) => this.assignVector(vector, assigned));
    return this.descriptors === undefined && !this.avic
      ? undefined
      : new PostingBypass((message) => this.postingTarget(message, urgent));
  }

  /** The only vCPU that a message of a device means, for an IOMMU; undefined: there are several, or none. */
  private postingTarget(message: InterruptMessage, urgent: boolean): PostingTarget | undefined {
    const [cpu, ...others] = this.board.fabric.fixedTargets(message);
    if (cpu === undefined || others.length > 0) return undefined;
    const { vector } = message;
    const descriptor = this.postedDescriptor(cpu);
    return descriptor === undefined ? this.avic?.targetOf(cpu, vector) : { descriptor, vector, urgent };
  }

  /** Who works on its queues reads its tap device and waits for its doorbells, where these are ioeventfds. */
  private addDevice({ device, cable, ioeventfd }: DevicePlan): void {
    const { board, site, name } = this;
    const { network, queued } = board.addDevice(device);
    const worker = this.environment.workerOf(device.name);
    if (queued && ioeventfd) {
      const bells = new Doorbells(`${name}/${device.name}/doorbells`, worker, queued, site.units);
      bells.register(this.ioeventfds);
    }
    if (!network || !cable) return;
    const reading = this.environment.tapReadingOf(device.name);
    const tap = new Tap(`${name}/${device.name}/tap`, worker, reading, network.queueFull);
    site.units.keep(tap.jobTargetId, tap);
    network.connect(tap.wireOf(cable.wire));
    tap.connect(network, new TrackTrace(site, () => this.trace.trackNamed(device.name)));
    cable.attach(tap);
  }
}
