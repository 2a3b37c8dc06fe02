/** What each source line of a guest cost in exits, and how that follows the reader's edits. Knows no editor. */

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

/** A number of cycles as time with at most four digits: `148 µs`, `9.8 µs`, `1.204 ms`. */
export function formatCycles(cycles: number, frequencyHz: number): string {
  const nanoseconds = (cycles / frequencyHz) * 1e9;
  const units: readonly (readonly [number, string])[] = [
    [1, 'ns'],
    [1e3, 'µs'],
    [1e6, 'ms'],
    [1e9, 's'],
  ];
  const [size, unit] = units.findLast(([least]) => nanoseconds >= least) ?? [1, 'ns'];
  const value = nanoseconds / size;
  const text = value >= 100 || value === 0 ? value.toFixed(0) : value.toPrecision(value < 1 ? 2 : 3);
  return `${String(Number(text))} ${unit}`;
}

/** A count with thin spaces between thousands: `12 034`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

/** The words behind a source line: `12 exits · 148 µs`. */
export function costLabel(cost: LineCost, frequencyHz: number): string {
  const noun = cost.exits === 1 ? 'exit' : 'exits';
  return `${formatCount(cost.exits)} ${noun} · ${formatCycles(cost.cycles, frequencyHz)}`;
}
