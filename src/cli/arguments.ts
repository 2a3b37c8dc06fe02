/** The command line. */
import { parseArgs } from 'node:util';
import { didYouMean } from '../scenario/nearest';

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
  | { name: 'compare'; files: string[]; json: boolean; compiler: string }
  | { name: 'dap'; compiler: string }
  | { name: 'gdbserver'; file: string; port: number; vm: number; compiler: string }
  | { name: 'help' }
  | { name: 'version' };

/** Thrown for a command line that cannot be understood; the message is for a reader. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type OptionType = 'boolean' | 'string';

const ALWAYS: Record<string, OptionType> = { help: 'boolean', version: 'boolean' };
/** `several`: takes any number of arguments. */
const COMMANDS: Record<
  string,
  { argument?: string; several?: boolean; options: Record<string, OptionType> }
> = {
  run: {
    argument: 'FILE',
    options: { out: 'string', pcap: 'string', json: 'boolean', quiet: 'boolean', compiler: 'string' },
  },
  stats: { argument: 'TRACE', options: { json: 'boolean' } },
  query: {
    argument: 'TRACE',
    several: true,
    options: { json: 'boolean', count: 'boolean', limit: 'string' },
  },
  check: { argument: 'FILE', options: { json: 'boolean' } },
  gdbserver: { argument: 'FILE', options: { port: 'string', vm: 'string', compiler: 'string' } },
  dap: { options: { compiler: 'string' } },
  compare: { argument: 'FILE', several: true, options: { json: 'boolean', compiler: 'string' } },
};

/** What `--help` prints. */
export const USAGE = `Trapline runs a guest driver on a simulated x86-64 computer under a hypervisor and records every VM exit,
interrupt and DMA.

Usage:
  trapline run FILE [--out TRACE] [--pcap CAPTURE] [--json] [--quiet] [--compiler PATH]
      Runs a scenario (*.trapline.json) and prints its figures.
        --out TRACE       also write the trace, an Arrow file: name.trapline.arrow
        --pcap CAPTURE    also write the packets on the links, for Wireshark or tcpdump: name.pcapng
        --json            print the figures as JSON; what the guest prints goes to standard error
        --quiet           print only what is wrong (with --json: the JSON alone)
        --compiler PATH   C compiler for the guest instead of gcc or clang
  trapline stats TRACE [--json]
      Prints the figures of a trace file.
  trapline query TRACE QUERY [--json] [--count] [--limit N]
      Prints the events of a trace that match a query: exit:HLT dur>5us, as in the find box of the timeline.
        --json            print each event as a line of JSON: row, cycles, seconds, durationCycles, kind, track, text, and so on
        --count           print only how many there are
        --limit N         print the first N only
  trapline check FILE [--json]
      Checks a scenario, and that its guests' files are there, without compiling or running anything.
  trapline compare FILE FILE… [--json] [--compiler PATH]
      Prints what runs cost side by side, in total and for each packet, with ratios to the first. A FILE is a trace
      (name.trapline.arrow), or a scenario, which is run.
        --json            print the figures as JSON
        --compiler PATH   C compiler for the guests instead of gcc or clang
  trapline dap [--compiler PATH]
      Debugs, for an editor that speaks the Debug Adapter Protocol over standard input and output.
  trapline gdbserver FILE [--port N] [--vm N] [--compiler PATH]
      Lets GDB debug a scenario's guest, forwards and backwards: prints what to give it, and waits on this computer.
        --port N          TCP port instead of any that is free
        --vm N            the VM whose vCPUs are GDB's threads, counted from 0, instead of the first
        --compiler PATH   C compiler for the guest instead of gcc or clang
  trapline --help | --version

Exit code: 0 all expectations hold; 1 one does not, or a guest ended with a code other than 0; 2 the input is
wrong; 3 the guest crashed; 4 Trapline itself failed; 130 stopped by Ctrl-C.
`;

/** Understands a command line (without the program's name). Throws UsageError. */
export function parseCommandLine(args: readonly string[]): Command {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') return { name: 'help' };
  if (name === '--version' || name === '-V') return { name: 'version' };
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) {
    const what = name.startsWith('-') ? 'option' : 'command';
    throw new UsageError(
      `unknown ${what} "${name}".${didYouMean(name, Object.keys(COMMANDS))} See trapline --help.`,
    );
  }
  const types = { ...ALWAYS, ...command.options };
  const { values, positionals } = parse(name, rest, types);
  if (values['help'] === true) return { name: 'help' };
  if (values['version'] === true) return { name: 'version' };
  const [file, extra] = positionals;
  const compiler = typeof values['compiler'] === 'string' ? values['compiler'] : '';
  if (name === 'dap') {
    if (file === undefined) return { name, compiler };
    throw new UsageError(
      `trapline dap takes no argument; the editor says what is to be debugged. See trapline --help.`,
    );
  }
  if (file === undefined || file === '')
    throw new UsageError(`trapline ${name} needs a ${command.argument}. See trapline --help.`);
  if (extra !== undefined && !command.several)
    throw new UsageError(`trapline ${name} takes one ${command.argument}; "${extra}" is one too many.`);
  const json = values['json'] === true;
  if (name === 'query') return queryCommand(file, positionals.slice(1), values, json);
  if (name === 'compare') return { name, files: positionals, json, compiler };
  if (name === 'gdbserver') {
    const port = numberOf('--port', values['port'], 65_535);
    return { name, file, port, vm: numberOf('--vm', values['vm'], 9_999), compiler };
  }
  if (name !== 'run') return { name: name as 'stats' | 'check', file, json };
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
        `trapline ${name} has no option ${token.rawName}.${didYouMean(token.rawName, known)} See trapline --help.`,
      );
    }
    if (
      type === 'string' &&
      (token.value === undefined || token.value === '' || (!token.inlineValue && token.value.startsWith('-')))
    ) {
      throw new UsageError(`${token.rawName} needs a value: ${token.rawName} PATH.`);
    }
    if (type === 'boolean' && token.value !== undefined)
      throw new UsageError(`${token.rawName} takes no value.`);
  }
  return { values, positionals };
}
