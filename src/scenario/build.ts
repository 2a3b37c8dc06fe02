/** The one function that builds a machine from a scenario. */
import { planBoot, type BootParameters } from '../guest/boot/boot';
import type { GuestImage } from '../guest/image';
import { createMachineCore, type GuestRam } from '../machine/x86';
import type { MachineCoreOptions } from '../machine/x86/types';
import { memoryMap } from '../machine/firmware/memory-map';
import { Link } from '../machine/link/link';
import { EchoPeer, GeneratorPeer, SinkPeer } from '../machine/link/peers';
import type { Tracer } from '../trace/record/tracer';
import type { Costs } from '../vmm/cost-keys';
import { Host } from '../vmm/host';
import { KvmVm } from '../vmm/kvm/vm';
import { QemuPc } from '../vmm/qemu/pc';
import { TrackTrace } from '../vmm/track-trace';
import { resolveCosts } from './costs';
import type { Scenario, ScenarioLink } from './schema';

const MIB = 1024 * 1024;

/** A machine ready to run. */
export interface BuiltMachine {
  host: Host;
  vms: readonly KvmVm[];
  /** RAM of each VM, for snapshots. */
  memories: readonly GuestRam[];
  costs: Costs;
  /** Simulated time at which the run ends at the latest, in cycles. */
  stopTime: number;
}

/** What a VM is to run. */
export interface LoadedGuest {
  image: GuestImage;
  /** What its boot loader hands to it. */
  boot?: BootParameters | undefined;
}

/** What the machine tells while it runs. */
export interface MachineEvents {
  /** A byte from the console of a VM. */
  serial(vm: number, byte: number): void;
}

/**
 * Builds host, links, VMs and devices, loads the guests and lets them stand at their first instruction.
 *
 * @param guests one per VM of the scenario
 * @param core compiled `cpu-core.wasm`
 * @throws GuestImageError when a guest does not fit its VM
 */
export function buildMachine(
  scenario: Scenario,
  guests: readonly LoadedGuest[],
  core: WebAssembly.Module,
  tracer: Tracer,
  events: MachineEvents,
): BuiltMachine {
  const costs = resolveCosts(scenario);
  const host = new Host(tracer, costs, Math.round(scenario.host.frequencyGHz * 1e9));
  const memories: GuestRam[] = [];
  const vms = scenario.vms.map((spec, index) => {
    const ramBytes = spec.memoryMiB * MIB;
    const machine = createMachineCore({
      ramBytes,
      cpus: spec.vcpus,
      module: core,
      costs: instructionCosts(costs),
      vendor: spec.cpu.vendor,
    });
    memories.push(machine.memory);
    for (const cpu of machine.cpus) host.units.keep(`${spec.name}/cpu${cpu.index}`, cpu);
    return new KvmVm(host, index, spec.name, machine, {
      x2apic: spec.apic === 'x2apic',
      vendor: spec.cpu.vendor,
    });
  });
  const links = new Map(scenario.links.map((spec) => [spec.id, { spec, link: buildLink(host, spec) }]));

  scenario.vms.forEach((spec, index) => {
    const vm = vms[index];
    const pc = new QemuPc(host, vm);
    spec.devices.forEach((device, position) => {
      const link = device.link === undefined ? undefined : links.get(device.link)?.link;
      const nic = pc.addE1000({
        name: position === 0 ? device.model : `${device.model}.${position}`,
        mac: Uint8Array.from(device.mac.split(':'), (byte) => parseInt(byte, 16)),
        wire: link?.wire(0),
      });
      link?.attach(0, nic);
    });
    const { image, boot } = guests[index];
    pc.powerOn((byte) => events.serial(index, byte), {
      cmdline: boot?.cmdline ?? '',
      startSeconds: Date.parse(spec.clock) / 1000,
      testDevices: spec.testDevices,
    });
    vm.boot(planBoot(image.file, memoryMap(spec.memoryMiB * MIB), boot));
  });

  for (const { spec, link } of links.values()) addPeer(host, scenario.seed, spec, link);
  return {
    host,
    vms,
    memories,
    costs,
    stopTime: Math.round((scenario.stop.afterMs / 1000) * host.frequencyHz),
  };
}

/** The core charges one figure for an instruction, by its class; the profile states what a class adds to the base. */
function instructionCosts(costs: Costs): MachineCoreOptions['costs'] {
  const base = costs['instruction.base'];
  return {
    base,
    memory: base + costs['instruction.memory'],
    branch: base + costs['instruction.branch'],
    multiply: base + costs['instruction.multiply'],
    divide: base + costs['instruction.divide'],
    serialising: base + costs['instruction.serialising'],
    control: base + costs['instruction.control'],
    pause: base + costs['instruction.pause'],
  };
}

function buildLink(host: Host, spec: ScenarioLink): Link {
  const track = host.tracer.addTrack({ type: 'link', name: spec.id, group: 'network', vm: -1 });
  const link = new Link({
    name: `link/${spec.id}`,
    gigabitsPerSecond: spec.gbps,
    latencyNanoseconds: spec.latencyNs,
    cyclesPerNanosecond: host.frequencyHz / 1e9,
    scheduler: host.queue,
    trace: new TrackTrace(host, track),
  });
  host.queue.register(link);
  host.units.keep(link.eventTargetId, link);
  return link;
}

function addPeer(host: Host, seed: number, { id, peer }: ScenarioLink, link: Link): void {
  const cycles = (nanoseconds: number): number => Math.round((nanoseconds * host.frequencyHz) / 1e9);
  const name = `link/${id}/peer`;
  if (peer.kind === 'echo') {
    const echo = new EchoPeer(name, link, host.queue, cycles(peer.turnaroundNs));
    host.queue.register(echo);
    host.units.keep(name, echo);
  } else if (peer.kind === 'generate') {
    const { count, length, intervalNs } = peer;
    const interval = cycles(intervalNs);
    const generator = new GeneratorPeer(name, link, host.queue, {
      count,
      length,
      interval,
      delay: interval,
      seed,
    });
    host.queue.register(generator);
    host.units.keep(name, generator);
    generator.start();
  } else {
    host.units.keep(name, new SinkPeer(link));
  }
}
