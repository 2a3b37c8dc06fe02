/**
 * A guest file that cannot be used: not an ELF, for another machine, damaged, too large for its VM. The message is for the
 * person who named the file: what was found, and what to do.
 */
export class GuestImageError extends Error {
  override readonly name = 'GuestImageError';
}
