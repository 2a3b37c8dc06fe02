/** What lines and functions of a guest cost in exits, in words, and how that follows the reader's edits. Knows no editor. */

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
export function followChange<T extends { line: number }>(costs: readonly T[], change: TextChange): T[] {
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

/** Where lines of the text that ran stand in the text as it is: those that are left. */
export class LinePositions {
  private standing: { ran: number; line: number }[] | undefined;

  /** Takes an edit; until the first one, every line stands where it ran. @param lines of the text before it */
  follow(change: TextChange, lines: number): void {
    this.standing ??= Array.from({ length: lines }, (_, at) => ({ ran: at + 1, line: at + 1 }));
    this.standing = followChange(this.standing, change);
  }

  /** The line that ran of one that stands now; undefined: it was not there. */
  ranAt(line: number): number | undefined {
    return this.standing ? this.standing.find((each) => each.line === line)?.ran : line;
  }

  /** Puts figures of lines that ran where these lines are now; those of lines that are gone are left out. */
  place<T extends { line: number }>(figures: readonly T[]): T[] {
    if (!this.standing) return [...figures];
    const now = new Map(this.standing.map(({ ran, line }) => [ran, line]));
    return figures.flatMap((each) => {
      const line = now.get(each.line);
      return line === undefined ? [] : [{ ...each, line }];
    });
  }
}

/** The words behind a source line: `12 exits · 148 µs`. */
export function costLabel(
  { exits, cycles }: Pick<LineCost, 'exits' | 'cycles'>,
  frequencyHz: number,
): string {
  const noun = exits === 1 ? 'exit' : 'exits';
  return `${formatCount(exits)} ${noun} · ${formatTime(cycles, frequencyHz)}`;
}
