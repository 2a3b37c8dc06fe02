/** From a scenario file to a job: reads and checks it, compiles its guests or takes ready ones, reports everything wrong. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { planBoot } from '../guest/boot';
import { compileGuest } from '../guest/compiler';
import type { Diagnostic } from '../guest/diagnostics';
import { GuestImageError } from '../guest/errors';
import { GuestImage } from '../guest/image';
import type { Problem } from '../protocol/problem';
import type { RunJob } from '../protocol/run';
import { loadScenario } from '../scenario/load';
import { problemAt } from '../scenario/problem-at';
import type { Scenario, ScenarioVm } from '../scenario/schema';
import type { Prepared, PrepareOptions } from './api';
import { reasonOf } from './reason';

const MIB = 1024 * 1024;

type Guest = RunJob['guests'][number];
type SourcesGuest = Extract<ScenarioVm['guest'], { sources: unknown }>;

/** Thrown inside preparation, with everything that is to be told. */
class Refusal extends Error {
  constructor(readonly problems: Problem[]) {
    super(problems.map((problem) => problem.message).join('\n'));
  }
}

/** See `PrepareRun`: everything that is wrong is in the answer, nothing is thrown but on Trapline's own mistakes. */
export async function prepareRun(options: PrepareOptions): Promise<Prepared> {
  try {
    const text = options.text ?? (await readScenario(options.file));
    const loaded = loadScenario(text, options.file);
    if (!loaded.ok) return { ok: false, problems: loaded.problems };
    const preparation = new Preparation(options, text, loaded.scenario, [...loaded.problems]);
    const job = await preparation.job();
    return { ok: true, job, problems: preparation.problems };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, problems: error.problems };
    throw error;
  }
}

/** A compiler's message as a problem; none where it names no file. */
function problemOf(diagnostic: Diagnostic): Problem[] {
  const { file, line, column, severity, message } = diagnostic;
  if (!file) return [];
  const severities = { error: 'error', warning: 'warning', note: 'information' } as const;
  return [
    {
      file,
      line: line || 1,
      column: column || 1,
      severity: severities[severity],
      message,
      source: 'compiler',
    },
  ];
}

/** What is missing of the files that the guests of a scenario are made from, each at its line of the scenario's text. */
export async function missingGuestFiles(text: string, file: string, scenario: Scenario): Promise<Problem[]> {
  const found = scenario.vms.map(({ guest }, index) => missingOf(text, file, guest, index));
  return (await Promise.all(found)).flat();
}

async function missingOf(
  text: string,
  file: string,
  guest: ScenarioVm['guest'],
  vm: number,
): Promise<Problem[]> {
  const wanted =
    'elf' in guest
      ? [{ path: guest.elf, what: 'guest', at: ['elf'] }]
      : guest.sources.map((path, index) => ({ path, what: 'source', at: ['sources', index] }));
  const problems: Problem[] = [];
  for (const { path, what, at } of wanted) {
    const absolute = resolve(dirname(file), path);
    const entry = await stat(absolute).catch(() => undefined);
    if (entry?.isFile()) continue;
    const message = entry
      ? `The ${what} ${absolute} is not a file. Name the file itself.`
      : `The ${what} ${absolute} does not exist. Paths are relative to the scenario: check the spelling.`;
    problems.push(problemAt(text, file, ['vms', vm, 'guest', ...at], message));
  }
  return problems;
}

async function readScenario(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const message = `The scenario cannot be read: ${reasonOf(error)}. Check the path.`;
    throw new Refusal([{ file, line: 1, column: 1, severity: 'error', message, source: 'scenario' }]);
  }
}

class Preparation {
  constructor(
    private readonly options: PrepareOptions,
    private readonly text: string,
    private readonly scenario: Scenario,
    readonly problems: Problem[],
  ) {}

  async job(): Promise<RunJob> {
    const missing = await missingGuestFiles(this.text, this.options.file, this.scenario);
    if (missing.length > 0) throw new Refusal([...this.problems, ...missing]);
    const guests: Guest[] = [];
    for (const [index, vm] of this.scenario.vms.entries()) {
      const guest =
        'elf' in vm.guest ? await this.readElf(index, vm.guest.elf) : await this.compile(index, vm.guest);
      this.check(index, vm, guest);
      guests.push(guest);
    }
    const coreFile = join(this.options.distDir, 'cpu-core.wasm');
    const core = await readFile(coreFile).catch((error: unknown) => {
      throw new Error(
        `Trapline's own file ${coreFile} cannot be read (${reasonOf(error)}): run "npm run build", or reinstall the extension.`,
      );
    });
    return { scenarioFile: this.options.file, scenarioText: this.text, guests, core: new Uint8Array(core) };
  }

  private refuse(path: readonly (string | number)[], message: string): never {
    throw new Refusal([...this.problems, problemAt(this.text, this.options.file, path, message)]);
  }

  private fromScenario(path: string): string {
    return resolve(dirname(this.options.file), path);
  }

  private async readElf(index: number, path: string): Promise<Guest> {
    const elfFile = this.fromScenario(path);
    try {
      return { elf: new Uint8Array(await readFile(elfFile)), elfFile };
    } catch (error) {
      return this.refuse(
        ['vms', index, 'guest', 'elf'],
        `The guest ${elfFile} cannot be read: ${reasonOf(error)}.`,
      );
    }
  }

  private async compile(index: number, guest: SourcesGuest): Promise<Guest> {
    const sources = guest.sources.map((source) => this.fromScenario(source));
    const { kitDir, distDir, cacheDir, compiler, signal, log } = this.options;
    const result = await compileGuest({
      sources,
      defines: guest.defines,
      optimise: guest.optimize,
      kitDir,
      cacheDir,
      compiler,
      signal,
      log,
      prebuiltDir: join(distDir, 'guests'),
    });
    if (result.ok) {
      this.problems.push(...result.warnings.flatMap((each) => problemOf(each)));
      const elf = new Uint8Array(await readFile(result.elfPath));
      return { elf, elfFile: result.elfPath, remap: result.remap };
    }
    const located = result.diagnostics.flatMap((each) => problemOf(each));
    if (located.some(({ severity }) => severity === 'error'))
      throw new Refusal([...this.problems, ...located]);
    return this.refuse(['vms', index, 'guest', 'sources'], result.message);
  }

  /** What can be found out about a guest before it runs: that it is an x86-64 ELF file, and fits. */
  private check(index: number, vm: ScenarioVm, guest: Guest): void {
    try {
      planBoot(GuestImage.parse(guest.elf, guest.elfFile).elf, vm.memoryMiB * MIB);
    } catch (error) {
      if (!(error instanceof GuestImageError)) throw error;
      this.refuse(['vms', index, 'guest'], error.message);
    }
  }
}
