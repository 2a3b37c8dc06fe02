/** The IOMMU of a scenario's host: what the unit can do, and how the kernel drives it. */
import { SERVER_UNIT, type CacheShape } from '../machine/iommu/options';
import { DataSlot } from '../machine/memory/data-slot';
import { isShadowed, type GuestIommuPlan } from '../vmm/guest';
import type { Host, Site } from '../vmm/host';
import { AmdIommu, amdIommuPages } from '../vmm/iommu/amd-iommu';
import type { HostAmdIommuPlan } from '../vmm/iommu/host-amd-iommu';
import type { HostIommuPlan } from '../vmm/iommu/host-iommu';
import { IntelIommu, OWN_PAGES } from '../vmm/iommu/intel-iommu';
import { bytesOfLevel, tablesFor, type PageLevel } from '../vmm/iommu/second-stage-tables';
import { TABLE_BYTES } from '../vmm/iommu/table-pages';
import { assignmentsOf } from './assignments';
import type { Scenario, ScenarioVm } from './schema';

type IommuOptions = Scenario['host']['iommu'];

const MIB = 2 ** 20;
/** For tables of a function whose addresses its guest chooses: when there are no more, nothing more is mapped. */
const SHADOW_PAGES = 512;
/** Bits of a device's address: of five levels more than 52 are not to be had (`RemappingOptions.addressWidth`). */
const ADDRESS_WIDTH = { 3: 48, 4: 48, 5: 52 } as const;
const LARGEST: Readonly<Record<IommuOptions['pages'], PageLevel>> = { '4k': 1, '2m': 2, '1g': 3 };

/** The unit of an island that has devices; undefined: the host has none. */
export function planIommu({ host: { iommu } }: Scenario): HostIommuPlan | HostAmdIommuPlan | undefined {
  if (iommu.model === 'none') return undefined;
  if (iommu.model === 'amd-vi') return { model: 'amd-vi' };
  const { iotlbEntries, iotlbWays, levels, interruptRemapping, scalableMode } = iommu;
  const iotlb = shapeOf(iotlbEntries, iotlbWays);
  const pagingStructures = shapeOf(iommu.pagingStructureEntries, SERVER_UNIT.pagingStructures.ways);
  return {
    unit: { ...SERVER_UNIT, addressWidth: ADDRESS_WIDTH[levels], scalableMode, iotlb, pagingStructures },
    remapsInterrupts: interruptRemapping,
  };
}

/** The unit of a VM's board, or of a bare machine; undefined: it has none. */
export function planVmIommu({ iommu }: Pick<ScenarioVm, 'iommu'>): GuestIommuPlan | undefined {
  if (iommu.model === 'none') return undefined;
  const { iotlbEntries, iotlbWays, interruptRemapping, ...abilities } = iommu;
  const { addressWidth, scalableMode, cachingMode } = abilities;
  const iotlb = shapeOf(iotlbEntries, iotlbWays);
  return {
    unit: { ...SERVER_UNIT, addressWidth, scalableMode, cachingMode, iotlb },
    remapsInterrupts: interruptRemapping,
  };
}

function shapeOf(entries: number, ways: number): CacheShape {
  return entries === 0 ? { sets: 1, ways: 0 } : { sets: entries / ways, ways };
}

/** Where the memory of a VM may stand: at a multiple of the largest pages that it can be mapped by. */
export function memoryAlignment({ pages }: IommuOptions): number {
  return bytesOfLevel(LARGEST[pages]);
}

/** Whether an IOMMU translates addresses of DMA: that of AMD is there for interrupts only. */
export function translatesDma({ model }: Pick<IommuOptions, 'model'>): boolean {
  return model === 'vt-d';
}

/**
 * The kernel's driver of an island's unit of AMD, with its tables behind what is in memory; undefined: the island has none.
 * @param functions that interrupt, at most
 */
export function driveAmdIommu(host: Host, site: Site, functions: number): AmdIommu | undefined {
  if (!site.amdIommu) return undefined;
  const pages = amdIommuPages(functions);
  const slot = new DataSlot(pages * TABLE_BYTES);
  const base = host.memory.append(slot);
  host.units.keep(`island${site.island.index}/iommu-tables`, slot);
  return new AmdIommu(site, site.amdIommu, { base, pages });
}

/**
 * The kernel's driver of an island's unit, with its tables behind what is in memory; undefined: the island has none.
 * @param vms of the island
 */
export function driveIommu(
  scenario: Scenario,
  host: Host,
  site: Site,
  vms: readonly number[],
): IntelIommu | undefined {
  if (!site.iommu) return undefined;
  const { levels, pages: largest, unmap, ...demand } = scenario.host.iommu;
  const onDemand = demand.onDemand ? { mostPages: demand.pinnedPages } : undefined;
  const ofDomains = vms.flatMap((vm) => {
    const functions = assignmentsOf(scenario).filter((each) => each.vm === vm).length;
    const { memoryMiB, iommu } = scenario.vms[vm];
    const whole = 1 + tablesFor(memoryMiB * MIB, levels);
    if (isShadowed(planVmIommu({ iommu }))) return new Array<number>(functions).fill(whole + SHADOW_PAGES);
    return functions > 0 ? [whole] : [];
  });
  const pages = ofDomains.reduce((sum, each) => sum + each, OWN_PAGES);
  const slot = new DataSlot(pages * TABLE_BYTES);
  const base = host.memory.append(slot);
  host.units.keep(`island${site.island.index}/iommu-tables`, slot);
  return new IntelIommu(
    site,
    site.iommu,
    { levels, largest: LARGEST[largest], unmap, onDemand },
    { base, pages },
  );
}
