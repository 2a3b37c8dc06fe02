/** From the attributes of a launch to a job: which scenario is meant, and whether it and its guests are in order. */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize, resolve } from 'node:path';
import { DebugErrorId, type LaunchAttributes } from '../protocol/debug';
import type { Problem } from '../protocol/problem';
import type { RunJob } from '../protocol/run';
import type { RunEnvironment } from '../run/api';
import { prepareRun } from '../run/prepare';
import { loadScenario } from '../scenario/load';
import { RequestError } from './errors';

/** Ending of scenario files. */
const SCENARIO = '.trapline.json';
/** Folders beside a driver's in which its scenario may lie. */
const BESIDE = ['.', 'scenarios', '../scenarios', '..'];
/** Scenarios that are looked at to find the one that names a program. */
const MOST_SCENARIOS = 1_000;

/** @throws RequestError with what is wrong; the places go to `tell` */
export async function prepareLaunch(
  attributes: LaunchAttributes,
  environment: RunEnvironment,
  tell: (line: string) => void,
): Promise<RunJob> {
  const file = await scenarioOf(attributes);
  const compiler = typeof attributes.compiler === 'string' ? attributes.compiler : environment.compiler;
  const prepared = await prepareRun({ ...environment, compiler, file, log: tell });
  for (const problem of prepared.problems) tell(problemLine(problem));
  if (prepared.ok) return prepared.job;
  const [first] = prepared.problems.filter(({ severity }) => severity === 'error');
  throw new RequestError(first?.message ?? `${file} cannot be run.`, DebugErrorId.NotPrepared);
}

function problemLine({ file, line, column, severity, message }: Problem): string {
  return `${file}:${line}:${column}: ${severity}: ${message}`;
}

/** Absolute path of the scenario that a launch means. @throws RequestError */
export async function scenarioOf({ scenario, program, cwd }: LaunchAttributes): Promise<string> {
  const base = typeof cwd === 'string' ? cwd : process.cwd();
  const absolute = (path: string): string => (isAbsolute(path) ? path : resolve(base, path));
  if (typeof scenario === 'string' && scenario !== '') return absolute(scenario);
  if (typeof program !== 'string' || program === '') {
    throw new RequestError(
      'Name a scenario ("scenario"), or a driver that one is made for ("program").',
      DebugErrorId.NotPrepared,
    );
  }
  const path = absolute(program);
  if (path.endsWith(SCENARIO)) return path;
  const found = await scenarioFor(path);
  if (found !== undefined) return found;
  throw new RequestError(
    `No scenario in the folder of ${path}, nor in “scenarios” beside it, names it as a guest: write one, or give "scenario".`,
    DebugErrorId.NotPrepared,
  );
}

/** The first scenario, by name, that names a file as a source, an ELF file, a kernel or an object of a guest. */
async function scenarioFor(program: string): Promise<string | undefined> {
  const folders = [...new Set(BESIDE.map((each) => normalize(join(dirname(program), each))))];
  for (const folder of folders) {
    const names = await readdir(folder).catch((): string[] => []);
    for (const name of names
      .filter((each) => each.endsWith(SCENARIO))
      .sort()
      .slice(0, MOST_SCENARIOS)) {
      const file = join(folder, name);
      if ((await guestFiles(file)).includes(normalize(program))) return file;
    }
  }
  return undefined;
}

async function guestFiles(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const loaded = loadScenario(text, file);
  if (!loaded.ok) return [];
  const named = loaded.scenario.vms.flatMap(({ guest }) => {
    if ('sources' in guest) return guest.sources;
    if ('objects' in guest) return guest.objects;
    if ('kernel' in guest) return [guest.kernel];
    return 'elf' in guest ? [guest.elf] : [guest.firmware];
  });
  return named.map((each) => normalize(resolve(dirname(file), each)));
}
