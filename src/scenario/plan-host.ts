/** The host of a scenario: where memory stands, and what is on its bus. */
import { linearTranslation } from '../machine/memory/dma-translation';
import type { GuestRam } from '../machine/x86';
import type { Host, Site } from '../vmm/host';
import { NOTHING_TO_MAP } from '../vmm/host-bus/dma-mapper';
import { HostBus, type HostDevicePlan } from '../vmm/host-bus/host-bus';
import type { HostDevice } from '../vmm/host-bus/host-device';
import { PLAIN_MESSAGES } from '../vmm/host-bus/message-domain';
import { PfDriver } from '../vmm/pf-driver/pf-driver';
import { assignableOf, assignmentsOf, type Assignment } from './assignments';
import { planIslands } from './islands';
import type { Networks } from './networks';
import { planHostDevice } from './plan-devices';
import { driveAmdIommu, driveIommu, memoryAlignment, translatesDma } from './plan-iommu';
import type { Scenario, ScenarioHostDevice } from './schema';

/** Widest physical address of x86-64 (SDM vol. 3, 4.1.4). */
const ALL_OF_MEMORY = 2 ** 52;

/**
 * Puts the memory of all VMs into the host's. Without an IOMMU that translates, that of the VM which has devices of the host stands at 0, where the
 * addresses that its drivers give them are right, and what the VMM has for itself next. With one the VMM's stands first, and the
 * memory of VMs where large pages can map it.
 * @returns where each VM's memory begins
 */
export function layOutMemory(scenario: Scenario, host: Host, memories: readonly GuestRam[]): number[] {
  const bases: number[] = [];
  const { devices, iommu } = scenario.host;
  if (translatesDma(iommu) && devices.length > 0) {
    host.addOwnData();
    const alignment = memoryAlignment(iommu);
    return memories.map((memory) => host.memory.append(memory, alignment));
  }
  const [first] = assignmentsOf(scenario);
  if (first) bases[first.vm] = host.memory.append(memories[first.vm]);
  if (devices.length > 0) host.addOwnData();
  memories.forEach((memory, vm) => (bases[vm] ??= host.memory.append(memory)));
  return bases;
}

/**
 * Puts up the buses of the islands that have devices of the host: each device is where its VM is, with the first VM when it is
 * nobody's.
 * @param sites by VM
 * @returns finds a device by its name
 */
export function buildHostBuses(
  scenario: Scenario,
  host: Host,
  sites: readonly Site[],
  networks: Networks,
): (name: string) => HostDevice {
  const assignments = assignmentsOf(scenario);
  const islands = planIslands(scenario);
  const plans = new Map<Site, HostDevicePlan[]>();
  scenario.host.devices.forEach((device, index) => {
    const home = homeOf(assignments, device.id);
    const site = sites[home];
    const cpus = islands.find(({ vms }) => vms.includes(home))?.cpus.length ?? 1;
    const plan = { ...planned(device, index, scenario.seed, networks), cpus };
    plans.set(site, [...(plans.get(site) ?? []), plan]);
  });
  const busOf = new Map<string, HostBus>();
  for (const [site, own] of plans) {
    const vms = scenario.vms.flatMap((_, vm) => (sites[vm] === site ? [vm] : []));
    const driver = driveIommu(scenario, host, site, vms);
    const amdDriver = driveAmdIommu(host, site, functionsOf(own));
    const bus = new HostBus(site, own, {
      dma: site.iommu?.unit ?? linearTranslation(0, ALL_OF_MEMORY),
      mapper: driver ?? NOTHING_TO_MAP,
      messages: driver ?? amdDriver ?? PLAIN_MESSAGES,
      msi: (requester, address, data) => site.scheduler.interrupts.fabric.msi(requester, address, data),
    });
    for (const { device } of own) busOf.set(device.name, bus);
    drivePhysicalFunctions(scenario, site, own, bus);
  }
  return (name) => {
    const bus = busOf.get(assignableOf(name).device);
    if (!bus) throw new RangeError(`the scenario has no device '${name}' of the host`);
    return bus.device(name);
  };
}

/** Functions of devices, the virtual ones among them. */
function functionsOf(plans: readonly HostDevicePlan[]): number {
  return plans.reduce((sum, { device }) => sum + 1 + ('vfs' in device ? device.vfs : 0), 0);
}

/** VMs whose islands have devices of the host. */
export function homesOfDevices(scenario: Scenario): Set<number> {
  const assignments = assignmentsOf(scenario);
  return new Set(scenario.host.devices.map(({ id }) => homeOf(assignments, id)));
}

/** The VM in whose island a device is. */
function homeOf(assignments: readonly Assignment[], device: string): number {
  return assignments.find((each) => each.device === device)?.vm ?? 0;
}

/** Each device with virtual functions has a driver in the host, unless a VM was given all of it. */
function drivePhysicalFunctions(
  scenario: Scenario,
  site: Site,
  plans: readonly HostDevicePlan[],
  bus: HostBus,
): void {
  const given = new Set(assignmentsOf(scenario).map(({ text }) => text));
  for (const { device } of plans)
    if (device.model === 'ixgbe' && device.vfs > 0 && !given.has(device.name))
      new PfDriver(site, bus.device(device.name), device.vfs).start();
}

/** As on a PC, device numbers 0 to 2 of bus 0 are the chipset's. */
const FIRST_NUMBER = 3;
/** Above those of the VMs' devices, of which random numbers are drawn as well. */
const FIRST_SEED = 2 ** 20;

function planned(
  spec: ScenarioHostDevice,
  index: number,
  seed: number,
  networks: Networks,
): Omit<HostDevicePlan, 'cpus'> {
  const { device, cable } = planHostDevice(spec, networks, seed + (FIRST_SEED + index) * 2 ** 32);
  return { device, cable, number: FIRST_NUMBER + index, affinity: spec.affinity };
}
