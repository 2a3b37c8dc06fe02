/** The source beside the timeline as a user meets it: figures of what is in sight, functions, the selected event, machine code. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../../scripts/lib/shell.mjs';
import { find, lineEndDecorations, page, runSample } from '../../support/tour.mjs';
import { openWorkbench } from '../../support/workbench.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-source-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const PATIENCE = { timeout: 30_000 };

describe('the source of a trace', () => {
  const folder = join(scratch, 'samples');
  let workbench;
  let frame;
  beforeAll(async () => {
    cpSync(join(root, 'media', 'workspace'), folder, { recursive: true });
    workbench = await openWorkbench({ folder, size: { width: 1700, height: 950 } });
    ({ frame } = await runSample(workbench));
  });
  afterAll(() => workbench?.close());
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail')
      await workbench?.screenshot(`failed-${task.name.replace(/\W+/g, '-')}`);
  });

  const decorations = () => lineEndDecorations(workbench).then((all) => all.join('\n'));

  it('has the selected event at its line, the figures behind lines, and the functions above theirs', async () => {
    // The doorbell that the driver rings for each of its 64 frames.
    await find(frame, 'exit:EPT_MISCONFIG reg:TDT b:1');
    await frame.locator('.details-head .source').click();
    await expect.poll(decorations, PATIENCE).toMatch(/▸\sEPT_MISCONFIG\sto\swrite\sTDT\s·/);
    await expect.poll(decorations, PATIENCE).toMatch(/^64\sexits\s·\s[\d.]+\s.s$/m);
    for (const theme of ['Default Dark Modern', 'Default Light Modern']) {
      await workbench.chooseTheme(theme);
      await workbench.screenshot(`source-${theme.includes('Dark') ? 'dark' : 'light'}`);
    }
  });

  it('has the figures of the part of the run that the timeline shows', async () => {
    await frame.locator(page.surface).focus();
    await workbench.page.keyboard.press('z');
    await expect.poll(decorations, PATIENCE).toMatch(/^1\sexit\s·\s[\d.]+\s.s\sin\ssight$/m);
    await workbench.screenshot('source-in-sight');
    await workbench.page.keyboard.press('f');
    await expect.poll(decorations, PATIENCE).toMatch(/^64\sexits\s·\s[\d.]+\s.s$/m);
  });

  it('leads from a function to its exits', async () => {
    await workbench.page.locator('.tabs-container .tab', { hasText: 'e1000.c' }).first().click();
    await workbench.page.keyboard.press('Control+g');
    const lines = readFileSync(join(folder, 'drivers', 'e1000.c'), 'utf8').split('\n');
    await workbench.answer(`:${lines.findIndex((line) => line.startsWith('int main(')) + 1}`);
    const lens = workbench.page
      .locator('.codelens-decoration a:visible', { hasText: /exits.*longest/ })
      .first();
    await lens.click();
    const field = frame.locator(`${page.find} input`);
    await expect.poll(() => field.inputValue(), PATIENCE).toMatch(/^fn:main group:exit$/);
    await workbench.screenshot('source-lens');
  });

  it('shows the machine code of an event, which leads back to its events', async () => {
    await find(frame, 'exit:EPT_MISCONFIG reg:TDT b:1');
    await frame.locator('.details-head').getByText('Disassembly').click();
    await workbench.page.locator('.tabs-container .tab', { hasText: 'main_vm0.asm' }).first().waitFor();
    await expect.poll(decorations, PATIENCE).toMatch(/^64\sexits\s·\s[\d.]+\s.s$/m);
    for (const theme of ['Default Dark Modern', 'Default Light Modern']) {
      await workbench.chooseTheme(theme);
      await workbench.screenshot(`disassembly-${theme.includes('Dark') ? 'dark' : 'light'}`);
    }
    const address = /RIP\s+0x([0-9a-f]+)/.exec(await frame.locator('.details').innerText())?.[1];
    // Nothing is selected any more; the instruction brings its events back.
    await frame.locator(page.surface).focus();
    await workbench.page.keyboard.press('Escape');
    await workbench.page.locator('.monaco-editor .view-line', { hasText: address }).first().click();
    const field = frame.locator(`${page.find} input`);
    await expect.poll(() => field.inputValue(), PATIENCE).toBe(`rip:0x${address} group:exit`);
    await expect.poll(() => frame.locator('.find').innerText(), PATIENCE).toMatch(/1 of 64/);
  });
});
