/** How a snapshot that does not fit is refused: here, since everybody may import it. */

/** A snapshot that cannot be taken, or cannot be put in place: says which part does not fit, and what to do. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
}

/** Refuses a snapshot of another layout. `unit` is named in the error. @throws SnapshotError */
export function requireVersion(unit: string, found: number, expected: number): void {
  if (found !== expected) {
    throw new SnapshotError(
      `snapshot of ${unit} has version ${found}, this program reads ${expected}: record the run again`,
    );
  }
}
