/** What a vCPU needs of its VM. */
import type { AddressMap } from '../../machine/address-map';
import type { LocalApic } from '../../machine/interrupts/lapic';
import type { IpiMessage } from '../../machine/interrupts/message';
import type { PhysicalMemory } from '../../machine/memory/physical-memory';
import type { FaultReport } from '../../machine/x86/types';
import type { CpuFeatures } from '../guest';
import type { InterruptMode } from '../interrupt-modes';
import type { HostLock } from '../threads/lock';
import type { StepTarget } from '../threads/work';
import type { CoalescedRing } from './coalesced-ring';
import type { CpuidAnswer } from '../cpu/cpuid';
import type { CpuMsrs } from '../cpu/msrs';
import type { EptPages } from './ept-pages';
import type { IoBitmaps } from './io-bitmaps';
import type { Ioeventfds } from './ioeventfds';
import type { VmAvic } from './avic';
import type { AvicIpis } from './avic-ipis';
import type { Processor } from './processor';
import type { KvmRegion } from './region';
import type { StoreGuard } from './store-guard';

/** A VM as its vCPUs see it. */
export interface VcpuVm {
  /** Position in the scenario. */
  readonly index: number;
  readonly name: string;
  readonly features: CpuFeatures;
  readonly interrupts: InterruptMode;
  readonly processor: Processor;
  /** Position of the vCPU whose processor serves an access to its LAPIC: a vector that comes of it is not KVM's doing. -1: none. */
  servedFor: number;
  /** Undefined: the processor has none, or it is off. */
  readonly avic: VmAvic | undefined;
  /** Likewise, the IPIs that it sends. */
  readonly avicIpis: AvicIpis | undefined;
  /** IDs of local APICs have changed. */
  describeApics(): void;
  readonly mmio: AddressMap<KvmRegion>;
  readonly ports: AddressMap<KvmRegion>;
  readonly memory: PhysicalMemory;
  readonly ept: EptPages;
  /** Pages of its RAM that KVM follows stores to. */
  readonly guard: StoreGuard;
  readonly ioeventfds: Ioeventfds;
  /** How long KVM looks at most before it lets a halted vCPU sleep, in nanoseconds. */
  readonly haltPollNs: number;
  readonly ioBitmaps: IoBitmaps;
  /** What answers at ports that the bitmaps let through. */
  readonly physicalPorts: AddressMap<KvmRegion>;
  readonly coalesced: CoalescedRing;
  /** QEMU's big lock. */
  readonly lock: HostLock;
  /** Whose steps a thread of QEMU may do. */
  readonly stepTargets: Map<string, StepTarget>;
  /** The guest is about to be reset: no vCPU enters it again before that is done. */
  readonly resetting: boolean;
  /** Vectors of physical CPUs that are the guest's: those of devices assigned to it, where its interrupts are exitless. */
  readonly assignedVectors: ReadonlySet<number>;
  lapic(cpu: number): LocalApic;
  /** Address of a vCPU's posted-interrupt descriptor in the host's memory; undefined: it has none. */
  postedDescriptor(cpu: number): number | undefined;
  /** Those that neither core nor LAPIC keeps. */
  msrs(cpu: number): CpuMsrs;
  /** An IPI of a vCPU; returns how many LAPICs it reached. */
  sendIpi(sender: number, message: IpiMessage): number;
  cpuid(leaf: number, subleaf: number, cpu: number): CpuidAnswer;
  /** The guest can't go on. */
  crashed(report: FaultReport | undefined): void;
  /** A triple fault resets the machine, instead of ending the guest. */
  readonly resetsOnTripleFault: boolean;
  /** QEMU is told of one (KVM_EXIT_SHUTDOWN), at the present instant. */
  tripleFault(): void;
  /** A vCPU has stopped for the reset. */
  stoppedForReset(): void;
}
