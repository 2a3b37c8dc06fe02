/** What goes wrong and is the caller's to put right. */

/** What the caller can put right: the message says what and how. */
export class VerbError extends Error {
  override readonly name = 'VerbError';
}
