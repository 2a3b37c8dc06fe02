/** What a scenario's fields have to be to each other: references that exist, names that are unique, sizes that fit. */
import { kinds } from '../trace/vocabulary/events';
import { costKeyNames, costProfileNames } from './costs';
import { figurePaths } from './figures';
import { didYouMean } from './nearest';
import type { ProblemList } from './problems';
import type { Scenario } from './schema';

/** Adds a problem for everything that does not fit together. */
export function checkScenario(scenario: Scenario, list: ProblemList): void {
  checkCosts(scenario, list);
  checkVms(scenario, list);
  checkLinks(scenario, list);
  checkTrace(scenario, list);
  checkExpect(scenario, list);
}

function checkCosts({ host }: Scenario, list: ProblemList): void {
  const names = costProfileNames();
  if (!names.includes(host.costs)) {
    list.add(
      'value',
      ['host', 'costs'],
      `no cost profile "${host.costs}".${didYouMean(host.costs, names)} There is: ${names.join(', ')}.`,
    );
  }
  const keys: readonly string[] = costKeyNames();
  for (const key of Object.keys(host.costsOverride)) {
    if (keys.includes(key)) continue;
    const hint = didYouMean(key, keys) || ` Figures are: ${keys.join(', ')}.`;
    list.add('key', ['host', 'costsOverride', key], `the cost profile has no figure "${key}".${hint}`);
  }
  if (host.costsOverride['instruction.base'] === 0) {
    list.add(
      'value',
      ['host', 'costsOverride', 'instruction.base'],
      'an instruction takes at least 1 cycle: if it took none, a guest that loops would stop time',
    );
  }
}

function checkVms({ host, vms }: Scenario, list: ProblemList): void {
  const first = new Map<string, number>();
  const macs = new Map<string, string>();
  let memory = 0;
  vms.forEach((vm, index) => {
    const other = first.get(vm.name);
    if (other !== undefined)
      list.add(
        'value',
        ['vms', index, 'name'],
        `two VMs are called "${vm.name}": vms[${other}] and vms[${index}]. Give one another name.`,
      );
    else first.set(vm.name, index);
    if (vm.vcpus > host.cpus) {
      list.add(
        'value',
        ['vms', index, 'vcpus'],
        `${vm.vcpus} vCPUs do not fit a host with host.cpus ${host.cpus}`,
      );
    }
    memory += vm.memoryMiB;
    vm.devices.forEach((device, slot) => {
      const at = `vms[${index}].devices[${slot}]`;
      const taken = macs.get(device.mac.toLowerCase());
      if (taken !== undefined)
        list.add(
          'value',
          ['vms', index, 'devices', slot, 'mac'],
          `${taken} and ${at} have the same MAC address ${device.mac}`,
        );
      else macs.set(device.mac.toLowerCase(), at);
    });
  });
  if (memory > host.memoryMiB) {
    list.add(
      'value',
      ['vms'],
      `the VMs have ${memory} MiB together, the host has host.memoryMiB ${host.memoryMiB}. Raise that, or lower memoryMiB of the VMs.`,
    );
  }
}

function checkLinks({ vms, links }: Scenario, list: ProblemList): void {
  const first = new Map<string, number>();
  links.forEach(({ id }, index) => {
    const other = first.get(id);
    if (other !== undefined)
      list.add(
        'value',
        ['links', index, 'id'],
        `links[${other}] and links[${index}] have the same id "${id}"`,
      );
    else first.set(id, index);
  });
  const plugged = new Map<string, string>();
  vms.forEach((vm, index) => {
    vm.devices.forEach(({ link }, slot) => {
      if (link === undefined) return;
      const path = ['vms', index, 'devices', slot, 'link'];
      const at = `vms[${index}].devices[${slot}]`;
      const there = [...first.keys()];
      if (!first.has(link)) {
        const known = there.length > 0 ? `There is: ${there.join(', ')}.` : 'The scenario has no "links".';
        return list.add('value', path, `no link has the id "${link}".${didYouMean(link, there)} ${known}`);
      }
      const taken = plugged.get(link);
      if (taken !== undefined)
        list.add(
          'value',
          path,
          `the link "${link}" has ${taken} at its end already: a link joins one device with its peer`,
        );
      else plugged.set(link, at);
    });
  });
}

function checkTrace({ trace }: Scenario, list: ProblemList): void {
  if (trace.kinds === 'all') return;
  const names = new Set([...kinds.values()].flatMap(({ name, group }) => [name, group as string]));
  trace.kinds.forEach((name, index) => {
    if (names.has(name)) return;
    const groups = [...new Set([...kinds.values()].map(({ group }) => group))];
    const hint = didYouMean(name, names) || ` Groups are: ${groups.join(', ')}.`;
    list.add('value', ['trace', 'kinds', index], `no kind or group of events is called "${name}".${hint}`);
  });
}

function checkExpect({ vms, expect }: Scenario, list: ProblemList): void {
  const paths = figurePaths(vms.map(({ name }) => name));
  const known = new Set(paths);
  for (const [figure, expectation] of Object.entries(expect)) {
    if (figure === 'wallSeconds')
      list.add(
        'key',
        ['expect', figure],
        'wallSeconds depends on the computer that runs the simulation: expect "simulatedSeconds" or "cycles"',
      );
    else if (!known.has(figure))
      list.add(
        'key',
        ['expect', figure],
        `no figure "${figure}".${didYouMean(figure, paths) || ' Figures are, for example: packets.rx, exits.HLT, interrupts.handled, vms.' + vms[0].name + '.exitCode.'}`,
      );
    else if (
      typeof expectation === 'object' &&
      expectation.atLeast !== undefined &&
      expectation.atMost !== undefined &&
      expectation.atLeast > expectation.atMost
    ) {
      list.add(
        'value',
        ['expect', figure],
        `nothing is at least ${expectation.atLeast} and at most ${expectation.atMost}`,
      );
    }
  }
}
