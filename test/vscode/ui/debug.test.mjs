/** The debugger as a user meets it: F5 in a driver, a breakpoint, locals, back in time, and a click in the timeline that moves it. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../../scripts/lib/shell.mjs';
import { openWorkbench } from '../../support/workbench.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-debug-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const PATIENCE = { timeout: 60_000 };
const DRIVER = 'e1000.c';

describe('a driver that is debugged', () => {
  const folder = join(scratch, 'samples');
  let workbench;
  let page;
  /** Lines of the driver that the test is about, by what stands in them. */
  let doorbell;
  let lines;
  beforeAll(async () => {
    cpSync(join(root, 'media', 'workspace'), folder, { recursive: true });
    lines = readFileSync(join(folder, 'drivers', DRIVER), 'utf8').split('\n');
    doorbell = lines.findIndex((line) => line.includes('REG_WRITE(TDT, tx_next)')) + 1;
    workbench = await openWorkbench({ folder, size: { width: 1500, height: 950 } });
    ({ page } = workbench);
  });
  afterAll(() => workbench?.close());
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail')
      await workbench?.screenshot(`failed-${task.name.replace(/\W+/g, '-')}`);
  });

  /** Line that the debugger stands at, as the stack's first frame tells it. */
  const standsAt = async () => {
    const frame = page.locator('.debug-call-stack .stack-frame').first();
    const text = await frame.innerText().catch(() => '');
    return Number(/(\d+):\d+\s*$/.exec(text)?.[1] ?? -1);
  };
  const paused = async () =>
    (await page.locator('.debug-pane .pane-header', { hasText: 'Call Stack' }).innerText()).includes(
      'Paused',
    );
  const variable = async (name) => {
    const row = page
      .locator('.debug-variables .monaco-list-row', { hasText: new RegExp(`^${name} =`) })
      .first();
    return (await row.innerText().catch(() => '')).replace(/^.*?=\s*/s, '').trim();
  };
  const watch = async (expression) => {
    await workbench.runCommand('Debug: Add Expression').catch(() => undefined);
    void expression;
  };
  void watch;

  it('stops at a breakpoint, with its stack and its variables', async () => {
    await workbench.openFile(`drivers/${DRIVER}`);
    await expect.poll(() => workbench.cursor().then(({ line }) => line), PATIENCE).toBe(1);
    await page.keyboard.press('Control+g');
    await workbench.answer(`:${doorbell}`);
    await expect.poll(() => workbench.cursor().then(({ line }) => line), PATIENCE).toBe(doorbell);
    await page.keyboard.press('F9');
    await page.keyboard.press('F5');
    await expect.poll(standsAt, PATIENCE).toBe(doorbell);
    // The first frame that is sent has number 0.
    await expect.poll(() => variable('number'), PATIENCE).toBe('0');
    await workbench.screenshot('debug-breakpoint');
  });

  it('goes back in time', async () => {
    await expect.poll(paused, PATIENCE).toBe(true);
    await page.locator('.debug-toolbar .codicon-debug-step-back').click();
    await expect
      .poll(async () => {
        const line = await standsAt();
        return line > 0 && line !== doorbell;
      }, PATIENCE)
      .toBe(true);
    await workbench.screenshot('debug-back');
  });

  it('goes to an event of the timeline that is clicked', async () => {
    await page.locator('.debug-toolbar .codicon-debug-continue').click();
    await expect.poll(standsAt, PATIENCE).toBe(doorbell);
    await page.locator('.debug-toolbar .codicon-debug-continue').click();
    await expect.poll(() => variable('number'), PATIENCE).toBe('1');
    const frame = await workbench.webview('[data-lane]');
    await frame.locator('.find input, input[placeholder^="Find"]').first().fill('reg:RCTL kind:mmio.write');
    await page.keyboard.press('Enter');
    await expect.poll(() => frame.locator('.details-head').innerText(), PATIENCE).toContain('RCTL');
    const place = await frame.locator('.details-head .source').innerText();
    const line = Number(/:(\d+)/.exec(place)?.[1]);
    expect(lines[line - 1]).toContain('RCTL');
    await frame.locator('.details-head .action', { hasText: 'Go here' }).click();
    await expect.poll(standsAt, PATIENCE).toBe(line);
    await workbench.screenshot('debug-timeline');
  });
});
