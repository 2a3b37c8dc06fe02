/** `trapline import`: what Linux's tracing tools print becomes a trace. */
import { basename, resolve } from 'node:path';
import { importTrace, ImportError } from '../trace/exchange/import/importer';
import { foreignSentence } from '../trace/exchange/foreign-source';
import type { TraceStore } from '../trace/query/store';
import { summarise } from '../trace/query/summary';
import type { Command } from './arguments';
import { ExitCode, type CliHost } from './host';
import { printJson, printSummary } from './print';
import { messageOf, warnOfGaps } from './run';

type ImportCommand = Extract<Command, { name: 'import' }>;

/** Stands for standard input, as with other tools. */
const STANDARD_INPUT = '-';

/** Imports a text trace, writes it where that is wanted, and prints its figures. */
export async function importFile(command: ImportCommand, host: CliHost): Promise<ExitCode> {
  const out = command.trace === undefined ? undefined : resolve(host.cwd, command.trace);
  let store: TraceStore;
  try {
    if (out !== undefined) await host.checkWritable(out, 'trace');
    store = await read(command, host);
    if (out !== undefined) await host.writeTrace(out, store);
  } catch (error) {
    host.err(`error: ${messageOf(error)}\n`);
    return ExitCode.BadInput;
  }
  const { meta, rows } = store;
  const { title, state, frequencyHz, source } = meta;
  warnOfGaps(meta, command.file, host);
  if (source) host.err(`${foreignSentence(source, frequencyHz)}\n`);
  const summary = summarise(meta, rows);
  host.out(command.json ? printJson(summary) : printSummary(summary, { title, state, frequencyHz, source }));
  return ExitCode.Held;
}

async function read({ file, frequencyHz }: ImportCommand, host: CliHost): Promise<TraceStore> {
  const input = file === STANDARD_INPUT;
  const options = {
    file: input ? 'standard input' : basename(file),
    ...(frequencyHz !== undefined && { frequencyHz }),
  };
  try {
    return await importTrace(host.readPieces(input ? undefined : resolve(host.cwd, file)), options);
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    throw new Error(`cannot import ${file}: ${error.message}`, { cause: error });
  }
}
