/** What each source line of a guest cost in exits, and how that follows the reader's edits. Knows no editor. */

import { formatCount, formatTime } from '../../trace/vocabulary/format';

/** Cost of one source line. */
export interface LineCost {
  /** 1-based. */
  line: number;
  exits: number;
  cycles: number;
  /** Finds the events that are counted here. */
  query: string;
}

/** A replacement in a document: lines are 0-based, `text` takes the place of start … end. */
export interface TextChange {
  startLine: number;
  startCharacter: number;
  endLine: number;
  text: string;
}

/**
 * Where the costs stand after an edit: lines below move, lines that were changed lose their figure, as nobody has run
 * the new text yet.
 */
export function followChange<T extends LineCost>(costs: readonly T[], change: TextChange): T[] {
  const added = change.text.split('\n').length - 1;
  const removed = change.endLine - change.startLine;
  const shift = added - removed;
  // Enter at the very start of a line only pushes the line down.
  const pushesDown = removed === 0 && change.startCharacter === 0 && change.text.endsWith('\n');
  return costs.flatMap((cost) => {
    const line = cost.line - 1;
    if (line < change.startLine) return [cost];
    if (pushesDown || line > change.endLine) return [{ ...cost, line: cost.line + shift }];
    return [];
  });
}

/** The words behind a source line: `12 exits · 148 µs`. */
export function costLabel(cost: LineCost, frequencyHz: number): string {
  const noun = cost.exits === 1 ? 'exit' : 'exits';
  return `${formatCount(cost.exits)} ${noun} · ${formatTime(cost.cycles, frequencyHz)}`;
}
