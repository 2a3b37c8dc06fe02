/** A computer without a compiler: unchanged samples run, anything else is told what to install. */
import { cpSync, mkdtempSync, rmSync, appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareRun } from '../../../src/run/prepare';
import { environment, root, runJob } from '../../support/runs';

const path = process.env['PATH'];
const workspace = join(mkdtempSync(join(tmpdir(), 'trapline-ready-')), 'workspace');
const scenario = join(workspace, 'scenarios', 'hello.trapline.json');

beforeAll(() => {
  cpSync(join(root, 'media/workspace'), workspace, { recursive: true });
  process.env['PATH'] = join(workspace, 'nothing-here');
});
afterAll(() => {
  process.env['PATH'] = path;
  rmSync(workspace, { recursive: true, force: true });
});

describe('without a compiler', () => {
  it('an unchanged sample runs, and its places are the files of the user', async () => {
    const prepared = await prepareRun({ ...environment, file: scenario });
    if (!prepared.ok) throw new Error(prepared.problems[0]?.message);
    const run = runJob(prepared.job);
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    const files = new Set(run.store.meta.places.map((place) => place.file));
    expect(files).toContain(join(workspace, 'drivers', 'hello.c'));
  });

  it('a changed one does not, and the message says which package has a compiler', async () => {
    appendFileSync(join(workspace, 'drivers', 'hello.c'), '\n/* changed */\n');
    const prepared = await prepareRun({ ...environment, file: scenario });
    expect(prepared.ok).toBe(false);
    expect(prepared.problems[0]?.message).toContain('apt-get install gcc');
    expect(prepared.problems[0]?.message).toContain('hello.c');
  });
});
