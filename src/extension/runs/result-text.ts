/** How a run came out, in one line. Knows no editor. */
import type { RunEnd } from '../../protocol/run';
import { breakingText, type TraceTables } from '../../scenario/breaking-events';
import type { ExpectationResult } from '../../trace/query/summary';
import { formatCount, formatTime } from '../../trace/vocabulary/format';
import { gapSentence } from '../../trace/vocabulary/gaps';

/** A line for a message box and how loud it is. */
export interface ResultText {
  level: 'information' | 'warning' | 'error';
  text: string;
}

/** `exits.EPT_MISCONFIG is 70, expected 64`. */
export function expectationText(result: ExpectationResult): string {
  return `${result.figure} is ${result.actual ?? 'absent'}, expected ${result.expected}`;
}

/** The same with the event that broke it, where there is one. */
export function brokenText(result: ExpectationResult, tables: TraceTables): string {
  const said = expectationText(result);
  return result.event ? `${said}: ${breakingText(result.event, tables)}` : said;
}

/** `1 of 3 expectations failed: …`; undefined: all held. */
export function failureText(results: readonly ExpectationResult[], tables: TraceTables): string | undefined {
  const [first, ...others] = results.filter(({ held }) => !held);
  if (!first) return undefined;
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  return `${others.length + 1} of ${expectations(results.length)} failed: ${brokenText(first, tables)}${more}.`;
}

const expectations = (count: number): string => (count === 1 ? '1 expectation' : `${count} expectations`);

/** The result of a run that Trapline itself brought to an end. `name` is the scenario's. */
export function resultText(name: string, end: RunEnd): ResultText {
  const { meta, summary } = end;
  const exits =
    summary.vms.length === 0 ? 0 : Object.values(summary.exits).reduce((sum, count) => sum + count, 0);
  const size = `${formatCount(exits)} exits in ${formatTime(summary.cycles, meta.frequencyHz)} of simulated time`;
  if (meta.state === 'crashed' || meta.state === 'failed') {
    return { level: 'error', text: `${name} ${meta.state}: ${meta.message ?? 'no reason was given'}` };
  }
  if (meta.state === 'cancelled') return { level: 'information', text: `${name} stopped after ${size}.` };
  const failure = failureText(summary.expectations, meta);
  if (failure !== undefined) return { level: 'warning', text: `${name}: ${failure}` };
  if (summary.unfinished !== undefined) {
    return {
      level: 'warning',
      text: `${name}: not ended when the time was up after ${size}: ${summary.unfinished}.`,
    };
  }
  const truncated =
    meta.state === 'truncated'
      ? ` The trace is cut short: ${meta.message ?? 'recording stopped early'}.`
      : meta.gaps.map((gap) => ` ${gapSentence(gap, meta.frequencyHz)}`).join('');
  const held =
    summary.expectations.length === 0
      ? ''
      : summary.expectations.length === 1
        ? ' Its expectation held.'
        : ` All ${summary.expectations.length} expectations held.`;
  return {
    level: truncated ? 'warning' : 'information',
    text: `${name} finished: ${size}.${held}${truncated}`,
  };
}
