#!/usr/bin/env node
/**
 * Looks at the product: opens a folder in a real VS Code, does what the arguments say in their order, takes pictures.
 *
 *   node scripts/look.mjs --folder media/workspace --theme "Default Light Modern" --size 900x600 \
 *     --command "Trapline: Run Scenario" --pick b7 --wait 3000 --shot lanes
 *
 * Steps: --command TITLE, --pick TEXT, --open FILE, --key CHORD, --click SELECTOR (in a webview, else in the window), --wait MS,
 * --webview SELECTOR (wait for it), --shot NAME (artifacts/vscode/NAME.png), --reload. Options: --folder, --theme, --size WxH, --untrusted.
 */
import { Failure, main, say } from './lib/shell.mjs';
import { openWorkbench } from '../test/support/workbench.mjs';

const STEPS = {
  command: (workbench, title) => workbench.runCommand(title),
  pick: (workbench, text) => workbench.answer(text, text),
  open: (workbench, name) => workbench.openFile(name),
  key: (workbench, chord) => workbench.page.keyboard.press(chord),
  wait: (workbench, milliseconds) => workbench.page.waitForTimeout(Number(milliseconds)),
  webview: (workbench, selector) => workbench.webview(selector),
  reload: (workbench) => workbench.reload(),
  shot: async (workbench, name) => say(await workbench.screenshot(name)),
  click: async (workbench, selector) => {
    const frame = await workbench.webview(selector, 3000).catch(() => workbench.page.mainFrame());
    await frame.locator(selector).first().click();
  },
};
const BARE = new Set(['untrusted', 'reload']);

await main(async () => {
  const options = { folder: 'media/workspace', size: '1400x900' };
  const steps = [];
  const words = process.argv.slice(2);
  while (words.length > 0) {
    const name = words.shift().replace(/^--/, '');
    const value = BARE.has(name) ? true : words.shift();
    if (name in STEPS) steps.push([name, value]);
    else if (['folder', 'theme', 'size', 'untrusted'].includes(name)) options[name] = value;
    else throw new Failure(`--${name} is no step and no option; the head of scripts/look.mjs lists them.`);
  }
  const [width, height] = options.size.split('x').map(Number);
  const trusted = options.untrusted !== true;
  const workbench = await openWorkbench({
    folder: options.folder,
    theme: options.theme,
    size: { width, height },
    trusted,
  });
  try {
    for (const [name, value] of steps) await STEPS[name](workbench, value);
    for (const text of await workbench.notifications()) say(`notification: ${text}`);
  } catch (error) {
    await workbench.screenshot('look-failed');
    throw error;
  } finally {
    await workbench.close();
  }
});
