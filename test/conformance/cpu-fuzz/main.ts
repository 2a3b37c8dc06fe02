/**
 * `npm run fuzz -- [--runs N] [--seed N] [--jobs N] [--first BATCH]`: random bytes as code, in every mode. Progress goes to
 * standard error, one closing line to standard output. Exit codes: 0, 1 with a failure's seed and bytes, 2 for the usage.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { BATCH, Fuzzer, addOutcomes, noOutcomes, type Failure, type Outcomes } from './run';

const USAGE = `usage: npm run fuzz -- [--runs N] [--seed N] [--jobs N] [--first BATCH]
  --runs   cases, rounded up to whole batches of ${BATCH} (1000000)
  --seed   what the random numbers come from (20240613)
  --jobs   threads (1)
  --first  number of the first batch (0); with --runs 1 it runs one batch again
`;
/** A batch takes milliseconds: after this long on the wall it hangs. */
const HANGING_MS = 60_000;
/** Growth of the process that no number of cases explains, in bytes. */
const GROWTH = 512 << 20;
const PROGRESS_MS = 10_000;
/** Batches between two messages of a thread. */
const STRIDE = 16;

/** What a thread is to do: every `jobs`-th batch. */
interface Work {
  seed: number;
  first: number;
  end: number;
  jobs: number;
}

/** From a thread: what it did since its last message, and where it goes on. */
interface Message {
  outcomes: Outcomes;
  next: number;
  failure?: Failure;
}

function work({ seed, first, end, jobs }: Work): void {
  const module = new WebAssembly.Module(readFileSync(join(__dirname, 'cpu-core.wasm')));
  const fuzzer = new Fuzzer(module, seed);
  const report = (message: Message): void => parentPort?.postMessage(message);
  let outcomes = noOutcomes();
  let done = 0;
  for (let batch = first; batch < end; batch += jobs) {
    const failure = fuzzer.batch(batch, outcomes);
    done++;
    if (failure || done % STRIDE === 0 || batch + jobs >= end) {
      report({ outcomes, next: batch + jobs, failure });
      outcomes = noOutcomes();
    }
    if (failure) return;
  }
}

function whole(text: string | undefined, name: string, fallback: number, least: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  process.stderr.write(`--${name} ${text}: give a whole number from ${least}\n${USAGE}`);
  process.exit(2);
}

function options(): Work & { runs: number } {
  try {
    const text = { type: 'string' } as const;
    const { values } = parseArgs({ options: { runs: text, seed: text, jobs: text, first: text } });
    const runs = whole(values.runs, 'runs', 1_000_000, 1);
    const first = whole(values.first, 'first', 0, 0);
    const seed = whole(values.seed, 'seed', 20240613, 0);
    const jobs = whole(values.jobs, 'jobs', 1, 1);
    return { runs, seed, first, jobs, end: first + Math.ceil(runs / BATCH) };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    process.exit(2);
  }
}

const listed = (counts: Record<string, number>): string =>
  Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, n]) => `${name} ${n}`)
    .join(', ');

/** Starts the threads, adds up what they say, and ends the process. */
function conduct(all: Work & { runs: number }): void {
  const { seed, first, end } = all;
  const jobs = Math.min(all.jobs, end - first);
  const total = (end - first) * BATCH;
  const sum = noOutcomes();
  const begun = Date.now();
  let grownFrom = 0;
  const fail = (text: string): never => {
    process.stdout.write(`fuzz: FAILED after ${sum.cases} cases: ${text}\n`);
    process.exit(1);
  };
  const threads = Array.from({ length: jobs }, (_, j) => {
    const state = { next: first + j, heard: Date.now(), ended: false };
    const worker = new Worker(__filename, {
      workerData: { seed, first: first + j, end, jobs } satisfies Work,
    });
    worker.on('message', ({ outcomes, next, failure }: Message) => {
      addOutcomes(sum, outcomes);
      Object.assign(state, { next, heard: Date.now() });
      if (!failure) return;
      const again = `npm run fuzz -- --seed ${seed} --first ${failure.batch} --runs 1`;
      fail(
        `seed ${seed}, batch ${failure.batch}, case ${failure.index} from ${failure.beginning}, code ${failure.code}: ${failure.what}\nagain: ${again}`,
      );
    });
    worker.on('error', (error) =>
      fail(`seed ${seed}, batch ${state.next} or one of the next: ${error.stack}`),
    );
    worker.on('exit', () => {
      state.ended = true;
      if (threads.every((thread) => thread.ended)) finish();
    });
    return state;
  });
  const finish = (): void => {
    clearInterval(timer);
    const seconds = ((Date.now() - begun) / 1000).toFixed(1);
    const { user, system } = process.cpuUsage();
    const busy = ((user + system) / 1e6).toFixed(1);
    process.stdout.write(
      `fuzz: ${sum.cases} cases in ${seconds} s (processor ${busy} s), seed ${seed}, no failure; ${sum.instructions} instructions, ${sum.moved} cases with one; stops: ${listed(sum.stops)}; from: ${listed(sum.beginnings)}\n`,
    );
  };
  const timer = setInterval(() => {
    const rate = Math.round((sum.cases * 1000) / (Date.now() - begun));
    const { rss } = process.memoryUsage();
    process.stderr.write(`${sum.cases} of ${total} cases, ${rate}/s, ${rss >> 20} MiB\n`);
    if (grownFrom === 0) grownFrom = rss;
    else if (rss - grownFrom > GROWTH) fail(`memory grew from ${grownFrom} to ${rss} bytes`);
    for (const { next, heard, ended } of threads) {
      if (!ended && Date.now() - heard > HANGING_MS)
        fail(`seed ${seed}: no end of the ${STRIDE} batches from ${next}, by ${jobs}`);
    }
  }, PROGRESS_MS);
}

if (isMainThread) conduct(options());
else work(workerData as Work);
