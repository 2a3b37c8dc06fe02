/** Colours for a terminal, by meaning. Never the only thing that tells it: each painted text says the same without. */

/** Paints pieces of text. */
export interface Paint {
  /** What is as it should be. */
  good(text: string): string;
  /** What is not. */
  bad(text: string): string;
  /** A heading. */
  strong(text: string): string;
}

const as = (code: number) => (text: string) => `\u001b[${code}m${text}\u001b[0m`;
const plain = (text: string): string => text;

/** For a terminal that shows colours. */
export const COLOURS: Paint = { good: as(32), bad: as(31), strong: as(1) };
/** For everything else. */
export const NO_COLOURS: Paint = { good: plain, bad: plain, strong: plain };
