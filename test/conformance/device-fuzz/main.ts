/**
 * `npm run soak -- --only devices` runs this: a hostile guest at every device and every unit of a board. Progress goes to standard
 * error, one line for each target and a closing one to standard output. Exit codes: 0, 1 with a failure's seed, 2 for the usage.
 */
import { parseArgs } from 'node:util';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { EPISODE, episode, noOutcomes, targets, type Failure, type Outcomes } from './run';

const USAGE = `usage: node scripts/device-fuzz.mjs [--runs N] [--seed N] [--jobs N] [--target NAME] [--first EPISODE]
  --runs    operations of each target, rounded up to whole episodes of ${EPISODE} (1000000)
  --seed    what the random numbers come from (20261129)
  --jobs    threads (1)
  --target  a device's model or a unit's name instead of all
  --first   number of the first episode (0); with --runs 1 it runs one again
`;
/** An episode takes milliseconds: after this long on the wall it hangs. */
const HANGING_MS = 120_000;
const LOOK_MS = 5_000;
/** Episodes between two messages of a thread. */
const STRIDE = 16;

/** What a thread is to do: every `jobs`-th episode of each target. */
interface Work {
  seed: number;
  names: string[];
  first: number;
  end: number;
  jobs: number;
}

/** From a thread: what it has done of a target since its last message, and what it is at. */
interface Message {
  target: string;
  outcomes: Outcomes;
  failure?: Failure | undefined;
}

function work({ seed, names, first, end, jobs }: Work): void {
  for (const target of targets().filter(({ name }) => names.includes(name))) {
    let outcomes = noOutcomes();
    const report = (failure?: Failure): void => {
      parentPort?.postMessage({ target: target.name, outcomes, failure } satisfies Message);
      outcomes = noOutcomes();
    };
    for (let number = first; number < end; number += jobs) {
      const failure = episode(target, seed, number, outcomes);
      if (failure) return report(failure);
      if ((number - first) % (STRIDE * jobs) === 0) report();
    }
    report();
  }
}

function usage(text: string): never {
  process.stderr.write(`${text}\n${USAGE}`);
  process.exit(2);
}

function whole(text: string | undefined, name: string, fallback: number, least: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  return usage(`--${name} ${text}: give a whole number from ${least}`);
}

function options(): Work {
  const text = { type: 'string' } as const;
  let values: { runs?: string; seed?: string; jobs?: string; target?: string; first?: string };
  try {
    ({ values } = parseArgs({ options: { runs: text, seed: text, jobs: text, target: text, first: text } }));
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
  const all = targets().map(({ name }) => name);
  const { target } = values;
  if (target !== undefined && !all.includes(target)) usage(`--target ${target}: there are ${all.join(', ')}`);
  const first = whole(values.first, 'first', 0, 0);
  return {
    seed: whole(values.seed, 'seed', 20261129, 0),
    names: target === undefined ? all : [target],
    first,
    end: first + Math.ceil(whole(values.runs, 'runs', 1_000_000, 1) / EPISODE),
    jobs: whole(values.jobs, 'jobs', 1, 1),
  };
}

const listed = (counts: Record<string, number>): string =>
  Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, n]) => `${name} ${n}`)
    .join(', ');

/** Starts the threads, adds up what they say, and ends the process. */
function conduct(all: Work): void {
  const jobs = Math.min(all.jobs, all.end - all.first);
  const sums = new Map(all.names.map((name) => [name, noOutcomes()]));
  const begun = Date.now();
  const fail = (what: string): never => {
    process.stdout.write(`devices: FAILED: ${what}\n`);
    process.exit(1);
  };
  const again = (target: string, number: number): string =>
    `node scripts/device-fuzz.mjs --seed ${all.seed} --target '${target}' --first ${number} --runs 1`;
  const threads = Array.from({ length: jobs }, (_, job) => {
    const state = { at: '', heard: Date.now(), ended: false };
    const first = all.first + job;
    const worker = new Worker(__filename, { workerData: { ...all, first, jobs } satisfies Work });
    worker.on('message', ({ target, outcomes, failure }: Message) => {
      const sum = sums.get(target);
      if (sum) {
        sum.operations += outcomes.operations;
        for (const [kind, n] of Object.entries(outcomes.rows)) sum.rows[kind] = (sum.rows[kind] ?? 0) + n;
      }
      Object.assign(state, { at: target, heard: Date.now() });
      if (failure)
        fail(
          `${target}, operation ${failure.operation} of episode ${failure.episode}: ${failure.what}\nagain: ${again(target, failure.episode)}`,
        );
    });
    worker.on('error', (error) => fail(`${state.at}: ${error.stack}`));
    worker.on('exit', () => {
      state.ended = true;
      if (threads.every(({ ended }) => ended)) finish();
    });
    return state;
  });
  const finish = (): void => {
    clearInterval(timer);
    let operations = 0;
    for (const [name, sum] of sums) {
      operations += sum.operations;
      process.stdout.write(`  ${name}: ${sum.operations} operations; ${listed(sum.rows)}\n`);
    }
    const { user, system } = process.cpuUsage();
    process.stdout.write(
      `devices: ${operations} operations at ${sums.size} targets in ${((Date.now() - begun) / 1000).toFixed(1)} s (processor ${((user + system) / 1e6).toFixed(1)} s), seed ${all.seed}, no failure\n`,
    );
  };
  const timer = setInterval(() => {
    const done = [...sums.values()].reduce((sum, { operations }) => sum + operations, 0);
    process.stderr.write(`${done} operations, at ${[...new Set(threads.map(({ at }) => at))].join(', ')}\n`);
    for (const { at, heard, ended } of threads)
      if (!ended && Date.now() - heard > HANGING_MS)
        fail(`seed ${all.seed}: no end of an episode at or after ${at}`);
  }, LOOK_MS);
}

if (isMainThread) conduct(options());
else work(workerData as Work);
