/** `trapline stats` and `trapline check`: what looks at a file without running anything. */
import { resolve } from 'node:path';
import { judge } from '../scenario/breaking-events';
import { loadScenario } from '../scenario/load';
import { foreignSentence } from '../trace/exchange/foreign-source';
import { damageOf } from '../trace/file/file';
import { summarise } from '../trace/query/summary';
import { ExitCode, type CliHost } from './host';
import { printJson, printProblem, printSummary } from './print';
import { messageOf, warnOfGaps } from './run';

/** Prints the figures of a trace file. */
export async function printStats(command: { file: string; json: boolean }, host: CliHost): Promise<ExitCode> {
  let store;
  try {
    store = await host.readTrace(resolve(host.cwd, command.file));
  } catch (error) {
    host.err(`error: ${messageOf(error)}\n`);
    return ExitCode.BadInput;
  }
  const { meta, rows } = store;
  const truncated = meta.state === 'truncated';
  if (truncated) host.err(`warning: ${command.file}: ${meta.message ?? 'the file is not complete'}\n`);
  // What a file cut short lacks has just been said.
  else warnOfGaps(meta, command.file, host);
  const damage = damageOf(store);
  if (damage !== undefined) host.err(`warning: ${command.file}: ${damage}\n`);
  if (meta.source) host.err(`${foreignSentence(meta.source, meta.frequencyHz)}\n`);
  const summary = summarise(meta, rows);
  summary.expectations = judge(store, summary);
  const { title, state, message, frequencyHz, source } = meta;
  const context = {
    title,
    state,
    frequencyHz,
    tables: meta,
    source,
    ...(message !== undefined && !truncated && { message }),
  };
  host.out(command.json ? printJson(summary) : printSummary(summary, context));
  return ExitCode.Held;
}

/** Checks a scenario and that its guests' files are there: prints every problem, or that there is none. */
export async function checkScenarioFile(
  command: { file: string; json: boolean },
  host: CliHost,
): Promise<ExitCode> {
  const file = resolve(host.cwd, command.file);
  let text;
  try {
    text = await host.readText(file);
  } catch (error) {
    host.err(`error: ${messageOf(error)}\n`);
    return ExitCode.BadInput;
  }
  const loaded = loadScenario(text, file);
  const missing = loaded.ok ? await host.missingFiles(text, file, loaded.scenario) : [];
  const problems = [...loaded.problems, ...missing];
  const ok = loaded.ok && missing.length === 0;
  if (command.json) host.out(`${JSON.stringify({ ok, problems }, null, 2)}\n`);
  else for (const problem of problems) host.err(`${printProblem(problem, host.cwd)}\n`);
  if (ok && !command.json) host.out(`${command.file}: no problems\n`);
  return ok ? ExitCode.Held : ExitCode.BadInput;
}
