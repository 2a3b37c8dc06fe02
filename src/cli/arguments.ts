/** The command line. */
import { parseArgs } from 'node:util';
import { didYouMean } from '../scenario/nearest';
import { isVerb, VERBS, verbOf, type Verb, type VerbName } from './verbs';
import { differenceParts, type DifferencePart } from '../trace/query/difference-text';
import { exportFormats, type ExportFormatName } from '../trace/exchange/export/formats';

/** What is to be done. */
export type Command =
  | {
      name: 'run';
      file: string;
      json: boolean;
      quiet: boolean;
      trace?: string;
      packets?: string;
      compiler: string;
    }
  | { name: 'stats'; file: string; json: boolean }
  | { name: 'query'; file: string; query: string; json: boolean; count: boolean; limit?: number }
  | { name: 'check'; file: string; json: boolean }
  | { name: 'compare'; files: string[]; by: readonly DifferencePart[]; json: boolean; compiler: string }
  | { name: 'import'; file: string; json: boolean; trace?: string; frequencyHz?: number }
  | {
      name: 'export';
      file: string;
      to: ExportFormatName | 'pcap';
      out: string;
      scenario?: string;
      compiler: string;
    }
  | { name: 'dap'; compiler: string }
  | { name: 'mcp'; folder: string; allowsRun: boolean; compiler: string }
  | { name: 'gdbserver'; file: string; port: number; vm: number; compiler: string }
  /** Without `verb`: of all of them. */
  | { name: 'help'; verb?: VerbName }
  | { name: 'version' };

/** Thrown for a command line that cannot be understood; the message is for a reader. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type OptionType = 'boolean' | 'string';

const ALWAYS: Record<string, OptionType> = { help: 'boolean', version: 'boolean' };

/** Understands a command line (without the program's name). Throws UsageError. */
export function parseCommandLine(args: readonly string[]): Command {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h') return { name: 'help' };
  if (name === 'help') return helpAbout(rest);
  if (name === '--version' || name === '-V') return { name: 'version' };
  if (!isVerb(name)) throw unknown(name);
  const verb: Verb = VERBS[name];
  const types = { ...ALWAYS, ...typesOf(verb) };
  const { values, positionals } = parse(name, rest, types);
  if (values['help'] === true) return { name: 'help', verb: name };
  if (values['version'] === true) return { name: 'version' };
  const [file, extra] = positionals;
  const compiler = typeof values['compiler'] === 'string' ? values['compiler'] : '';
  if (name === 'dap') {
    if (file === undefined) return { name, compiler };
    throw new UsageError(
      `trapline dap takes no argument; the editor says what is to be debugged. See trapline --help.`,
    );
  }
  if (name === 'mcp') {
    if (extra !== undefined)
      throw new UsageError(`trapline mcp takes one FOLDER; "${extra}" is one too many.`);
    return { name, folder: file ?? '.', allowsRun: values['allow-run'] === true, compiler };
  }
  if (file === undefined || file === '')
    throw new UsageError(`trapline ${name} needs a ${verb.argument}. See trapline --help.`);
  if (extra !== undefined && !verb.several)
    throw new UsageError(`trapline ${name} takes one ${verb.argument}; "${extra}" is one too many.`);
  const json = values['json'] === true;
  if (name === 'query') return queryCommand(file, positionals.slice(1), values, json);
  if (name === 'compare') return { name, files: positionals, by: partsOf(values['by']), json, compiler };
  if (name === 'gdbserver') {
    const port = numberOf('--port', values['port'], 65_535);
    return { name, file, port, vm: numberOf('--vm', values['vm'], 9_999), compiler };
  }
  if (name === 'import') return importOf(file, values, json);
  if (name === 'export') return exportOf(file, values, compiler);
  if (name !== 'run') return { name, file, json };
  const [trace, packets] = [values['out'], values['pcap']];
  return {
    name: 'run',
    file,
    json,
    quiet: values['quiet'] === true,
    ...(typeof trace === 'string' && { trace }),
    ...(typeof packets === 'string' && { packets }),
    compiler,
  };
}

/** Parts of differences that `--by` names: one, several with commas, or all. */
function partsOf(text: Values[string]): readonly DifferencePart[] {
  if (typeof text !== 'string') return [];
  const words = text.split(',');
  if (words.includes('all')) return differenceParts;
  return words.map((word) => {
    const part = differenceParts.find((each) => each === word);
    if (part) return part;
    const meant = didYouMean(word, [...differenceParts, 'all']);
    throw new UsageError(
      `--by knows ${differenceParts.join(', ')} and all, not "${word}".${meant} See trapline help compare.`,
    );
  });
}

/** A query may be one argument or several, which stand beside each other. */
function queryCommand(file: string, terms: readonly string[], values: Values, json: boolean): Command {
  if (terms.length === 0)
    throw new UsageError(
      `trapline query needs a QUERY after the trace: trapline query ${file} 'exit:HLT dur>5us'. See trapline --help.`,
    );
  return {
    name: 'query',
    file,
    query: terms.join(' '),
    json,
    count: values['count'] === true,
    ...(values['limit'] !== undefined && { limit: numberOf('--limit', values['limit'], 999_999_999) }),
  };
}

function helpAbout([name, extra]: readonly string[]): Command {
  if (name === undefined) return { name: 'help' };
  if (!isVerb(name)) throw unknown(name);
  if (extra !== undefined) throw new UsageError(`trapline help takes one verb; "${extra}" is one too many.`);
  return { name: 'help', verb: name };
}

function unknown(name: string): UsageError {
  const what = name.startsWith('-') ? 'option' : 'command';
  return new UsageError(
    `unknown ${what} "${name}".${didYouMean(name, Object.keys(VERBS))} See trapline --help.`,
  );
}

function typesOf({ options }: Verb): Record<string, OptionType> {
  return Object.fromEntries(
    Object.entries(options).map(([name, { value }]) => [name, value === undefined ? 'boolean' : 'string']),
  );
}

function importOf(file: string, values: Values, json: boolean): Command {
  const { out, frequency } = values;
  const given = frequency === undefined ? undefined : Number(frequency);
  if (given !== undefined && !(given >= 1 && given <= 1e12))
    throw new UsageError(
      '--frequency needs a number of cycles a second: --frequency 2.9e9. See trapline --help.',
    );
  return {
    name: 'import',
    file,
    json,
    ...(typeof out === 'string' && { trace: out }),
    ...(given !== undefined && { frequencyHz: given }),
  };
}

function exportOf(file: string, { to, out, scenario }: Values, compiler: string): Command {
  const formats = [...Object.keys(exportFormats), 'pcap'];
  if (typeof to !== 'string' || !formats.includes(to)) {
    const meant = typeof to === 'string' ? didYouMean(to, formats) : '';
    throw new UsageError(
      `trapline export needs --to ${formats.join(', --to ')}.${meant} See trapline --help.`,
    );
  }
  if (typeof out !== 'string')
    throw new UsageError('trapline export needs --out FILE: what it writes is for other tools.');
  const format = to as ExportFormatName | 'pcap';
  return {
    name: 'export',
    file,
    to: format,
    out,
    ...(typeof scenario === 'string' && { scenario }),
    compiler,
  };
}

/** The number that an option gives; 0 where it is left out. */
function numberOf(
  option: string,
  text: string | boolean | (string | boolean)[] | undefined,
  most: number,
): number {
  if (text === undefined) return 0;
  const value = typeof text === 'string' && /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value <= most) return value;
  throw new UsageError(`${option} needs a whole number from 0 to ${most}: ${option} 0.`);
}

type Values = Record<string, string | boolean | (string | boolean)[] | undefined>;

function parse(
  name: string,
  args: string[],
  types: Record<string, OptionType>,
): { values: Values; positionals: string[] } {
  const options = Object.fromEntries(Object.entries(types).map(([key, type]) => [key, { type }]));
  const { tokens, values, positionals } = parseArgs({
    args,
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const type = Object.hasOwn(types, token.name) ? types[token.name] : undefined;
    if (type === undefined) {
      const known = Object.keys(types).map((key) => `--${key}`);
      throw new UsageError(
        `trapline ${name} has no option ${token.rawName}.${didYouMean(token.rawName, known)} See trapline help ${name}.`,
      );
    }
    if (
      type === 'string' &&
      (token.value === undefined || token.value === '' || (!token.inlineValue && token.value.startsWith('-')))
    ) {
      throw new UsageError(
        `${token.rawName} needs a value: ${token.rawName} ${verbOf(name)?.options[token.name]?.value ?? 'PATH'}.`,
      );
    }
    if (type === 'boolean' && token.value !== undefined)
      throw new UsageError(`${token.rawName} takes no value.`);
  }
  return { values, positionals };
}
