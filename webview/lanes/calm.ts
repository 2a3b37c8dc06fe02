/** Modes that change at every pixel, made calm: shares of a few pixels together, as flat steps. */

/** Pixels that share one step. */
export const STEP = 8;
/** A mode that fills so many pixels one after the other keeps its own edges. */
const LONG = 4;
/** Of a pixel, to fill it. */
const FILLS = 0.9;

/** Which mode fills a column; -1 none does. */
function filler(shares: ArrayLike<number>, x: number, modes: number): number {
  let total = 0;
  let top = 0;
  for (let mode = 0; mode < modes; mode++) {
    const share = shares[x * modes + mode] ?? 0;
    total += share;
    if (share > (shares[x * modes + top] ?? 0)) top = mode;
  }
  return total > 0 && (shares[x * modes + top] ?? 0) >= FILLS * total ? top : -1;
}

/**
 * Shares of modes with what changes quickly averaged over steps of `STEP` columns. What is long enough to be seen keeps its edges,
 * and the sum over all columns stays the same.
 * @param first absolute number of the first column: steps stay where they are when the window moves
 */
export function calmShares(shares: ArrayLike<number>, width: number, modes: number, first: number): Float32Array {
  const calm = Float32Array.from(shares);
  const flat = new Uint8Array(width);
  for (let x = 0; x < width; ) {
    const mode = filler(shares, x, modes);
    let end = x + 1;
    while (end < width && filler(shares, end, modes) === mode) end++;
    if (mode >= 0 && end - x >= LONG) flat.fill(1, x, end);
    x = end;
  }
  for (let x = 0; x < width; ) {
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
