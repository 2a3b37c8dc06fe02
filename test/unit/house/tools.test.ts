/** package.json tells the editor of every verb as it is defined. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');

it('the tools of package.json are those of the verbs', () => {
  // When this fails: node scripts/build-tools.mjs
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/build-tools.mjs', '--check'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(`${stdout}${stderr}`).toContain('package.json is up to date');
  expect(status).toBe(0);
});
