/**
 * Ready-made guests of the sample drivers, for a computer without a compiler. A sample is recognised by its contents: as soon
 * as it is changed, the ready-made file is no longer it.
 */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Defines, Optimisation } from './compile-input';
import type { PathRemap } from '../image';
import { hashFile } from './object-cache';

/** Stable prefixes that stand in the debug information of ready-made guests. */
export const PREBUILT_WORKSPACE = '/trapline/workspace';
export const PREBUILT_KIT = '/trapline/guest-kit';
export const PREBUILT_INDEX = 'index.json';

/** One ready-made guest in the index. */
export interface PrebuiltGuest {
  /** File name in the folder. */
  elf: string;
  /** In the order of linking; paths relative to the sample workspace, with slashes. */
  sources: { path: string; sha256: string }[];
  defines: Defines;
  optimise: Optimisation;
}

/** `index.json`. */
export interface PrebuiltIndex {
  version: 1;
  guests: PrebuiltGuest[];
}

export interface PrebuiltQuery {
  /** Absolute paths. */
  sources: readonly string[];
  defines: Defines;
  optimise: Optimisation;
  /** `dist/guests`. */
  prebuiltDir: string;
  /** `media/guest-kit`, for the remapping. */
  kitDir: string;
}

export type PrebuiltResult =
  /** `remap` leads from the paths in its debug information to the user's files. */
  | { found: true; elfPath: string; remap: PathRemap[] }
  /** `message` says why none fits; empty when the sources are no samples at all. */
  | { found: false; message: string };

/** Looks for the ready-made guest of unchanged sample sources. */
export async function findPrebuilt(query: PrebuiltQuery): Promise<PrebuiltResult> {
  const guests = await readIndex(query.prebuiltDir);
  const hashes = await Promise.all(query.sources.map(hashFile));
  const ofSources = guests.filter(
    ({ sources }) =>
      sources.length === hashes.length && sources.every((each, index) => each.sha256 === hashes[index]),
  );
  const wanted = describe(query.defines, query.optimise);
  const guest = ofSources.find((each) => describe(each.defines, each.optimise) === wanted);
  if (guest) {
    const remap = guest.sources.map(({ path }, index) => ({
      from: `${PREBUILT_WORKSPACE}/${path}`,
      to: query.sources[index],
    }));
    const elfPath = join(query.prebuiltDir, guest.elf);
    return { found: true, elfPath, remap: [...remap, { from: PREBUILT_KIT, to: query.kitDir }] };
  }
  const name = basename(query.sources[0] ?? '');
  if (ofSources.length > 0) {
    const has = ofSources.map((each) => describe(each.defines, each.optimise)).join('; ');
    return {
      found: false,
      message: `${name} comes ready-made with ${has} only; other options need a compiler.`,
    };
  }
  const changed = guests.some(({ sources }) => sources.some((each) => basename(each.path) === name));
  return {
    found: false,
    message: changed
      ? `${name} differs from the sample that comes ready-made: running your version needs a compiler.`
      : '',
  };
}

async function readIndex(folder: string): Promise<PrebuiltGuest[]> {
  try {
    const index = JSON.parse(await readFile(join(folder, PREBUILT_INDEX), 'utf8')) as PrebuiltIndex;
    return index.version === 1 ? index.guests : [];
  } catch {
    return []; // a package built where there was no compiler has none
  }
}

/** `PACKETS=64 -O2`, names in order. */
function describe(defines: Defines, optimise: Optimisation): string {
  const names = Object.keys(defines).sort();
  return [...names.map((name) => `${name}=${defines[name]}`), `-O${optimise}`].join(' ');
}
