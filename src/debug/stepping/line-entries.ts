/**
 * Going back by lines: the moments at which a line was entered, told from those at which it only went on (the second statement of
 * a line, the next turn of a loop on one line). Hits are seen in the order of time, but a search backwards looks at one stretch
 * of time after the other: of the first hit in a stretch it is not known what came before.
 */

/** What a hit is of: a line in an activation of a function. */
export type LineKey = string;

export class LineEntries {
  private lastMoment = Infinity;
  private lastKey: LineKey | undefined;
  private readonly uncertain = new Set<number>();

  /** @param by what tells one line from the other; false: every hit is an entry */
  constructor(private readonly joins: boolean) {}

  /** Whether a hit may be an entry. To be asked for every hit, in the order of time within a stretch. */
  isEntry(moment: number, key: LineKey): boolean {
    const begins = moment <= this.lastMoment;
    const isOther = key !== this.lastKey;
    this.lastMoment = moment;
    this.lastKey = key;
    if (!this.joins) return true;
    if (begins) this.uncertain.add(moment);
    return begins || isOther;
  }

  /** Whether an entry may have been none, for nothing is known of what came before. */
  isUncertain(moment: number): boolean {
    return this.uncertain.has(moment);
  }
}
