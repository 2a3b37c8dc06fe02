/** A comparison of runs as a Markdown document. Knows no editor. */
import type { Comparison } from '../../trace/query/compare';
import { comparisonTable } from '../../trace/query/comparison-text';

/** A non-breaking space: a cell's own indentation would be lost. */
const INDENT = '\u00a0';

/** Names of files and runs may hold whatever Markdown has a meaning for. */
function escaped(text: string): string {
  return text.replace(/[\\`*_{}[\]()<>#+!|~&-]/g, (character) => `\\${character}`);
}

function cell(text: string): string {
  return escaped(text).replace(/^ +/, (blanks) => INDENT.repeat(2 * blanks.length));
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** What was compared, the table, and what its figures are. */
export function comparisonMarkdown(comparison: Comparison): string {
  const { head, body } = comparisonTable(comparison);
  const runs = comparison.runs.map(
    ({ name, title, state, traceHash }) =>
      `- **${escaped(name)}**: ${escaped(title)} (${state}${traceHash === '' ? '' : `, trace ${traceHash}`})`,
  );
  return `${[
    '# Runs side by side',
    '',
    ...runs,
    '',
    line(head.map(cell)),
    line(head.map((_, column) => (column === 0 ? ':--' : '--:'))),
    ...body.map((row) => line(row.map(cell))),
    '',
    'In brackets: how many times the value of the first run. Host cycles are those of vCPUs in the VMM and on the way to it, and of ' +
      'the VMM’s other threads. A latency goes from the driver’s access to the moment at which the packet leaves the NIC, from the ' +
      'moment at which all of it has come over the wire to the handler that learns of it, and, where a packet is the answer ' +
      'to one that was sent, from that one’s access to the handler.',
  ].join('\n')}\n`;
}
