/** A bare machine: CPUs, board and devices of one PC, and no VMM. */
import type { AddressMap } from '../../machine/address-map';
import { IOAPIC_VERSION } from '../../machine/interrupts/ioapic';
import type { LocalApic } from '../../machine/interrupts/lapic';
import type { PhysicalMemory } from '../../machine/memory/physical-memory';
import { PcBoard } from '../../machine/platform/pc-board';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import type { FaultReport, MissingInstruction } from '../../machine/x86/types';
import { Kind } from '../../trace/vocabulary/events';
import { boardIommu, physicalIommu } from '../board-iommu';
import { boardOptions } from '../board-options';
import { BoardTrace } from '../board-trace';
import { cpuidOf, type CpuidAnswer, type CpuidSubject } from '../cpu/cpuid';
import { msrsOf, type CpuMsrs } from '../cpu/msrs';
import { InterruptLane } from '../cpu/interrupt-lane';
import type { CpuFeatures, Guest, GuestEnd, GuestPlan } from '../guest';
import { GuestMachine } from '../guest-machine';
import type { Site } from '../host';
import { BareCpu } from './cpu';
import { BareEnvironment, type BareRegion } from './environment';
import type { CpuMachine } from './machine-face';

/** Undivided ticks a second of the LAPIC timers: the core crystal clock of client processors (SDM 3B, 20.7.3). */
const APIC_BUS_HZ = 24e6;

/** One bare machine. */
export class BareMachine implements Guest, CpuMachine, EventTarget {
  readonly index: number;
  readonly name: string;
  readonly memory: PhysicalMemory;
  readonly features: CpuFeatures;
  readonly mmio: AddressMap<BareRegion>;
  readonly ports: AddressMap<BareRegion>;
  readonly eventTargetId: string;
  private readonly machine: GuestMachine;
  readonly cpus: readonly BareCpu[];
  private readonly ownMsrs: readonly CpuMsrs[];
  private readonly environment: BareEnvironment;
  private readonly board: PcBoard<BareRegion>;

  constructor(
    private readonly site: Site,
    private readonly plan: GuestPlan,
  ) {
    const { name, core, features, index } = plan;
    this.index = index;
    this.name = name;
    this.features = features;
    this.memory = core.memory;
    this.eventTargetId = `${name}/reset-line`;
    site.island.queue.register(this);
    this.machine = new GuestMachine(plan, () => this.cpus);
    this.ownMsrs = msrsOf(plan, site.units);
    const track = (type: 'vcpu' | 'interrupts', cpu: number): number =>
      site.tracer.addTrack({ type, name: `CPU ${cpu}`, group: name, vm: index });
    const lanes: InterruptLane[] = [];
    this.cpus = core.cpus.map((cpu) => {
      const own = track('vcpu', cpu.index);
      const lane = new InterruptLane(site, cpu, index, track('interrupts', cpu.index));
      lanes.push(lane);
      return new BareCpu(site, this, cpu, own, lane);
    });
    const trace = new BoardTrace(site, this, lanes);
    const home = {
      site,
      name,
      memory: core.memory,
      memoryBase: plan.memoryBase,
      cpus: this.cpus,
      processors: core.cpus,
      trace,
      iommu: boardIommu(plan, { site, trace, fabric: () => this.board.fabric }, physicalIommu(site.costs)),
      setPin: (gsi: number, source: string, asserted: boolean) =>
        this.board.fabric.setPin(gsi, source, asserted),
      events: {
        serial: (byte: number) => plan.serial(byte),
        exited: (code: number) => this.machine.exited(code),
        poweredOff: (how: string) => this.machine.stopped(how),
        reset: () => void site.island.queue.schedule(site.island.now(), this, 0),
      },
    };
    this.environment = new BareEnvironment(home, (requester, address, data) =>
      this.board.fabric.msi(requester, address, data),
    );
    this.board = new PcBoard(this.environment, {
      ...boardOptions(plan, this.cpuidSubject(0)),
      apicBusHz: APIC_BUS_HZ,
      ioapicVersion: IOAPIC_VERSION.withEoi,
      picAtIoapic: true,
    });
    this.mmio = this.board.memory;
    this.ports = this.board.ports;
    for (const each of plan.devices) {
      if ('assigned' in each) throw new RangeError(`${name} is a bare machine: its devices are its own`);
      const { device, cable } = each;
      const { network } = this.board.addDevice(device);
      if (!network || !cable) continue;
      network.connect(cable.wire);
      cable.attach(network);
    }
    site.units.keep(`${name}/machine`, this.machine);
    site.stops.add({ index, name, core, cpuName: (cpu) => `CPU ${cpu}` });
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

  get missingInstructions(): MissingInstruction[] {
    return this.machine.missingInstructions;
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

  cpuid(leaf: number, subleaf: number, id: number): CpuidAnswer {
    return cpuidOf(leaf, subleaf, { ...this.cpuidSubject(id), apicEnabled: this.lapic(id).enabled });
  }

  crashed(report: FaultReport | undefined): void {
    this.machine.crashed(report);
  }

  /** The chipset answers the CPU's shutdown cycle by a reset. */
  shutDown(time: Cycles): boolean {
    if (this.plan.tripleFault === 'stop') return false;
    this.site.island.queue.schedule(time, this, 0);
    return true;
  }

  /** The reset line: board and CPUs as after power-up, then what firmware and boot loader do. */
  onEvent(_kind: number, _arg: number, time: number): void {
    if (this.end) return;
    const { tracer } = this.site;
    tracer.cause = tracer.instant(time, this.cpus[0].track, Kind.GuestReset, this.index, 0);
    this.environment.reset();
    this.board.reset();
    for (const cpu of this.cpus) cpu.reset(time);
    for (const msrs of this.ownMsrs) msrs.powerUp();
    this.boot();
  }

  /** What CPUID tells of a CPU, its LAPIC on. */
  private cpuidSubject(id: number): CpuidSubject {
    return {
      apicId: id,
      vcpus: this.cpus.length,
      apicEnabled: true,
      ...this.features,
      hypervisor: undefined,
      frequencyHz: this.site.frequencyHz,
    };
  }
}
