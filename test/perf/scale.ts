/**
 * What many VMs cost beside one: `trapline run` of 1, 8 and 64 VMs of one guest, each with a NIC, a link and a peer of its own; or
 * each with a virtual function of a NIC of the host.
 */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Figures } from './side-by-side';

export const VM_COUNTS = [1, 8, 64] as const;
/** Packets of each VM: about half a second of work for one, so that the start of the process counts for little. */
const PACKETS = 3_000;
const MIB = 1024 * 1024;
/** Threads of a VM: its vCPU's and QEMU's main loop. With a physical CPU for each the VMs share nothing. */
const THREADS = 2;
/** Loaded before the program: tells at its end how much memory it had at most. */
const WATCHER = `process.on('exit', () =>
  require('node:fs').writeFileSync(process.env.TRAPLINE_BENCH_PEAK, String(process.resourceUsage().maxRSS * 1024)));\n`;

/** What the VMs have: `scale` an emulated NIC each, `scaleVf` a virtual function each, of an 82599 for every 32 of them. */
export const SCALE_VARIANTS = ['scale', 'scaleVf'] as const;
/** One of them: begins the names of its figures. */
export type ScaleVariant = (typeof SCALE_VARIANTS)[number];

/** What a variant is made of. */
interface Variant {
  driver: string;
  /** Of the scenario's `host`, beside CPUs and memory. */
  host(vms: number): object;
  /** What VM number `vm` has. */
  device(vm: number): object;
  /** Names of the links. */
  links(vms: number): string[];
}

/** An 82599 has 63 virtual functions at most. */
const VFS = 32;
const nicsFor = (vms: number): number[] => Array.from({ length: Math.ceil(vms / VFS) }, (_, nic) => nic);

const variants: Readonly<Record<ScaleVariant, Variant>> = {
  scale: {
    driver: 'e1000.c',
    host: () => ({}),
    device: (vm) => ({ model: 'e1000', backend: 'qemu', link: `wire${vm}` }),
    links: (vms) => Array.from({ length: vms }, (_, vm) => `wire${vm}`),
  },
  scaleVf: {
    driver: 'ixgbevf.c',
    host: (vms) => ({
      iommu: { model: 'vt-d' },
      devices: nicsFor(vms).map((nic) => ({
        id: `nic${nic}`,
        model: 'ixgbe',
        vfs: Math.min(vms, VFS),
        link: `wire${nic}`,
      })),
    }),
    device: (vm) => ({ assign: `nic${Math.floor(vm / VFS)}.vf${vm % VFS}` }),
    links: (vms) => nicsFor(vms).map((nic) => `wire${nic}`),
  },
};

function scenarioOf(root: string, variant: ScaleVariant, vms: number): string {
  const { driver, host, device, links } = variants[variant];
  const guest = { sources: [join(root, 'media/workspace/drivers', driver)], defines: { PACKETS } };
  return JSON.stringify({
    title: `Bench: ${vms} VMs`,
    host: { cpus: THREADS * vms, memoryMiB: 4096, ...host(vms) },
    vms: Array.from({ length: vms }, (_, vm) => ({ guest, devices: [device(vm)] })),
    links: links(vms).map((id) => ({ id, peer: { kind: 'echo' } })),
    stop: { afterMs: 60_000 },
    trace: { maxEvents: 100_000_000 },
    expect: { 'packets.tx': PACKETS * vms, 'packets.rx': PACKETS * vms },
  });
}

/** One run in a process of its own. */
interface ScaleRun {
  /** From the start of the run, its guests compiled, to its end. */
  seconds: number;
  /** Most memory that the process had, in bytes. */
  peak: number;
}

async function run(root: string, directory: string, variant: ScaleVariant, vms: number): Promise<ScaleRun> {
  const [scenario, watcher, peak] = ['scale.trapline.json', 'watcher.cjs', 'peak'].map((name) =>
    join(directory, name),
  );
  await writeFile(scenario, scenarioOf(root, variant, vms));
  await writeFile(watcher, WATCHER);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--require', watcher, join(root, 'dist/cli.js'), 'run', scenario, '--json', '--quiet'],
    { env: { ...process.env, TRAPLINE_BENCH_PEAK: peak }, maxBuffer: 64 * MIB },
  );
  const { wallSeconds } = JSON.parse(stdout) as { wallSeconds: number };
  return { seconds: wallSeconds, peak: Number(await readFile(peak, 'utf8')) };
}

function median(values: readonly number[]): number {
  return [...values].sort((x, y) => x - y)[values.length >> 1] ?? NaN;
}

/**
 * Runs each number of VMs `turns` times, one after the other by turns.
 *
 * A process has its own price, the compiler of its code the more so the shorter it runs: what a further VM costs is therefore
 * taken from the difference of two runs. `linear` is what each of VMs 9 to 64 costs by what each of VMs 2 to 8 does.
 */
export async function measureScale(
  root: string,
  directory: string,
  variant: ScaleVariant,
  turns: number,
  say: (line: string) => void,
): Promise<Figures> {
  const runs = new Map<number, ScaleRun[]>(VM_COUNTS.map((vms) => [vms, []]));
  for (let turn = 0; turn < turns; turn++)
    for (const [vms, done] of runs) {
      say(`${variant}: ${vms} VMs, turn ${turn + 1} of ${turns}`);
      done.push(await run(root, directory, variant, vms));
    }
  const seconds = VM_COUNTS.map((vms) => median((runs.get(vms) ?? []).map((each) => each.seconds)));
  const bytes = VM_COUNTS.map((vms) => median((runs.get(vms) ?? []).map((each) => each.peak)));
  const figures: Figures = {};
  VM_COUNTS.forEach((vms, i) => {
    figures[`${variant}.${vms}.secondsPerVm`] = seconds[i] / vms;
    figures[`${variant}.${vms}.peakMiB`] = bytes[i] / MIB;
  });
  const further = (values: readonly number[], i: number): number =>
    (values[i] - values[i - 1]) / (VM_COUNTS[i] - VM_COUNTS[i - 1]);
  figures[`${variant}.8.mibPerFurtherVm`] = further(bytes, 1) / MIB;
  figures[`${variant}.64.mibPerFurtherVm`] = further(bytes, 2) / MIB;
  figures[`${variant}.secondsLinear`] = further(seconds, 2) / further(seconds, 1);
  figures[`${variant}.secondsPerVm64To1`] =
    figures[`${variant}.64.secondsPerVm`] / figures[`${variant}.1.secondsPerVm`];
  figures[`${variant}.memoryLinear`] = further(bytes, 2) / further(bytes, 1);
  return figures;
}
