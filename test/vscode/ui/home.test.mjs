/** Trapline's own view, the Test Explorer and the scenario form, by mouse and keyboard. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../../scripts/lib/shell.mjs';
import { openWorkbench } from '../../support/workbench.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-home-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('at home in VS Code', () => {
  const folder = join(scratch, 'samples');
  let workbench;
  const row = (text) => workbench.page.locator('.pane-body .monaco-list-row', { hasText: text }).first();

  beforeAll(async () => {
    cpSync(join(root, 'media', 'workspace'), folder, { recursive: true });
    workbench = await openWorkbench({ folder, theme: 'Default Dark Modern' });
    await workbench.runCommand('View: Show Trapline');
  });
  afterAll(() => workbench?.close());
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail')
      await workbench?.screenshot(`failed-${task.name.replace(/\W+/g, '-')}`);
  });

  it('lists the mechanisms by chapter, and runs one at a press', async () => {
    await row('First steps').waitFor();
    for (const chapter of ['Physical I/O', 'Emulation', 'Paravirtualisation', 'Device assignment'])
      expect(await row(chapter).isVisible()).toBe(true);
    const hello = row('Hello: the smallest guest');
    await hello.hover();
    await hello.locator('[aria-label="Run Scenario"]').click();
    await expect
      .poll(() => workbench.tabs().then((all) => all.join()), { timeout: 20_000 })
      .toContain('hello');
  });

  it('says once how it came out: in the status bar, and by no notification beside the trace', async () => {
    await expect
      .poll(() => workbench.page.locator('.statusbar').innerText(), { timeout: 20_000 })
      .toMatch(/hello: as expected/);
    expect((await workbench.notifications()).filter((text) => text.includes('hello'))).toEqual([]);
  });

  it('keeps the run in the list of runs', async () => {
    await expect
      .poll(() => workbench.page.locator('.pane', { hasText: 'Runs' }).last().innerText())
      .toMatch(/hello/);
    await workbench.screenshot('home');
  });

  it('changes a scenario by its form, and leaves its comments', async () => {
    const file = join(folder, 'scenarios', 'hello.trapline.json');
    const before = readFileSync(file, 'utf8');
    await workbench.openFile('hello.trapline.json');
    await workbench.runCommand('Trapline: Open Scenario as Form');
    const frame = await workbench.webview('.field');
    const seed = frame.locator('.field', { hasText: 'Seed of everything' }).locator('input');
    await seed.fill('7');
    await seed.press('Enter');
    await workbench.runCommand('File: Save');
    await expect.poll(() => readFileSync(file, 'utf8')).toContain('"seed": 7');
    const comments = (text) => text.match(/\/\/.*/g);
    expect(comments(readFileSync(file, 'utf8'))).toEqual(comments(before));
    await workbench.screenshot('form');
  });
});
