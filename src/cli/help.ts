/** The help, made from the table of verbs. */
import { VERBS, type Verb, type VerbName } from './verbs';

/** Columns of a terminal that the help counts on. */
const WIDTH = 110;
const OPTION_WIDTH = 18;

const EXIT_CODES =
  'Exit code: 0 all expectations hold; 1 one does not, or a guest ended with a code other than 0; 2 the input is wrong; ' +
  '3 the guest crashed; 4 Trapline itself failed; 130 stopped by Ctrl-C.';

/** What `trapline help` prints; ends with a line break. */
export function usage(): string {
  const about =
    'Trapline runs a guest driver on a simulated x86-64 computer under a hypervisor and records every VM exit, interrupt and DMA.';
  const verbs = (Object.entries(VERBS) as [VerbName, Verb][]).flatMap(([name, verb]) => [
    `  ${synopsis(name, verb)}`,
    ...wrapped(verb.says, 6),
  ]);
  return lines([
    ...wrapped(about, 0),
    '',
    'Usage:',
    ...verbs,
    '  trapline help VERB',
    ...wrapped('Tells of a verb with its options and an example.', 6),
    '  trapline --help | --version',
    '',
    ...wrapped(EXIT_CODES, 0),
  ]);
}

/** What `trapline help VERB` prints; ends with a line break. */
export function helpFor(name: VerbName): string {
  const verb: Verb = VERBS[name];
  const options = Object.entries(verb.options).flatMap(([option, { value, says }]) => {
    const head = `  --${option}${value === undefined ? '' : ` ${value}`}`.padEnd(OPTION_WIDTH + 2);
    const [first = '', ...rest] = wrapped(says, OPTION_WIDTH + 2);
    return [`${head}${first.trimStart()}`, ...rest];
  });
  return lines([
    `Usage: ${synopsis(name, verb)}`,
    '',
    ...wrapped(verb.says, 0),
    ...(options.length === 0 ? [] : ['', 'Options:', ...options]),
    '',
    verb.examples.length === 1 ? 'Example:' : 'Examples:',
    ...verb.examples.flatMap(([command, purpose]) => [`  ${command}`, ...wrapped(purpose, 6)]),
  ]);
}

function synopsis(name: VerbName, { argument, optional: isOptional, several, rest, options }: Verb): string {
  const shown = isOptional === true ? `[${argument}]` : argument;
  const given = shown === undefined ? [] : several === true ? [shown, rest ?? `${argument}…`] : [shown];
  const optional = Object.entries(options).map(
    ([option, { value }]) => `[--${option}${value === undefined ? '' : ` ${value}`}]`,
  );
  return ['trapline', name, ...given, ...optional].join(' ');
}

/** Lines of at most `WIDTH` columns, each begun with blanks. */
function wrapped(text: string, indent: number): string[] {
  const out: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > WIDTH) {
      out.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...out, line].map((each) => ' '.repeat(indent) + each);
}

function lines(all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
