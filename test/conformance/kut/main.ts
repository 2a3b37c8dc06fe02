/**
 * `npm run conformance -- --kut DIR [--json] [--only NAME,…] [--seconds N] [--show]`: boots the test kernels of a
 * kvm-unit-tests build that the user has, each in a machine of its own, and reports what they say.
 */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { RunEnvironment } from '../../../src/run/api';
import { UsageError } from '../usage';
import { prepareRun } from '../../../src/run/prepare';
import { startRun } from '../../../src/run/start';
import { scenarioOf, testsOfConfiguration, testsOfFiles, type KernelTest } from './config';
import { judge, perKernel, type Verdict } from './verdict';

/** Simulated time after which a kernel has hung, in milliseconds. */
const SIMULATED_MS = 60_000;
/** Kernels that run at the same time: each has a thread of its own. */
const AT_ONCE = 2;

export const KUT_USAGE =
  'usage: npm run conformance -- --kut DIR [--json] [--only NAME,NAME] [--seconds N] [--show]\n' +
  '  DIR        folder with the *.flat kernels of a kvm-unit-tests build for x86_64, or the build folder above it\n' +
  '  --json     prints [{name, result, detail}]\n' +
  '  --only     runs these tests or kernels only\n' +
  '  --seconds  gives each test this long on the wall (120)\n' +
  '  --show     prints what the kernels print\n';

/** The project's root, seen from `dist/conformance.js`. */
const root = join(__dirname, '..');

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

async function runOne(
  test: KernelTest,
  folder: string,
  environment: RunEnvironment,
  seconds: number,
  show: boolean,
): Promise<Verdict> {
  if (test.skip !== undefined) return { name: test.name, result: 'skip', detail: test.skip };
  const file = join(folder, `${test.name}.trapline.json`);
  const prepared = await prepareRun({ ...environment, file, text: scenarioOf(test, SIMULATED_MS) });
  if (!prepared.ok) {
    const detail = prepared.problems.map((problem) => problem.message).join('; ');
    return { name: test.name, result: 'fail', detail };
  }
  let output = '';
  const run = startRun(prepared.job, environment, {
    started: () => undefined,
    delta: () => undefined,
    serial: (_vm, text) => {
      output += text;
      if (show) process.stderr.write(text);
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
    return judge(test.name, { exitCode: summary.vms[0]?.exitCode, output, message });
  } finally {
    clearTimeout(timer);
  }
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
      json: { type: 'boolean', default: false },
      only: { type: 'string' },
      seconds: { type: 'string', default: '120' },
      show: { type: 'boolean', default: false },
    },
  });
  if (values.kut === undefined) throw new UsageError('--kut is missing.');
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new UsageError(`--seconds ${values.seconds}: give a number above 0.`);
  const { folder, files } = await kernelsIn(resolve(process.env.INIT_CWD ?? '.', values.kut));
  const only = values.only?.split(',');
  const tests = (await plan(folder, files)).filter(
    (test) => !only || only.includes(test.name) || only.includes(test.file.replace(/\.flat$/, '')),
  );
  if (tests.length === 0) throw new UsageError(`--only ${values.only}: there is no such test.`);
  const cacheDir = await mkdtemp(join(tmpdir(), 'trapline-conformance-'));
  const environment: RunEnvironment = {
    distDir: join(root, 'dist'),
    kitDir: join(root, 'media/guest-kit'),
    cacheDir,
    compiler: '',
  };
  try {
    const verdicts = await inTurn(tests, async (test) => {
      const verdict = await runOne(test, folder, environment, seconds, values.show);
      if (!values.json) process.stderr.write(`${verdict.result} ${verdict.name}\n`);
      return { ...verdict, file: test.file };
    });
    const report = [...verdicts.map(({ file: _file, ...verdict }) => verdict), ...perKernel(verdicts)];
    if (values.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else print(report);
    return report.some((verdict) => verdict.result === 'fail') ? 1 : 0;
  } finally {
    await rm(cacheDir, { recursive: true, force: true });
  }
}
