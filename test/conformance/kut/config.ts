/**
 * Which test kernels there are and how each wants its machine: read from a kvm-unit-tests build that the user has. Its
 * configuration file says it best; a folder with nothing but kernels is run by what is known about their names.
 */

/** One run of one kernel. */
export interface KernelTest {
  /** Unique: `smptest3`, `vmexit_cpuid`. */
  name: string;
  /** File name of the kernel: `smptest.flat`. */
  file: string;
  cpus: number;
  memoryMiB: number;
  /** What follows the kernel's name on its command line; the product puts the name there. */
  arguments: string;
  x2apic: boolean;
  amd: boolean;
  /** It has QEMU's intel-iommu. */
  iommu: boolean;
  /** It has QEMU's teaching device. */
  edu: boolean;
  /** Why it is not run at all. */
  skip?: string;
}

const DEFAULT_MEMORY_MIB = 128;
/** What a scenario may ask for. */
const MOST_MEMORY_MIB = 1024;

/** What this machine does not offer, by a word of QEMU's parameters, the group or the file. */
const OUT_OF_REACH: readonly [RegExp, string][] = [
  [/\bgroup=vmx\b|\+vmx\b/, 'needs nested VMX'],
  [/\bgroup=svm\b|\+svm\b/, 'needs nested SVM'],
  [/\bhv_|hyperv/, 'needs Hyper-V enlightenments'],
  [/vmport=on/, "needs VMware's backdoor port"],
  [/phys-bits=36/, 'needs a smaller physical address width'],
  [/-pcid|\+pcid,-invpcid|-pcid,\+invpcid/, 'needs CPUID features switched off one by one'],
];

type Section = Record<string, string>;

function sectionsOf(text: string): Map<string, Section> {
  const sections = new Map<string, Section>();
  let current: Section | undefined;
  for (const line of text.split(/\r?\n/)) {
    const heading = /^\[([^\]]+)\]\s*$/.exec(line);
    if (heading) {
      current = {};
      sections.set(heading[1], current);
      continue;
    }
    const pair = /^([a-z_]+)\s*=\s*(.*?)\s*$/.exec(line);
    if (pair && current) current[pair[1]] = pair[2];
  }
  return sections;
}

function unquoted(text: string): string {
  return text.replace(/^(['"])(.*)\1$/, '$2');
}

function memoryOf(parameters: string): number {
  const found = /(?:^|\s)-m\s+(\d+)([gG]?)/.exec(parameters);
  if (!found) return DEFAULT_MEMORY_MIB;
  return Number(found[1]) * (found[2] === '' ? 1 : 1024);
}

function skipOf(section: Section, memoryMiB: number): string | undefined {
  if (section.arch !== undefined && section.arch !== 'x86_64') return `is for ${section.arch}`;
  const words = `${section.qemu_params ?? ''} group=${(section.groups ?? '').split(/\s+/).join(' group=')}`;
  if (/\bgroup=nodefault\b/.test(words)) return 'is not run by default';
  const reach = OUT_OF_REACH.find(([pattern]) => pattern.test(words));
  if (reach) return reach[1];
  if (section.check !== undefined) return `needs of its host: ${section.check}`;
  if (memoryMiB > MOST_MEMORY_MIB) return `needs ${memoryMiB} MiB of memory`;
  if (/[`$]/.test(section.test_args ?? '')) return 'its arguments are worked out by a shell';
  return undefined;
}

/**
 * The tests that a configuration file (`unittests.cfg`) lists, in its order. Sections without a file are left out.
 * @param text the file's
 */
export function testsOfConfiguration(text: string): KernelTest[] {
  const tests: KernelTest[] = [];
  for (const [name, section] of sectionsOf(text)) {
    if (section.file === undefined) continue;
    const parameters = section.qemu_params ?? section.extra_params ?? '';
    const memoryMiB = memoryOf(parameters);
    const skip = skipOf({ ...section, qemu_params: parameters }, memoryMiB);
    tests.push({
      name,
      file: section.file,
      cpus: Number(section.smp ?? 1) || 1,
      memoryMiB,
      arguments: unquoted(section.test_args ?? ''),
      x2apic: !/-x2apic\b/.test(parameters),
      amd: /vendor=AuthenticAMD/.test(parameters),
      iommu: /-device intel-iommu\b/.test(parameters),
      edu: /-device edu\b/.test(parameters),
      ...(skip !== undefined && { skip }),
    });
  }
  return tests;
}

type Known = Partial<Pick<KernelTest, 'cpus' | 'arguments' | 'x2apic' | 'amd' | 'iommu' | 'edu'>>;

const VMEXIT_ROWS = ['cpuid', 'vmcall', 'mov_from_cr8', 'mov_to_cr8', 'inl_from_pmtimer', 'ple_round_robin'];

/** Kernels that need more than one CPU, or are run more than once, by file name. */
const KNOWN: Readonly<Record<string, Readonly<Record<string, Known>>>> = {
  'apic.flat': { x2apic: { cpus: 2 }, xapic: { cpus: 2, x2apic: false } },
  // One that halts and starts the counter, and others that read it.
  'hpet_read_test.flat': { hpet_read_test: { cpus: 4 } },
  'intel-iommu.flat': { intel_iommu: { cpus: 4, iommu: true, edu: true } },
  'ioapic.flat': { ioapic: { cpus: 4 } },
  'smptest.flat': { smptest: { cpus: 2 }, smptest3: { cpus: 3 } },
  // Half of it is about what only AMD's processors do.
  'syscall.flat': { syscall: { amd: true } },
  'vmexit.flat': {
    ...Object.fromEntries(VMEXIT_ROWS.map((row) => [`vmexit_${row}`, { arguments: row }])),
    vmexit_ipi: { arguments: 'ipi', cpus: 2 },
    vmexit_ipi_halt: { arguments: 'ipi_halt', cpus: 2 },
    vmexit_tscdeadline: { arguments: 'tscdeadline' },
    vmexit_tscdeadline_immed: { arguments: 'tscdeadline_immed' },
  },
};

/** The tests of a folder that holds kernels and no configuration. */
export function testsOfFiles(files: readonly string[]): KernelTest[] {
  const common = {
    cpus: 1,
    memoryMiB: DEFAULT_MEMORY_MIB,
    arguments: '',
    x2apic: true,
    amd: false,
    iommu: false,
    edu: false,
  };
  return [...files].sort().flatMap((file) => {
    const known = KNOWN[file] ?? { [file.replace(/\.flat$/, '')]: {} };
    return Object.entries(known).map(([name, differs]) => ({ name, file, ...common, ...differs }));
  });
}

/** The scenario that runs one test; the kernel lies beside it. */
export function scenarioOf(test: KernelTest, simulatedMs: number): string {
  return JSON.stringify({
    title: test.name,
    host: { memoryMiB: Math.max(256, 2 * test.memoryMiB), cpus: Math.max(2, test.cpus) },
    vms: [
      {
        vcpus: test.cpus,
        memoryMiB: test.memoryMiB,
        apic: test.x2apic ? 'x2apic' : 'xapic',
        cpu: { vendor: test.amd ? 'amd' : 'intel' },
        guest: { kernel: test.file, cmdline: test.arguments },
        testDevices: true,
        iommu: { model: test.iommu ? 'vt-d' : 'none' },
        devices: test.edu ? [{ model: 'edu' }] : [],
      },
    ],
    stop: { afterMs: simulatedMs },
    trace: { kinds: ['guest.fault'] },
  });
}
