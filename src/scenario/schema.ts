/**
 * The scenario file, defined once: this validates it, gives it its types and is what the published JSON schema is
 * generated from. A description is what the editor shows at the field. Only what this version runs is accepted; names
 * of what is not there yet stand in `planned.ts`, for a message that says so.
 */
import { z } from 'zod';
import { interruptModeNames } from '../vmm/interrupt-modes';
import { vmmNames } from '../vmm/vmm-facts';
import { deviceSchema, hostDeviceSchema, isNic, type NicModel } from './device-schema';
import { iommuSchema, vmIommuSchema } from './iommu-schema';
import { NAME } from './patterns';
import { fillInPeer, peer, type ParsedPeer, type ScenarioPeer } from './peer-schema';

/** A C identifier, as a preprocessor macro has it. */
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

const sourcesGuest = z.strictObject({
  sources: z
    .array(z.string().min(1).describe('Path of a C, C++ or assembly file, relative to this file.'))
    .min(1)
    .max(64)
    .describe(
      'C, C++ (`.cpp`, `.cc`, `.cxx`) or assembly files of the guest driver, relative to this file. Trapline compiles them with your compiler and links them with the guest kit.',
    ),
  defines: z
    .record(z.string().regex(IDENTIFIER), z.union([z.number(), z.string()]))
    .default({})
    .describe('Preprocessor macros for the sources: `{ "PACKETS": 64 }` is `-DPACKETS=64`.'),
  optimize: z
    .enum(['0', '1', '2', 's'])
    .default('2')
    .describe('Optimisation level of the compiler: `-O0`, `-O1`, `-O2` or `-Os`.'),
});

const elfGuest = z.strictObject({
  elf: z
    .string()
    .min(1)
    .describe(
      'Path of a ready ELF file to run, relative to this file. It starts in 64-bit mode, or as Multiboot has it when it carries a Multiboot header.',
    ),
});

const objectsGuest = z.strictObject({
  objects: z
    .array(z.string().min(1).describe('Path of an x86-64 ELF object file (.o), relative to this file.'))
    .min(1)
    .max(256)
    .describe(
      'Object files that Trapline links by itself, at 1 MiB and upward, as the guest kit does. The guest starts at the symbol `_start`.',
    ),
});

/** One line of printable ASCII. */
const COMMAND_LINE = /^[\x20-\x7e]*$/;
const commandLine = z.string().regex(COMMAND_LINE).max(2000).default('');

const fileModule = z.strictObject({
  file: z.string().min(1).describe('Path of the file to load, relative to this file.'),
  cmdline: commandLine.describe("The module's string, after the file's name."),
});
const textModule = z.strictObject({
  text: z.string().max(1_000_000).describe('What the module holds, as UTF-8.'),
  cmdline: commandLine.describe("The module's string."),
});

const kernelGuest = z.strictObject({
  kernel: z
    .string()
    .min(1)
    .describe(
      'Path of a kernel with a Multiboot 1 header, relative to this file: an ELF file of 32 or 64 bits, or any file whose header has address fields. It starts in 32-bit protected mode. A source (`.c`, `.cpp`, `.S`, `.s`) is compiled first, and linked without the guest kit: it has the header and `_start` itself.',
    ),
  cmdline: commandLine.describe("The kernel's command line, after the file's name, which stands first."),
  modules: z
    .array(z.union([fileModule, textModule]))
    .max(32)
    .default([])
    .describe('Boot modules, in order: a `file`, or a `text` that is written here.'),
});

const firmwareGuest = z.strictObject({
  firmware: z
    .string()
    .min(1)
    .describe(
      'Path of the image of a ROM with a firmware, relative to this file: a multiple of 64 KiB, up to 16 MiB. It stands below 4 GiB, its end once more below 1 MiB, and CPU 0 begins at its reset vector, in real mode. Nothing else is in memory: the firmware finds memory, PCI devices and tables by the ports of the chipset (440FX with PIIX3) and by fw_cfg.',
    ),
});

/** One port, or a range with its last port: `0x80`, `0x80-0x8f`. */
const PORTS = /^0x[0-9A-Fa-f]{1,4}(-0x[0-9A-Fa-f]{1,4})?$/;

const vm = z.strictObject({
  name: z
    .string()
    .regex(NAME)
    .optional()
    .describe('Name in the explorer and in figures (`vms.vm0.exits.HLT`). `vm0`, `vm1` … when left out.'),
  vcpus: z
    .int()
    .min(1)
    .max(16)
    .default(1)
    .describe('Virtual CPUs. The first one boots; the guest starts the others by INIT and start-up IPIs.'),
  memoryMiB: z.int().min(16).max(1024).default(32).describe('Guest-physical memory in MiB.'),
  apic: z
    .enum(['xapic', 'x2apic'])
    .default('xapic')
    .describe(
      'What the local APIC offers: `xapic` is registers in memory at 0xFEE00000; `x2apic` adds the x2APIC mode, which the guest may turn on, with registers as MSRs.',
    ),
  cpu: z
    .strictObject({
      vendor: z
        .enum(['intel', 'amd'])
        .default('intel')
        .describe(
          'Whose processor the guest sees: its name in CPUID, and what the two do differently, as SYSCALL outside 64-bit mode, SYSENTER in long mode, or 66H before a near branch.',
        ),
    })
    .prefault({})
    .describe('The processor that the guest sees.'),
  interrupts: z
    .enum(interruptModeNames)
    .default('inject')
    .describe(
      'How interrupts reach the guest of a hypervisor. `inject`: KVM writes them into the VM-entry interruption field, and each end of interrupt is an exit. `direct-eoi`: the same, but a hole in the MSR bitmap lets the guest write the EOI register of its x2APIC itself, unless a level-triggered interrupt is in service, whose end the IOAPIC of the VM has to be told. `apicv`: the processor has a virtual-APIC page, delivers what is pending while the guest runs, and serves the registers; a vector that comes while the guest runs still makes it leave, for KVM to hand it over at the entry. `posted`: the same, but vectors are posted in a descriptor in memory, and a notification vector has the processor take them over while the guest runs, without an exit. `eli`: the guest runs on a shadow of its IDT with external interrupts not leaving; vectors of devices assigned to it are present there, others raise #NP, which leaves; its x2APIC EOI goes to the physical local APIC. `avic`: as `posted`, on a processor of AMD, by a backing page in memory and a doorbell, which KVM rings or, for a device that is assigned, the IOMMU (`host.iommu` of the model `amd-vi`); IPIs to vCPUs that run are sent without an exit.',
    ),
  guest: z
    .union([sourcesGuest, elfGuest, kernelGuest, objectsGuest, firmwareGuest])
    .describe(
      'What the VM runs: `sources` to compile, a ready `elf`, a Multiboot `kernel`, `objects` to link, or a `firmware` in a ROM.',
    ),
  serialInput: z
    .array(
      z.strictObject({
        after: z
          .string()
          .max(1000)
          .default('')
          .describe(
            'What the guest has to print first, since the step before was typed. Empty: nothing, the time alone counts.',
          ),
        delayMs: z
          .number()
          .min(0)
          .max(60_000)
          .default(0)
          .describe('Simulated milliseconds from then, or from the step before, until it is typed.'),
        send: z
          .string()
          .min(1)
          .max(10_000)
          .describe('What is typed: `\n` ends a line. It arrives as fast as the guest takes it.'),
      }),
    )
    .max(1000)
    .default([])
    .describe("What is typed at the guest's serial console, step by step."),
  clock: z.iso
    .datetime({ precision: 0, error: 'has to be a date and time in UTC, such as "2024-01-31T23:59:59Z"' })
    .default('2024-01-01T00:00:00Z')
    .describe('What the CMOS clock shows when the VM starts, in UTC: `2024-01-01T00:00:00Z`.'),
  tripleFault: z
    .enum(['stop', 'reset'])
    .default('stop')
    .describe(
      'What follows a triple fault: `stop` ends the run and tells where it came from, `reset` restarts the machine, as a PC does and QEMU without `-no-reboot`. Other resets of the guest always restart it.',
    ),
  haltPolling: z
    .strictObject({
      maxNs: z
        .int()
        .min(0)
        .max(10_000_000)
        .default(0)
        .describe(
          'Longest time in nanoseconds for which KVM looks whether something wakes a halted vCPU, before it lets its thread sleep (the module parameter `halt_poll_ns`, 200000 on x86). 0: it sleeps at once.',
        ),
    })
    .prefault({})
    .describe(
      'Halt polling of KVM. Off when left out, unlike in Linux: then each HLT shows the whole way to sleep and back, whatever the halts before it were like.',
    ),
  passPorts: z
    .array(z.string().regex(PORTS))
    .max(64)
    .default([])
    .describe(
      'I/O ports that KVM lets the guest reach itself, by clear bits in its I/O bitmaps: `["0x80", "0x2f8-0x2ff"]`. No access to them is an exit; it goes to the board of the host, where 0x80 is the display for POST codes and nothing else answers. KVM let 0x80 through on Intel until Linux 4.14, as old drivers write to it for a delay, and lets none through since.',
    ),
  testDevices: z
    .boolean()
    .default(false)
    .describe(
      "Adds QEMU's pc-testdev: ports 0xE0 to 0xEB to read and write, 0x2000 to 0x2017 to drive interrupt lines, memory at 0xFF000000.",
    ),
  iommu: vmIommuSchema,
  devices: z
    .array(deviceSchema)
    .max(8)
    .default([])
    .describe('Devices of the VM; those on PCI in slot order.'),
});

const link = z
  .strictObject({
    id: z.string().regex(NAME).default('wire').describe("Name that a device's `link` refers to."),
    gbps: z.number().min(0.001).max(800).default(10).describe('Rate of each wire in gigabits a second.'),
    latencyNs: z
      .int()
      .min(0)
      .max(1e9)
      .default(500)
      .describe('Propagation delay of each wire, in nanoseconds.'),
    peer: z
      .union([z.literal('none'), peer])
      .optional()
      .describe(
        'What is on the link beside the NICs: `echo`, `sink`, `generate`, `window`, `host`, `frames` or `pcap`; `"none"` is nothing. When left out, an echo for a NIC that would be alone.',
      ),
    peers: z.array(peer).max(64).optional().describe('Several of them, instead of `peer`.'),
  })
  .refine(({ peer, peers }) => peer === undefined || peers === undefined, {
    path: ['peers'],
    error: 'stands beside "peer": keep one of the two',
  });

const host = z.strictObject({
  cpus: z
    .int()
    .min(1)
    .max(256)
    .default(2)
    .describe("Physical CPUs. vCPU threads and QEMU's main loop share them."),
  frequencyGHz: z
    .number()
    .min(0.1)
    .max(10)
    .default(2.9)
    .describe('Frequency of the time-stamp counter in GHz: the length of a cycle.'),
  memoryMiB: z
    .int()
    .min(16)
    .max(4096)
    .default(256)
    .describe('Memory of the host in MiB. The memory of all VMs has to fit.'),
  devices: z
    .array(hostDeviceSchema)
    .max(8)
    .default([])
    .describe(
      "Devices of the host itself, on its own PCI bus: each can be given to a VM (`assign` in the VM's `devices`). One that no VM has is nobody's, and does nothing.",
    ),
  iommu: iommuSchema,
  costs: z
    .string()
    .default('kvm-skylake-2017')
    .describe('Cost profile: what an exit, an entry or an injection takes, in cycles.'),
  costsOverride: z
    .record(z.string(), z.int().min(0).max(1e9))
    .default({})
    .describe('Figures of the cost profile to replace, in cycles: `{ "qemu.dispatch": 6500 }`.'),
});

const bounds = z
  .strictObject({
    atLeast: z.number().optional().describe('The figure is at least this.'),
    atMost: z.number().optional().describe('The figure is at most this.'),
    equals: z.union([z.number(), z.string()]).optional().describe('The figure is exactly this.'),
  })
  .refine(
    (value) => Object.values(value).some((bound) => bound !== undefined),
    'needs at least one of "atLeast", "atMost" and "equals"',
  );

/** The definition. Cross-references are checked by `checks.ts`. */
export const scenarioSchema = z
  .strictObject({
    $schema: z.string().optional().describe('Address of this schema, for the editor.'),
    title: z
      .string()
      .max(200)
      .optional()
      .describe('One line: what is run. Shown at the trace. The file name when left out.'),
    about: z.string().max(10_000).default('').describe('What to look at in the trace, and why it is so.'),
    seed: z
      .int()
      .min(0)
      .max(0xffff_ffff)
      .default(1)
      .describe('Seed of everything random in the run. The same seed gives the same trace.'),
    host: host.prefault({}).describe('The physical computer.'),
    vmm: z
      .enum(vmmNames)
      .default('kvm')
      .describe(
        'The hypervisor: `kvm` is Linux KVM with QEMU as its user-space part; `none` is no hypervisor, and the one entry of `vms` describes the bare machine.',
      ),
    vms: z.array(vm).min(1).max(64).describe('The virtual machines. Only `guest` has no default.'),
    links: z
      .array(link)
      .max(64)
      .default([])
      .describe(
        'Ethernet links. One with two stations is a cable from one to the other; with more it is a switch that learns where each of them is.',
      ),
    stop: z
      .strictObject({
        when: z
          .enum(['guests-exit', 'time'])
          .default('guests-exit')
          .describe(
            '`guests-exit`: when every guest has ended itself; one that has not by `afterMs` is told of, with the lines at which its CPUs were, and the run has failed. `time`: after `afterMs`, whatever the guests do.',
          ),
        afterMs: z
          .number()
          .gt(0)
          .max(60_000)
          .default(100)
          .describe('At the latest after this much simulated time, in milliseconds.'),
        afterInstructions: z
          .int()
          .min(1)
          .max(1e12)
          .optional()
          .describe('At the latest after exactly this many guest instructions, those of all VMs together.'),
      })
      .prefault({})
      .describe('When the run ends.'),
    trace: z
      .strictObject({
        kinds: z
          .union([z.literal('all'), z.array(z.string()).min(1)])
          .default('all')
          .describe(
            'What is recorded: `"all"`, or a list of kinds (`exit.HLT`, `dma.read`) and groups (`exit`, `interrupt`). Figures stay exact whatever is left out.',
          ),
        maxEvents: z
          .int()
          .min(1)
          .max(100_000_000)
          .default(10_000_000)
          .describe('Recording stops at this many events; figures stay exact.'),
      })
      .prefault({})
      .describe('What is recorded.'),
    expect: z
      .record(z.string(), z.union([z.number(), z.string(), bounds]))
      .default({})
      .describe(
        'What must hold at the end, by figure: `{ "packets.rx": 64, "exits.EPT_MISCONFIG": { "atMost": 800 } }`. Makes the scenario a test.',
      ),
  })
  .describe('A Trapline scenario: a computer, the VMs on it, and what is expected of the run.');

/** A scenario as it was written, with those defaults that do not depend on anything. */
export type Parsed = z.output<typeof scenarioSchema>;

type ParsedDevice = Parsed['vms'][number]['devices'][number];
/** A network card with its defaults filled in. */
export type ScenarioNic = Extract<ParsedDevice, { model: NicModel }> & { mac: string };
/** A device with its defaults filled in. */
export type ScenarioDevice = ScenarioNic | Exclude<ParsedDevice, { model: NicModel } | { assign: string }>;
/** An entry of a VM's devices that is one of the host's. */
export type ScenarioAssignment = Extract<ParsedDevice, { assign: string }>;
/** A device of a VM: its own, or one of the host's. */
export type ScenarioVmDevice = ScenarioDevice | ScenarioAssignment;
/** A VM with its defaults filled in. */
export type ScenarioVm = Omit<Parsed['vms'][number], 'name' | 'devices'> & {
  name: string;
  devices: ScenarioVmDevice[];
};
/** What an emulated virtio device is told of its emulation, and what a physical one is. */
const NOT_EMULATED = {
  backend: 'qemu',
  busyPollNs: 0,
  ioeventfd: false,
  transport: 'pci',
} as const;
type ParsedHostDevice = Parsed['host']['devices'][number];
/** A device of the host with its defaults filled in. */
export type ScenarioHostDevice =
  | (Extract<ParsedHostDevice, { model: 'e1000' }> & { mac: string; coalescedMmio?: undefined })
  | (Extract<ParsedHostDevice, { model: 'ixgbe' }> & { mac: string })
  | (Extract<ParsedHostDevice, { model: 'virtio-net' }> & { mac: string } & typeof NOT_EMULATED)
  | (Exclude<ParsedHostDevice, { model: NicModel }> & { image?: undefined });
/** A link and its peers. */
export type ScenarioLink = Omit<Parsed['links'][number], 'peer' | 'peers'> & { peers: ScenarioPeer[] };
/** What an expectation demands of a figure. */
export type Expectation = Parsed['expect'][string];
/** A valid scenario with all defaults filled in. */
export type Scenario = Omit<Parsed, '$schema' | 'title' | 'host' | 'vms' | 'links'> & {
  title: string;
  host: Omit<Parsed['host'], 'devices'> & { devices: ScenarioHostDevice[] };
  vms: ScenarioVm[];
  links: ScenarioLink[];
};

/** The network cards among the devices of a VM, in slot order. */
export function nicsOf<D extends object>(devices: readonly D[]): Extract<D, { model: NicModel }>[] {
  return devices.filter((device): device is Extract<D, { model: NicModel }> => isNic(device));
}

/** Fills in the defaults that depend on where a thing stands: the title, VM names, MAC addresses, an echo for a single NIC. */
export function fillIn(parsed: Parsed, fileName: string): Scenario {
  let nic = 0;
  let counted = 0;
  const { $schema: _schema, ...rest } = parsed;
  const devices = [...parsed.vms.flatMap((each) => each.devices), ...parsed.host.devices];
  const plugged = nicsOf(devices).map(({ link }) => link);
  const withMac = <D extends { mac?: string | undefined }>(device: D): D & { mac: string } => ({
    ...device,
    mac: device.mac ?? countedMac(FIRST_NIC, nic++),
  });
  return {
    ...rest,
    title: parsed.title ?? fileName.replace(/\.trapline\.json$/, ''),
    vms: parsed.vms.map((each, index) => ({
      ...each,
      name: each.name ?? `vm${index}`,
      devices: each.devices.map((device) => (isNic(device) ? withMac(device) : device)),
    })),
    host: {
      ...parsed.host,
      devices: parsed.host.devices.map((device) => {
        if (device.model === 'virtio-net') return { ...withMac(device), ...NOT_EMULATED };
        return isNic(device) ? withMac(device) : device;
      }),
    },
    links: parsed.links.map(({ peer, peers, ...each }) => ({
      ...each,
      peers: peersOf(peer, peers, plugged.filter((id) => id === each.id).length).map((one) =>
        fillInPeer(one, () => countedMac(FIRST_PEER, counted++)),
      ),
    })),
  };
}

type ParsedLink = Parsed['links'][number];

/** What a link has beside its NICs. */
function peersOf(peer: ParsedLink['peer'], peers: ParsedLink['peers'], nics: number): ParsedPeer[] {
  if (peers) return peers;
  if (peer === undefined) return nics > 1 ? [] : [{ kind: 'echo', turnaroundNs: 0, swap: true }];
  return peer === 'none' ? [] : [peer];
}

/** QEMU's first address for a guest's NIC. */
const FIRST_NIC = 0x52_54_00_12_34_56;
/** Locally administered, "TL" in ASCII. */
const FIRST_PEER = 0x02_54_4c_00_00_01;

function countedMac(first: number, index: number): string {
  return (first + index).toString(16).padStart(12, '0').match(/../g)!.join(':');
}
