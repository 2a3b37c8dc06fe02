#!/usr/bin/env node
/** `npm run screenshot`: makes media/screenshot.png, the picture in the README, from the product as it is. */
import { copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIsCurrent } from './lib/freshness.mjs';
import { checkNode, ensureDependencies } from './lib/setup.mjs';
import { Failure, main, root, run, say } from './lib/shell.mjs';
import { openWorkbench } from '../test/support/workbench.mjs';
import { openSourceOfExit, runSample } from '../test/support/tour.mjs';

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
    size: { width: 1600, height: 1000 },
    settings,
  });
  try {
    const { frame } = await runSample(workbench);
    await openSourceOfExit(workbench, frame);
    await workbench.page.keyboard.press('Control+B');
    await workbench.dismissNotifications();
    await workbench.page.waitForTimeout(1000);
    const picture = await workbench.screenshot('readme');
    copyFileSync(picture, join(root, 'media', 'screenshot.png'));
    say('media/screenshot.png');
    return 0;
  } finally {
    await workbench.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
