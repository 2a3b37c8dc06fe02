/** The folders that verbs may read in. Nothing outside of them is opened, whatever a path or a link in them says. */
import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { VerbError } from './verb';

/** Longest path that is looked at. */
const MOST_CHARACTERS = 4_096;

export class Folders {
  /** @param roots absolute paths; relative paths are meant from the first one */
  constructor(readonly roots: readonly string[]) {}

  /**
   * The real path of a file within the folders.
   * Rejects with VerbError when it is not there or leads out of them.
   */
  async find(path: string): Promise<string> {
    if (path.length > MOST_CHARACTERS || path.includes('\0'))
      throw new VerbError('This is no path of a file.');
    if (this.roots.length === 0) throw new VerbError('No folder is open.');
    const roots = await Promise.all(this.roots.map((root) => realpath(root).catch(() => resolve(root))));
    let outside = false;
    for (const root of this.roots) {
      // What lies outside by its name is not even asked for.
      const wanted = resolve(root, path);
      if (![...this.roots, ...roots].some((each) => isWithin(wanted, each))) {
        outside = true;
        continue;
      }
      const found = await realpath(wanted).catch(() => undefined);
      if (found === undefined) continue;
      if (roots.some((each) => isWithin(found, each))) return found;
      outside = true;
    }
    throw new VerbError(
      outside
        ? `${path} lies outside the folders that may be read: ${this.roots.join(', ')}.`
        : `There is no ${path} in ${this.roots.join(', ')}.`,
    );
  }

  /** How an absolute path is named in answers: from its folder on. */
  nameOf(file: string): string {
    const root = this.roots.find((each) => isWithin(file, each));
    return root === undefined ? file : relative(root, file).split(sep).join('/');
  }
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}
