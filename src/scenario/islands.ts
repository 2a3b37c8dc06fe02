/** Which guests share a part of the host: those on one link, and all when there are fewer physical CPUs than threads. */
import { vmmFacts } from '../vmm/vmm-facts';
import { nicsOf, type Scenario } from './schema';

/** One island: positions of its VMs in the scenario, and indexes of its physical CPUs. */
export interface IslandPlan {
  vms: number[];
  cpus: number[];
}

function threadsOf({ vmm, vms }: Scenario, vm: number): number {
  return vmmFacts[vmm].threadsOf(vms[vm].vcpus);
}

/** Every VM is in exactly one island. The first islands hold the first VMs. */
export function planIslands(scenario: Scenario): IslandPlan[] {
  const { vms, host } = scenario;
  const all = vms.map((_, vm) => vm);
  const every = Array.from({ length: host.cpus }, (_, cpu) => cpu);
  const threads = all.reduce((sum, vm) => sum + threadsOf(scenario, vm), 0);
  if (vmmFacts[scenario.vmm].hosts && threads > host.cpus) return [{ vms: all, cpus: every }];
  const groups = linkedGroups(scenario);
  if (groups.length === 1) return [{ vms: all, cpus: every }];
  let next = 0;
  return groups.map((members) => {
    const count = Math.max(
      1,
      members.reduce((sum, vm) => sum + threadsOf(scenario, vm), 0),
    );
    const cpus = Array.from({ length: count }, (_, i) => next + i);
    next += count;
    return { vms: members, cpus };
  });
}

/** VMs that links join, directly or through others, by ascending first member. */
function linkedGroups({ vms }: Scenario): number[][] {
  const groupOfLink = new Map<string, number[]>();
  const groups: number[][] = [];
  vms.forEach(({ devices }, vm) => {
    const links = nicsOf(devices).flatMap(({ link }) => (link === undefined ? [] : [link]));
    const joined = new Set(
      links.flatMap((link) => groupOfLink.get(link) ?? []).map((each) => groupIndex(groups, each)),
    );
    const members = [...[...joined].flatMap((index) => groups[index]), vm].sort((x, y) => x - y);
    const rest = groups.filter((_, index) => !joined.has(index));
    groups.splice(0, Infinity, ...rest, members);
    for (const each of members)
      for (const { link } of nicsOf(vms[each].devices))
        if (link !== undefined) groupOfLink.set(link, members);
  });
  return groups.sort(([x], [y]) => x - y);
}

function groupIndex(groups: number[][], vm: number): number {
  return groups.findIndex((members) => members.includes(vm));
}
