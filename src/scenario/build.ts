/** The one function that builds a machine from a scenario. */
import { planBoot } from '../guest/boot/boot';
import type { BootParameters } from '../guest/boot/plan';
import { RomFile } from '../guest/boot/rom-file';
import type { GuestImage } from '../guest/image';
import { memoryMap } from '../machine/firmware/memory-map';
import type { SerialStep } from '../machine/devices/serial-script';
import { RomShadow } from '../machine/memory/rom-shadow';
import { createMachineCore, type GuestRam } from '../machine/x86';
import type { MachineCore, MachineCoreOptions } from '../machine/x86/types';
import type { Tracer } from '../trace/record/tracer';
import type { Costs } from '../vmm/cost-keys';
import type { Guest, GuestPlan } from '../vmm/guest';
import { Host, type Site } from '../vmm/host';
import { vmms } from '../vmm/vmms';
import { resolveCosts } from './costs';
import { planIslands } from './islands';
import { Networks, type NetworkEnvironment } from './networks';
import { planDevices } from './plan-devices';
import { buildHostBuses, homesOfDevices, layOutMemory } from './plan-host';
import { planIommu, planVmIommu } from './plan-iommu';
import type { Scenario, ScenarioVm } from './schema';

const MIB = 1024 * 1024;

/** A machine ready to run. */
export interface BuiltMachine {
  host: Host;
  guests: readonly Guest[];
  /** RAM of each guest, for snapshots. */
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
  /** Bytes of the files that its disks begin with, by position in `devices`. */
  images?: ReadonlyMap<number, Uint8Array> | undefined;
}

/** What the machine tells while it runs. */
export interface MachineEvents {
  /** A byte from the console of a VM. */
  serial(vm: number, byte: number): void;
  /** As `NetworkEnvironment.tap`. */
  frame?: NetworkEnvironment['tap'];
}

/**
 * Builds host, links, guests and devices, loads the guests and lets them stand at their first instruction.
 *
 * @param guests one per VM of the scenario
 * @param core compiled `cpu-core.wasm`
 * @param captures as `NetworkEnvironment.captures`
 * @throws GuestImageError when a guest does not fit its VM
 */
export function buildMachine(
  scenario: Scenario,
  loaded: readonly LoadedGuest[],
  core: WebAssembly.Module,
  tracer: Tracer,
  events: MachineEvents,
  captures: NetworkEnvironment['captures'] = new Map(),
): BuiltMachine {
  const costs = resolveCosts(scenario);
  const host = new Host(tracer, costs, Math.round(scenario.host.frequencyGHz * 1e9));
  const sites: Site[] = [];
  const homes = homesOfDevices(scenario);
  for (const { vms, cpus } of planIslands(scenario)) {
    const hasDevices = vms.some((vm) => homes.has(vm));
    const site = host.addIsland(cpus, hasDevices ? planIommu(scenario) : undefined);
    for (const vm of vms) sites[vm] = site;
  }
  const networks = new Networks(scenario, sites, host, { captures, tap: events.frame });
  const roms = loaded.map(({ image }) => (image.file instanceof RomFile ? image.file.bytes : undefined));
  const machines = scenario.vms.map((spec, index) =>
    createMachineCore({
      ramBytes: spec.memoryMiB * MIB,
      rom: roms[index],
      cpus: spec.vcpus,
      module: core,
      costs: instructionCosts(costs),
      vendor: spec.cpu.vendor,
    }),
  );
  const memories = machines.map(({ memory }) => memory);
  const bases = layOutMemory(scenario, host, memories);
  const assigned = buildHostBuses(scenario, host, sites, networks);
  const plans = scenario.vms.map((spec, index) => {
    const ramBytes = spec.memoryMiB * MIB;
    const { image, boot, images } = loaded[index];
    const machine = machines[index];
    const bios = roms[index];
    for (const cpu of machine.cpus) host.units.keep(`${spec.name}/cpu${cpu.index}`, cpu);
    const plan: GuestPlan = {
      index,
      name: spec.name,
      core: machine,
      memoryBase: bases[index],
      features: { x2apic: spec.apic === 'x2apic', vendor: spec.cpu.vendor },
      startSeconds: Date.parse(spec.clock) / 1000,
      testDevices: spec.testDevices,
      serialInput: spec.serialInput.map((step) => planInput(step, host.frequencyHz)),
      interrupts: spec.interrupts,
      haltPollNs: spec.haltPolling.maxNs,
      passPorts: spec.passPorts.map(portRange),
      tripleFault: spec.tripleFault,
      rom: bios && shadowOf(bios.length, ramBytes, machine),
      iommu: planVmIommu(spec),
      boot: planBoot(image.file, memoryMap(ramBytes), boot),
      cmdline: boot?.cmdline ?? '',
      devices: planDevices(spec.devices, networks, { run: scenario.seed, vm: index, images, assigned }),
      serial: (byte) => events.serial(index, byte),
    };
    return { plan, site: sites[index] };
  });
  const guests = vmms[scenario.vmm](plans);
  for (const guest of guests) guest.boot();
  networks.start();
  return {
    host,
    guests,
    memories,
    costs,
    stopTime: Math.round((scenario.stop.afterMs / 1000) * host.frequencyHz),
  };
}

/** Where a ROM shows, and RAM in its place: for all CPUs alike. */
function shadowOf(romBytes: number, ramBytes: number, { cpus }: MachineCore): RomShadow {
  const shadow = new RomShadow(ramBytes, romBytes);
  for (const cpu of cpus) cpu.translation = { secondStage: shadow };
  shadow.serve(cpus);
  return shadow;
}

function planInput({ after, delayMs, send }: ScenarioVm['serialInput'][number], hz: number): SerialStep {
  const text = new TextEncoder();
  return { after: text.encode(after), delay: Math.round((delayMs / 1000) * hz), send: text.encode(send) };
}

/** `0x80-0x8f`, or one port. */
function portRange(text: string): { first: number; last: number } {
  const [first, last = first] = text.split('-').map(Number);
  return { first, last };
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
