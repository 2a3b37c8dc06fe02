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
  const lenses = () => workbench.page.locator('.codelens-decoration').allInnerTexts();

  it('has the selected event at its line, the figures behind lines, and the functions above theirs', async () => {
    await find(frame, 'exit:EPT_MISCONFIG reg:TDT');
    await frame.locator('.details-head .source').click();
    await expect.poll(decorations, PATIENCE).toMatch(/▸ EPT_MISCONFIG.*µs/);
    await expect.poll(decorations, PATIENCE).toMatch(/64 exits · [\d.]+ µs(?! in sight)/);
    await expect.poll(() => lenses().then((all) => all.join('\n')), PATIENCE).toMatch(/64 exits.*longest/);
    for (const theme of ['Default Dark Modern', 'Default Light Modern']) {
      await workbench.chooseTheme(theme);
      await workbench.screenshot(`source-${theme.includes('Dark') ? 'dark' : 'light'}`);
    }
  });

  it('has the figures of the part of the run that the timeline shows', async () => {
    await frame.locator(page.surface).focus();
    await workbench.page.keyboard.press('c');
    await expect.poll(decorations, PATIENCE).toMatch(/\b1 exit · [\d.]+ µs in sight/);
    await workbench.screenshot('source-in-sight');
    await workbench.page.keyboard.press('f');
    await expect.poll(decorations, PATIENCE).toMatch(/64 exits · [\d.]+ µs(?! in sight)/);
  });

  it('leads from a function to its exits', async () => {
    await workbench.page
      .locator('.codelens-decoration a', { hasText: /64 exits/ })
      .first()
      .click();
    const field = frame.locator(`${page.find} input`);
    await expect.poll(() => field.inputValue(), PATIENCE).toMatch(/^fn:\w+ group:exit$/);
  });

  it('shows the machine code of an event, which leads back to its events', async () => {
    await find(frame, 'exit:EPT_MISCONFIG reg:TDT');
    await frame.locator('.details-head').getByText('Disassembly').click();
    const code = workbench.page.locator('.monaco-editor .view-line', { hasText: /mov\s+dword ptr/ }).first();
    await code.waitFor();
    await expect.poll(decorations, PATIENCE).toMatch(/64 exits/);
    // The driver's line is written above its instructions.
    const text = readFileSync(join(folder, 'drivers', 'e1000.c'), 'utf8').split('\n');
    const line = text.find((each) => each.includes('REG_WRITE(TDT, tx_next)'))?.trim();
    await expect
      .poll(() => workbench.page.locator('.monaco-editor .view-line').allInnerTexts(), PATIENCE)
      .toContainEqual(expect.stringContaining(line.replaceAll(' ', '\u00a0')));
    for (const theme of ['Default Dark Modern', 'Default Light Modern']) {
      await workbench.chooseTheme(theme);
      await workbench.screenshot(`disassembly-${theme.includes('Dark') ? 'dark' : 'light'}`);
    }
    const field = frame.locator(`${page.find} input`);
    const other = workbench.page.locator('.monaco-editor .view-line', {
      has: workbench.page.locator('span'),
      hasText: /mov\s+dword ptr/,
    });
    await other.first().click();
    await expect.poll(() => field.inputValue(), PATIENCE).toMatch(/^(rip:0x[0-9a-f]+ group:exit|exit:.*)$/);
  });
});
