/** Runs compared in VS Code: chosen by hand, shown on a page, followed to an event of a trace and to a line of the driver. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../../scripts/lib/shell.mjs';
import { openWorkbench } from '../../support/workbench.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-compare-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('runs side by side', () => {
  const folder = join(scratch, 'samples');
  let workbench;
  let frame;

  beforeAll(async () => {
    cpSync(join(root, 'media', 'workspace'), folder, { recursive: true });
    for (const name of ['c7-virtio', 'c7-vhost']) {
      const scenario = join(folder, 'scenarios', `${name}.trapline.json`);
      const text = readFileSync(scenario, 'utf8').replace(/"PACKETS": \d+/, '"PACKETS": 300');
      writeFileSync(scenario, text.replace(/"expect": \{[^}]*\},?/, ''));
      const trace = join(folder, `few-${name}.trapline.arrow`);
      execFileSync(process.execPath, [
        join(root, 'dist', 'cli.js'),
        'run',
        scenario,
        '--out',
        trace,
        '--quiet',
      ]);
    }
    workbench = await openWorkbench({ folder, theme: 'Default Dark Modern' });
  });
  afterAll(() => workbench?.close());
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail')
      await workbench?.screenshot(`failed-${task.name.replace(/\W+/g, '-')}`);
  });

  it('are chosen from the list, and shown on a page', async () => {
    await workbench.runCommand('Trapline: Compare Runs');
    const widget = workbench.page.locator('.quick-input-widget:visible');
    await widget.locator('input[type="text"]:visible').first().fill('few-');
    for (const name of ['few-c7-vhost', 'few-c7-virtio'])
      await widget
        .locator('.monaco-list-row', { hasText: name })
        .locator('.monaco-icon-label')
        .first()
        .click();
    await widget.locator('input[type="text"]:visible').first().press('Enter');
    frame = await workbench.webview('.figures');
    await frame.locator('.course .stage').first().waitFor();
    expect(await frame.locator('.runs').innerText()).toMatch(/few-c7-vhost[^]*few-c7-virtio/);
    expect(await frame.locator('.figures tbody').innerText()).toContain('EPT_MISCONFIG');
    await workbench.screenshot('compare');
  });

  it('lead from a figure to its event in the trace beside', async () => {
    const row = frame.locator('.figures tbody tr', { hasText: 'EPT_MISCONFIG' });
    await row.locator('.link').nth(1).click();
    const trace = await workbench.webview('.details-head');
    await expect
      .poll(() => trace.locator('.details-head').innerText(), { timeout: 20_000 })
      .toContain('EPT_MISCONFIG');
    expect((await workbench.tabs()).join()).toContain('few-c7-virtio');
    await workbench.screenshot('compare-trace');
  });

  it('lead from a line that differs to the driver', async () => {
    const card = frame.locator('.card', { hasText: 'By line of source' });
    const line = card.locator('tbody th .link').first();
    const [file] = (await line.innerText()).split(':');
    await line.click();
    await expect.poll(() => workbench.tabs().then((all) => all.join()), { timeout: 20_000 }).toContain(file);
  });
});
