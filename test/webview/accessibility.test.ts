/** Nothing on the page shuts a reader out: in any theme, by keyboard alone, and read aloud. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tabIds } from '../../webview/app/model';
import { Harness, settle, stateOf, type OpenPage, type Setup } from './harness';
import type { ThemeName } from './themes';

interface Axe {
  run(
    context: unknown,
    options: unknown,
  ): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** The page stands inside VS Code's: it needs no heading and no landmarks of its own. */
const OF_WHOLE_PAGES = ['page-has-heading-one', 'region', 'landmark-one-main'];

let harness: Harness;
let open: OpenPage | undefined;
beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness?.stop());
afterEach(async () => {
  const problems = open?.problems ?? [];
  await open?.page.close();
  open = undefined;
  expect(problems).toEqual([]);
});

async function pageOf(setup: Setup, theme: ThemeName = 'dark'): Promise<Page> {
  open = await harness.open(setup, theme);
  return open.page;
}

async function violations(page: Page): Promise<string[]> {
  return page.evaluate(async (rules) => {
    const { axe } = window as unknown as { axe: Axe };
    const off = Object.fromEntries(rules.map((id) => [id, { enabled: false }]));
    const { violations: found } = await axe.run(document, { rules: off });
    return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
  }, OF_WHOLE_PAGES);
}

async function press(page: Page, ...keys: string[]): Promise<void> {
  for (const key of keys) {
    await page.keyboard.press(key);
    await settle(page);
  }
}

/** What was read aloud last. */
async function said(page: Page): Promise<string> {
  await settle(page);
  const sentences = await page.locator('.voice p').allTextContents();
  return (sentences.at(-1) ?? '').replace(/\s/g, ' ');
}

const within = (page: Page, selector: string): Promise<boolean> =>
  page.evaluate((wanted) => document.activeElement?.closest(wanted) !== null, selector);

describe.each(['dark', 'light', 'hc-dark', 'hc-light'] as const)('in %s', (theme) => {
  it('axe finds nothing in any tab, menu, list or message', { timeout: 120_000 }, async () => {
    const page = await pageOf({ packets: 20, state: 'cancelled' }, theme);
    await page.evaluate(AXE);
    expect(await violations(page), 'nothing selected').toEqual([]);
    await page.evaluate(() => window.fakeHost.post({ type: 'reveal', row: 1 }));
    await settle(page);
    for (const tab of tabIds) {
      await page.locator(`#tab-${tab}`).click();
      await settle(page);
      expect(await violations(page), tab).toEqual([]);
    }
    const surface = page.locator('.surface');
    const states: readonly (readonly [name: string, ...keys: string[]])[] = [
      ['lane menu', 'l'],
      ['bookmark form', 'm'],
      ['help', '?'],
    ];
    for (const [name, ...keys] of states) {
      await surface.focus();
      await press(page, ...keys);
      expect(await violations(page), name).toEqual([]);
      await press(page, 'Escape');
    }
    await surface.focus();
    await press(page, 'm', 'Enter');
    await page.getByRole('button', { name: 'Bookmarks' }).click();
    await settle(page);
    expect(await violations(page), 'bookmarks').toEqual([]);
    await press(page, 'Escape', '/', 'ArrowDown');
    expect(await page.locator('.completion').count()).toBeGreaterThan(20);
    expect(await violations(page), 'all completions').toEqual([]);
    await page.keyboard.type('exit');
    await press(page, 'ArrowDown');
    expect(await violations(page), 'completions').toEqual([]);
    await page.keyboard.press('Control+A');
    await page.keyboard.type('reson:EPT');
    await press(page, 'Enter');
    expect(await page.locator('.find-error').innerText()).not.toBe('');
    expect(await violations(page), 'a query that is wrong').toEqual([]);
    await page.keyboard.press('Control+A');
    await page.keyboard.type('kind:packet.tx ');
    await press(page, 'Control+Enter');
    expect(await violations(page), 'a lane of a query').toEqual([]);
  });
});

it('is gone through by the keyboard alone: find, chain, bookmark, lanes, a lane of a query, events, and back', async () => {
  const page = await pageOf({ packets: 20 });
  await page.locator('.surface').focus();
  await press(page, '/');
  await page.keyboard.type('exit:EPT_MISCONFIG ');
  await press(page, 'Enter');
  const exit = await page.evaluate(() => window.fakeHost.first('exit.EPT_MISCONFIG').row);
  expect((await stateOf(page)).selection).toBe(exit);
  // A lane of the query; the keyboard leaves the find box by Tab.
  await press(page, 'Control+Enter');
  expect(await page.locator('.gutter-lane.active').innerText()).toContain('exit:EPT_MISCONFIG');
  await press(page, 'Escape', 'Escape');
  for (let tabs = 0; tabs < 20 && !(await within(page, '.surface')); tabs++) await page.keyboard.press('Tab');
  expect(await within(page, '.surface')).toBe(true);
  // From event to event, and from lane to lane.
  await press(page, '.');
  expect((await stateOf(page)).selection).toBeGreaterThan(exit);
  await press(page, 'F2');
  await page.keyboard.type('doorbells');
  await press(page, 'Enter');
  expect(await page.locator('.gutter-lane.active').innerText()).toContain('doorbells');
  expect(await within(page, '.surface')).toBe(true);
  await press(page, 'm');
  await page.keyboard.type('here');
  await press(page, 'Enter');
  expect(await page.locator('.minimap-mark').count()).toBe(1);
  expect(await within(page, '.surface')).toBe(true);
  await press(page, 'l');
  expect(await within(page, '.popover')).toBe(true);
  await press(page, 'Escape');
  expect(await within(page, '.surface')).toBe(true);
  await press(page, 'Delete');
  expect(await page.locator('.gutter-lane', { hasText: 'doorbells' }).count()).toBe(0);
  // The panel: by Tab to its tabs, by arrows along them, and into the view.
  for (let tabs = 0; tabs < 20 && !(await within(page, 'vscode-panel-tab')); tabs++)
    await page.keyboard.press('Tab');
  await press(page, 'ArrowRight');
  expect((await stateOf(page)).tab).toBe('chain');
  await press(page, 'End');
  expect((await stateOf(page)).tab).toBe('events');
  for (let tabs = 0; tabs < 20 && !(await within(page, '.events-grid')); tabs++)
    await page.keyboard.press('Tab');
  const before = (await stateOf(page)).selection;
  await press(page, 'ArrowDown');
  expect((await stateOf(page)).selection).toBe(before + 1);
  await press(page, 'Escape');
  expect(await within(page, '.surface')).toBe(true);
  // Esc steps out of the selection, then out of the zoom.
  await press(page, 'Escape');
  expect((await stateOf(page)).selection).toBe(-1);
});

it('says what has become of what the reader did', async () => {
  const page = await pageOf({ packets: 20 });
  await page.locator('.surface').focus();
  await press(page, 'w');
  expect(await said(page)).toMatch(/^Showing .+ – .+ \(.+\)$/);
  await press(page, 'ArrowDown');
  const lanes = await page.locator('.gutter-lane').count();
  expect(await said(page)).toBe(`Lane vCPU 0 mode of vm0, 1 of ${lanes}`);
  await press(page, 'p');
  expect(await said(page)).toBe('vCPU 0 mode scrolls');
  await press(page, 'h');
  expect(await said(page)).toBe('vCPU 0 mode hidden; L brings it back');
  await press(page, '1');
  expect(await said(page)).toMatch(/^Select an event/);
  const exit = await page.evaluate(() => window.fakeHost.first('exit.EPT_MISCONFIG'));
  await page.evaluate((row) => window.fakeHost.post({ type: 'reveal', row }), exit.row);
  expect(await said(page)).toBe((await page.locator('.details .sentence').innerText()).replace(/\s/g, ' '));
  await press(page, '1', '2');
  // The cursors take both edges of the event.
  const length = (await page.locator('.details-head .number').innerText()).replace(/\s/g, ' ');
  expect(await said(page)).toMatch(new RegExp(`^Cursor B at .+; ${length} apart$`));
  await press(page, 'Escape');
  expect(await said(page)).toBe('Cursors taken away');
  await press(page, 't');
  expect(await said(page)).toBe('Times in cycles');
  await press(page, '/');
  await page.keyboard.type('kind:packet.tx ');
  await press(page, 'Enter');
  const sentences = (await page.locator('.voice p').allTextContents()).join('\n');
  expect(sentences).toMatch(/Match 1 of 20/);
});

it('every event can be read in the table, which says how many rows it has and where each stands', async () => {
  const page = await pageOf({ packets: 4 });
  await page.locator('#tab-events').click();
  await settle(page);
  const rows = await page.evaluate(() => window.fakeHost.rows());
  const grid = page.locator('.events-grid');
  expect(await grid.getAttribute('role')).toBe('grid');
  expect(await grid.getAttribute('aria-rowcount')).toBe(String(rows + 1));
  expect(await grid.getAttribute('aria-colcount')).toBe('6');
  await grid.focus();
  await press(page, 'Home');
  const seen = new Map<number, string>();
  // No more lines than fit are there at once; by paging, all of them come.
  for (let page_ = 0; page_ * 10 < rows + 10; page_++) {
    const lines = await page.locator('.events-body [role=row]').evaluateAll((all) =>
      all.map((line) => ({
        at: Number(line.getAttribute('aria-rowindex')) - 2,
        cells: [...line.querySelectorAll('[role=gridcell]')].map((cell) => cell.textContent ?? ''),
      })),
    );
    expect(lines.length).toBeLessThan(60);
    for (const { at, cells } of lines) {
      expect(cells).toHaveLength(6);
      seen.set(at, cells[3] ?? '');
    }
    await press(page, 'PageDown');
  }
  expect([...seen.keys()].sort((a, b) => a - b)).toEqual([...Array(rows).keys()]);
  expect([...seen.values()].filter((name) => name === '')).toEqual([]);
  // The row of the keyboard is the selected event, and is told to be.
  await press(page, 'End');
  expect((await stateOf(page)).selection).toBe(rows - 1);
  const active = await grid.getAttribute('aria-activedescendant');
  expect(await page.locator(`#${active}`).getAttribute('aria-selected')).toBe('true');
});

it('nothing moves by itself for a reader who wants little motion', async () => {
  const page = await pageOf({ packets: 20, state: 'running' });
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const windows = await page.evaluate(async () => {
    const widths: string[] = [];
    const frame = document.querySelector('.minimap .frame');
    const note = (): void => {
      widths.push(frame instanceof HTMLElement ? frame.style.width : '');
    };
    document
      .querySelector<HTMLElement>('.surface')
      ?.dispatchEvent(new KeyboardEvent('keydown', { key: 'w' }));
    note();
    await window.fakeHost.atRest();
    note();
    return widths;
  });
  // The zoom is there at once, and it stays as it is.
  expect(windows[0]).not.toBe('');
  expect(windows[0]).toBe(windows[1]);
  const running = await page
    .locator('.banner-mark')
    .evaluate((mark) => getComputedStyle(mark, '::before').animationName);
  expect(running).toBe('none');
});
