/** The page about the query language, from the tables that the language itself is made of. */
import { kinds } from '../vocabulary/events';
import { fieldNamed, fieldSpec, queryFieldNames, queryGrammar, type FieldValues } from './fields';
import { argumentName, hasNames } from './query';

const valueWords: Record<FieldValues, string> = {
  text: 'text',
  number: 'number or range',
  time: 'time or range',
  event: 'row number, or a query in parentheses',
};

const code = (text: string): string => `\`${text}\``;
const line = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

/** Markdown; ends with a line break. */
export function queryReference(): string {
  const fields = queryFieldNames.map((name) => {
    const { values, meaning, examples, also = [] } = fieldSpec(name);
    const names = [code(name), ...also.map((each) => code(each))].join(', ');
    return line(names, valueWords[values], meaning, examples.map(code).join(', '));
  });
  return [
    '# Queries',
    '',
    'One language finds events in the trace editor, filters its list, makes lanes, stops the debugger, and answers `trapline query`.',
    'Letters may be large or small. This page is generated; `node scripts/build-reference.mjs` writes it anew.',
    '',
    '## How terms are put together',
    '',
    line('example', 'meaning'),
    line('---', '---'),
    ...queryGrammar.map(([example, meaning]) => line(code(example), meaning)),
    '',
    'Times are in `s`, `ms`, `us` or `ns`; without a unit they are cycles. Other numbers may be hexadecimal: `0x3818`.',
    '',
    '## Fields',
    '',
    line('field', 'value', 'finds events by their', 'examples'),
    line('---', '---', '---', '---'),
    ...fields,
    '',
    'The debugger stops at rows while they come, and so does not take `within:`.',
    '',
    '## Arguments',
    '',
    'Every argument that a kind of event has is a field, by its name without what is no letter; one that has the name of a field above',
    'is asked for by that. Where a number stands for a name (a lock, a track, a reason), the name may be written.',
    '',
    line('argument', 'kinds'),
    line('---', '---'),
    ...argumentLines(),
    '',
  ].join('\n');
}

function argumentLines(): string[] {
  const found = new Map<string, { names: boolean; kinds: string[] }>();
  for (const { name, group, reason, a, b } of kinds.values()) {
    for (const spec of [a, b]) {
      if (!spec || group === 'record' || reason !== undefined) continue;
      const argument = argumentName(spec);
      if (fieldNamed(argument) !== undefined || argument.startsWith('bits')) continue;
      const entry = found.get(argument) ?? { names: false, kinds: [] };
      entry.names ||= hasNames(spec);
      entry.kinds.push(code(name));
      found.set(argument, entry);
    }
  }
  return [...found]
    .sort(([x], [y]) => (x < y ? -1 : 1))
    .map(([argument, entry]) =>
      line(`${code(argument)}${entry.names ? ' (by name, too)' : ''}`, [...new Set(entry.kinds)].join(', ')),
    );
}
