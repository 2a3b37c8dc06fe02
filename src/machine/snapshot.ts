/** Refuses a snapshot of another layout. `unit` is named in the error. */
export function requireVersion(unit: string, found: number, expected: number): void {
  if (found !== expected) {
    throw new Error(
      `snapshot of ${unit} has version ${found}, this program reads ${expected}: record the run again`,
    );
  }
}
