/** Links to events: `vscode://trapline.trapline/event?trace=…&row=…`. Knows no editor. */

/** An event that a link leads to. */
export interface LinkedEvent {
  /** Path of a trace, or the URI of a run's. */
  readonly trace: string;
  readonly row: number;
}

const QUERY = /^trace=(.+)&row=(\d{1,10})$/s;
/** Rows have 32 bits. */
const MOST_ROWS = 2 ** 32;

/**
 * The event of a link's query, undecoded parts of which the editor has decoded: what is behind the last `&row=` is the number, all
 * before it the trace. Undefined: it is none of ours.
 */
export function eventOfQuery(query: string): LinkedEvent | undefined {
  const [, trace, digits] = QUERY.exec(query) ?? [];
  const row = Number(digits);
  return trace === undefined || !(row < MOST_ROWS) ? undefined : { trace, row };
}
