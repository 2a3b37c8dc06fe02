/** How fast simulated time passes: every sample scenario with one VM, its guest compiled before. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunEnvironment } from '../../src/run/api';
import { prepareRun } from '../../src/run/prepare';
import { startRun } from '../../src/run/start';
import { loadScenario } from '../../src/scenario/load';
import type { Figures } from './side-by-side';

const SCENARIOS = 'media/workspace/scenarios';
const ENDING = '.trapline.json';
export const REAL_TIME = 'realTimeFactor.';

/** Simulated seconds by wall seconds of one run, in a worker thread as in the product. */
async function factorOf(file: string, text: string, environment: RunEnvironment): Promise<number> {
  const prepared = await prepareRun({ ...environment, file, text });
  if (!prepared.ok) throw new Error(prepared.problems.map(({ message }) => message).join('\n'));
  const silent = { started: () => undefined, delta: () => undefined, serial: () => undefined };
  const { summary } = await startRun(prepared.job, environment, silent).ended;
  return summary.simulatedSeconds / (summary.wallSeconds ?? NaN);
}

/**
 * Samples that are the same however long they are, with what makes them long: a run of some milliseconds of simulated time is
 * over before the engine has compiled what runs it.
 */
const LONG: Record<string, readonly [short: RegExp, long: string]> = {
  'a3-dma': [/"ROUNDS": \d+/, '"ROUNDS": 1500'],
  'a4-rings': [/"LAPS": \d+/, '"LAPS": 4000'],
  'b7-e1000-emulated': [/"PACKETS": \d+/, '"PACKETS": 4000'],
  'mmio-read-loop': [/"READS": \d+/, '"READS": 1000000'],
  spin: [/"afterMs": \d+/, '"afterMs": 500'],
};

async function medianFactor(
  file: string,
  text: string,
  environment: RunEnvironment,
  turns: number,
): Promise<number> {
  const factors: number[] = [];
  for (let turn = 0; turn < turns; turn++) factors.push(await factorOf(file, text, environment));
  return factors.sort((x, y) => x - y)[turns >> 1] ?? NaN;
}

/** The factor of each sample by its name, and of the long ones as `long.NAME`; the median of some turns. */
export async function measureRealTime(
  root: string,
  environment: RunEnvironment,
  turns: number,
): Promise<Figures> {
  const files = (await readdir(join(root, SCENARIOS))).filter((name) => name.endsWith(ENDING)).sort();
  const figures: Figures = {};
  for (const name of files.map((each) => each.slice(0, -ENDING.length))) {
    const file = join(root, SCENARIOS, `${name}${ENDING}`);
    const text = await readFile(file, 'utf8');
    const loaded = loadScenario(text, file);
    if (!loaded.ok || loaded.scenario.vms.length > 1) continue;
    figures[`${REAL_TIME}${name}`] = await medianFactor(file, text, environment, turns);
    const long = LONG[name];
    if (!long) continue;
    if (!long[0].test(text)) throw new Error(`${file} has nothing that ${String(long[0])} finds`);
    // The sample's own limits are meant for the short run.
    const longText = text.replace(/"afterMs": \d+/, '"afterMs": 60000').replace(...long);
    figures[`${REAL_TIME}long.${name}`] = await medianFactor(file, longText, environment, turns);
  }
  return figures;
}
