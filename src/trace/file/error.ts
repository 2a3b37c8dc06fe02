/** A trace file that cannot be read: what, where, and what to do, in one message for a reader. */
export class TraceFileError extends Error {
  override readonly name = 'TraceFileError';
  constructor(
    what: string,
    /** Byte position in the file. */
    readonly position: number,
    advice: string,
  ) {
    super(`${what} (at byte ${position}). ${advice}`);
  }
}
