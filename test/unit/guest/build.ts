/** Guests built for tests by the compiler of the computer, and the binutils they are compared with. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const root = join(__dirname, '../../..');
export const kitDir = join(root, 'media/guest-kit');
export const driversDir = join(root, 'media/workspace/drivers');
export const fixturesDir = join(root, 'test/fixtures/guests');

/** Whether a program of the computer can be run; tests that need it are skipped with its name where it cannot. */
export function has(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}

/** Standard output of a program; throws with what it said when it failed. */
export function run(program: string, args: readonly string[], input?: string): string {
  const options = { encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: 'C' } } as const;
  const { status, stdout, stderr } = spawnSync(program, args, {
    ...options,
    ...(input !== undefined && { input }),
  });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** A folder that `remove` takes away with all in it. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'trapline-guest-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
