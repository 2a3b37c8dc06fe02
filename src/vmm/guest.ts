/** What a VMM is to the rest of the house: it takes the plans of guests and gives guests. Nobody above knows which VMM it is. */
import type { Cpu, CpuVendor, FaultReport, MachineCore, MissingInstruction } from '../machine/x86/types';
import type { FrameReceiver, Wire } from '../machine/link/wire';
import type { SerialStep } from '../machine/devices/serial-script';
import type { RemappingOptions } from '../machine/iommu/options';
import type { DeviceSpec } from '../machine/platform/device-models';
import type { RomShadow } from '../machine/memory/rom-shadow';
import type { PhysicalMemory } from '../machine/memory/physical-memory';
import type { BootState } from './boot';
import type { InterruptMode } from './interrupt-modes';
import type { Site } from './host';
import type { HostDevice } from './host-bus/host-device';

/** What a guest's CPUs have that not every one has. */
export interface CpuFeatures {
  /** The LAPICs can be turned to x2APIC mode. */
  x2apic: boolean;
  vendor: CpuVendor;
}

/** A device of a guest. */
export interface DevicePlan {
  device: DeviceSpec;
  /** The cable of a NIC; absent: no carrier. */
  cable: Cable | undefined;
  /** Writes to its doorbells are ioeventfds, where there is a VMM that has them: not for doorbells that have data. */
  ioeventfd?: boolean;
}

/** A device of the host that the guest is given. */
export interface AssignedPlan {
  assigned: HostDevice;
  /** Its interrupts are posted as urgent, where an IOMMU posts them. */
  urgent: boolean;
}

/** One end of a network. */
export interface Cable {
  readonly wire: Wire;
  /** Told where the frames of the network are to arrive. */
  attach(receiver: FrameReceiver): void;
}

/** A remapping unit of a guest's board: what it can do, without what its work costs. */
export interface GuestIommuPlan {
  readonly unit: Omit<RemappingOptions, 'costs'>;
  readonly remapsInterrupts: boolean;
}

/** Whether devices of the host that are behind it are translated by a shadow of its tables: the guest tells of each change (6.1). */
export function isShadowed(iommu: GuestIommuPlan | undefined): boolean {
  return iommu !== undefined && iommu.unit.cachingMode && !iommu.unit.scalableMode;
}

/** What a VMM needs to know of one guest. */
export interface GuestPlan {
  /** Position in the scenario. */
  index: number;
  name: string;
  core: MachineCore;
  features: CpuFeatures;
  /** What the CMOS clock shows at time 0, in seconds since 1970. */
  startSeconds: number;
  /** What follows a triple fault: the guest has crashed, or the machine is reset. */
  tripleFault: 'stop' | 'reset';
  /** Whether QEMU's pc-testdev is there. */
  testDevices: boolean;
  /** Present where its firmware is a ROM. */
  rom?: RomShadow | undefined;
  /** Longest time in nanoseconds for which KVM looks before it lets a halted vCPU sleep; absent: 0. */
  haltPollNs?: number;
  /** How interrupts reach the guest of a VM; absent: `inject`. */
  interrupts?: InterruptMode;
  /** Ports that a VM's guest reaches itself, on the host's board; absent: none. */
  passPorts?: readonly { first: number; last: number }[];
  /** The remapping unit of its board; absent: there is none. */
  iommu?: GuestIommuPlan | undefined;
  /** What its boot loader leaves behind, at the start and after each reset. */
  boot: BootState;
  /** A kernel's command line, for the firmware configuration device; empty otherwise. */
  cmdline: string;
  /** What is typed at its console. */
  serialInput: readonly SerialStep[];
  /** Where its memory stands in that of the host; whoever plans it has put it there. */
  memoryBase: number;
  /** In slot order. */
  devices: readonly (DevicePlan | AssignedPlan)[];
  /** Gets each byte that the guest sends to its console. */
  serial(byte: number): void;
}

/** How a guest ended. */
export type GuestEnd =
  | { how: 'exited'; code: number }
  /** Switched off; `what` completes a sentence that begins with the guest's name. */
  | { how: 'stopped'; what: string }
  | { how: 'crashed'; report: FaultReport | undefined };

/** What a CPU is at; one that is switched off, or waits for a reset, is `halted`. */
export type CpuActivity =
  | 'running'
  | 'halted'
  /** For a start-up IPI. */
  | 'waiting';

/** A CPU of a guest, to be looked at. */
export interface GuestCpuView {
  readonly cpu: Cpu;
  readonly activity: CpuActivity;
}

/** One guest, whoever runs it. */
export interface Guest {
  readonly index: number;
  readonly name: string;
  /** Guest-physical memory. */
  readonly memory: PhysicalMemory;
  /** Set once the guest has ended. */
  readonly end: GuestEnd | undefined;
  /** Instructions retired by all its CPUs. */
  readonly instructions: number;
  /** RIP of each of its CPUs. */
  readonly rips: readonly bigint[];
  /** In the order of their indexes. */
  readonly cpus: readonly GuestCpuView[];
  /** What it tried and its CPUs do not have; each raised #UD. */
  readonly missingInstructions: MissingInstruction[];
  /** Turns it on: memory as the boot loader leaves it, CPU 0 at its first instruction. */
  boot(): void;
}

/** A hypervisor, or what there is in place of one: puts up guests, each at its site. */
export type Vmm = (guests: readonly { plan: GuestPlan; site: Site }[]) => readonly Guest[];
