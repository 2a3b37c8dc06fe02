/**
 * `npm run bench [-- --json] [-- --only vcpu|mmio]`: how fast the machine is, on this machine. Nothing here is asserted; a
 * figure means something only beside another of the same run.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureExits } from './exits';
import { loops, measureLoop } from './vcpu';

const EXITS = 5_000_000;

interface Figure {
  value: number;
  unit: string;
  what: string;
}

/** The project's root, seen from `dist/bench.js`. */
const root = join(__dirname, '..');

async function main(args: readonly string[]): Promise<void> {
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;
  const figures: Record<string, Figure> = {};
  const core = new Uint8Array(await readFile(join(root, 'dist/cpu-core.wasm')));
  if (only !== 'mmio') {
    for (const loop of loops) {
      const value = measureLoop(core, loop);
      figures[`vcpu.${loop.name}.mips`] = {
        value,
        unit: 'million instructions/s',
        what: `${loop.name} loop, no exits`,
      };
    }
  }
  const cacheDir = await mkdtemp(join(tmpdir(), 'trapline-bench-'));
  try {
    const environment = {
      distDir: join(root, 'dist'),
      kitDir: join(root, 'media/guest-kit'),
      cacheDir,
      compiler: '',
    };
    const run = await measureExits(root, environment, EXITS);
    figures['vcpu.mmio.exitsPerSecond'] = {
      value: run.exitsPerSecond,
      unit: 'exits/s',
      what: `${run.exits} exits to QEMU and back, ${run.events} events recorded in ${run.wallSeconds.toFixed(2)} s`,
    };
    figures['trace.bytesPerEvent'] = {
      value: run.bytesPerEvent,
      unit: 'bytes',
      what: 'columns of one event',
    };
  } finally {
    await rm(cacheDir, { recursive: true, force: true });
  }
  if (args.includes('--json')) {
    const values = Object.fromEntries(Object.entries(figures).map(([name, figure]) => [name, figure.value]));
    process.stdout.write(`${JSON.stringify(values, null, 2)}\n`);
    return;
  }
  for (const [name, { value, unit, what }] of Object.entries(figures)) {
    const digits = value >= 1000 ? 0 : 1;
    process.stdout.write(
      `${name.padEnd(28)} ${value.toFixed(digits).padStart(12)}  ${unit.padEnd(24)} ${what}\n`,
    );
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
