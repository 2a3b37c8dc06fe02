/**
 * Which guests share a part of the host: those on one link or with one device of the host, and all when there are fewer physical
 * CPUs than threads.
 */
import { vmmFacts } from '../vmm/vmm-facts';
import { assignmentsOf } from './assignments';
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
  const groups = joinedGroups(scenario);
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

/** VMs that something joins, directly or through others, by ascending first member. */
function joinedGroups(scenario: Scenario): number[][] {
  const groupOf = new Map<string, number[]>();
  const groups: number[][] = [];
  const joints = scenario.vms.map((_, vm) => jointsOf(scenario, vm));
  joints.forEach((own, vm) => {
    const joined = new Set(
      own.flatMap((joint) => groupOf.get(joint) ?? []).map((each) => groupIndex(groups, each)),
    );
    const members = [...[...joined].flatMap((index) => groups[index]), vm].sort((x, y) => x - y);
    const rest = groups.filter((_, index) => !joined.has(index));
    groups.splice(0, Infinity, ...rest, members);
    for (const joint of members.flatMap((each) => joints[each])) groupOf.set(joint, members);
  });
  return groups.sort(([x], [y]) => x - y);
}

/** By what a VM is joined with others: links of its NICs, devices of the host that it is given, and the links of these. */
function jointsOf(scenario: Scenario, vm: number): string[] {
  const given = new Set(assignmentsOf(scenario).flatMap((each) => (each.vm === vm ? [each.device] : [])));
  const physical = scenario.host.devices.filter(({ id }) => given.has(id));
  const nics = [...nicsOf(scenario.vms[vm].devices), ...nicsOf(physical)];
  const links = nics.flatMap(({ link }) => (link === undefined ? [] : [`link ${link}`]));
  return [...links, ...[...given].map((id) => `device ${id}`)];
}

function groupIndex(groups: number[][], vm: number): number {
  return groups.findIndex((members) => members.includes(vm));
}
