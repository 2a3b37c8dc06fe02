/** The command line. */
import { parseArgs } from 'node:util';
import { didYouMean } from '../scenario/nearest';
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
  | { name: 'check'; file: string; json: boolean }
  | { name: 'compare'; files: string[]; json: boolean; compiler: string }
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
  check: { argument: 'FILE', options: { json: 'boolean' } },
  gdbserver: { argument: 'FILE', options: { port: 'string', vm: 'string', compiler: 'string' } },
  dap: { options: { compiler: 'string' } },
  import: { argument: 'FILE', options: { out: 'string', frequency: 'string', json: 'boolean' } },
  export: {
    argument: 'TRACE',
    options: { to: 'string', out: 'string', scenario: 'string', compiler: 'string' },
  },
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
  trapline check FILE [--json]
      Checks a scenario, and that its guests' files are there, without compiling or running anything.
  trapline compare FILE FILE… [--json] [--compiler PATH]
      Prints what runs cost side by side, in total and for each packet, with ratios to the first. A FILE is a trace
      (name.trapline.arrow), or a scenario, which is run.
        --json            print the figures as JSON
        --compiler PATH   C compiler for the guests instead of gcc or clang
  trapline import FILE [--out TRACE] [--frequency HZ] [--json]
      Reads what "trace-cmd report", the "trace" file of ftrace or "perf script" print of KVM, interrupts, the scheduler and
      IOMMUs, and prints its figures. FILE may be - for standard input.
        --out TRACE       write the trace, which the editor opens: name.trapline.arrow
        --frequency HZ    how fast a clock of cycles (x86-tsc) counts, instead of what the waits in the file say
        --json            print the figures as JSON
  trapline export TRACE --to FORMAT --out FILE [--scenario FILE] [--compiler PATH]
      Writes a trace for other tools: perfetto (ui.perfetto.dev), chrome (JSON, for small traces) or csv; or pcap, the packets
      on its links, for which its run is made again.
        --scenario FILE   where the scenario is, if it is not beside the trace (pcap)
        --compiler PATH   C compiler for the guest instead of gcc or clang (pcap)
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
  if (name === 'compare') return { name, files: positionals, json, compiler };
  if (name === 'gdbserver') {
    const port = numberOf('--port', values['port'], 65_535);
    return { name, file, port, vm: numberOf('--vm', values['vm'], 9_999), compiler };
  }
  if (name === 'import') return importOf(file, values, json);
  if (name === 'export') return exportOf(file, values, compiler);
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
