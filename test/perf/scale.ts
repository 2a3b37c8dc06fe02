/** What many VMs cost beside one: `trapline run` of 1, 8 and 64 VMs of one guest, each with a NIC, a link and a peer of its own. */
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

function scenarioOf(root: string, vms: number): string {
  const guest = { sources: [join(root, 'media/workspace/drivers/e1000.c')], defines: { PACKETS } };
  const each = Array.from({ length: vms }, (_, vm) => vm);
  return JSON.stringify({
    title: `Bench: ${vms} VMs`,
    host: { cpus: THREADS * vms, memoryMiB: 4096 },
    vms: each.map((vm) => ({
      guest,
      devices: [{ model: 'e1000', backend: 'qemu', link: `wire${vm}` }],
    })),
    links: each.map((vm) => ({ id: `wire${vm}`, peer: { kind: 'echo' } })),
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

async function run(root: string, directory: string, vms: number): Promise<ScaleRun> {
  const [scenario, watcher, peak] = ['scale.trapline.json', 'watcher.cjs', 'peak'].map((name) =>
    join(directory, name),
  );
  await writeFile(scenario, scenarioOf(root, vms));
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
  turns: number,
  say: (line: string) => void,
): Promise<Figures> {
  const runs = new Map<number, ScaleRun[]>(VM_COUNTS.map((vms) => [vms, []]));
  for (let turn = 0; turn < turns; turn++)
    for (const [vms, done] of runs) {
      say(`${vms} VMs, turn ${turn + 1} of ${turns}`);
      done.push(await run(root, directory, vms));
    }
  const seconds = VM_COUNTS.map((vms) => median((runs.get(vms) ?? []).map((each) => each.seconds)));
  const bytes = VM_COUNTS.map((vms) => median((runs.get(vms) ?? []).map((each) => each.peak)));
  const figures: Figures = {};
  VM_COUNTS.forEach((vms, i) => {
    figures[`scale.${vms}.secondsPerVm`] = seconds[i] / vms;
    figures[`scale.${vms}.peakMiB`] = bytes[i] / MIB;
  });
  const further = (values: readonly number[], i: number): number =>
    (values[i] - values[i - 1]) / (VM_COUNTS[i] - VM_COUNTS[i - 1]);
  figures['scale.8.mibPerFurtherVm'] = further(bytes, 1) / MIB;
  figures['scale.64.mibPerFurtherVm'] = further(bytes, 2) / MIB;
  figures['scale.secondsLinear'] = further(seconds, 2) / further(seconds, 1);
  figures['scale.secondsPerVm64To1'] = figures['scale.64.secondsPerVm'] / figures['scale.1.secondsPerVm'];
  figures['scale.memoryLinear'] = further(bytes, 2) / further(bytes, 1);
  return figures;
}
