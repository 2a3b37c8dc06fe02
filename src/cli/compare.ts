/** `trapline compare`: runs side by side, from traces and from scenarios that are run for it. */
import { basename, resolve } from 'node:path';
import type { TraceDifference } from '../protocol/difference';
import { compareRuns } from '../trace/query/compare';
import { comparisonTable, type ComparisonTable } from '../trace/query/comparison-text';
import { differenceOf } from '../trace/query/difference';
import { differenceTables, partingText, type DifferencePart } from '../trace/query/difference-text';
import { TraceStore } from '../trace/query/store';
import type { Command } from './arguments';
import { ExitCode, type CliHost } from './host';
import { printExpectation, printProblem } from './print';
import { messageOf, warnOfGaps } from './run';

type CompareCommand = Extract<Command, { name: 'compare' }>;

/** Ending of files that are traces; everything else is a scenario. */
const TRACE_ENDING = /\.arrow$/;
const ENDINGS = /\.trapline\.(arrow|json)$/;

/** A run and how well it went; without its trace where it never came to one. */
interface Compared {
  store?: TraceStore;
  code: ExitCode;
}

/** Prints the table. The exit code is that of the worst run. */
export async function compareFiles(command: CompareCommand, host: CliHost): Promise<ExitCode> {
  const stop = new AbortController();
  const unhook = host.onInterrupt(() => stop.abort());
  try {
    const runs: { name: string; store: TraceStore }[] = [];
    const names = namesOf(command.files);
    let worst: ExitCode = ExitCode.Held;
    for (const [index, file] of command.files.entries()) {
      const found = TRACE_ENDING.test(file)
        ? await readFile(file, host)
        : await runFile(file, command, host, stop.signal);
      if (!found.store) return found.code;
      worst = Math.max(worst, found.code) as ExitCode;
      runs.push({ name: names[index], store: found.store });
    }
    try {
      const comparison = compareRuns(runs);
      const differences = command.by.length > 0 ? differencesOf(runs) : [];
      if (command.json) {
        const asked = differences.map((each) => only(each, command.by));
        const all = { ...comparison, ...(command.by.length > 0 && { differences: asked }) };
        host.out(`${JSON.stringify(all, null, 2)}\n`);
      } else {
        host.out(printTable(comparisonTable(comparison)));
        for (const each of differences) host.out(printDifference(each, new Set(command.by)));
      }
    } catch (error) {
      // A trace that is damaged within shows it when its rows are read.
      host.err(`error: ${messageOf(error)}\n`);
      return ExitCode.BadInput;
    }
    return worst;
  } finally {
    unhook();
  }
}

/** A run beside the first one. */
interface NamedDifference {
  first: string;
  second: string;
  difference: TraceDifference;
}

function differencesOf(runs: readonly { name: string; store: TraceStore }[]): NamedDifference[] {
  const [first, ...others] = runs;
  if (!first) return [];
  return others.map((other) => ({
    first: first.name,
    second: other.name,
    difference: differenceOf(first.store, other.store),
  }));
}

/** What was asked for of a difference, for programs. */
function only({ first, second, difference }: NamedDifference, by: readonly DifferencePart[]): object {
  const { frequencyHz, wholeUntil, lines, reasons, operations, parting } = difference;
  const asked = new Set(by);
  return {
    ...{ first, second, frequencyHz, wholeUntil },
    ...(asked.has('parting') && { parting: parting ?? null }),
    ...(asked.has('lines') && { lines }),
    ...(asked.has('reasons') && { reasons }),
    ...((asked.has('stages') || asked.has('operations')) && { operations }),
  };
}

function printDifference(
  { first, second, difference }: NamedDifference,
  parts: ReadonlySet<DifferencePart>,
): string {
  const names = [first, second] as const;
  const sections = differenceTables(difference, names, parts).map(
    ({ title, ...table }) => `${title}\n${printTable(table)}`,
  );
  if (parts.has('parting')) sections.unshift(`${partingText(difference, names).join('\n')}\n`);
  return `\n${second} beside ${first}\n\n${sections.join('\n')}`;
}

/** Names of the files without folders and endings, or as they were given where two would be the same. */
function namesOf(files: readonly string[]): string[] {
  const short = files.map((file) => basename(file).replace(ENDINGS, ''));
  return new Set(short).size === short.length ? short : [...files];
}

async function readFile(file: string, host: CliHost): Promise<Compared> {
  try {
    const store = await host.readTrace(resolve(host.cwd, file));
    warnOfGaps(store.meta, file, host);
    return { store, code: ExitCode.Held };
  } catch (error) {
    host.err(`error: ${messageOf(error)}\n`);
    return { code: ExitCode.BadInput };
  }
}

/** Runs a scenario without a word of its guests'. */
async function runFile(
  file: string,
  command: CompareCommand,
  host: CliHost,
  signal: AbortSignal,
): Promise<Compared> {
  const environment = { ...host.environment, compiler: command.compiler || host.environment.compiler };
  const stopped = (): Compared => {
    host.err('stopped by the user\n');
    return { code: ExitCode.Interrupted };
  };
  const prepared = await host
    .prepareRun({ ...environment, file: resolve(host.cwd, file), signal })
    .catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return undefined;
    });
  if (signal.aborted || !prepared) return stopped();
  for (const problem of prepared.problems) host.err(`${printProblem(problem, host.cwd)}\n`);
  if (!prepared.ok) return { code: ExitCode.BadInput };
  let store: TraceStore | undefined;
  const handle = host.startRun(prepared.job, environment, {
    started: (meta) => (store = new TraceStore(meta)),
    delta: (delta) => store?.append(delta),
    serial: () => undefined,
  });
  const cancel = (): void => handle.cancel();
  signal.addEventListener('abort', cancel);
  try {
    const { meta, summary } = await handle.ended;
    if (signal.aborted || !store) return stopped();
    store.setMeta(meta);
    warnOfGaps(meta, file, host);
    const failed = summary.expectations.filter(({ held }) => !held);
    for (const each of failed) host.err(`warning: ${file}: ${printExpectation(each).trim()}\n`);
    if (meta.state === 'crashed') {
      host.err(`warning: ${file}: ${meta.message ?? 'the guest crashed'}\n`);
      return { store, code: ExitCode.Crashed };
    }
    if (summary.unfinished !== undefined)
      host.err(`warning: ${file}: not ended when the time was up: ${summary.unfinished}\n`);
    const held = failed.length === 0 && summary.unfinished === undefined;
    return { store, code: held ? ExitCode.Held : ExitCode.Failed };
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

/** Columns as wide as their widest cell; numbers to the right. */
function printTable({ head, body }: ComparisonTable): string {
  const rows = [head, ...body];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}
