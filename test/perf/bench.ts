/**
 * `npm run bench [-- --json] [-- --only PART] [-- --turns N] [-- --baseline FOLDER | --against COMMIT]`: how fast the machine
 * is, on this machine, beside QEMU where it is installed, and beside another checkout of this repository where one is named.
 * Nothing here is asserted; a figure means something only beside another of the same run.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureAgainst, type Baseline } from './baseline';
import { measureExits } from './exits';
import { measureExplorer } from './explorer/explorer';
import { measurePackets } from './packets';
import { REAL_TIME, measureRealTime } from './realtime';
import { measureScale, SCALE_VARIANTS, type ScaleVariant } from './scale';
import type { RunEnvironment } from '../../src/run/api';
import { measureTravel } from './travel';
import { measureSideBySide, type Figures } from './side-by-side';

const EXITS = 5_000_000;
const TURNS = 3;
/** What a part measures. */
interface Part {
  loops: readonly string[];
  /** The whole way of an exit; and beside the baseline, where one is named. */
  exits?: boolean;
  scale?: readonly ScaleVariant[];
  realTime?: boolean;
  packets?: boolean;
  travel?: boolean;
  explorer?: boolean;
}
const LOOPS = ['alu', 'calls', 'mmio'];
/** What `--only` takes. */
const PARTS: Record<string, Part> = {
  all: {
    loops: LOOPS,
    exits: true,
    scale: SCALE_VARIANTS,
    realTime: true,
    packets: true,
    travel: true,
    explorer: true,
  },
  vcpu: { loops: LOOPS, exits: true },
  alu: { loops: ['alu'] },
  calls: { loops: ['calls'] },
  mmio: { loops: ['mmio'], exits: true },
  exits: { loops: [], exits: true },
  scale: { loops: [], scale: ['scale'] },
  'scale-vf': { loops: [], scale: ['scaleVf'] },
  realtime: { loops: [], realTime: true },
  packets: { loops: [], packets: true },
  travel: { loops: [], travel: true },
  explorer: { loops: [], explorer: true },
};

/** Unit and meaning of each figure, in the order of printing, with the least (or, for bytes, the most) that is wanted. */
// prettier-ignore
const MEANING: Record<string, readonly [unit: string, what: string]> = {
  'vcpu.alu.mips': ['million instructions/s', 'ten instructions of arithmetic and memory'],
  'qemu.alu.mips': ['million instructions/s', 'the same guest under QEMU TCG'],
  'vcpu.alu.ratioToQemu': ['', 'wanted: at least 0.2'],
  'vcpu.calls.mips': ['million instructions/s', 'a call, push, pop and return in eight instructions'],
  'qemu.calls.mips': ['million instructions/s', 'the same guest under QEMU TCG'],
  'vcpu.calls.ratioToQemu': ['', 'wanted: at least 0.5'],
  'vcpu.mmio.readsPerSecond': ['reads/s', 'a device register, recording off'],
  'qemu.mmio.readsPerSecond': ['reads/s', 'the same guest under QEMU TCG'],
  'vcpu.mmio.ratioToQemu': ['', 'wanted: at least 0.5'],
  'vcpu.mmio.readsPerSecondRecorded': ['reads/s', 'a device register, one event each, hashed'],
  'qemu.mmio.readsPerSecondTraced': ['reads/s', 'the same guest under QEMU TCG, -trace memory_region_ops_* to a file'],
  'vcpu.mmio.ratioToQemuTraced': ['', 'wanted: at least 5'],
  'trace.bytesPerEvent': ['bytes', 'columns of one event; wanted: at most 32'],
  'qemu.trace.bytesPerEvent': ['bytes', "QEMU's trace file by reads"],
  'vcpu.exits.perSecond': ['exits/s', 'to KVM and QEMU and back, everything recorded, in a thread of its own'],
  'vcpu.exits.events': ['events', 'recorded in that run'],
  'baseline.exits.perSecond': ['exits/s', 'the same in the other checkout, by turns'],
  'vcpu.exits.ratioToBaseline': ['', 'of the medians; wanted against the commit before the platform: at least 2.0'],
  'scale.1.secondsPerVm': ['s', 'one VM, from the start of the run to its end'],
  'scale.8.secondsPerVm': ['s', 'eight VMs that share nothing, by the VM'],
  'scale.64.secondsPerVm': ['s', 'sixty-four VMs, by the VM'],
  'scale.secondsPerVm64To1': ['', 'a VM of 64 by one alone'],
  'scale.secondsLinear': ['', 'a VM of the 9th to 64th by one of the 2nd to 8th; wanted: at most 1.2'],
  'scale.1.peakMiB': ['MiB', 'most memory of the process with one VM'],
  'scale.8.peakMiB': ['MiB', 'with eight'],
  'scale.64.peakMiB': ['MiB', 'with sixty-four'],
  'scale.8.mibPerFurtherVm': ['MiB', 'each of the 2nd to 8th VM'],
  'scale.64.mibPerFurtherVm': ['MiB', 'each of the 9th to 64th VM'],
  'scaleVf.1.secondsPerVm': ['s', 'one VM with a virtual function of a NIC of the host, and an IOMMU'],
  'scaleVf.8.secondsPerVm': ['s', 'eight VMs on one NIC, by the VM'],
  'scaleVf.64.secondsPerVm': ['s', 'sixty-four VMs on two, by the VM'],
  'scaleVf.secondsPerVm64To1': ['', 'a VM of 64 by one alone'],
  'scaleVf.secondsLinear': ['', 'a VM of the 9th to 64th by one of the 2nd to 8th; wanted: at most 1.2'],
  'scaleVf.1.peakMiB': ['MiB', 'most memory of the process with one VM'],
  'scaleVf.8.peakMiB': ['MiB', 'with eight'],
  'scaleVf.64.peakMiB': ['MiB', 'with sixty-four'],
  'scaleVf.8.mibPerFurtherVm': ['MiB', 'each of the 2nd to 8th VM'],
  'scaleVf.64.mibPerFurtherVm': ['MiB', 'each of the 9th to 64th VM'],
  'scaleVf.memoryLinear': ['', 'the second of these by the first; wanted: at most 1.2'],
  'packets.e1000.perSecond': ['packets/s', 'simulated, there and back, through an emulated e1000'],
  'packets.virtio.perSecond': ['packets/s', 'through virtio with QEMU'],
  'packets.vhost.perSecond': ['packets/s', 'through vhost'],
  'travel.slowdown': ['', 'a run of 10^9 instructions under control by one that runs free; wanted: at most 1.05'],
  'travel.first.p50': ['s', 'to any of 100 moments of it, the first time; median'],
  'travel.first.p95': ['s', '95 of 100 are faster'],
  'travel.first.longest': ['s', 'wanted: at most 2'],
  'travel.again.p50': ['s', 'to the same moments again; median'],
  'travel.again.p95': ['s', 'wanted: at most 0.1'],
  'travel.heldMiB': ['MiB', 'held by checkpoints; wanted: at most 512'],
  'travel.reverse': ['s', 'backwards over 10^8 instructions to a breakpoint'],
  'explorer.open10M.ms': ['ms', 'a trace file of 10 million events, until its end is known; median'],
  'explorer.read.mbPerSecond': ['MiB/s', 'of columns, read from the file, unpacked and checked; wanted: at least 650'],
  'explorer.write10M.seconds': ['s', 'to make that file: rows, counts, index'],
  'explorer.write100M.seconds': ['s', 'of 100 million events'],
  'explorer.open10M.firstPaintMs': ['ms', 'from the command to open it to its lanes on screen; wanted: under 1 000'],
  'explorer.open100M.firstPaintMs': ['ms', 'of 100 million events; wanted: under 2 000'],
  'explorer.open10M.frameP95Ms': ['ms', 'between frames of pans and zooms in it'],
  'explorer.open100M.frameP95Ms': ['ms', 'of 100 million events'],
  'explorer.open10M.hostTaskMs': ['ms', 'longest task of the host meanwhile; wanted: under 50'],
  'explorer.open100M.hostTaskMs': ['ms', 'with 100 million events'],
  'explorer.open10M.replyKiB': ['KiB', 'longest answer; wanted: under 768'],
  'explorer.open100M.replyKiB': ['KiB', 'with 100 million events'],
  'explorer.bytesPerEvent': ['bytes', 'of the file; wanted: at most 10'],
  'explorer.index1M.mib': ['MiB', 'index of a million synthetic events in memory'],
  'explorer.index1M.buildMs': ['ms', 'to make it'],
  'explorer.query1M.p50Ms': ['ms', '24 lanes of 1920 pixels, of 825 windows from all to 1/32768; median'],
  'explorer.query1M.p95Ms': ['ms', '95 of 100 are faster'],
  'explorer.statistics1M.ms': ['ms', 'statistics of the whole trace'],
  'explorer.index10M.mib': ['MiB', 'index of ten million synthetic events in memory; wanted: at most 64'],
  'explorer.index10M.buildMs': ['ms', 'to make it'],
  'explorer.query10M.p50Ms': ['ms', '24 lanes of 1920 pixels, of 825 windows from all to 1/32768; median'],
  'explorer.query10M.p95Ms': ['ms', '95 of 100 are faster; wanted: at most 6'],
  'explorer.statistics10M.ms': ['ms', 'statistics of the whole trace; wanted: at most 50'],
  'explorer.frame.p95Ms': ['ms', 'between frames over 90 pans and zooms, at 1 M and 10 M events; wanted: under 17'],
  'explorer.firstPaint1kMs': ['ms', 'from the tables of a trace of 1 k events to its lanes on screen'],
  'explorer.firstPaint20kMs': ['ms', 'of 20 k events'],
  'explorer.firstPaint1MMs': ['ms', 'of 1 M events'],
  'explorer.firstPaint10MMs': ['ms', 'of 10 M events; wanted: under 1 000'],
  'explorer.frame1k.p95Ms': ['ms', 'between frames at 1 k events'],
  'explorer.frame20k.p95Ms': ['ms', 'at 20 k'],
  'explorer.frame1M.p95Ms': ['ms', 'at 1 M'],
  'explorer.frame10M.p95Ms': ['ms', 'at 10 M'],
  'explorer.chartjs.firstPaint1kMs': ['ms', 'stock Chart.js, floating bars'],
  'explorer.chartjs.frame1k.p95Ms': ['ms', ''],
  'explorer.chartjs.firstPaint20kMs': ['ms', ''],
  'explorer.chartjs.frame20k.p95Ms': ['ms', ''],
  'explorer.chartjs.firstPaint1MMs': ['ms', ''],
  'explorer.chartjs.frame1M.p95Ms': ['ms', ''],
  'explorer.vis.firstPaint1kMs': ['ms', 'vis-timeline'],
  'explorer.vis.frame1k.p95Ms': ['ms', ''],
  'explorer.vis.firstPaint20kMs': ['ms', ''],
  'explorer.vis.frame20k.p95Ms': ['ms', ''],
  'explorer.vis.firstPaint1MMs': ['ms', ''],
  'explorer.vis.frame1M.p95Ms': ['ms', ''],
  'scale.memoryLinear': ['', 'the second of these by the first; wanted: at most 1.2'],
};
const REAL_TIME_MEANING = ['', 'simulated by wall seconds of a sample; wanted: at least 1'] as const;

/** The project's root, seen from `dist/bench.js`. */
const root = join(__dirname, '..');

const say = (line: string): void => void process.stderr.write(`${line}\n`);

function environmentIn(cacheDir: string): RunEnvironment {
  return { distDir: join(root, 'dist'), kitDir: join(root, 'media/guest-kit'), cacheDir, compiler: '' };
}

async function exitFigures(directory: string): Promise<Figures> {
  const run = await measureExits(root, environmentIn(directory), EXITS);
  return { 'vcpu.exits.perSecond': run.exitsPerSecond, 'vcpu.exits.events': run.events };
}

function baselineOf(args: readonly string[]): Baseline | undefined {
  const folder = optionOf(args, '--baseline');
  const commit = optionOf(args, '--against');
  if (folder !== undefined && commit !== undefined)
    throw new Error('--baseline and --against: give one of the two');
  if (folder !== undefined) return { folder };
  return commit === undefined ? undefined : { commit };
}

function optionOf(args: readonly string[], name: string): string | undefined {
  return args.includes(name) ? args[args.indexOf(name) + 1] : undefined;
}

function print(figures: Figures): void {
  const known = Object.keys(MEANING).filter((name) => name in figures);
  const factors = Object.keys(figures).filter((name) => name.startsWith(REAL_TIME));
  for (const name of [...known, ...factors]) {
    const [unit, what] = MEANING[name] ?? REAL_TIME_MEANING;
    const value = figures[name];
    const digits = value >= 1000 ? 0 : value >= 20 ? 1 : value >= 0.1 ? 2 : 4;
    process.stdout.write(
      `${name.padEnd(34)} ${value.toFixed(digits).padStart(12)}  ${unit.padEnd(24)} ${what}\n`,
    );
  }
}

async function main(args: readonly string[]): Promise<void> {
  const only = optionOf(args, '--only') ?? 'all';
  const part = PARTS[only];
  if (!part) throw new Error(`--only ${only}: give one of ${Object.keys(PARTS).join(', ')}`);
  const turns = Number(optionOf(args, '--turns') ?? TURNS);
  if (!Number.isInteger(turns) || turns < 1)
    throw new Error(`--turns ${turns}: give a whole number from 1 up`);
  const baseline = baselineOf(args);
  const directory = await mkdtemp(join(tmpdir(), 'trapline-bench-'));
  try {
    const figures = await measureSideBySide({
      core: new Uint8Array(await readFile(join(root, 'dist/cpu-core.wasm'))),
      source: join(root, 'test/perf/guest.S'),
      directory,
      turns,
      only: part.loops,
      say,
    });
    if (part.exits)
      Object.assign(
        figures,
        baseline ? await measureAgainst(root, baseline, directory, turns, say) : await exitFigures(directory),
      );
    if (part.realTime) Object.assign(figures, await measureRealTime(root, environmentIn(directory), turns));
    if (part.packets)
      Object.assign(figures, await measurePackets(root, environmentIn(directory), turns, say));
    if (part.travel) Object.assign(figures, await measureTravel(root, environmentIn(directory), turns, say));
    if (part.explorer) Object.assign(figures, await measureExplorer(root, directory, turns, say));
    for (const variant of part.scale ?? [])
      Object.assign(figures, await measureScale(root, directory, variant, turns, say));
    if (args.includes('--json')) process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
    else print(figures);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
