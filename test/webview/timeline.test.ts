/** What a reader does with the lanes and with time: pinning, hiding, measuring, marking, folding. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ViewportQuery } from '../../src/protocol/viewport';
import { Harness, boxOf, settle, stateOf, surfaceBox, type OpenPage, type Setup } from './harness';

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

async function pageOf(setup: Setup, size?: { width: number; height: number }): Promise<Page> {
  open = await harness.open(setup, 'dark', size);
  return open.page;
}

async function called(page: Page, method: string): Promise<unknown[][]> {
  await settle(page);
  return page.evaluate(
    (name) => window.fakeHost.calls.filter((call) => call.method === name).map((call) => call.args),
    method,
  );
}

/** Last arguments of a call. */
async function last<T>(page: Page, method: string): Promise<T> {
  return (await called(page, method)).at(-1)?.[0] as T;
}

const names = (page: Page, where: string): Promise<string[]> =>
  page.locator(`${where} .gutter-lane`).evaluateAll((all) => all.map((each) => each.dataset['lane'] ?? ''));

async function press(page: Page, ...keys: string[]): Promise<void> {
  await page.locator('.surface').focus();
  for (const key of keys) await page.keyboard.press(key);
  await settle(page);
}

/** Where a time stands across the page. */
async function xOf(page: Page, cycles: number): Promise<number> {
  const box = await surfaceBox(page);
  const { window: shown } = await stateOf(page);
  return box.x + ((cycles - shown.from) / (shown.to - shown.from)) * box.width;
}

describe('lanes', () => {
  it('only those in sight are asked for, and others as they are scrolled to', async () => {
    const page = await pageOf({ packets: 300 }, { width: 900, height: 430 });
    const asked = async (): Promise<string[]> =>
      (await called(page, 'viewport'))
        .map(([query]) => query as ViewportQuery)
        .flatMap(({ lanes }) => lanes.map(({ id }) => id))
        .filter((id) => !id.startsWith('overview/'));
    const before = new Set(await asked());
    const all = await names(page, '.gutter');
    expect(before.size).toBeLessThan(all.length);
    await page.locator('.scroller').evaluate((scroller) => (scroller.scrollTop = scroller.scrollHeight));
    const after = new Set(await asked());
    expect(after).toContain(all.at(-1));
    expect(before).not.toContain(all.at(-1));
  });

  it('the modes stay at the top while the others scroll; P lets them go', async () => {
    const page = await pageOf({ packets: 30 }, { width: 900, height: 430 });
    const [mode] = await names(page, '.gutter-pinned');
    expect(mode).toMatch(/mode$/);
    const before = await boxOf(page, '.gutter-pinned .gutter-lane');
    await page.locator('.scroller').evaluate((scroller) => (scroller.scrollTop = 60));
    await settle(page);
    expect(await boxOf(page, '.gutter-pinned .gutter-lane')).toEqual(before);
    await page.locator('.gutter-pinned .gutter-lane').click();
    await press(page, 'p');
    expect(await names(page, '.gutter-pinned')).toEqual([]);
    expect(await last(page, 'keepChoices')).toMatchObject({ pinned: [] });
  });

  it('are hidden by H, moved by Alt+Down, and come back as chosen in the next run of the scenario', async () => {
    const page = await pageOf({ packets: 5 });
    const all = await names(page, '.gutter-rows');
    await page.locator('.gutter-rows .gutter-lane').first().click();
    await press(page, 'h');
    expect(await names(page, '.gutter-rows')).toEqual(all.slice(1));
    await page.locator('.gutter-rows .gutter-lane').first().click();
    await press(page, 'Alt+ArrowDown');
    const chosen = [all[2], all[1], ...all.slice(3)];
    expect(await names(page, '.gutter-rows')).toEqual(chosen);
    await page.reload();
    await page.evaluate(() => window.fakeHost.start({ packets: 9, state: 'finished' }));
    await settle(page);
    expect(await names(page, '.gutter-rows')).toEqual(chosen);
  });

  it('are dragged to another place under their heading', async () => {
    const page = await pageOf({ packets: 5 });
    const all = await names(page, '.gutter-rows');
    const first = await boxOf(page, `[data-lane="${all[0]}"]`);
    const third = await boxOf(page, `[data-lane="${all[2]}"]`);
    await page.mouse.move(first.x + 30, first.y + first.height / 2);
    await page.mouse.down();
    await page.mouse.move(first.x + 30, third.y + third.height - 3, { steps: 4 });
    await page.mouse.up();
    await settle(page);
    expect(await names(page, '.gutter-rows')).toEqual([all[1], all[2], all[0], ...all.slice(3)]);
  });

  it('are found and checked in a menu, which gives the keyboard back', async () => {
    const page = await pageOf({ packets: 5 });
    await press(page, 'l');
    await page.keyboard.type('dma');
    await page.locator('.lane-choice input').first().uncheck();
    expect((await names(page, '.gutter')).filter((id) => id.endsWith('/DMA'))).toEqual([]);
    await page.keyboard.press('Escape');
    expect(await page.locator('.popover:visible').count()).toBe(0);
  });
});

describe('measuring', () => {
  it('two cursors take the edges of the selected event, and say how far apart they are', async () => {
    const page = await pageOf({ packets: 5 });
    const exit = await page.evaluate(() => window.fakeHost.first('exit.EPT_MISCONFIG'));
    await page.evaluate((row) => window.fakeHost.post({ type: 'reveal', row }), exit.row);
    await settle(page);
    await press(page, '1', '2');
    const x = await xOf(page, exit.start);
    const box = await surfaceBox(page);
    await page.mouse.move(x, box.y + 20);
    await settle(page);
    expect(await page.locator('.surface.on-handle').count()).toBe(1);
    await press(page, 'Escape');
    await page.mouse.move(x + 1, box.y + 20);
    await settle(page);
    expect(await page.locator('.surface.on-handle').count()).toBe(0);
    // The cursors went first: the event is selected still.
    expect((await stateOf(page)).selection).toBe(exit.row);
  });

  it('a marked range asks how many events it holds', async () => {
    const page = await pageOf({ packets: 10 });
    const box = await surfaceBox(page);
    await page.keyboard.down('Shift');
    await page.mouse.move(box.x + 100, box.y + 380);
    await page.mouse.down();
    await page.mouse.move(box.x + 300, box.y + 380, { steps: 3 });
    await page.mouse.up();
    await page.keyboard.up('Shift');
    const asked = (await called(page, 'events')).map(([query]) => query as { limit: number; from: number });
    expect(asked.some(({ limit }) => limit === 0)).toBe(true);
  });
});

describe('bookmarks', () => {
  it('are named at the selected event, kept by the host, listed, and shown on the overview', async () => {
    const page = await pageOf({ packets: 5 });
    const exit = await page.evaluate(() => window.fakeHost.first('exit.EPT_MISCONFIG'));
    await page.evaluate((row) => window.fakeHost.post({ type: 'reveal', row }), exit.row);
    await settle(page);
    await press(page, 'm');
    await page.keyboard.type('<b>first</b> store');
    await page.keyboard.press('Tab');
    await page.keyboard.type('why');
    await page.keyboard.press('Enter');
    expect(await last(page, 'keepBookmarks')).toEqual([
      { time: exit.start, name: '<b>first</b> store', note: 'why' },
    ]);
    expect(await page.locator('.minimap-mark').count()).toBe(1);
    await page.getByRole('button', { name: 'Bookmarks' }).click();
    expect(await page.locator('.bookmark-name').innerText()).toContain('<b>first</b> store');
    await page.locator('.bookmark vscode-button').click();
    expect(await last(page, 'keepBookmarks')).toEqual([]);
  });
});

describe('time', () => {
  it('is read in seconds, in cycles, or since the selected event', async () => {
    const page = await pageOf({ packets: 5 });
    await page.evaluate(() =>
      window.fakeHost.post({ type: 'reveal', row: window.fakeHost.first('exit.HLT').row }),
    );
    await settle(page);
    const base = (): Promise<string> => page.locator('.axis-base').innerText();
    expect(await base()).toBe('');
    await press(page, 't');
    expect(await base()).toBe('cycles');
    await press(page, 't');
    expect(await base()).toBe('since selected');
    await press(page, 't');
    expect(await base()).toBe('');
  });

  it('idle stretches are folded: the same lanes take less room, and unfold again', async () => {
    const page = await pageOf({ packets: 5 });
    const halts = await page.evaluate(() => window.fakeHost.first('exit.HLT'));
    const end = await page.evaluate(() => window.fakeHost.endTime());
    const asked = async (): Promise<ViewportQuery[]> => {
      const all = (await called(page, 'viewport')).map(([query]) => query as ViewportQuery);
      return all.filter(({ lanes }) => lanes.every(({ id }) => !/^(overview|idle)/.test(id)));
    };
    const before = (await asked()).length;
    await press(page, 'i');
    const folded = (await asked()).slice(before);
    expect(folded.length).toBeGreaterThan(1);
    // No question goes through the middle of a halt, and all of them are in the trace.
    const middle = halts.start + halts.duration / 2;
    for (const { from, to } of folded) {
      expect(from > middle || to < middle).toBe(true);
      expect(from).toBeLessThan(end);
    }
    await press(page, 'i');
    expect(await last(page, 'keepChoices')).toMatchObject({ foldIdle: false });
  });
});

it('says that it loads before it knows anything, and shows the lanes’ names before their events', async () => {
  const page = await pageOf({ packets: 5, silent: true });
  expect(await page.locator('.banner').innerText()).toContain('Loading the trace');
  await page.evaluate(() => window.fakeHost.start({ packets: 0, state: 'finished' }));
  await page.locator('.gutter-lane').first().waitFor();
});
