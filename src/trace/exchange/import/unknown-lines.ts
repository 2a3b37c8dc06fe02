/** Counts lines that were not understood, by reason. */
import type { UnknownLines } from '../foreign-source';

/** Reasons that are kept apart; a hostile file has as many as it has lines. */
const MOST_REASONS = 100;
const LONGEST_EXAMPLE = 200;
const OTHER = 'other lines';

export class UnknownLineCounter {
  private readonly byReason = new Map<string, UnknownLines>();

  /** @param line its number, from 1 */
  add(reason: string, line: number, text: string): void {
    let entry = this.byReason.get(reason);
    if (!entry && this.byReason.size >= MOST_REASONS) {
      reason = OTHER;
      entry = this.byReason.get(OTHER);
    }
    if (entry) entry.count += 1;
    else
      this.byReason.set(reason, { reason, count: 1, line, example: text.trim().slice(0, LONGEST_EXAMPLE) });
  }

  /** The most frequent first. */
  all(): UnknownLines[] {
    return [...this.byReason.values()].sort((x, y) => y.count - x.count || x.line - y.line);
  }
}
