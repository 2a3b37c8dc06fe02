/** What the devices of the host and those who are given them have to be to each other. */
import { SERVER_UNIT } from '../machine/iommu/options';
import { vmmFacts, vmmNames } from '../vmm/vmm-facts';
import { assignmentsOf, type Assignment } from './assignments';
import { MOST_VFS } from './device-schema';
import { printPath, type Path } from './document';
import { planIslands } from './islands';
import { didYouMean } from './nearest';
import { translatesDma } from './plan-iommu';
import type { ProblemList } from './problems';
import type { Scenario, ScenarioHostDevice } from './schema';

const pathOf = ({ vm, slot }: Assignment): Path => ['vms', vm, 'devices', slot];

/** Adds a problem for everything that does not fit together. */
export function checkHostDevices(scenario: Scenario, list: ProblemList): void {
  const { host, vmm } = scenario;
  if (!vmmFacts[vmm].hosts && host.devices.length > 0) {
    const hosting = vmmNames.filter((name) => vmmFacts[name].hosts).join(', ');
    list.add(
      'key',
      ['host', 'devices'],
      `"vmm": "${vmm}" is one machine, whose devices are those of vms[0].devices: put them there, or take a hypervisor: ${hosting}.`,
    );
  }
  checkIds(scenario, list);
  const assignments = assignmentsOf(scenario);
  const known = assignments.filter((each) => isKnown(scenario, each, list));
  checkOwners(known, list);
  checkShared(known, list);
  if (!translatesDma(host.iommu)) checkReach(scenario, known, list);
  checkIotlbs(scenario, list);
  checkAmdIommu(scenario, list);
  checkNesting(scenario, known, list);
  checkAffinities(scenario, known, list);
}

function checkIds({ host }: Scenario, list: ProblemList): void {
  const first = new Map<string, number>();
  host.devices.forEach(({ id }, index) => {
    const other = first.get(id);
    if (other === undefined) first.set(id, index);
    else
      list.add(
        'value',
        ['host', 'devices', index, 'id'],
        `host.devices[${other}] and host.devices[${index}] have the same id "${id}": give one another`,
      );
  });
}

function isKnown({ host }: Scenario, assignment: Assignment, list: ProblemList): boolean {
  const { device, function: number, text } = assignment;
  const ids = host.devices.map(({ id }) => id);
  const found = host.devices.find(({ id }) => id === device);
  const at = [...pathOf(assignment), 'assign'];
  if (!found) {
    const there = ids.length > 0 ? `There is: ${ids.join(', ')}.` : 'The scenario has no "host.devices".';
    list.add('value', at, `no device of the host has the id "${device}".${didYouMean(device, ids)} ${there}`);
    return false;
  }
  if (number === undefined) return true;
  const problem = virtualProblem(found, number);
  if (problem !== undefined) list.add('value', at, `"${text}": ${problem}`);
  return problem === undefined;
}

/** Why a device has no virtual function of a number; undefined: it has. */
function virtualProblem(found: ScenarioHostDevice, number: number): string | undefined {
  const { id, model } = found;
  if (model !== 'ixgbe')
    return `${id} is an ${model}, which has no virtual functions. Assign "${id}" itself.`;
  const { vfs } = found;
  if (number < vfs) return undefined;
  if (vfs === 0)
    return `${id} has no virtual functions: give it some by "vfs" (up to ${MOST_VFS}), or assign "${id}" itself.`;
  const there =
    vfs === 1
      ? `one virtual function, ${id}.vf0`
      : `${vfs} virtual functions, ${id}.vf0 to ${id}.vf${vfs - 1}`;
  const more = vfs < MOST_VFS ? `raise its "vfs" (up to ${MOST_VFS})` : `add another ${model}`;
  return `${id} has ${there}. To have more, ${more}, or give the VM an emulated NIC.`;
}

/** A device that a VM has whole is nobody else's to share out: the host's driver, which has virtual functions work, is not there. */
function checkShared(assignments: readonly Assignment[], list: ProblemList): void {
  for (const each of assignments) {
    const whole = assignments.find(
      ({ device, function: number }) => device === each.device && number === undefined,
    );
    if (each.function === undefined || !whole) continue;
    list.add(
      'value',
      [...pathOf(each), 'assign'],
      `${printPath(pathOf(whole))} has all of ${each.device}, and without the host's driver it has no virtual functions: assign virtual functions only, or "${each.device}" only`,
    );
  }
}

/** A device works for one VM. */
function checkOwners(assignments: readonly Assignment[], list: ProblemList): void {
  const first = new Map<string, Assignment>();
  for (const each of assignments) {
    const other = first.get(each.text);
    if (other === undefined) first.set(each.text, each);
    else
      list.add(
        'value',
        [...pathOf(each), 'assign'],
        `"${each.text}" is given to ${printPath(pathOf(other))} already, and a device works for one VM only`,
      );
  }
}

/** An address has one set, by some of its bits. */
function checkIotlbs({ host, vms }: Scenario, list: ProblemList): void {
  checkIotlb(host.iommu, ['host'], list);
  const { pagingStructureEntries } = host.iommu;
  const place = ['host', 'iommu', 'pagingStructureEntries'];
  checkSets(pagingStructureEntries, SERVER_UNIT.pagingStructures.ways, place, list);
  vms.forEach(({ iommu }, index) => checkIotlb(iommu, ['vms', index], list));
}

function checkIotlb(
  { iotlbEntries, iotlbWays }: Pick<Scenario['host']['iommu'], 'iotlbEntries' | 'iotlbWays'>,
  owner: Path,
  list: ProblemList,
): void {
  checkSets(iotlbEntries, iotlbWays, [...owner, 'iommu', 'iotlbEntries'], list);
}

/** A cache has a power of two of sets. */
function checkSets(entries: number, ways: number, place: Path, list: ProblemList): void {
  if (entries === 0 || Number.isInteger(Math.log2(entries / ways))) return;
  list.add('value', place, `is ${entries}, and a set has ${ways} of them: give ${ways} times a power of two`);
}

/** What the IOMMU of AMD, which is there for interrupts only, goes together with. */
function checkAmdIommu({ host: { iommu }, vms }: Scenario, list: ProblemList): void {
  if (iommu.model !== 'amd-vi') return;
  const unlike = vms.findIndex(({ cpu }) => cpu.vendor !== 'amd');
  if (unlike >= 0)
    list.add(
      'value',
      ['host', 'iommu', 'model'],
      `"amd-vi" stands beside processors of AMD, and ${vms[unlike].name} has one of ${vms[unlike].cpu.vendor}: set "cpu": { "vendor": "amd" } there, or take "vt-d"`,
    );
  const { onDemand, scalableMode, interruptRemapping } = iommu;
  const refused = { onDemand, scalableMode, interruptRemapping: !interruptRemapping };
  for (const [key, is] of Object.entries(refused))
    if (is)
      list.add(
        'value',
        ['host', 'iommu', key],
        `"amd-vi" is there for interrupts only, and remaps them always: leave "${key}" out, or take "vt-d"`,
      );
}

/** What a guest has its own IOMMU do for a device of the host, the host's has to do. */
function checkNesting({ host, vms }: Scenario, assignments: readonly Assignment[], list: ProblemList): void {
  const there = translatesDma(host.iommu);
  for (const each of assignments) {
    const { iommu, name } = vms[each.vm];
    if (iommu.model === 'none') continue;
    const nested = there && host.iommu.scalableMode && iommu.scalableMode;
    const shadowed = there && !iommu.scalableMode && iommu.cachingMode;
    const at = [...pathOf(each), 'assign'];
    if (shadowed && host.iommu.onDemand)
      list.add(
        'value',
        at,
        `"${each.text}" is behind the IOMMU of ${name}, whose tables say what is mapped: set "onDemand" of "host.iommu" to false`,
      );
    if (nested || shadowed) continue;
    list.add(
      'value',
      at,
      `"${each.text}" is behind the IOMMU of ${name}, and the host's has to translate for it. Give "host" an "iommu" of "model": "vt-d", and either both of them "scalableMode": true, so that the host's walks the guest's tables, or that of the VM "cachingMode": true and "scalableMode": false, so that QEMU follows what the guest changes; or take that of the VM away`,
    );
  }
}

/** Without an IOMMU the addresses that a guest has are right for its devices where its memory stands at 0 alone. */
function checkReach({ vms }: Scenario, assignments: readonly Assignment[], list: ProblemList): void {
  const [first] = assignments;
  const other = assignments.find(({ vm }) => vm !== first.vm);
  if (!other) return;
  list.add(
    'value',
    pathOf(other),
    `${vms[first.vm].name} and ${vms[other.vm].name} both have devices of the host, which has no IOMMU: the memory of only one VM can stand where the addresses of its devices lead. Assign devices to one VM, or add "iommu": { "model": "vt-d" } to "host".`,
  );
}

function checkAffinities(scenario: Scenario, assignments: readonly Assignment[], list: ProblemList): void {
  const islands = planIslands(scenario);
  scenario.host.devices.forEach(({ id, affinity }, index) => {
    const vm = assignments.find(({ device }) => device === id)?.vm ?? 0;
    const cpus = islands.find(({ vms }) => vms.includes(vm))?.cpus.length ?? 0;
    if (affinity < cpus) return;
    list.add(
      'value',
      ['host', 'devices', index, 'affinity'],
      `is ${affinity}, but the threads of ${scenario.vms[vm].name} run on ${cpus} physical CPUs: give 0 to ${cpus - 1}`,
    );
  });
}
