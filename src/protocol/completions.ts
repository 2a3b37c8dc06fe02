/** Help with writing a query. */

/** One thing that may stand at a place of a query. */
export interface Completion {
  /** What is put in place of the piece that is being written. */
  insert: string;
  /** What it is called in a list. */
  label: string;
  /** A few words on it. */
  detail: string;
  /** A field waits for its value; a value is done. */
  is: 'field' | 'value';
}

export interface Completions {
  /** The piece of the text, [from, to), that an item takes the place of. */
  from: number;
  to: number;
  items: Completion[];
}
