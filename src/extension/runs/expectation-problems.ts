/** What a run has not kept of its scenario, as problems at the lines of the scenario. Knows no editor. */
import { findNodeAtLocation, parseTree } from 'jsonc-parser';
import type { Problem, RelatedPlace } from '../../protocol/problem';
import type { RunEnd } from '../../protocol/run';
import { breakingText } from '../../scenario/breaking-events';
import type { TraceMeta } from '../../trace/model';
import type { ExpectationResult, StandingCpu } from '../../trace/query/summary';
import { brokenText } from './result-text';

/**
 * Failed expectations, and guests that had not ended when their time was up.
 * @param text of the scenario, as it was run
 */
export function expectationProblems(file: string, text: string, { meta, summary }: RunEnd): Problem[] {
  const failed = summary.expectations
    .filter(({ held }) => !held)
    .map((result): Problem => {
      const { event, figure } = result;
      const related = relatedEvent(result, meta);
      return {
        ...placeIn(file, text, ['expect', figure]),
        severity: 'error',
        message: `Expectation failed: ${brokenText(result, meta)}.`,
        source: 'scenario',
        ...(event && { row: event.row }),
        ...(related && { related: [related] }),
      };
    });
  return [...failed, ...unfinishedProblems(file, text, { meta, summary })];
}

function unfinishedProblems(file: string, text: string, { summary }: RunEnd): Problem[] {
  if (summary.unfinished === undefined) return [];
  return [
    {
      ...placeIn(file, text, ['stop']),
      severity: 'error',
      message: `Not ended when the time was up: ${summary.unfinished}.`,
      source: 'scenario',
      ...(summary.events > 0 && { row: summary.events - 1 }),
      related: (summary.standing ?? []).flatMap(standingPlace),
    },
  ];
}

function standingPlace({ vm, cpu, file, line }: StandingCpu): RelatedPlace[] {
  return file === undefined || line === undefined
    ? []
    : [{ file, line, message: `${vm}, CPU ${cpu} stood here.` }];
}

function relatedEvent({ event }: ExpectationResult, meta: TraceMeta): RelatedPlace | undefined {
  const { file, line } = (event && meta.places[event.place - 1]) ?? {};
  if (!event || file === undefined || line === undefined) return undefined;
  return { file, line, message: breakingText(event, meta) };
}

/** Where a field of the scenario stands; the first line where it is left out. */
function placeIn(
  file: string,
  text: string,
  path: string[],
): Pick<Problem, 'file' | 'line' | 'column' | 'endLine' | 'endColumn'> {
  const tree = parseTree(text);
  const node = tree && findNodeAtLocation(tree, path);
  const before = text.slice(0, node?.offset ?? 0);
  const line = before.split('\n').length;
  const column = before.length - before.lastIndexOf('\n');
  const isOneLine = node && !text.slice(node.offset, node.offset + node.length).includes('\n');
  return { file, line, column, ...(isOneLine && { endLine: line, endColumn: column + node.length }) };
}
