/** One virtual machine under KVM: its RAM and vCPUs, KVM's interrupt controllers, and the address maps that exits go by. */
import { AddressMap } from '../../machine/address-map';
import type { Stateful } from '../../machine/bus';
import { mergeMissing, vectorAdvice } from '../../machine/x86/missing';
import type { CpuVendor, FaultReport, MachineCore, MissingInstruction } from '../../machine/x86/types';
import { IOAPIC_BASE, IOAPIC_SIZE } from '../../machine/interrupts/ioapic';
import type { PhysicalMemory } from '../../machine/memory/physical-memory';
import { requireVersion } from '../../machine/snapshot';
import { bootGuest, type BootState } from '../boot';
import type { Host } from '../host';
import { cpuidOf, type CpuidAnswer } from './cpuid';
import { IrqChip } from './irqchip';
import { addLegacyDevices } from './legacy-devices';
import { KvmVcpu } from './vcpu';

/** Who stands behind a region of addresses. */
export interface RegionTag {
  /** The device's track, for its register events. */
  track: number;
  /** Served by KVM; otherwise the access goes on to QEMU. */
  inKernel: boolean;
  unit: 'lapic' | 'ioapic' | 'device';
  /** Added to the offset in the trace, where one device has several blocks. */
  offset: number;
}

/** What a VM's CPUs have that not every one has. */
export interface CpuFeatures {
  /** The LAPICs can be turned to x2APIC mode. */
  x2apic: boolean;
  vendor: CpuVendor;
}

/** How a VM ended. */
export type VmEnd =
  | { how: 'exited'; code: number }
  /** Reset or switched off; `what` completes a sentence that begins with the VM's name. */
  | { how: 'stopped'; what: string }
  | { how: 'crashed'; report: FaultReport | undefined };

/** Snapshot of a `KvmVm`; its parts have snapshots of their own. */
export interface KvmVmState {
  version: 1;
  end?: VmEnd;
}

/** A VM as KVM has it. */
export class KvmVm implements Stateful<KvmVmState> {
  readonly mmio = new AddressMap<RegionTag>('MMIO');
  readonly ports = new AddressMap<RegionTag>('I/O ports');
  readonly irqchip: IrqChip;
  readonly memory: PhysicalMemory;
  readonly vcpus: readonly KvmVcpu[];
  private readonly frequencyHz: number;
  /** Set once the VM has ended. */
  end: VmEnd | undefined;

  /** @param index position in the scenario */
  constructor(
    host: Host,
    readonly index: number,
    readonly name: string,
    private readonly core: MachineCore,
    readonly features: CpuFeatures = { x2apic: true, vendor: 'intel' },
  ) {
    this.memory = core.memory;
    host.units.keep(name, this);
    this.frequencyHz = host.frequencyHz;
    this.vcpus = core.cpus.map((cpu) => new KvmVcpu(host, this, cpu));
    this.irqchip = new IrqChip(host, this);
    this.vcpus.forEach((vcpu, id) => this.irqchip.addVcpu(vcpu, id));
    const kernel = { inKernel: true, offset: 0 };
    this.mmio.add(IOAPIC_BASE, IOAPIC_SIZE, this.irqchip.ioapic, {
      ...kernel,
      unit: 'ioapic',
      track: this.irqchip.ioapicTrack,
    });
    addLegacyDevices(host, this);
  }

  /** CPUID on a vCPU. */
  cpuid(leaf: number, subleaf: number, id: number): CpuidAnswer {
    return cpuidOf(leaf, subleaf, {
      apicId: id,
      vcpus: this.vcpus.length,
      apicEnabled: this.irqchip.lapicFor(id).enabled,
      ...this.features,
      frequencyHz: this.frequencyHz,
    });
  }

  /** Loads the guest and lets vCPU 0 go; the others wait to be started by it. */
  boot(guest: BootState): void {
    const [first] = this.core.cpus;
    if (!first) throw new Error(`${this.name} has no vCPU`);
    bootGuest(this.memory, first, guest);
    const [bootstrap, ...others] = this.vcpus;
    bootstrap?.start();
    for (const vcpu of others) vcpu.waitForStartUp();
  }

  /** The guest asked for its own end (QEMU's isa-debug-exit). */
  exited(code: number): void {
    this.finish({ how: 'exited', code });
  }

  /** The guest reset or switched off its machine. */
  stopped(what: string): void {
    this.finish({ how: 'stopped', what });
  }

  /** The guest can't go on. */
  crashed(report: FaultReport | undefined): void {
    this.finish({ how: 'crashed', report });
  }

  /** What happened, for a reader. `where` turns an address into a place of the guest's source. */
  crashMessage(where: (rip: bigint) => string): string {
    const report = this.end?.how === 'crashed' ? this.end.report : undefined;
    if (!report) return `${this.name} crashed`;
    const code = report.disassembly ? ` (${report.disassembly}; bytes ${report.bytes})` : '';
    const advice = this.advice(where);
    // The return address is behind the call: the byte before it belongs to the caller's line.
    const caller = report.returnAddress === undefined ? '' : where(BigInt(report.returnAddress) - 1n);
    const from = caller === '' ? '' : `, called${caller}`;
    const said = `${this.name}: ${report.message} at RIP ${report.rip}${code}${where(BigInt(report.rip))}${from}`;
    return advice === undefined ? said : `${said}. ${advice}`;
  }

  /** What would help a guest that failed for want of instructions; undefined where nothing is known. */
  advice(where: (rip: bigint) => string): string | undefined {
    return vectorAdvice(this.missingInstructions, where);
  }

  /** What the guest tried and its vCPUs do not have; each raised #UD. */
  get missingInstructions(): MissingInstruction[] {
    return mergeMissing(this.core.cpus.map((cpu) => cpu.missingInstructions()));
  }

  /** Instructions retired by all vCPUs. */
  get instructions(): number {
    return this.core.cpus.reduce((sum, cpu) => sum + cpu.instructions(), 0);
  }

  /** RIP of vCPU 0. */
  get rip(): bigint {
    const [first] = this.core.cpus;
    return first ? (BigInt(first.ripHigh >>> 0) << 32n) | BigInt(first.ripLow >>> 0) : 0n;
  }

  save(): KvmVmState {
    return { version: 1, ...(this.end && { end: this.end }) };
  }

  load(state: KvmVmState): void {
    requireVersion('a VM', state.version, 1);
    this.end = state.end;
  }

  private finish(end: VmEnd): void {
    this.end ??= end;
    for (const vcpu of this.vcpus) vcpu.stop();
  }
}
