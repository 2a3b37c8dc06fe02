/**
 * `npm run conformance -- --kut DIR | --uboot PATH [--json] [--only NAME,…] [--seconds N] [--show]`: boots the test kernels of a
 * kvm-unit-tests build that the user has, or U-Boot's images for QEMU's PC, each in a machine of its own, and reports what they say.
 */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { RunEnvironment } from '../../../src/run/api';
import { UsageError } from '../usage';
import { prepareRun } from '../../../src/run/prepare';
import { startRun } from '../../../src/run/start';
import { vmmNames } from '../../../src/vmm/vmm-facts';
import { INSTALLED, imagesAt, judgeSession, scenarioOf as sessionScenario } from '../uboot/session';
import { scenarioOf, testsOfConfiguration, testsOfFiles, type KernelTest } from './config';
import { judge, perKernel, type KernelEnd, type Verdict } from './verdict';

/** Simulated time after which a kernel has hung, in milliseconds. */
const SIMULATED_MS = 60_000;
/** Kernels that run at the same time: each has a thread of its own. */
const AT_ONCE = 2;

export const KUT_USAGE =
  'usage: npm run conformance -- --kut DIR | --uboot PATH [--json] [--only NAME,NAME] [--seconds N] [--show]\n' +
  '  DIR        folder with the *.flat kernels of a kvm-unit-tests build for x86_64, or the build folder above it\n' +
  '  PATH       image of U-Boot for the PC of QEMU (u-boot.rom), or a folder with qemu-x86*/u-boot.rom\n' +
  '  --json     prints [{name, result, detail}]\n' +
  '  --only     of --kut, runs these tests or kernels only\n' +
  '  --seconds  gives each test this long on the wall (120)\n' +
  '  --show     prints what the kernels print\n';

/** The project's root, seen from `dist/conformance.js`. */
const root = join(__dirname, '..');

/** What every run has in common. */
interface Limits {
  environment: RunEnvironment;
  /** On the wall. */
  seconds: number;
  /** What guests print is printed. */
  show: boolean;
}

async function kernelsIn(folder: string): Promise<{ folder: string; files: string[] }> {
  for (const candidate of [folder, join(folder, 'x86')]) {
    const entries = await readdir(candidate).catch(() => [] as string[]);
    const files = entries.filter((name) => name.endsWith('.flat'));
    if (files.length > 0) return { folder: candidate, files };
  }
  throw new UsageError(
    `${folder} holds no *.flat files, nor does its folder x86. Give the folder of a finished build.`,
  );
}

async function plan(folder: string, files: readonly string[]): Promise<KernelTest[]> {
  const text = await readFile(join(folder, 'unittests.cfg'), 'utf8').catch(() => undefined);
  if (text === undefined) return testsOfFiles(files);
  const listed = testsOfConfiguration(text);
  const known = new Set(listed.map((test) => test.file));
  const tests = [...listed, ...testsOfFiles(files.filter((file) => !known.has(file)))];
  const there = new Set(files);
  return tests.map((test) => (there.has(test.file) ? test : { ...test, skip: `${test.file} was not built` }));
}

async function runOne(test: KernelTest, folder: string, limits: Limits): Promise<Verdict> {
  if (test.skip !== undefined) return { name: test.name, result: 'skip', detail: test.skip };
  const file = join(folder, `${test.name}.trapline.json`);
  const ended = await runText(scenarioOf(test, SIMULATED_MS), file, limits);
  if ('refused' in ended) return { name: test.name, result: 'fail', detail: ended.refused };
  return judge(test.name, ended);
}

/** Runs a scenario that stands in no file; `file` is where it would stand. */
async function runText(
  text: string,
  file: string,
  { environment, seconds, show }: Limits,
): Promise<KernelEnd | { refused: string }> {
  const prepared = await prepareRun({ ...environment, file, text });
  if (!prepared.ok) return { refused: prepared.problems.map((problem) => problem.message).join('; ') };
  let output = '';
  const run = startRun(prepared.job, environment, {
    started: () => undefined,
    delta: () => undefined,
    serial: (_vm, piece) => {
      output += piece;
      if (show) process.stderr.write(piece);
    },
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    run.cancel();
  }, seconds * 1000);
  try {
    const { meta, summary } = await run.ended;
    const message = late ? `not finished after ${seconds} s` : meta.message;
    return { exitCode: summary.vms[0]?.exitCode, output, message };
  } finally {
    clearTimeout(timer);
  }
}

/** Boots the kernels of a folder, or those that are asked for. */
async function runKernels(
  path: string,
  only: readonly string[] | undefined,
  quiet: boolean,
  limits: Limits,
): Promise<Verdict[]> {
  const { folder, files } = await kernelsIn(path);
  const tests = (await plan(folder, files)).filter(
    (test) => !only || only.includes(test.name) || only.includes(test.file.replace(/\.flat$/, '')),
  );
  if (tests.length === 0) throw new UsageError(`--only ${only?.join() ?? ''}: there is no such test.`);
  const verdicts = await inTurn(tests, async (test) => {
    const verdict = await runOne(test, folder, limits);
    if (!quiet) process.stderr.write(`${verdict.result} ${verdict.name}\n`);
    return { ...verdict, file: test.file };
  });
  return [...verdicts.map(({ file: _file, ...verdict }) => verdict), ...perKernel(verdicts)];
}

/** Boots each image of U-Boot on a bare machine and under KVM, and types at its shell. */
async function runUboot(path: string, limits: Limits): Promise<Verdict[]> {
  const images = await imagesAt(path);
  if (images.length === 0) {
    const detail = `there is no u-boot.rom for x86 at ${path}: name one, or install u-boot-qemu and give ${INSTALLED}`;
    return [{ name: 'u-boot', result: 'skip', detail }];
  }
  const sessions = images.flatMap((image) => vmmNames.map((vmm) => ({ image, vmm })));
  const verdicts = await inTurn(sessions, async ({ image, vmm }) => {
    const name = `${basename(dirname(image))} (${vmm})`;
    const file = join(dirname(image), 'u-boot.trapline.json');
    const ended = await runText(sessionScenario(image, vmm), file, limits);
    if ('refused' in ended) return [{ name, result: 'fail' as const, detail: ended.refused }];
    return judgeSession(name, ended);
  });
  return verdicts.flat();
}

/** Does all of them, `AT_ONCE` at a time; the results keep the order of the tests. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

function print(verdicts: readonly Verdict[]): void {
  for (const { name, result, detail } of verdicts) {
    process.stdout.write(`${result.toUpperCase().padEnd(5)} ${name.padEnd(28)} ${detail}\n`);
  }
  const count = (result: Verdict['result']): number =>
    verdicts.filter((each) => each.result === result).length;
  process.stdout.write(`${count('pass')} passed, ${count('fail')} failed, ${count('skip')} skipped\n`);
}

/** Boots the kernels that the arguments name. Returns the exit code. */
export async function kut(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kut: { type: 'string' },
      uboot: { type: 'string' },
      json: { type: 'boolean', default: false },
      only: { type: 'string' },
      seconds: { type: 'string', default: '120' },
      show: { type: 'boolean', default: false },
    },
  });
  if ((values.kut === undefined) === (values.uboot === undefined))
    throw new UsageError('Give one of --kut and --uboot.');
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new UsageError(`--seconds ${values.seconds}: give a number above 0.`);
  const cacheDir = await mkdtemp(join(tmpdir(), 'trapline-conformance-'));
  const environment: RunEnvironment = {
    distDir: join(root, 'dist'),
    kitDir: join(root, 'media/guest-kit'),
    cacheDir,
    compiler: '',
  };
  const { kut, uboot, json, show, only } = values;
  const limits = { environment, seconds, show };
  const at = (path: string): string => resolve(process.env.INIT_CWD ?? '.', path);
  try {
    const report =
      uboot === undefined
        ? await runKernels(at(kut ?? '.'), only?.split(','), json, limits)
        : await runUboot(at(uboot), limits);
    if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else print(report);
    return report.some((verdict) => verdict.result === 'fail') ? 1 : 0;
  } finally {
    await rm(cacheDir, { recursive: true, force: true });
  }
}
