/**
 * `npm run bench [-- --json] [-- --only vcpu|alu|calls|mmio|exits] [-- --turns N]`: how fast the machine is, on this
 * machine, beside QEMU where it is installed. Nothing here is asserted; a figure means something only beside another of
 * the same run.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureExits } from './exits';
import { measureSideBySide, type Figures } from './side-by-side';

const EXITS = 5_000_000;
const TURNS = 3;
/** What `--only` takes: the loops to run, and whether the whole way of an exit is measured. */
const PARTS: Record<string, { loops: string[]; exits: boolean }> = {
  all: { loops: ['alu', 'calls', 'mmio'], exits: true },
  vcpu: { loops: ['alu', 'calls', 'mmio'], exits: false },
  alu: { loops: ['alu'], exits: false },
  calls: { loops: ['calls'], exits: false },
  mmio: { loops: ['mmio'], exits: true },
  exits: { loops: [], exits: true },
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
};

/** The project's root, seen from `dist/bench.js`. */
const root = join(__dirname, '..');

async function exitFigures(directory: string): Promise<Figures> {
  const environment = {
    distDir: join(root, 'dist'),
    kitDir: join(root, 'media/guest-kit'),
    cacheDir: directory,
    compiler: '',
  };
  const run = await measureExits(root, environment, EXITS);
  return { 'vcpu.exits.perSecond': run.exitsPerSecond, 'vcpu.exits.events': run.events };
}

function optionOf(args: readonly string[], name: string): string | undefined {
  return args.includes(name) ? args[args.indexOf(name) + 1] : undefined;
}

function print(figures: Figures): void {
  for (const [name, [unit, what]] of Object.entries(MEANING)) {
    const value = figures[name];
    if (value === undefined) continue;
    const digits = value >= 1000 ? 0 : value >= 20 ? 1 : 2;
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
  const directory = await mkdtemp(join(tmpdir(), 'trapline-bench-'));
  try {
    const figures = await measureSideBySide({
      core: new Uint8Array(await readFile(join(root, 'dist/cpu-core.wasm'))),
      source: join(root, 'test/perf/guest.S'),
      directory,
      turns,
      only: part.loops,
      say: (line) => process.stderr.write(`${line}\n`),
    });
    if (part.exits) Object.assign(figures, await exitFigures(directory));
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
