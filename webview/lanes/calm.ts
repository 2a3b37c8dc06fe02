/** What changes at every pixel, made calm: a few pixels together, as flat steps. */

/** Pixels that share one step. */
export const STEP = 8;
/** A mode that fills so many pixels one after the other keeps its own edges. */
const LONG = 4;
/** Of a pixel, to fill it. */
const FILLS = 0.9;

/** Nothing is known of a column: no CPU was there yet, or the run is over. */
const NOTHING = -2;

/** Which mode fills a column; -1 none does. */
function filler(shares: ArrayLike<number>, x: number, modes: number): number {
  let total = 0;
  let top = 0;
  for (let mode = 0; mode < modes; mode++) {
    const share = shares[x * modes + mode] ?? 0;
    total += share;
    if (share > (shares[x * modes + top] ?? 0)) top = mode;
  }
  if (total === 0) return NOTHING;
  return (shares[x * modes + top] ?? 0) >= FILLS * total ? top : -1;
}

/**
 * Shares of modes with what changes quickly averaged over steps of `STEP` columns. What is long enough to be seen keeps its edges,
 * and the sum over all columns stays the same.
 * @param first absolute number of the first column: steps stay where they are when the window moves
 */
export function calmShares(
  shares: ArrayLike<number>,
  width: number,
  modes: number,
  first: number,
): Float32Array {
  const calm = Float32Array.from(shares);
  const flat = new Uint8Array(width);
  for (let x = 0; x < width;) {
    const mode = filler(shares, x, modes);
    let end = x + 1;
    while (end < width && filler(shares, end, modes) === mode) end++;
    if (mode === NOTHING || (mode >= 0 && end - x >= LONG)) flat.fill(1, x, end);
    x = end;
  }
  for (let x = 0; x < width;) {
    if (flat[x] === 1) {
      x++;
      continue;
    }
    const border = x + STEP - ((((first + x) % STEP) + STEP) % STEP);
    let end = x + 1;
    while (end < width && end < border && flat[end] === 0) end++;
    for (let mode = 0; mode < modes; mode++) {
      let sum = 0;
      for (let each = x; each < end; each++) sum += shares[each * modes + mode] ?? 0;
      for (let each = x; each < end; each++) calm[each * modes + mode] = sum / (end - x);
    }
    x = end;
  }
  return calm;
}

/** Pixels of a dense lane that share one height. */
const COUNT_STEP = 4;
/** A column with so many times the events of its neighbours stands out. */
const STANDS_OUT = 2;

/**
 * Counts with what varies from pixel to pixel averaged over steps of `COUNT_STEP` columns. Where a column is empty, or stands out, the step
 * keeps its columns as they are.
 * @param first absolute number of the first column
 */
export function calmCounts(counts: ArrayLike<number>, first: number): Float32Array {
  const calm = Float32Array.from(counts);
  const lead = ((first % COUNT_STEP) + COUNT_STEP) % COUNT_STEP;
  for (let start = -lead; start < calm.length; start += COUNT_STEP) {
    const step = calm.subarray(Math.max(0, start), start + COUNT_STEP);
    const mean = step.reduce((sum, count) => sum + count, 0) / step.length;
    if (step.every((count) => count > 0 && count <= STANDS_OUT * mean)) step.fill(mean);
  }
  return calm;
}
