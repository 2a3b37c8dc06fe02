#!/usr/bin/env node
/** `npm run screenshot`: makes media/screenshot.png, the picture in the README, from the product as it is. */
import { copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIsCurrent } from './lib/freshness.mjs';
import { checkNode, ensureDependencies } from './lib/setup.mjs';
import { Failure, main, root, run, say } from './lib/shell.mjs';
import { openWorkbench } from '../test/support/workbench.mjs';
import { find, page, runSample } from '../test/support/tour.mjs';

/** The event of the picture: so many matches on. */
const QUERY = 'exit:EPT_MISCONFIG reg:TDT';
const MATCH = 9;
/** Milliseconds for everything to come to rest. */
const REST = 2000;

await main(async () => {
  checkNode();
  await ensureDependencies();
  if (!buildIsCurrent() && (await run(process.execPath, ['esbuild.mjs'])) !== 0)
    throw new Failure('The build failed.');
  const folder = join(mkdtempSync(join(tmpdir(), 'trapline-shot-')), 'trapline-samples');
  cpSync(join(root, 'media', 'workspace'), folder, { recursive: true });
  const settings = {
    'workbench.sideBar.location': 'left',
    'window.zoomLevel': 0,
    'breadcrumbs.enabled': false,
    'editor.minimap.enabled': false,
    'window.title': 'Trapline',
  };
  const workbench = await openWorkbench({
    folder,
    theme: 'Default Dark Modern',
    size: { width: 1400, height: 900 },
    settings,
  });
  try {
    const { frame } = await runSample(workbench);
    await workbench.page.keyboard.press('Control+B');
    await workbench.dismissNotifications();
    // The doorbell of a packet in the middle of the run, its chain over all lanes, and the line of the driver beside them.
    await find(frame, QUERY);
    for (let match = 2; match <= MATCH; match += 1) {
      await workbench.page.keyboard.press('Enter');
      await frame.locator('.badge', { hasText: `${match} of` }).waitFor();
    }
    await frame.locator(page.source).click();
    await workbench.page.locator('.tabs-container .tab', { hasText: 'e1000.c' }).waitFor();
    await workbench.page.waitForTimeout(REST);
    await frame.locator(page.surface).focus();
    await workbench.page.keyboard.press('c');
    await workbench.page.waitForTimeout(REST);
    const picture = await workbench.screenshot('readme');
    copyFileSync(picture, join(root, 'media', 'screenshot.png'));
    say('media/screenshot.png');
    return 0;
  } finally {
    await workbench.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
