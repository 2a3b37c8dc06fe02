/** A packet or a monitor command that cannot be served; the message is for a reader. */
export class GdbError extends Error {
  override readonly name = 'GdbError';
}
