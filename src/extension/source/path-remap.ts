/** Where the source file of a place may lie on this machine. Knows no editor. */
import { basename, isAbsolute, join, normalize } from 'node:path';
import { sampleSourceRoot } from '../names';

/**
 * Paths to try for a file named by debug information, most likely first: as it stands; inside each given root when it
 * was compiled in the sample folder; and every shorter tail of it inside each root, longest first, so that a trace from
 * another machine finds the same file here.
 * `roots` are folders, nearest to the scenario first.
 */
export function candidatePaths(file: string, roots: readonly string[]): string[] {
  const found: string[] = [];
  const add = (path: string): void => {
    const clean = normalize(path);
    if (!found.includes(clean)) found.push(clean);
  };
  const unix = file.replaceAll('\\', '/');
  if (isAbsolute(file) && !unix.startsWith(`${sampleSourceRoot}/`)) add(file);
  const inside = unix.startsWith(`${sampleSourceRoot}/`)
    ? unix.slice(sampleSourceRoot.length + 1)
    : undefined;
  if (inside !== undefined) for (const root of roots) add(join(root, inside));
  const parts = unix.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
  // A bare file name says too little to trust, unless the debug information has no more.
  const least = Math.min(parts.length, 2);
  for (let length = Math.min(parts.length, 6); length >= least && length > 0; length--) {
    const tail = parts.slice(parts.length - length).join('/');
    for (const root of roots) add(join(root, tail));
  }
  return found;
}

/** The folders above a file, nearest first, up to and including `top` if the file lies in it. */
export function foldersUpTo(file: string, top: string): string[] {
  const folders: string[] = [];
  let folder = join(file, '..');
  while (folder.startsWith(top)) {
    folders.push(folder);
    if (folder === top || basename(folder) === '') break;
    folder = join(folder, '..');
  }
  return folders;
}
