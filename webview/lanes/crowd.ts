/** Which lanes show their events one by one: where these do not run into one another, and are not too many to draw in a frame. */

/** Most events of all lanes together that are drawn one by one. */
export const MOST_SINGLE = 2000;

/** A lane whose events have all come. */
export interface Candidate {
  id: string;
  /** Events by pixel. */
  perPixel: number;
  /** More than so many by pixel are shown as density. */
  most: number;
}

/** Ids of the lanes that are drawn event by event on `width` pixels; the sparsest first, as long as there is room. */
export function drawnSingly(candidates: readonly Candidate[], width: number): Set<string> {
  const singly = new Set<string>();
  let drawn = 0;
  for (const { id, perPixel, most } of [...candidates].sort((a, b) => a.perPixel - b.perPixel)) {
    drawn += perPixel * width;
    if (perPixel <= most && drawn <= MOST_SINGLE) singly.add(id);
  }
  return singly;
}
