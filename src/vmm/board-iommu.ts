/** The remapping unit of a guest's board: what its work takes whoever does it, and what of it is shown. */
import type { InterruptFabric } from '../machine/interrupts/fabric';
import { BoardIommu, IOMMU_NAME, type BoardInterruptPlan } from '../machine/platform/board-iommu';
import type { RemappingCosts } from '../machine/iommu/options';
import type { BoardTrace } from './board-trace';
import type { Costs } from './cost-keys';
import type { GuestPlan } from './guest';
import type { Site } from './host';
import { InterruptTrace } from './iommu/interrupt-trace';
import { IommuTrace } from './iommu/iommu-trace';
import type { BackedIommu } from './vfio/backed-iommu';
import { HOST_DESCRIPTORS } from './vfio/nested-stages';

/** Who the unit is: what it costs, and what it can do with interrupts. */
export interface IommuMaker {
  readonly costs: RemappingCosts;
  readonly interrupts: BoardInterruptPlan;
}

/** A unit of the chipset. */
export function physicalIommu(costs: Costs): IommuMaker {
  const lookup = costs['iommu.lookup'];
  const reference = costs['iommu.reference'];
  const invalidation = costs['iommu.invalidate'];
  return {
    costs: { lookup, reference, command: invalidation, descriptor: invalidation, ...NO_DEVICE_TLBS },
    interrupts: {
      posting: true,
      x2apic: true,
      verifiesIoapic: true,
      costs: { cacheHit: lookup, tableRead: lookup + reference, descriptorUpdate: costs['iommu.post'] },
    },
  };
}

/**
 * QEMU's intel-iommu: software, which reads an entry of a table as it reads memory for a device. Commands and descriptors are done
 * within the register write that brings them, whose time is that of the exit; with devices of the host behind it they take as long as
 * the host's IOMMU does to forget, so that a guest cannot ask for more than that gets done.
 * @param nested devices of the host that are behind it by nested tables: what shadowing takes are steps of its own
 */
export function emulatedIommu(costs: Costs, nested: number): IommuMaker {
  const reference = costs['device.dmaSetup'];
  const invalidation = nested * HOST_DESCRIPTORS * costs['iommu.invalidate'];
  return {
    costs: {
      lookup: reference,
      reference,
      command: invalidation,
      descriptor: invalidation,
      ...NO_DEVICE_TLBS,
    },
    interrupts: {
      posting: false,
      x2apic: true,
      verifiesIoapic: false,
      // QEMU tells KVM of the remapped message when it is set up (kvm_arch_fixup_msi_route): the interrupt itself costs nothing.
      costs: { cacheHit: 0, tableRead: 0, descriptorUpdate: 0 },
    },
  };
}

const NO_DEVICE_TLBS = { deviceInvalidation: 0, deviceTimeout: 0 } as const;

/** Where it stands. */
export interface IommuPlace {
  readonly site: Site;
  readonly trace: BoardTrace;
  /** The board's, which comes after the unit. */
  readonly fabric: () => InterruptFabric;
  /** Devices of the host that are behind the unit, which the host's IOMMU translates for; absent: there can be none. */
  readonly backed?: BackedIommu;
}

/** The unit of a guest's board; undefined: the guest has none. */
export function boardIommu(
  { name, core, iommu }: GuestPlan,
  { site, trace, fabric, backed }: IommuPlace,
  maker: IommuMaker,
): BoardIommu | undefined {
  if (!iommu) return undefined;
  const { tracer, island } = site;
  const now = (): number => island.now();
  const track = (): number => trace.trackNamed(IOMMU_NAME);
  const { costs } = maker;
  const pen = new IommuTrace(tracer, now, track, costs);
  return new BoardIommu(
    {
      name,
      scheduler: backed?.scheduler ?? island.queue,
      memory: core.memory,
      observer: backed ? backed.observing(pen) : pen,
      switched: () => backed?.switched(),
      interruptObserver: new InterruptTrace(tracer, now, track),
      send: (...message) => void fabric().unitMessage(...message),
    },
    {
      unit: { ...iommu.unit, costs },
      interrupts: iommu.remapsInterrupts ? maker.interrupts : undefined,
    },
  );
}
