/** The scenarios of the folders. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findNodeAtLocation, parseTree } from 'jsonc-parser';
import type { ListedScenario } from './context';
import type { Folders } from './folders';

const SCENARIO_ENDING = '.trapline.json';
/** Where nobody keeps scenarios. */
const NOT_SEARCHED: ReadonlySet<string> = new Set(['node_modules', '.git', 'dist']);
const MOST_DEPTH = 8;
/** Entries of folders that are looked at, and scenarios that are listed. */
const MOST_ENTRIES = 50_000;
const MOST_SCENARIOS = 1_000;

/** Scenarios by path. Links are not followed. */
export async function scenariosIn(folders: Folders): Promise<ListedScenario[]> {
  const files: string[] = [];
  let looked = 0;
  const visit = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (++looked > MOST_ENTRIES || files.length >= MOST_SCENARIOS) return;
      const path = join(folder, entry.name);
      if (entry.isFile() && entry.name.endsWith(SCENARIO_ENDING)) files.push(path);
      else if (entry.isDirectory() && depth < MOST_DEPTH && !NOT_SEARCHED.has(entry.name))
        await visit(path, depth + 1);
    }
  };
  for (const root of folders.roots) await visit(root, 0);
  const named = files.map((file) => ({ path: file, file: folders.nameOf(file) }));
  named.sort((x, y) => x.file.localeCompare(y.file, 'en', { numeric: true }));
  return Promise.all(
    named.map(async ({ path, file }) => ({
      file,
      ...described(await readFile(path, 'utf8').catch(() => '')),
    })),
  );
}

/** What it can be told of a text that may be broken. */
function described(text: string): Pick<ListedScenario, 'title' | 'about'> {
  const tree = parseTree(text, [], { allowTrailingComma: true });
  const at = (name: string): string => {
    const value: unknown = tree && findNodeAtLocation(tree, [name])?.value;
    return typeof value === 'string' ? value : '';
  };
  return { title: at('title'), about: at('about') };
}
