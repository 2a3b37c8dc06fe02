/** The product as a user meets it: palette, lanes, a click, the C line; then reload, and a folder that is not trusted. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../../scripts/lib/shell.mjs';
import {
  coloursOf,
  find,
  laneTexts,
  lineEndDecorations,
  openSourceOfExit,
  page,
  runSample,
} from '../../support/tour.mjs';
import { openWorkbench } from '../../support/workbench.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-ui-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A copy of the sample workspace of its own for each window. */
function sampleFolder(name) {
  const folder = join(scratch, name);
  cpSync(join(root, 'media', 'workspace'), folder, { recursive: true });
  return folder;
}

/** Keeps a picture of the window when a test fails. */
function picturesOfFailures(current) {
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail')
      await current()?.screenshot(`failed-${task.name.replace(/\W+/g, '-')}`);
  });
}

describe('a trusted folder', () => {
  const folder = sampleFolder('samples');
  let workbench;
  let frame;
  beforeAll(async () => {
    workbench = await openWorkbench({ folder });
  });
  afterAll(() => workbench?.close());
  picturesOfFailures(() => workbench);

  it('offers every scenario of the folder and runs the chosen one', async () => {
    await workbench.runCommand('Trapline: Run Scenario');
    // The list shows as many as it has room for; what is typed narrows it.
    expect((await workbench.choices()).join('\n')).toContain('a1-pio');
    for (const name of ['b7-e1000-emulated', 'hello']) {
      await workbench.page.keyboard.press('Control+a');
      await workbench.page.keyboard.type(name);
      await expect
        .poll(async () => (await workbench.choices()).join('\n'))
        .toMatch(new RegExp(`^\\s*${name}`));
    }
    await workbench.page.keyboard.press('Escape');
    ({ frame } = await runSample(workbench));
    expect((await workbench.tabs()).join()).toContain('b7-e1000-emulated');
  });

  it('shows the lanes of the machine, and they are not blank', async () => {
    const texts = await laneTexts(frame);
    for (const text of ['vm0', 'vCPU 0', 'mode', 'exits', 'interrupts', 'e1000', 'registers'])
      expect(texts).toContain(text);
    // Axis, text, and at least guest, KVM and QEMU in their own colours.
    expect(await coloursOf(frame)).toBeGreaterThan(5);
    await workbench.screenshot('lanes');
  });

  it('leads from a click on an exit to the line that caused it', async () => {
    const { file, line } = await openSourceOfExit(workbench, frame);
    // The click shows the line and leaves the keyboard in the timeline; Enter goes there.
    await workbench.page.keyboard.press('Enter');
    await expect.poll(() => workbench.cursor().then((at) => at.line), { timeout: 10_000 }).toBe(line);
    // The instruction that left the guest stands in a line of that file, which is in the sample or in the kit.
    const places = [join(folder, 'drivers', file), join(root, 'media', 'guest-kit', file)].filter((path) =>
      existsSync(path),
    );
    expect(places).toHaveLength(1);
    expect(readFileSync(places[0], 'utf8').split('\n')[line - 1]?.trim()).not.toBe('');
    expect(await workbench.tabs()).toContain(file);
    await workbench.screenshot('source');
  });

  it('writes behind the lines of the driver what they cost', async () => {
    await workbench.openFile('e1000.c');
    await expect
      .poll(() => lineEndDecorations(workbench).then((all) => all.join('\n')), { timeout: 10_000 })
      .toMatch(/\d+ exits?/);
    await workbench.screenshot('decorations');
  });

  it('keeps the zoom and the selection when the window is loaded anew', async () => {
    const traceTab = workbench.page.locator('.tabs-container .tab', { hasText: 'b7-e1000-emulated' }).first();
    await traceTab.click();
    frame = await workbench.webview(page.lane);
    await find(frame, 'reason:EPT_MISCONFIG');
    const before = {
      range: await frame.locator('.range').innerText(),
      head: await frame.locator('.details-head').innerText(),
    };
    await workbench.reload();
    const again = workbench.page.locator('.tabs-container .tab', { hasText: 'b7-e1000-emulated' }).first();
    await again.click();
    frame = await workbench.webview('.details-head');
    await expect.poll(() => frame.locator('.range').innerText()).toBe(before.range);
    expect(await frame.locator('.details-head').innerText()).toBe(before.head);
    await workbench.screenshot('reloaded');
  });
});

describe('a folder that is not trusted', () => {
  let workbench;
  beforeAll(async () => {
    const folder = sampleFolder('untrusted');
    const made = spawnSync(process.execPath, [
      join(root, 'dist', 'cli.js'),
      'run',
      join(folder, 'scenarios', 'b7-e1000-emulated.trapline.json'),
      '--out',
      join(folder, 'kept.trapline.arrow'),
    ]);
    expect(made.status, String(made.stderr)).toBe(0);
    workbench = await openWorkbench({ folder, trusted: false });
  });
  afterAll(() => workbench?.close());
  picturesOfFailures(() => workbench);

  it('shows a trace', async () => {
    await workbench.openFile('kept.trapline.arrow');
    const frame = await workbench.webview(page.lane);
    expect(await laneTexts(frame)).toContain('exits');
    await expect.poll(() => coloursOf(frame)).toBeGreaterThan(5);
    await workbench.screenshot('untrusted');
  });

  it('runs nothing', async () => {
    await workbench.page.keyboard.press('F1');
    await workbench.page
      .locator('.quick-input-widget:visible input[type="text"]')
      .first()
      .fill('>Trapline: ');
    const offered = (await workbench.choices()).join('\n');
    expect(offered).toContain('Open Trace');
    // A command that may not run here is not offered.
    expect(offered).not.toContain('Run Scenario');
    await workbench.page.keyboard.press('Escape');
    const frame = await workbench.webview(page.lane);
    await frame.locator(page.runAgain).click();
    await expect.poll(() => workbench.notifications().then((all) => all.join('\n'))).toMatch(/trust/i);
  });
});
