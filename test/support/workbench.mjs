/**
 * The product in a real VS Code, driven as a user drives it: by mouse, keyboard and eye. For UI tests and for looking.
 *
 *   const workbench = await openWorkbench({ folder, theme: 'Default Light Modern' });
 *   await workbench.runCommand('Trapline: Run Scenario');
 *   const frame = await workbench.webview('[data-lane]');
 *   await workbench.screenshot('lanes');
 *   await workbench.close();
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure, root } from '../../scripts/lib/shell.mjs';
import { launchBrowser, startServer, workbenchUrl } from '../../scripts/lib/vscode-session.mjs';

/** Where pictures go; ignored by git. */
export const artifacts = join(root, 'artifacts', 'vscode');

/** How the theme picker names what the setting names. */
const THEME_LABELS = {
  'Default Dark Modern': 'Dark Modern',
  'Default Light Modern': 'Light Modern',
  'Default High Contrast': 'Dark High Contrast',
  'Default High Contrast Light': 'Light High Contrast',
};

/** Longest wait for something that should come, in milliseconds. */
const PATIENCE = 60_000;

/**
 * Starts a server and a browser with the extension of this project, and waits until the workbench is usable.
 * @param {object} options
 * @param {string} options.folder absolute path of the folder to open
 * @param {boolean} [options.trusted] false: the user has answered that the folder's authors are not trusted
 * @param {string} [options.theme] colour theme by its setting's name: `Default Light Modern`
 * @param {Record<string, unknown>} [options.settings]
 * @param {{ width: number, height: number }} [options.size] of the window, in pixels
 * @param {string} [options.extensionPath] another extension than this project's
 * @returns {Promise<Workbench>}
 */
export async function openWorkbench(options) {
  mkdirSync(artifacts, { recursive: true });
  const server = await startServer({
    trusted: options.trusted,
    settings: options.settings,
    logFile: join(artifacts, 'workbench-server.log'),
  });
  try {
    const browser = await launchBrowser();
    try {
      const context = await browser.newContext({
        viewport: options.size ?? { width: 1400, height: 900 },
        // What VS Code takes for its first theme.
        colorScheme: /Light/.test(options.theme ?? 'Light') ? 'light' : 'dark',
      });
      const page = await context.newPage();
      page.setDefaultTimeout(PATIENCE);
      const extensionPaths = [resolve(options.extensionPath ?? root)];
      const workbench = new Workbench(server, browser, page);
      await page.goto(workbenchUrl({ ...server, folder: resolve(options.folder), extensionPaths }));
      await workbench.ready();
      // A theme is the user's setting, and a server has those of its machine only: it is chosen as a user chooses it.
      if (options.theme !== undefined) await workbench.chooseTheme(options.theme);
      if (options.trusted === false)
        await page.getByRole('button', { name: "No, I don't trust the authors" }).click();
      return workbench;
    } catch (error) {
      await browser.close();
      throw error;
    }
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** A workbench window. `page` is playwright's, for everything that has no method here. */
export class Workbench {
  /** What the page's console said as errors and warnings. */
  complaints = [];

  constructor(server, browser, page) {
    this.server = server;
    this.browser = browser;
    this.page = page;
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
  }

  /** Resolves when the workbench can be used: its colour theme, its status bar and the folder's files are there. */
  async ready() {
    await this.page.locator('.monaco-workbench[class*="vscode-theme-"] .statusbar-item').first().waitFor();
    await this.page.locator('.explorer-folders-view .monaco-list-row, .explorer-viewlet').first().waitFor();
  }

  /** Runs a command of the palette by its full title, `Trapline: Run Scenario`. */
  async runCommand(title) {
    const row = this.page.locator('.quick-input-widget:visible .monaco-list-row', { hasText: title }).first();
    const until = Date.now() + PATIENCE;
    // The palette lists what is known when it opens; an extension's commands may arrive a moment after the window.
    for (;;) {
      await this.page.keyboard.press('F1');
      await this.page.locator('.quick-input-widget:visible input[type="text"]').first().fill(`>${title}`);
      const found = await row.waitFor({ timeout: 1500 }).then(
        () => true,
        () => false,
      );
      if (found) return this.accept(title);
      if (Date.now() > until) throw new Failure(`The palette has no command "${title}".`);
      await this.page.keyboard.press('Escape');
    }
  }

  /**
   * Types into the open quick pick or input box and accepts.
   * @param {string} text what to type
   * @param {string} [row] wait for a row that holds this text, and take that one
   */
  async answer(text, row) {
    const widget = this.page.locator('.quick-input-widget:visible');
    const input = widget.locator('input[type="text"]:visible').first();
    await input.waitFor();
    await input.fill(text);
    if (row === undefined) {
      await input.press('Enter');
      return;
    }
    await widget.locator('.monaco-list-row', { hasText: row }).first().waitFor();
    await this.accept(row);
  }

  /** Accepts the row of the open quick pick that holds a text: by the keyboard, for a hover may lie over the rows. */
  async accept(text) {
    const rows = this.page.locator('.quick-input-widget:visible .monaco-list-row');
    for (let presses = 0; presses < 50; presses++) {
      const focused = await rows.and(this.page.locator('.focused')).allInnerTexts();
      if (focused.some((row) => row.includes(text))) return this.page.keyboard.press('Enter');
      await this.page.keyboard.press('ArrowDown');
    }
    throw new Failure(`The row "${text}" could not be reached.`);
  }

  /** Rows of the open quick pick, as shown. */
  async choices() {
    const rows = this.page.locator('.quick-input-widget:visible .monaco-list-row');
    await rows.first().waitFor();
    return rows.allInnerTexts();
  }

  /** Opens a file of the folder by its name, as Go to File does. */
  async openFile(name) {
    await this.page.keyboard.press('Control+P');
    await this.answer(name, name.split('/').at(-1));
  }

  /** Titles of the open editor tabs. */
  async tabs() {
    return this.page.locator('.tabs-container .tab .label-name').allInnerTexts();
  }

  /**
   * Frame of a webview, once it holds an element that matches. Webviews are two frames deep.
   * @param {string} selector of something that the page shows when it is usable
   */
  async webview(selector = 'body *', timeout = PATIENCE) {
    const until = Date.now() + timeout;
    while (Date.now() < until) {
      for (const frame of this.page.frames()) {
        if (!/fake\.html|webview/.test(frame.url()) || frame.childFrames().length > 0) continue;
        const found = await frame
          .locator(selector)
          .first()
          .isVisible()
          .catch(() => false);
        if (found) return frame;
      }
      await this.page.waitForTimeout(100);
    }
    const frames = this.page.frames().map((frame) => frame.url().slice(0, 120));
    throw new Failure(`No webview shows ${selector} after ${timeout} ms. Frames:\n${frames.join('\n')}`);
  }

  /** Line and column as the status bar tells them, e.g. `{ line: 142, column: 1 }`. */
  async cursor() {
    const text = await this.page.locator('#status\\.editor\\.selection').innerText();
    const found = /Ln (\d+), Col (\d+)/.exec(text);
    if (found === null) throw new Failure(`The status bar tells no cursor position but "${text}".`);
    return { line: Number(found[1]), column: Number(found[2]) };
  }

  /** Texts of the notifications that are on the screen. */
  async notifications() {
    return this.page.locator('.notifications-toasts .notification-list-item-message').allInnerTexts();
  }

  /** Chooses a colour theme by its setting's name as a user does, and waits until the window has it. */
  async chooseTheme(name) {
    const label = THEME_LABELS[name];
    if (label === undefined)
      throw new Failure(`No theme "${name}". There are: ${Object.keys(THEME_LABELS).join(', ')}.`);
    await this.runCommand('Preferences: Color Theme');
    await this.answer(label, label);
    const file = name.replace(/^Default /, '');
    const part =
      { 'High Contrast': 'hc_black', 'High Contrast Light': 'hc_light' }[file] ??
      file.toLowerCase().replace(' ', '_');
    await this.page.locator(`.monaco-workbench[class*="${part}"]`).waitFor();
  }

  /** Takes the notifications off the screen. */
  async dismissNotifications() {
    await this.runCommand('Notifications: Clear All Notifications');
  }

  /** Saves a picture of the window as `artifacts/vscode/<name>.png`. */
  async screenshot(name) {
    const path = join(artifacts, `${name}.png`);
    await this.page.screenshot({ path });
    return path;
  }

  /** Reload Window: by its command, which has everything saved before it leaves; the page's own reload does not wait for that. */
  async reload() {
    const loaded = this.page.waitForEvent('load');
    await this.runCommand('Developer: Reload Window');
    await loaded;
    await this.ready();
  }

  async close() {
    await this.browser.close();
    await this.server.stop();
  }
}
