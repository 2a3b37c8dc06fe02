/** What a scenario's fields have to be to each other: references that exist, names that are unique, sizes that fit. */
import { kinds } from '../trace/vocabulary/events';
import { interruptModes, type InterruptModeFacts } from '../vmm/interrupt-modes';
import { vmmFacts, vmmNames } from '../vmm/vmm-facts';
import { isAssigned } from './assignments';
import { costKeyNames, costProfileNames } from './costs';
import { isNic } from './device-schema';
import { printPath, type Path } from './document';
import { figurePaths } from './figures';
import { checkHostDevices } from './host-checks';
import { didYouMean } from './nearest';
import type { ProblemList } from './problems';
import type { Parsed, Scenario, ScenarioHostDevice, ScenarioVmDevice } from './schema';

/**
 * Adds a problem for everything that does not fit together.
 * @param written the same before defaults were filled in: where things stand in the file
 */
export function checkScenario(scenario: Scenario, written: Parsed, list: ProblemList): void {
  checkCosts(scenario, list);
  checkVms(scenario, list);
  checkCpus(scenario, list);
  checkInterrupts(scenario, list);
  checkAddresses(scenario, written, list);
  checkLinks(scenario, list);
  checkHostDevices(scenario, list);
  checkTrace(scenario, list);
  checkExpect(scenario, list);
}

/** An instruction takes its base and what its class adds; the vCPU counts up to a million cycles for the two. */
const MAX_INSTRUCTION_CYCLES = 500_000;

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
  for (const [key, cycles] of Object.entries(host.costsOverride)) {
    if (!key.startsWith('instruction.') || cycles <= MAX_INSTRUCTION_CYCLES) continue;
    list.add(
      'value',
      ['host', 'costsOverride', key],
      `is ${cycles}; a figure of an instruction is at most ${MAX_INSTRUCTION_CYCLES} cycles`,
    );
  }
}

const hosting = vmmNames.filter((name) => vmmFacts[name].hosts).join(', ');

/** What follows from there being a hypervisor, or none. */
function checkCpus({ host, vmm, vms }: Scenario, list: ProblemList): void {
  if (!vmmFacts[vmm].hosts && vms.length > 1)
    list.add(
      'value',
      ['vms'],
      `"vmm": "${vmm}" is one machine: "vms" has ${vms.length} entries. Keep one, or take a hypervisor: ${hosting}.`,
    );
  vms.forEach(({ vcpus }, index) => {
    if (vcpus <= host.cpus) return;
    const path = ['vms', index, 'vcpus'];
    if (!vmmFacts[vmm].hosts)
      return list.add(
        'value',
        path,
        `a bare machine has no more CPUs than there are: raise host.cpus from ${host.cpus} to ${vcpus}`,
      );
    list.add(
      'value',
      path,
      `${vcpus} vCPUs take turns on ${host.cpus} physical CPUs: raise host.cpus to ${vcpus} if they are to run at the same time`,
      'warning',
    );
  });
}

/** What a mode of interrupts asks of the VM that it is set for. */
function checkInterrupts({ vmm, vms }: Scenario, list: ProblemList): void {
  vms.forEach(({ interrupts, apic, cpu }, index) => {
    const path = ['vms', index, 'interrupts'];
    const wanted: InterruptModeFacts = interruptModes[interrupts];
    if (!vmmFacts[vmm].hosts && interrupts !== 'inject')
      list.add(
        'value',
        path,
        `"vmm": "${vmm}" is no hypervisor: interrupts come to the CPU itself. Leave it out.`,
      );
    if (wanted.apic && wanted.apic !== apic)
      list.add(
        'value',
        path,
        `"${interrupts}" is about the ${wanted.apic}: set "apic": "${wanted.apic}" beside it`,
      );
    if (wanted.vendor && wanted.vendor !== cpu.vendor)
      list.add(
        'value',
        path,
        `processors of ${cpu.vendor} have no "${interrupts}": set "cpu": { "vendor": "${wanted.vendor}" } beside it`,
      );
  });
}

/** No two stations may be called the same, wherever they are. */
function checkAddresses({ host, vms, links }: Scenario, written: Parsed, list: ProblemList): void {
  const first = new Map<string, string>();
  const check = (mac: string | undefined, path: Path): void => {
    if (mac === undefined) return;
    const at = printPath(path.slice(0, -1));
    const taken = first.get(mac.toLowerCase());
    if (taken === undefined) first.set(mac.toLowerCase(), at);
    else list.add('value', path, `${taken} and ${at} have the same MAC address ${mac}`);
  };
  vms.forEach(({ devices }, index) =>
    devices.forEach((device, slot) => {
      if (isNic(device)) check(device.mac, ['vms', index, 'devices', slot, 'mac']);
    }),
  );
  host.devices.forEach((device, index) => {
    if (isNic(device)) check(device.mac, ['host', 'devices', index, 'mac']);
  });
  links.forEach(({ peers }, index) =>
    peers.forEach((peer, position) => {
      const place = written.links[index].peers ? ['peers', position] : ['peer'];
      if ('mac' in peer) check(peer.mac, ['links', index, ...place, 'mac']);
    }),
  );
}

function checkVms({ host, vms }: Scenario, list: ProblemList): void {
  const first = new Map<string, number>();
  let memory = 0;
  vms.forEach((vm, index) => {
    vm.passPorts.forEach((range, position) => {
      const [from, to = from] = range.split('-').map(Number);
      if (from > to)
        list.add('value', ['vms', index, 'passPorts', position], `"${range}" ends before it begins`);
    });
    vm.devices.forEach((device, position) => {
      if (isAssigned(device) || device.model !== 'virtio-net') return;
      if (device.backend === 'vhost' || device.busyPollNs === 0) return;
      list.add(
        'value',
        ['vms', index, 'devices', position, 'busyPollNs'],
        'only a vhost worker polls: QEMU sleeps when it has nothing to do. Leave it out, or add "backend": "vhost".',
      );
    });
    const other = first.get(vm.name);
    if (other !== undefined)
      list.add(
        'value',
        ['vms', index, 'name'],
        `two VMs are called "${vm.name}": vms[${other}] and vms[${index}]. Give one another name.`,
      );
    else first.set(vm.name, index);
    memory += vm.memoryMiB;
  });
  if (memory > host.memoryMiB) {
    list.add(
      'value',
      ['vms'],
      `the VMs have ${memory} MiB together, the host has host.memoryMiB ${host.memoryMiB}. Raise that, or lower memoryMiB of the VMs.`,
    );
  }
}

function checkLinks({ host, vms, links }: Scenario, list: ProblemList): void {
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
  const check = (device: ScenarioVmDevice | ScenarioHostDevice, path: Path): void => {
    const link = isNic(device) ? device.link : undefined;
    if (link === undefined || first.has(link)) return;
    const there = [...first.keys()];
    const known = there.length > 0 ? `There is: ${there.join(', ')}.` : 'The scenario has no "links".';
    list.add('value', [...path, 'link'], `no link has the id "${link}".${didYouMean(link, there)} ${known}`);
  };
  vms.forEach(({ devices }, index) =>
    devices.forEach((device, slot) => check(device, ['vms', index, 'devices', slot])),
  );
  host.devices.forEach((device, index) => check(device, ['host', 'devices', index]));
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
