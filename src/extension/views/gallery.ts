/** Which scenario stands under which chapter. Knows no editor. */

/** As far as the gallery looks at a scenario. */
interface Named {
  readonly name: string;
}

/** The scenarios of one heading. */
export interface Shelf<T> {
  /** Letter of a chapter; empty for the first steps; undefined for scenarios that are no samples. */
  readonly letter: string | undefined;
  readonly scenarios: readonly T[];
}

/** `b7-e1000-emulated`, `e-bare`: a chapter's letter, the mechanism's number where it has one, a name. */
const ROW = /^([a-h])\d*-/;

/** Chapter of a sample by its name; empty where it belongs to none. */
export function chapterOf(name: string): string {
  return ROW.exec(name)?.[1]?.toUpperCase() ?? '';
}

/**
 * Puts scenarios on their shelves, chapter by chapter and by name within each. Empty shelves are left out. A scenario of the
 * workspace that has the name of a sample stands in its place: it is the copy that the reader changes.
 */
export function shelves<T extends Named>(
  letters: readonly string[],
  samples: readonly T[],
  own: readonly T[],
): Shelf<T>[] {
  const copies = new Map<string, T>();
  for (const each of own) if (!copies.has(each.name)) copies.set(each.name, each);
  const known = new Set(samples.map(({ name }) => name));
  const shown = samples.map((sample) => copies.get(sample.name) ?? sample).sort(byName);
  const ofChapters = letters.map((letter): Shelf<T> => ({
    letter,
    scenarios: shown.filter(({ name }) => chapterOf(name) === letter),
  }));
  // What shares its name with a sample but is not the one shown is the reader's own matter.
  const others = own.filter((each) => !known.has(each.name) || copies.get(each.name) !== each);
  return [...ofChapters, { letter: undefined, scenarios: others }].filter(
    ({ scenarios }) => scenarios.length > 0,
  );
}

function byName(a: Named, b: Named): number {
  return a.name.localeCompare(b.name, 'en', { numeric: true });
}
