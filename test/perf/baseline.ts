/** Whole exits here and in another checkout, by turns, so that whatever else the computer does meets both. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Figures } from './side-by-side';

const execute = promisify(execFile);
const EXITS = 'vcpu.exits.perSecond';
const MAX_OUTPUT = 64 * 1024 * 1024;

/** What is measured against: a folder with a checkout, or a commit of this repository. */
export type Baseline = { folder: string } | { commit: string };

async function inFolder(cwd: string, program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await execute(program, args, { cwd, maxBuffer: MAX_OUTPUT });
  return stdout;
}

/** Builds a checkout, with the packages that are installed here where it has none of its own. */
async function build(root: string, folder: string, say: (line: string) => void): Promise<void> {
  const packages = join(folder, 'node_modules');
  if (!existsSync(packages)) await symlink(join(root, 'node_modules'), packages);
  say(`building ${folder}`);
  await inFolder(folder, process.execPath, ['esbuild.mjs']);
}

async function exitsPerSecond(folder: string): Promise<number> {
  const text = await inFolder(folder, process.execPath, ['dist/bench.js', '--only', 'exits', '--json']);
  const figure = (JSON.parse(text) as Figures)[EXITS];
  if (figure === undefined) throw new Error(`the bench of ${folder} tells no ${EXITS}`);
  return figure;
}

function median(values: readonly number[]): number {
  return [...values].sort((x, y) => x - y)[values.length >> 1] ?? NaN;
}

/**
 * Both rates, and the ratio of their medians. A commit is checked out and built in `directory` and taken away afterwards.
 *
 * @throws Error with the program's words when the other checkout cannot be had or built
 */
export async function measureAgainst(
  root: string,
  baseline: Baseline,
  directory: string,
  turns: number,
  say: (line: string) => void,
): Promise<Figures> {
  const folder = 'folder' in baseline ? resolve(baseline.folder) : join(directory, 'baseline');
  if ('commit' in baseline)
    await inFolder(root, 'git', ['worktree', 'add', '--detach', folder, baseline.commit]);
  try {
    await build(root, folder, say);
    const own: number[] = [];
    const other: number[] = [];
    for (let turn = 0; turn < turns; turn++) {
      say(`exits, turn ${turn + 1} of ${turns}`);
      own.push(await exitsPerSecond(root));
      other.push(await exitsPerSecond(folder));
    }
    return {
      [EXITS]: median(own),
      'baseline.exits.perSecond': median(other),
      'vcpu.exits.ratioToBaseline': median(own) / median(other),
    };
  } finally {
    if ('commit' in baseline) await inFolder(root, 'git', ['worktree', 'remove', '--force', folder]);
  }
}
