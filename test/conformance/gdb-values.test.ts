/**
 * Every local, parameter and global of the sample drivers at random moments, compiled by gcc and clang, optimised and not: our values
 * are those of stock gdb on the same file at the same instruction, through `trapline gdbserver`.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { prepareRun } from '../../src/run/prepare';
import type { RunJob } from '../../src/protocol/run';
import { compareWithGdb } from '../support/gdb-values';
import { environment, sample } from '../support/runs';
import { has } from '../unit/guest/build';

/** A scenario and the VM of it that runs the driver; all drivers of the samples are here. */
const ALL: readonly (readonly [scenario: string, vm: number])[] = [
  ...([
    'a1-pio',
    'a10-firmware',
    'a2-mmio',
    'a3-dma',
    'a4-rings',
    'a5-interrupts',
    'a6-coalescing',
    'a7-apics',
  ] as const),
  ...([
    'a8-ipi',
    'a9-pcie',
    'b1-mmio-trap',
    'b2-io-bitmaps',
    'b3-page-own',
    'b4-kernel-user',
    'b5-threads',
  ] as const),
  ...([
    'b6-injection',
    'b7-e1000-emulated',
    'b8-edu',
    'b8-ixgbe',
    'b8-nvme',
    'b8-uart',
    'c1-virtio-blk',
  ] as const),
  ...(['c1-virtio-pci', 'c2-split-rings', 'c5-control-plane', 'c7-e1000', 'c7-virtio', 'd2-danger'] as const),
  ...(['d4-iotlb', 'd4-unmap-strict', 'd5-on-demand', 'd6-faults', 'd7-1d', 'd7-confined'] as const),
  ...([
    'd8-interrupt-remapping',
    'd9-sriov',
    'e-bare',
    'e3-eli',
    'e3-eli-emulated',
    'e0-msix-masked-assigned',
  ] as const),
  ...([
    'hello',
    'hog-interrupts-off',
    'mmio-read-loop',
    'smp-ipi',
    'spin',
    'timer',
    'triple-fault',
    'uart',
  ] as const),
].map((name) => [name, 0]);
/** Of them in `npm test`. */
const FEW: readonly string[] = ['b7-e1000-emulated', 'a8-ipi'];

/** What `npm run soak -- --only values` asks for. */
const soak =
  process.env.TRAPLINE_VALUES === undefined
    ? undefined
    : (JSON.parse(process.env.TRAPLINE_VALUES) as { places: number; seed: number; only?: string });
const { places, seed } = soak ?? { places: 6, seed: 20261129 };
const configurations = ALL.flatMap(([name, vm]) =>
  ['gcc', 'clang'].flatMap((compiler) =>
    ['0', '2'].map((optimize) => ({
      name,
      vm,
      compiler,
      optimize,
      title: `${name} ${compiler} -O${optimize}`,
    })),
  ),
).filter(({ name, title }) => (soak ? new RegExp(soak.only ?? '').test(title) : FEW.includes(name)));

const folder = mkdtempSync(join(tmpdir(), 'trapline-values-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function jobWith(name: string, compiler: string, optimize: string): Promise<RunJob> {
  const file = sample(name);
  const text = readFileSync(file, 'utf8').replace(/("guest": *\{)/g, `$1 "optimize": "${optimize}", `);
  const prepared = await prepareRun({ ...environment, compiler, file, text });
  if (prepared.ok) return prepared.job;
  throw new Error(prepared.problems.map(({ message }) => message).join('\n'));
}

describe.skipIf(!has('gdb'))('against gdb through gdbserver (needs gdb with Python)', () => {
  it.for(configurations)('$title', { timeout: 1_800_000 }, async (configuration, { skip }) => {
    const { name, vm, compiler, optimize, title } = configuration;
    skip(!has(compiler), `needs ${compiler}`);
    const job = await jobWith(name, compiler, optimize);
    const compared = await compareWithGdb(job, vm, places, seed, join(folder, `${name}.json`));
    const { differences, ...figures } = compared;
    const found = { title, ...figures, differences: differences.length };
    if (soak) process.stdout.write(`${[JSON.stringify(found), ...differences.slice(0, 20)].join('\n')}\n`);
    expect(differences.slice(0, 20)).toEqual([]);
    expect(figures.places).toBe(places);
  });
});
