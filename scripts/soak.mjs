#!/usr/bin/env node
/**
 * `npm run soak -- [--runs N] [--only NAME] [--seconds S] [--seed N] [--path P] [--test TITLE]`: all properties, random bytes as
 * code, a hostile guest at every device, the native oracle, and values against gdb, with a fresh seed and many more cases than `npm test` has. What
 * fails is printed with its seed and how it is run again. Exit codes: 0, 1 when something failed, 2 for the usage.
 */
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { checkNode, ensureDependencies } from './lib/setup.mjs';
import { main, root, run, say } from './lib/shell.mjs';

const USAGE = `usage: npm run soak -- [--runs N] [--only NAME] [--seconds S] [--seed N] [--path P] [--test TITLE]
  --runs     cases of each property (10000), of the fuzz (300000) and of the oracle (300000); operations of the guest
             at each of the devices (200000); moments of each driver at which values are compared with gdb's (200)
  --only     properties, fuzz, devices, oracle, values, or a part of the path of a file with properties
  --seconds  longest time for one property (20)
  --seed     instead of a fresh one
  --path     of one case, as it was printed; with --only and --test
  --test     the test with this title alone; of values those whose titles match: "b7-.*gcc -O2"
`;
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const log = join(root, 'artifacts', 'soak', 'failures.txt');
/** Whatever hangs is ended after so many times as long as it may take. */
const PATIENCE = 4;

class Usage extends Error {}

function whole(text, name, fallback, least) {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Usage(`--${name} ${text}: give a whole number from ${least}`);
  return value;
}

function options() {
  const text = { type: 'string' };
  let values;
  try {
    ({ values } = parseArgs({
      options: { runs: text, only: text, seconds: text, seed: text, path: text, test: text },
    }));
  } catch (error) {
    throw new Usage(error.message);
  }
  const { path, test, only } = values;
  if (path !== undefined && !/^\d+(:\d+)*$/.test(path)) throw new Usage(`--path ${path}: as in 37 or 37:0:2`);
  if (path !== undefined && values.seed === undefined)
    throw new Usage('--path needs the --seed it belongs to');
  return {
    runs: values.runs === undefined ? undefined : whole(values.runs, 'runs', 0, 1),
    seconds: whole(values.seconds, 'seconds', 20, 1),
    seed: whole(values.seed, 'seed', randomInt(2 ** 31), -(2 ** 31)),
    only,
    path,
    test,
  };
}

/** Test files that have properties; those of the house are about the seeds themselves. */
function propertyFiles() {
  return readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => readFileSync(file, 'utf8').includes("from 'fast-check'"))
    .map((file) => relative(root, file).replaceAll('\\', '/'))
    .filter((file) => !file.startsWith('test/unit/house/'))
    .sort();
}

/** Number of properties in files, for a bound of the time they take. */
function countOf(files) {
  return files.reduce(
    (sum, file) => sum + readFileSync(join(root, file), 'utf8').split('fc.assert(').length - 1,
    0,
  );
}

async function properties(files, { runs = 10_000, seconds, seed, path, test }) {
  const count = countOf(files);
  say(
    `${count} properties of ${files.length} files, ${path === undefined ? `${runs} cases each, at most ${seconds} s each` : `the case ${path}`}`,
  );
  const soak = { seed, path, runs, milliseconds: seconds * 1000, log };
  const args = ['run', ...files, `--testTimeout=${PATIENCE * count * seconds * 1000}`];
  // A title is given as the tests print it; the runner wants a regular expression over the names in one line.
  if (test !== undefined)
    args.push('-t', `^${test.replaceAll(' > ', ' ').replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}$`);
  return run(process.execPath, [vitest, ...args], {
    env: { ...process.env, TRAPLINE_SOAK: JSON.stringify(soak) },
    timeout: PATIENCE * count * seconds * 1000,
  });
}

function fuzz(_, { runs = 300_000, seed }) {
  say(`random bytes as code, ${runs} cases`);
  const args = ['--runs', runs, '--seed', seed >>> 0, '--jobs', 2].map(String);
  return run(process.execPath, [join(root, 'scripts', 'fuzz.mjs'), ...args]);
}

function devices(_, { runs = 200_000, seed }) {
  say(`a hostile guest at every device, ${runs} operations each`);
  const args = ['--runs', runs, '--seed', seed >>> 0, '--jobs', 2].map(String);
  return run(process.execPath, [join(root, 'scripts', 'device-fuzz.mjs'), ...args]);
}

async function oracle(_, { runs = 300_000, seed }) {
  say(`the processor as oracle, about ${runs} tests`);
  const files = ['instruction-oracle', 'native-oracle'].map((name) => `test/conformance/${name}.test.ts`);
  const code = await run(process.execPath, [vitest, 'run', ...files, '--testTimeout=1800000'], {
    env: { ...process.env, TRAPLINE_ORACLE_TESTS: String(runs), TRAPLINE_ORACLE_SEED: String(seed) },
  });
  if (code !== 0) say(`again: npm run soak -- --only oracle --seed=${seed} --runs ${runs}`);
  return code;
}

async function values(_, { runs = 200, seed, test = '' }) {
  say(`values of ${test === '' ? 'all sample drivers' : test} against gdb, ${runs} moments each`);
  const asked = { places: runs, seed, only: test };
  const code = await run(process.execPath, [vitest, 'run', 'test/conformance/gdb-values.test.ts'], {
    env: { ...process.env, TRAPLINE_VALUES: JSON.stringify(asked) },
  });
  const part = test === '' ? '' : ` --test "${test}"`;
  if (code !== 0) say(`again: npm run soak -- --only values --seed=${seed} --runs ${runs}${part}`);
  return code;
}

const PARTS = { properties, fuzz, devices, oracle, values };

/** What is to be run: names of parts with their files. */
function chosen({ only }) {
  const files = propertyFiles();
  if (only === undefined) return Object.keys(PARTS).map((name) => [name, files]);
  if (only in PARTS) return [[only, files]];
  const named = files.filter((file) => file.includes(only));
  if (named.length === 0)
    throw new Usage(
      `--only ${only}: there are ${Object.keys(PARTS).join(', ')}, and:\n  ${files.join('\n  ')}`,
    );
  return [['properties', named]];
}

await main(async () => {
  checkNode();
  try {
    const asked = options();
    const parts = chosen(asked);
    await ensureDependencies();
    mkdirSync(join(root, 'artifacts', 'soak'), { recursive: true });
    rmSync(log, { force: true });
    say(`seed ${asked.seed}`);
    const failed = [];
    for (const [name, files] of parts) if ((await PARTS[name](files, asked)) !== 0) failed.push(name);
    if (existsSync(log)) process.stdout.write(`\n${readFileSync(log, 'utf8')}`);
    process.stdout.write(
      `\nsoak: seed ${asked.seed}, ${failed.length === 0 ? 'no failure' : `FAILED: ${failed.join(', ')}`}\n`,
    );
    return failed.length === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof Usage)) throw error;
    process.stderr.write(`${error.message}\n${USAGE}`);
    return 2;
  }
});
