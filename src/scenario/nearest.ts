/** Finds what a misspelt name was meant to be. */

/** Longest name worth comparing: the table below is quadratic, and names come from files. */
const MAX_LENGTH = 64;

/** Edit distance with transpositions (optimal string alignment), regardless of case. */
function distance(from: string, to: string): number {
  const a = from.toLowerCase();
  const b = to.toLowerCase();
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, before[j - 2] + 1);
      row.push(best);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length];
}

/** The name of `names` that `name` was probably meant to be; undefined when none is near enough. The first wins a tie. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  if (name === '' || name.length > MAX_LENGTH) return undefined;
  let best: string | undefined;
  let bestDistance = 1 + Math.max(1, Math.floor(name.length / 3));
  for (const each of names) {
    const d = each.length > MAX_LENGTH ? Infinity : distance(name, each);
    if (d < bestDistance) [best, bestDistance] = [each, d];
  }
  return best;
}

/** ` Did you mean "x"?`, or nothing. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const best = nearest(name, names);
  return best === undefined ? '' : ` Did you mean "${best}"?`;
}
